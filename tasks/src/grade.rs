//! Grading by rule: one attempt against the task and its answer key.
//!
//! ```text
//! completion ─► parse ─► answers, constraints ─► traps, path
//!                 └────► ledger: citations, recomputation, facts ─► dataflow ─► failure class, quality
//!                                                            outline ─► trace score
//! ```
//!
//! [`Grader`] holds what all attempts at one task share; [`grade`] builds it for one. The outcome
//! depends on nothing but the task, the key, the bytes and how generation ended.

use lode_proto::attempt::Finish;

use crate::{
    ENGINE_VERSION, check,
    parse::{ParseFault, Parsed, Sentences, parse_with},
    query::{Cell, Table},
    types::{
        Answer, AnswerKey, AnswerOutcome, AnswerStatus, CitationStatus, ComputeStatus, Consequence,
        ConstraintOutcome, FactRef, FailureClass, ParseOutcome, Part, Path, Reason, RuleVerdict,
        Task, TraceNeed, TrapOutcome, TrapStatus, Verdict,
    },
};

mod answers;
#[cfg(test)]
mod bounds;
mod dataflow;
mod extract;
mod index;
mod ledger;
mod outline;
mod quality;
mod reasons;
mod recompute;
mod steps;
mod trace;
mod traps;

pub use index::TaskIndex;
use index::{answer_scale, narrow};
use ledger::Ledger;
use outline::Outline;
pub(crate) use outline::measured;
use quality::{Share, Shares};
pub use reasons::MAX_REASONS;

/// Grades one completion by rule.
#[must_use]
pub fn grade(task: &Task, key: &AnswerKey, completion: &[u8], finish: Finish) -> RuleVerdict {
    Grader::new(task, key).grade(completion, finish)
}

/// Everything that all attempts at one task share.
#[derive(Debug)]
pub struct Grader<'a> {
    task: &'a Task,
    key: &'a AnswerKey,
    sentences: Sentences<'a>,
    index: TaskIndex<'a>,
    outline: Outline<'a>,
    /// Facts that decide the answers, each once.
    deciding: Vec<FactRef>,
    /// By question: how many base units the unit of its number is.
    scales: Vec<i64>,
}

/// One attempt, read and compared with the key.
struct Graded<'a> {
    parsed: &'a Parsed,
    artifact: &'a str,
    /// By question: what was answered, in canonical form.
    given: Vec<Option<Answer>>,
    /// By question.
    statuses: Vec<AnswerStatus>,
    /// By constraint.
    holds: Vec<bool>,
    ledger: Ledger,
    /// Facts that decide an answer and that the trace does not finally state truly.
    unstated: Vec<FactRef>,
}

impl<'a> Grader<'a> {
    /// Prepares a task and its key.
    #[must_use]
    pub fn new(task: &'a Task, key: &'a AnswerKey) -> Self {
        let index = TaskIndex::new(task, key);
        let mut deciding: Vec<FactRef> =
            key.gold.iter().flat_map(|gold| gold.support.iter().copied()).collect();
        deciding.sort_unstable();
        deciding.dedup();
        Self {
            task,
            key,
            sentences: Sentences::new(task),
            outline: Outline::new(task, key, &index),
            index,
            deciding,
            scales: key.gold.iter().map(|gold| answer_scale(task, &gold.query)).collect(),
        }
    }

    /// Grades one completion by rule, as a [`Verdict`] without a judge.
    #[must_use]
    pub fn verdict(&self, completion: &[u8], finish: Finish) -> Verdict {
        Verdict { rules: self.grade(completion, finish), judge: None }
    }

    /// Grades one completion by rule.
    #[must_use]
    pub fn grade(&self, completion: &[u8], finish: Finish) -> RuleVerdict {
        match parse_with(self.task, &self.sentences, completion) {
            Ok(parsed) if finish == Finish::Cap && !parsed.closed => {
                let text = "the token limit cut the artifact".to_owned();
                self.unread(ParseOutcome::Capped, text)
            }
            Ok(parsed) => self.read(&parsed),
            Err(error) => {
                let capped =
                    finish == Finish::Cap || matches!(error.fault, ParseFault::TooLong { .. });
                let outcome = if capped { ParseOutcome::Capped } else { ParseOutcome::Malformed };
                self.unread(outcome, error.to_string())
            }
        }
    }

    /// The key's facts as a table.
    pub(crate) fn truth(&self) -> &Table {
        &self.index.truth
    }

    /// What became of each trap, if a binding one caught the completion: then, and only then, is
    /// its failure [`FailureClass::Trap`]. Less work than [`Grader::grade`], which a proof of many
    /// traps needs no more of.
    pub(crate) fn caught(&self, completion: &[u8], finish: Finish) -> Option<Vec<TrapOutcome>> {
        let parsed = parse_with(self.task, &self.sentences, completion).ok()?;
        if finish == Finish::Cap && !parsed.closed {
            return None;
        }
        let outcomes = traps::outcomes(self, &self.compare(&parsed));
        traps::caught(self, &outcomes).then_some(outcomes)
    }

    /// The verdict on a completion that could not be read.
    fn unread(&self, parse: ParseOutcome, text: String) -> RuleVerdict {
        let capped = parse == ParseOutcome::Capped;
        RuleVerdict {
            engine_version: ENGINE_VERSION,
            parse,
            constraints: (1..=self.key.constraints.len())
                .map(|at| ConstraintOutcome { constraint: narrow(at), holds: false })
                .collect(),
            answers: (1..=self.key.gold.len())
                .map(|at| AnswerOutcome { question: narrow(at), status: AnswerStatus::Missing })
                .collect(),
            citations: Vec::new(),
            computes: Vec::new(),
            revisions: Vec::new(),
            dataflow: Vec::new(),
            traps: (1..=self.key.traps.len())
                .map(|at| TrapOutcome { trap: narrow(at), status: TrapStatus::NotReached })
                .collect(),
            path: Path::None,
            quality_milli: 0,
            trace_milli: 0,
            failure: Some(if capped { FailureClass::Cap } else { FailureClass::Format }),
            reasons: vec![Reason { part: Part::Text, text }],
        }
    }

