//! What really went wrong with an HTTP call.

use std::error::Error;

/// The causes of an HTTP client's error, outermost first. Its own text is left out where there are
/// any: it only repeats the URL.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
