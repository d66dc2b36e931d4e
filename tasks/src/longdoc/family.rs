//! `longdoc` as a [`Family`]: what the registry hands out.

use lode_proto::{attempt::Finish, task::TaskSpec};

use crate::{
    family::{Family, GenerateError, Library},
    grade,
    types::{AnswerKey, Task, Verdict},
};

/// The family of long documents. It is graded by rule alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Longdoc;

impl Family for Longdoc {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn generate(
        &self,
        spec: &TaskSpec,
        library: &Library,
    ) -> Result<(Task, AnswerKey), GenerateError> {
        super::generate(spec, library)
    }

    fn grade(&self, task: &Task, key: &AnswerKey, completion: &[u8], finish: Finish) -> Verdict {
        Verdict { rules: grade::grade(task, key, completion, finish), judge: None }
    }
}
