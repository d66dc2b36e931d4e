//! `/lode/mine/1`: what a miner asks and what it is told. Every call is started by the miner.
//!
//! ```text
//! Hello (anyone, any time) · Join ─► Lease ─► (generate all attempts) ─► Commit ─► Submit × group ─► Lease …
//!            └── Heartbeat while at work; HandBack when it cannot finish
//!
//! of a revision session: Commit ─► Submit ─► Feedback ─► CommitTurn ─► Submit × 2 ─► Feedback ─► …
//! ```
//!
//! A request travels in an [`crate::envelope::Envelope`] of [`MineRequest`], a reply as the plain
//! encoding of [`MineReply`] on the same authenticated stream. Requests may be sent again after a
//! lost reply: a commitment or attempt that was accepted before gets the first answer again.

use serde::{Deserialize, Serialize};

use crate::{
    attempt::{Attempt, GroupCommit},
    envelope::Envelope,
    epoch::Campaign,
    id::{LeaseId, PolicyId, TaskId},
    payload,
    policy::PolicyCard,
    refusal::Refusal,
    session::{Session, TurnCommit},
};

/// A miner's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MineRequest {
    /// Makes the miner and a policy of its known. May be repeated, for example with a new policy.
    Join {
        /// An [`AccountBinding`] signed by the account key; without one the node key is the account.
        account: Option<Envelope>,
        /// The policy it will run.
        card: Box<PolicyCard>,
        /// Name and version of the software, for people.
        software: String,
    },
    /// Asks for a task.
    Lease {
        /// The policy it will be answered with.
        policy: PolicyId,
    },
    /// Says that the miner is still at work on these, and asks which are over.
    Heartbeat {
        /// Leases the miner holds.
        leases: Vec<LeaseId>,
    },
    /// Commits to all attempts of a group, or to the first of a revision session.
    Commit(GroupCommit),
    /// Uploads one attempt.
    Submit(Attempt),
    /// Gives a lease back unanswered.
    HandBack {
        /// The lease.
        lease: LeaseId,
        /// Why, for people.
        reason: String,
    },
    /// Asks for the miner's own figures.
    Status,
    /// Asks what the network is and what it wants of miners, before joining: no join is needed,
    /// nothing is remembered of who asked (`lode miner doctor`).
    Hello,
    /// Commits to the attempts of a later turn of a revision session.
    CommitTurn(TurnCommit),
    /// Asks what the coordinator says of a turn whose attempts it has.
    Feedback {
        /// The lease.
        lease: LeaseId,
        /// The turn, from 0.
        turn: u32,
    },
}

/// An account key's word that a node key works for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBinding {
    /// The node.
    pub node: crate::key::PublicKey,
}

payload!(MineRequest => "lode/1/mine", AccountBinding => "lode/1/account");

/// A task to answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id; attempts are bound to it.
    pub id: LeaseId,
    /// The epoch.
    pub epoch: u64,
    /// The task's id, to check `task` against.
    pub task_id: TaskId,
    /// The public task, canonical bytes (`lode_tasks::Task`).
    pub task: Vec<u8>,
    /// How its attempts are asked for.
    pub session: Session,
    /// One sampling seed for each attempt of the session.
    pub attempt_seeds: Vec<[u8; 32]>,
    /// Most tokens to generate for one attempt.
    pub max_completion_tokens: u32,
    /// Time left on the coordinator's clock when it answered, milliseconds.
    pub remaining_ms: u64,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Lease({}, task {}, {} attempts, {} ms left)",
            self.id.short(),
            self.task_id.short(),
            self.attempt_seeds.len(),
            self.remaining_ms
        )
    }
}

/// Why there is no task at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoWork {
    /// No epoch is open, or its beacon is not fixed yet.
    NotOpen,
    /// All tasks of the epoch are given out.
    AllLeased,
    /// The epoch is being closed.
    Closing,
    /// The operator paused the campaign.
    Paused,
    /// The campaign is over; the miner may stop.
    Finished,
}

/// A miner's own figures, as the coordinator has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerStatus {
    /// Attempts accepted.
    pub accepted: u64,
    /// Credits, thousandths.
    pub credits_milli: u64,
    /// Leases held now.
    pub leases: u32,
    /// Leases that ran out.
    pub expired: u64,
}

/// What a coordinator tells anyone who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The genesis envelope: the network's id is its hash.
    pub genesis: Envelope,
    /// The coordinator's wall clock, milliseconds since 1970. For people who look for a wrong clock:
    /// nothing in the protocol is decided by it.
    pub unix_ms: u64,
    /// What the newest epoch asks of miners (it is public in its `EpochOpen`); none before the first.
    pub campaign: Option<Campaign>,
}

/// The answer to a [`MineRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MineReply {
    /// Joined.
    Joined {
        /// The genesis envelope, so that the miner can check the network it was told to join.
        genesis: Envelope,
        /// Highest sequence accepted from this key; the next must be above it.
        last_sequence: u64,
    },
    /// A task.
    Lease(Box<Lease>),
    /// None now.
    NoWork {
        /// Why.
        reason: NoWork,
        /// When to ask again, milliseconds from now.
        retry_after_ms: u64,
    },
    /// Answer to a heartbeat.
    Alive {
        /// Leases of the request that are over; stop work on them.
        cancelled: Vec<LeaseId>,
    },
    /// The commitment is on record.
    Committed {
        /// The lease.
        lease: LeaseId,
        /// Time left to upload, milliseconds.
        remaining_ms: u64,
    },
    /// The attempt is on record: a signed [`crate::attempt::Receipt`].
    Receipt(Envelope),
    /// The lease is given back.
    HandedBack,
    /// The miner's figures.
    Status(MinerStatus),
    /// Refused.
    Refused(Refusal),
    /// Who the coordinator is and what it asks.
    Hello(Box<Hello>),
    /// What the coordinator says of a turn: a signed [`crate::session::Feedback`].
    Feedback(Envelope),
    /// It is still grading the turn.
    FeedbackPending {
        /// When to ask again, milliseconds from now.
        retry_after_ms: u64,
    },
}
