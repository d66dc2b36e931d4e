//! Grading by rule: one attempt against the task and its answer key.
//!
//! ```text
//! completion ─► parse ─► answers, constraints ─► traps, path
//!                 └────► trace: citations, computes, facts, dataflow ─► failure class, quality
//! ```
//!
//! [`Grader`] holds what all attempts at one task share; [`grade`] builds it for one.

use lode_proto::attempt::Finish;

use crate::{
    ENGINE_VERSION,
    parse::{ParseFault, Sentences, parse_with},
    types::{
        AnswerKey, AnswerOutcome, AnswerStatus, ConstraintOutcome, FailureClass, ParseOutcome,
        Part, Path, Reason, RuleVerdict, Task, TrapOutcome, TrapStatus,
    },
};

/// Grades one completion.
#[must_use]
pub fn grade(task: &Task, key: &AnswerKey, completion: &[u8], finish: Finish) -> RuleVerdict {
    Grader::new(task, key).grade(completion, finish)
}

/// Everything that all attempts at one task share.
#[derive(Debug)]
pub struct Grader<'a> {
    task: &'a Task,
    key: &'a AnswerKey,
    sentences: Sentences,
}

impl<'a> Grader<'a> {
    /// Prepares a task and its key.
    #[must_use]
    pub fn new(task: &'a Task, key: &'a AnswerKey) -> Self {
        Self { task, key, sentences: Sentences::new(task) }
    }

    /// Grades one completion.
    #[must_use]
    pub fn grade(&self, completion: &[u8], finish: Finish) -> RuleVerdict {
        let (parse, text) = match parse_with(self.task, &self.sentences, completion) {
            Ok(parsed) if finish == Finish::Cap && !parsed.closed => {
                (ParseOutcome::Capped, "the token limit cut the artifact".to_owned())
            }
            Ok(_) => (ParseOutcome::Malformed, "grading is not in this build yet".to_owned()),
            Err(error) => {
                let capped =
                    finish == Finish::Cap || matches!(error.fault, ParseFault::TooLong { .. });
                let outcome = if capped { ParseOutcome::Capped } else { ParseOutcome::Malformed };
                (outcome, error.to_string())
            }
        };
        self.unread(parse, text)
    }

    /// The verdict on a completion that could not be read.
    fn unread(&self, parse: ParseOutcome, text: String) -> RuleVerdict {
        let number = |place: usize| u16::try_from(place + 1).unwrap_or(u16::MAX);
        RuleVerdict {
            engine_version: ENGINE_VERSION,
            parse,
            constraints: (0..self.key.constraints.len())
                .map(|at| ConstraintOutcome { constraint: number(at), holds: false })
                .collect(),
            answers: (0..self.key.gold.len())
                .map(|at| AnswerOutcome { question: number(at), status: AnswerStatus::Missing })
                .collect(),
            citations: Vec::new(),
            computes: Vec::new(),
            dataflow: Vec::new(),
            traps: (0..self.key.traps.len())
                .map(|at| TrapOutcome { trap: number(at), status: TrapStatus::NotReached })
                .collect(),
            path: Path::None,
            quality_milli: 0,
            failure: Some(if parse == ParseOutcome::Capped {
                FailureClass::Cap
            } else {
                FailureClass::Format
            }),
            reasons: vec![Reason { part: Part::Text, text }],
        }
    }
}