    fn read(&self, parsed: &Parsed) -> RuleVerdict {
        let mut graded = self.compare(parsed);
        let dataflow = dataflow::outcomes(self, &graded);
        let traps = traps::outcomes(self, &graded);
        let ledger = &graded.ledger;
        let shares = Shares {
            answers: Share::of(graded.statuses.iter().map(|s| *s == AnswerStatus::Right)),
            constraints: Share::of(graded.holds.iter().copied()),
            facts: Share {
                right: self.deciding.len() - graded.unstated.len(),
                all: self.deciding.len(),
            },
            citations: self.cited(ledger),
            computes: Share::of(ledger.computes.iter().map(|c| c.status == ComputeStatus::Right)),
            dataflow: Share::of(dataflow.iter().map(|outcome| outcome.follows)),
            unread: ledger.unread.len(),
            enough: ledger.extracts >= usize::from(self.task.trace.min_extracts),
        };
        let failure = if traps::caught(self, &traps) {
            Some(FailureClass::Trap)
        } else if !shares.answers.whole() {
            Some(FailureClass::Answer)
        } else if !shares.constraints.whole() {
            Some(FailureClass::Constraint)
        } else if !self.trace_holds(&shares) {
            Some(FailureClass::Trace)
        } else {
            None
        };
        let quality_milli = shares.milli();
        let trace_milli = trace::milli(self, &graded);
        let path = traps::path(self, &graded, failure.is_none());
        let mut rules = RuleVerdict {
            engine_version: ENGINE_VERSION,
            parse: ParseOutcome::Read,
            constraints: outcomes(&graded.holds, |constraint, holds| ConstraintOutcome {
                constraint,
                holds: *holds,
            }),
            answers: outcomes(&graded.statuses, |question, status| AnswerOutcome {
                question,
                status: *status,
            }),
            citations: std::mem::take(&mut graded.ledger.citations),
            computes: std::mem::take(&mut graded.ledger.computes),
            revisions: std::mem::take(&mut graded.ledger.revisions),
            dataflow,
            traps,
            path,
            quality_milli,
            trace_milli,
            failure,
            reasons: Vec::new(),
        };
        rules.reasons = reasons::list(self, &graded, &rules);
        rules
    }

    /// Reads the answers, checks the artifact and works the trace out.
    fn compare<'p>(&self, parsed: &'p Parsed) -> Graded<'p> {
        let artifact = parsed.artifact();
        let mut given = Vec::with_capacity(self.key.gold.len());
        let mut statuses = Vec::with_capacity(self.key.gold.len());
        for (place, gold) in self.key.gold.iter().enumerate() {
            let number = narrow(place + 1);
            let text = parsed.answer(number);
            let scale = self.scales.get(place).copied().unwrap_or(1);
            let answer = self.task.questions.get(place).zip(text).and_then(|(question, text)| {
                answers::read(&self.index, &self.sentences, question.answer, scale, text)
            });
            statuses.push(match (&answer, text) {
                (_, None) => AnswerStatus::Missing,
                (Some(answer), _) if *answer == gold.answer => AnswerStatus::Right,
                (Some(answer), _) if self.trapped(number, answer) => AnswerStatus::Trapped,
                _ => AnswerStatus::Wrong,
            });
            given.push(answer);
        }
        let holds =
            self.key.constraints.iter().map(|key| check::holds(&key.check, artifact)).collect();
        let ledger = Ledger::new(self.task, &self.index, parsed);
        let truth = &self.index.truth;
        let stated = |fact: &FactRef| {
            ledger
                .get(&self.index, *fact)
                .is_some_and(|cell| cell != Cell::Missing && cell == truth.get(*fact))
        };
        let unstated = self.deciding.iter().filter(|fact| !stated(fact)).copied().collect();
        Graded { parsed, artifact, given, statuses, holds, ledger, unstated }
    }

    /// Whether a trap leads to this answer.
    fn trapped(&self, number: u16, given: &Answer) -> bool {
        self.key.traps.iter().flat_map(|trap| &trap.consequences).any(|consequence| {
            matches!(consequence, Consequence::Answer { question, answer }
                if *question == number && answer == given)
        })
    }

    /// Right citations of all extract steps; none where the format has no citations.
    fn cited(&self, ledger: &Ledger) -> Share {
        if self.task.trace.citations {
            Share::of(ledger.citations.iter().map(|c| c.status == CitationStatus::Right))
        } else {
            Share { right: 0, all: 0 }
        }
    }

    /// Whether the trace has what the task needs of it.
    fn trace_holds(&self, shares: &Shares) -> bool {
        shares.enough
            && self.task.trace.needs.iter().all(|need| match need {
                TraceNeed::Facts => shares.facts.whole(),
                TraceNeed::Citations => {
                    let Share { right, all } = shares.citations;
                    right * 1000 >= usize::from(self.task.trace.citation_milli) * all
                }
                TraceNeed::Computes => shares.computes.whole(),
                TraceNeed::Dataflow => shares.dataflow.whole(),
            })
    }
}

fn outcomes<T, O>(found: &[T], outcome: impl Fn(u16, &T) -> O) -> Vec<O> {
    found.iter().enumerate().map(|(place, one)| outcome(narrow(place + 1), one)).collect()
}
