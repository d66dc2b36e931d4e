//! Tasks that a bundle stores, with their keys, for people who want to read one. Files are checked
//! against the manifest; that a task is what its seed gives is the audit's business.

use std::path::Path;

use lode_proto::{
    codec,
    id::TaskId,
    limits::{MAX_ENCODED_BYTES, MAX_TASK_BYTES},
};
use lode_tasks::types::{AnswerKey, Task};

use crate::{
    error::BundleError,
    evidence::{TaskFrame, read_frames},
    layout, read,
};

/// The first task in file order whose id begins with these hexadecimal digits.
///
/// # Errors
/// Where the folder is no bundle, a file is not what the manifest says, or the task cannot be read by
/// this build.
pub fn find(dir: &Path, id: &str) -> Result<Option<(TaskId, Task, AnswerKey)>, BundleError> {
    let opened = read::open(dir)?;
    let files = opened.manifest.files.iter();
    for file in files.filter(|file| file.path.starts_with(layout::TASKS)) {
        let path = file.path.as_str();
        let frames: Vec<TaskFrame> = read_frames(path, "tasks", &read::read_file(dir, file)?)?;
        let found = frames.into_iter().find(|frame| frame.id.to_string().starts_with(id));
        if let Some(frame) = found {
            let unreadable = |error| {
                let what = format!("task {} cannot be read by this build: {error}", frame.id);
                BundleError::bad(path, what)
            };
            let task = codec::decode(&frame.task, MAX_TASK_BYTES).map_err(unreadable)?;
            let key = codec::decode(&frame.key, MAX_ENCODED_BYTES).map_err(unreadable)?;
            return Ok(Some((frame.id, task, key)));
        }
    }
    Ok(None)
}
