//! `lode task show`: a task to read.

use lode_tasks::grammar::grammar;

use super::make;
use crate::{
    Outcome,
    args::{TaskPart, TaskSelection},
    term,
};

pub(crate) fn show(selection: &TaskSelection, part: TaskPart) -> anyhow::Result<Outcome> {
    let (task, key) = make(selection)?;
    match part {
        TaskPart::Prompt => term::print_line(&task.prompt())?,
        TaskPart::Grammar => term::print_line(&grammar(&task))?,
        TaskPart::Key => term::json(&key)?,
        TaskPart::Witness => term::print_line(&key.witness)?,
        TaskPart::Trapped => {
            for trapped in &key.trapped {
                term::print_line(&format!("--- trap {}\n{}", trapped.trap, trapped.text))?;
            }
        }
        TaskPart::Json => term::json(&task)?,
    }
    Ok(Outcome::Yes)
}
