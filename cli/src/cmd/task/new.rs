//! `lode task new`: the prompt of a task, or all of it as JSON.

use super::make;
use crate::{Outcome, args::TaskSelection, term};

pub(crate) fn new(selection: &TaskSelection, json: bool) -> anyhow::Result<Outcome> {
    let (task, key) = make(selection)?;
    if json {
        let id = task.id()?;
        term::json(&serde_json::json!({
            "task_id": id,
            "prompt": task.prompt(),
            "task": task,
            "key": key,
        }))?;
    } else {
        term::print_exact(&task.prompt())?;
    }
    Ok(Outcome::Yes)
}
