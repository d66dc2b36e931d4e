//! A task of an epoch, from its first lease to its outcome.

use std::collections::BTreeMap;

use lode_proto::{
    envelope::Envelope,
    epoch::Outcome,
    id::{AttemptId, Hash, JobId, LeaseId, PolicyId, TaskId},
    key::PublicKey,
    session::MAX_TURNS,
    task::Place,
};
use serde::{Deserialize, Serialize};

use super::input::OwnGrade;

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseInfo {
    /// Its id.
    pub id: LeaseId,
    /// Number in its task, from 0.
    pub number: u32,
    /// Who holds it.
    pub miner: PublicKey,
    /// The policy it is answered with.
    pub policy: PolicyId,
    /// When it was given.
    pub issued_ms: u64,
    /// When it ends.
    pub deadline_ms: u64,
}

/// What a revision session has beyond a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    /// The signed commitments of the turns from 1 on.
    pub commits: Vec<Envelope>,
    /// The signed feedback on the turns from 0 on.
    pub feedback: Vec<Envelope>,
    /// The conversation that the next turn is to answer, where one is waited for.
    pub next: Option<Hash>,
    /// Whether there will be no further turn.
    pub over: bool,
}

/// A committed group, or a revision session as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The lease; its deadline is now that of the uploads.
    pub lease: LeaseInfo,
    /// The signed commitment.
    pub commit: Envelope,
    /// `GroupCommit::hash`; of a revision session, that of all its attempts so far.
    pub commit_hash: Hash,
    /// What was committed, in order.
    pub attempts: Vec<AttemptId>,
    /// The signed receipt of each attempt that was uploaded.
    pub receipts: Vec<Option<Envelope>>,
    /// `None`: a group.
    pub turns: Option<Turns>,
}

/// What a group waits for whose attempts are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it can be sealed.
    Seal,
    /// Feedback on the newest turn.
    Feedback,
    /// The miner's next turn.
    Turn,
}

impl Group {
    /// The newest turn.
    #[must_use]
    pub fn turn(&self) -> u32 {
        let later = self.turns.as_ref().map_or(0, |turns| turns.commits.len());
        u32::try_from(later).unwrap_or(u32::MAX)
    }

    /// What comes once its attempts are all there.
    #[must_use]
    pub fn next(&self) -> Next {
        match &self.turns {
            Some(turns) if !turns.over && self.turn() + 1 < MAX_TURNS => match turns.next {
                Some(_) => Next::Turn,
                None => Next::Feedback,
            },
            _ => Next::Seal,
        }
    }

    /// The commitment of the newest turn.
    #[must_use]
    pub fn newest_commit(&self) -> &Envelope {
        self.turns.as_ref().and_then(|turns| turns.commits.last()).unwrap_or(&self.commit)
    }

    /// Whether the miner may hand in another turn now.
    #[must_use]
    pub fn awaits_turn(&self) -> bool {
        self.complete() && self.next() == Next::Turn
    }

    /// Whether all of it was uploaded.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.receipts.iter().all(Option::is_some)
    }

    /// What was uploaded, in order.
    #[must_use]
    pub fn uploaded(&self) -> Vec<AttemptId> {
        self.attempts
            .iter()
            .zip(&self.receipts)
            .filter(|(_, receipt)| receipt.is_some())
            .map(|(attempt, _)| *attempt)
            .collect()
    }
}

/// How far a verifier is with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssignmentState {
    /// Asked to grade and commit.
    Pending,
    /// Has committed.
    Committed,
    /// Has revealed.
    Revealed,
    /// Let its time run out, before or after committing.
    Lagged,
    /// Could not check.
    Inconclusive,
}

/// A verifier's part in grading a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// How far it is.
    pub state: AssignmentState,
    /// When it must have committed, or revealed.
    pub deadline_ms: u64,
    /// Times it was asked.
    pub draws: u32,
    /// Its signed `VerdictCommit`.
    pub commit: Option<Envelope>,
    /// Its signed `VerdictReveal`.
    pub reveal: Option<Envelope>,
}

/// A sealed group on its way to an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grading {
    /// The group.
    pub group: Group,
    /// The job's id.
    pub job: JobId,
    /// Verifiers that may grade it, in order of the draw.
    pub rank: Vec<PublicKey>,
    /// Those that were asked.
    pub assignments: BTreeMap<PublicKey, Assignment>,
    /// Whether those who committed may reveal now.
    pub revealing: bool,
    /// Whether all verifiers were asked because verdicts differed.
    pub disputed: bool,
    /// The coordinator's own grade.
    pub own: Option<OwnGrade>,
    /// End of the time for it.
    pub own_deadline_ms: u64,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Its leases ended without a commitment; it may be leased again.
    Waiting,
    /// Leased.
    Leased(LeaseInfo),
    /// Committed, not all uploaded.
    Committed(Box<Group>),
    /// Sealed, being graded.
    Grading(Box<Grading>),
    /// Has its outcome; the group stays for those who lost a receipt.
    Settled(Box<Outcome>, Option<Box<Group>>),
}

/// A task: one counter of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its profile, and its number among the tasks of that profile.
    pub place: Place,
    /// Its id; `None` where the generator found none.
    pub task: Option<TaskId>,
    /// Leases given so far.
    pub leases: u32,
    /// Accounts that had one. None of them gets a second, so nobody draws again on a task.
    pub tried: Vec<PublicKey>,
    /// Where it stands.
    pub phase: Phase,
}

impl Slot {
    /// The group, once committed.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        match &self.phase {
            Phase::Committed(group) => Some(group),
            Phase::Grading(grading) => Some(&grading.group),
            Phase::Settled(_, group) => group.as_deref(),
            Phase::Waiting | Phase::Leased(_) => None,
        }
    }

    /// The grading, while it lasts.
    #[must_use]
    pub fn grading(&self) -> Option<&Grading> {
        match &self.phase {
            Phase::Grading(grading) => Some(grading),
            _ => None,
        }
    }

    /// When it next moves by itself.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Waiting | Phase::Settled(..) => None,
            Phase::Leased(lease) => Some(lease.deadline_ms),
            Phase::Committed(group) => Some(group.lease.deadline_ms),
            Phase::Grading(grading) => {
                let waiting = grading
                    .assignments
                    .values()
                    .filter(|a| {
                        matches!(a.state, AssignmentState::Pending | AssignmentState::Committed)
                    })
                    .map(|a| a.deadline_ms);
                let own = grading.own.is_none().then_some(grading.own_deadline_ms);
                waiting.chain(own).min()
            }
        }
    }
}

/// What an id of a lease stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRef {
    /// The task.
    pub counter: u64,
    /// Who held it.
    pub miner: PublicKey,
}
