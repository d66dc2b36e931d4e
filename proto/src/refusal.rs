//! Why a request was refused: one typed reason, with the measured value and the limit.

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, LeaseId};

/// A refusal, shown to the one refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The envelope or its content could not be read.
    #[error("the message could not be used: {0}")]
    Malformed(String),
    /// The key that signed is not the one the connection was made with.
    #[error("signed by another key than this connection's; sign with the node key")]
    NotYourConnection,
    /// A sequence that was used before.
    #[error("sequence {got} was used before: the next must be above {last}")]
    Replayed {
        /// The sequence in the envelope.
        got: u64,
        /// The highest that was accepted from this key.
        last: u64,
    },
    /// The sender has not joined, or the coordinator has forgotten it.
    #[error("join the network first")]
    NotJoined,
    /// No room, or not on the list.
    #[error("not admitted: {0}")]
    NotAdmitted(String),
    /// More leases than one miner may hold.
    #[error("you hold {held} leases; at most {limit} at a time")]
    TooManyLeases {
        /// Leases held now.
        held: u32,
        /// The limit.
        limit: u32,
    },
    /// No such lease, not the sender's, or over.
    #[error("lease {0} is not yours or is over; ask for another")]
    NoSuchLease(LeaseId),
    /// Another number of attempts than the group has.
    #[error("the group has {want} attempts, but {got} were committed")]
    WrongGroupSize {
        /// Attempts offered.
        got: u32,
        /// Attempts of the group.
        want: u32,
    },
    /// The lease was committed to other attempts before.
    #[error("lease {0} was committed to other attempts before; a commitment is final")]
    AlreadyCommitted(LeaseId),
    /// Upload before commitment.
    #[error("commit to all attempts of lease {0} before you upload one")]
    NotCommitted(LeaseId),
    /// The uploaded attempt is not the one committed to.
    #[error("attempt {index} has id {got}, but {want} was committed")]
    NotWhatWasCommitted {
        /// Number in the group.
        index: u32,
        /// Id of what was uploaded.
        got: AttemptId,
        /// Id that was committed.
        want: AttemptId,
    },
    /// A value over its limit.
    #[error("{what} is {got}, over the limit of {limit}")]
    OverLimit {
        /// What was measured.
        what: String,
        /// The measured value.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// The policy is not the one joined with.
    #[error("the policy is not one this key joined with; join again with its card")]
    UnknownPolicy,
    /// Something a verifier may not do now.
    #[error("not expected now: {0}")]
    NotExpected(String),
    /// A commitment opened with other content.
    #[error("the reveal does not match its commitment")]
    BadReveal,
    /// The coordinator cannot serve now (full disk, shutting down); try again.
    #[error("the coordinator cannot take this now: {0}; try again later")]
    Unavailable(String),
    /// A turn of a revision session answered another conversation than the one that goes on.
    #[error(
        "turn {turn} of lease {lease} answers another conversation than the coordinator's; this \
         version writes it otherwise: update, or give the lease back"
    )]
    OtherConversation {
        /// The lease.
        lease: LeaseId,
        /// The turn.
        turn: u32,
    },
}
