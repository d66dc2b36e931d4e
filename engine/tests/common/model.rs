//! The real model, pulled when it is missing.

use std::{env, sync::Arc};

use lode_engine::store::{ModelFile, Sources, Store};

/// `$LODE_MODEL`, or SmolLM2 from the user's store. `None` (with a line that says so) where it
/// cannot be had, unless LODE_SHARED is set: there its absence is a failure.
pub(crate) async fn model() -> Option<ModelFile> {
    let store = match Store::of_user() {
        Ok(store) => store,
        Err(error) => return missing(&error.to_string()),
    };
    let found = match env::var("LODE_MODEL") {
        Ok(path) => store.resolve(&path),
        Err(_) => store.pull("smollm2-135m", &Sources::default(), Arc::new(|_| {})).await,
    };
    match found {
        Ok(file) => Some(file),
        Err(error) => missing(&error.to_string()),
    }
}

fn missing(reason: &str) -> Option<ModelFile> {
    assert!(env::var_os("LODE_SHARED").is_none(), "the model cannot be had: {reason}");
    eprintln!("SKIPPED: the model cannot be had: {reason}");
    None
}
