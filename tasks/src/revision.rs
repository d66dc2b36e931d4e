//! The conversation of a revision session: what a model sees when it may try again.
//!
//! ```text
//! prompt ‖ attempt ‖ feedback on it ‖ attempt ‖ feedback on it ‖ …      counts(task, verdict) ─► Counts
//! ```
//!
//! Feedback says how many answers, constraints and steps are right, never which, and nothing that the
//! task does not say already. Its wording is part of what [`crate::ENGINE_VERSION`] promises: miner,
//! coordinator and auditors write the same conversation, byte for byte.

use std::fmt::Write as _;

use lode_proto::{id::Hash, session::Counts, task::Profile};

use crate::types::{
    AnswerStatus, CitationStatus, ComputeStatus, FailureClass, ParseOutcome, RuleVerdict, Task,
};

/// What the author of an attempt is told of its grade.
#[must_use]
pub fn counts(task: &Task, verdict: &RuleVerdict) -> Counts {
    let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let right = verdict.answers.iter().filter(|answer| answer.status == AnswerStatus::Right);
    let held = verdict.constraints.iter().filter(|constraint| constraint.holds);
    let cited = verdict.citations.iter().filter(|step| step.status == CitationStatus::Right);
    let computed = verdict.computes.iter().filter(|step| step.status == ComputeStatus::Right);
    Counts {
        read: verdict.parse == ParseOutcome::Read && verdict.failure != Some(FailureClass::Format),
        answers_right: count(right.count()),
        answers: count(task.questions.len()),
        constraints_held: count(held.count()),
        constraints: count(task.constraints.len()),
        steps_right: count(cited.count() + computed.count()),
        steps: count(verdict.citations.len() + verdict.computes.len()),
        supported: verdict.failure != Some(FailureClass::Trace),
    }
}

/// A conversation as it grows.
#[derive(Debug, Clone)]
pub struct Conversation {
    text: String,
    short: bool,
    cue: String,
}

impl Conversation {
    /// Before the first attempt: the prompt of the task.
    #[must_use]
    pub fn new(task: &Task) -> Self {
        let short = task.header.profile == Profile::Nano;
        Self { text: task.prompt(), short, cue: task.cue.clone() }
    }

    /// Goes on with an attempt and what is said of it. Bytes of the attempt that are no UTF-8 stand as
    /// U+FFFD.
    pub fn push(&mut self, completion: &[u8], counts: &Counts) {
        self.text.push_str(&String::from_utf8_lossy(completion));
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(if self.short { "\nFeedback: " } else { "\n=== FEEDBACK ===\n" });
        say(&mut self.text, counts);
        self.text.push_str(" Here is the whole answer again, corrected:\n");
        self.text.push_str(&self.cue);
    }

    /// What the next attempt answers.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Plain BLAKE3 of [`Conversation::text`].
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(self.text.as_bytes())
    }
}

fn say(out: &mut String, counts: &Counts) {
    if !counts.read {
        out.push_str("this answer does not keep to the answer format.");
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{} of {} answers right, {} of {} constraints met, {} of {} steps right",
        counts.answers_right,
        counts.answers,
        counts.constraints_held,
        counts.constraints,
        counts.steps_right,
        counts.steps
    );
    out.push_str(if counts.supported { "." } else { "; the steps do not lead to the answers." });
}

#[cfg(test)]
mod tests {
    use lode_proto::{attempt::Finish, task::TaskTemplate};

    use super::*;
    use crate::{ENGINE_VERSION, family::Library, grade, longdoc, types::AnswerKey};

    fn task(profile: Profile) -> (Task, AnswerKey) {
        let library = Library::builtin().expect("the library");
        let template = TaskTemplate {
            family: longdoc::NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: library.named("companies").expect("built in"),
            profile,
            inputs: Vec::new(),
        };
        longdoc::generate(&template.spec([7; 32]), &library).expect("a task")
    }

    #[test]
    fn a_conversation_goes_on_from_the_prompt() {
        for (profile, head) in
            [(Profile::Nano, "\nFeedback: "), (Profile::Mini, "=== FEEDBACK ===")]
        {
            let (task, key) = task(profile);
            let mut talk = Conversation::new(&task);
            for completion in [b"nonsense".as_slice(), b"\xffmore\n"] {
                let verdict = grade::grade(&task, &key, completion, Finish::Stop);
                talk.push(completion, &counts(&task, &verdict));
            }
            let text = talk.text();
            assert!(text.starts_with(&task.prompt()));
            assert_eq!(text.matches(head).count(), 2);
            assert!(text.contains("nonsense\n") && text.contains("\u{fffd}more\n"));
            assert_eq!(talk.hash(), Hash::of(text.as_bytes()));
            assert!(text.ends_with(&format!("corrected:\n{}", task.cue)));
        }
    }

    #[test]
    fn wording_is_golden() {
        let mut counts = Counts {
            read: true,
            answers_right: 1,
            answers: 3,
            constraints_held: 2,
            constraints: 4,
            steps_right: 5,
            steps: 6,
            supported: true,
        };
        let said = |counts: &Counts| {
            let mut out = String::new();
            say(&mut out, counts);
            out
        };
        let right = "1 of 3 answers right, 2 of 4 constraints met, 5 of 6 steps right";
        assert_eq!(said(&counts), format!("{right}."));
        counts.supported = false;
        assert_eq!(said(&counts), format!("{right}; the steps do not lead to the answers."));
        counts.read = false;
        assert_eq!(said(&counts), "this answer does not keep to the answer format.");
    }

    #[test]
    fn what_is_said_is_what_was_graded() {
        let (task, key) = task(Profile::Mini);
        let good = grade::grade(&task, &key, key.witness.as_bytes(), Finish::Stop);
        let all = counts(&task, &good);
        assert!(all.read && all.supported);
        assert_eq!((all.answers_right, all.constraints_held), (all.answers, all.constraints));
        assert_eq!(all.steps_right, all.steps);
        assert!(all.answers > 0 && all.steps > 0);
        let bad = counts(&task, &grade::grade(&task, &key, b"nonsense", Finish::Stop));
        assert_eq!((bad.read, bad.answers_right, bad.answers), (false, 0, all.answers));
    }
}
