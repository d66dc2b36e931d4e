//! What may be wrong with receipts, in words.

use lode_proto::{
    codec::CodecError, credit::CREDIT_VERSION, envelope::EnvelopeError, id::AttemptId,
    key::PublicKey,
};
use serde::Serialize;

/// What is wrong with a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not signed by the coordinator of this network.
    #[error("{0}")]
    Signature(#[from] EnvelopeError),
    /// There is no link to it.
    #[error("it cannot be linked to: {0}")]
    Link(CodecError),
    /// Another miner's.
    #[error("it is for miner {0}, not for this one")]
    OtherMiner(PublicKey),
    /// About something else than what the miner handed in.
    #[error("it names attempt {got}, but attempt {want} was handed in")]
    OtherAttempt {
        /// As written.
        got: AttemptId,
        /// As handed in.
        want: AttemptId,
    },
    /// About another place of the attempt.
    #[error("it names another lease or another number than the attempt has")]
    OtherPlace,
    /// Other tokens than the attempt has.
    #[error("it credits {got} tokens; by the published rule the attempt has {want}")]
    Tokens {
        /// As written.
        got: u32,
        /// By the rule.
        want: u32,
    },
    /// Another size of the model than the miner joined with.
    #[error("it counts a model of {got} parameters; the miner joined with {want}")]
    Parameters {
        /// As written.
        got: u64,
        /// By the card.
        want: u64,
    },
    /// A formula that this build does not have.
    #[error("it is by formula version {0}; this build counts version {CREDIT_VERSION}")]
    Version(u32),
    /// Other credits than the formula gives.
    #[error("it credits {got} thousandths; the published formula gives {want}")]
    Credits {
        /// As written.
        got: u64,
        /// By the formula.
        want: u64,
    },
    /// It does not name the one before.
    #[error("it does not follow the receipt before: their chain is broken here")]
    Chain,
    /// There are two of one number.
    #[error("there is another receipt of this number")]
    Doubled,
    /// It never came.
    #[error("it is missing, and so are the ones after it up to receipt {up_to}")]
    Missing {
        /// The last number that is missing.
        up_to: u64,
    },
    /// Its entry is not where it was written.
    #[error("entry {got} of the file stands where entry {want} belongs")]
    OutOfPlace {
        /// Its own number.
        got: u64,
        /// Its place.
        want: u64,
    },
    /// The genesis beside it is not one, or another network's.
    #[error("the genesis that the miner joined by cannot be used: {0}")]
    Genesis(String),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Number of the receipt in its chain; of one that cannot be read, the number it should have.
    pub receipt: u64,
    /// What.
    pub what: Wrong,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "receipt {}: {}", self.receipt, self.what)
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Problem", 2)?;
        out.serialize_field("receipt", &self.receipt)?;
        out.serialize_field("what", &self.what.to_string())?;
        out.end()
    }
}
