//! `lode task grade`: one completion, graded by rule.

use std::{io::Read, path::Path};

use anyhow::{Context, bail};
use lode_proto::{attempt::Finish, limits::MAX_COMPLETION_BYTES, plain};
use lode_tasks::grade::grade as grade_completion;

use super::make;
use crate::{Outcome, args::TaskSelection, term};

fn read_completion(path: &Path) -> anyhow::Result<Vec<u8>> {
    let limit = MAX_COMPLETION_BYTES as u64;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    if bytes.len() > MAX_COMPLETION_BYTES {
        bail!(
            "the completion is longer than {MAX_COMPLETION_BYTES} bytes, the most that is graded"
        );
    }
    Ok(bytes)
}

pub(crate) fn grade(
    selection: &TaskSelection,
    completion: &Path,
    json: bool,
) -> anyhow::Result<Outcome> {
    let completion = read_completion(completion)?;
    let (task, key) = make(selection)?;
    let verdict = grade_completion(&task, &key, &completion, Finish::Stop);
    if json {
        let hash = verdict.hash()?;
        term::json(&serde_json::json!({ "hash": hash, "verdict": verdict }))?;
    } else {
        match verdict.failure {
            None => term::print_line(&format!("passes, quality {}/1000", verdict.quality_milli))?,
            Some(class) => term::print_line(&format!(
                "fails ({}), quality {}/1000",
                serde_json::to_value(class)?.as_str().unwrap_or("?"),
                verdict.quality_milli
            ))?,
        }
        for reason in &verdict.reasons {
            // A reason quotes the completion, which is anyone's.
            term::print_line(&format!("  {}", plain::line(&reason.text)))?;
        }
    }
    Ok(if verdict.passes() { Outcome::Yes } else { Outcome::No })
}
