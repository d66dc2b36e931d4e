//! The founding record of a network. Its envelope's hash is the network's id.

use serde::{Deserialize, Serialize};

use crate::{
    codec::CodecError,
    envelope::{Envelope, EnvelopeError},
    id::{Hash, NetworkId},
    key::{PublicKey, SecretKey},
    payload,
};

/// Who may join as a verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// The first to ask, up to the network's `n`.
    Open,
    /// These keys only.
    Listed(Vec<PublicKey>),
}

/// What a network is: who coordinates, who verifies, how many must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// Name for people.
    pub name: String,
    /// Format of this record; 1.
    pub version: u32,
    /// The coordinator's key; it signs this record.
    pub coordinator: PublicKey,
    /// Verifiers that must agree with the coordinator's own grade.
    pub quorum: u32,
    /// Verifiers of the network.
    pub verifiers: u32,
    /// How verifiers are admitted.
    pub verifier_admission: Admission,
    /// Whether any miner may join (limits apply); else invite tokens, which are not defined yet.
    pub open_to_miners: bool,
    /// Random bytes, so that two networks of one coordinator differ.
    pub nonce: Hash,
}

payload!(Genesis => "lode/1/genesis");

/// Why a genesis was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not a well-signed genesis.
    #[error("this is not a valid genesis: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Signed by another key than the coordinator it names.
    #[error("the genesis names coordinator {named} but is signed by {signer}")]
    NotByCoordinator {
        /// The key in the record.
        named: PublicKey,
        /// The key that signed.
        signer: PublicKey,
    },
    /// Numbers that cannot work.
    #[error(
        "the genesis asks for a quorum of {quorum} among {verifiers} verifiers; it needs 1 <= quorum <= verifiers"
    )]
    Quorum {
        /// Verifiers that must agree.
        quorum: u32,
        /// Verifiers in all.
        verifiers: u32,
    },
    /// A version this build does not know.
    #[error("the genesis has format version {0}; this build knows version 1")]
    Version(u32),
}

impl From<CodecError> for GenesisError {
    fn from(error: CodecError) -> Self {
        Self::Envelope(error.into())
    }
}

impl Genesis {
    /// Signs the genesis with the coordinator's key. The envelope's network is all zero.
    ///
    /// # Errors
    /// Where the record is not self-consistent or too large.
    pub fn seal(&self, key: &SecretKey) -> Result<(NetworkId, Envelope), GenesisError> {
        self.check(&key.public())?;
        let envelope = Envelope::seal(self, NetworkId::default(), key, 0)?;
        Ok((NetworkId(envelope.hash()?), envelope))
    }

    /// Reads a genesis and the id of its network.
    ///
    /// # Errors
    /// Anything not signed by the coordinator that it names, or not self-consistent.
    pub fn open(envelope: &Envelope) -> Result<(NetworkId, Self), GenesisError> {
        let genesis: Self = envelope.open(NetworkId::default())?;
        genesis.check(&envelope.sender)?;
        Ok((NetworkId(envelope.hash()?), genesis))
    }

    fn check(&self, signer: &PublicKey) -> Result<(), GenesisError> {
        if self.version != 1 {
            return Err(GenesisError::Version(self.version));
        }
        if self.coordinator != *signer {
            return Err(GenesisError::NotByCoordinator {
                named: self.coordinator,
                signer: *signer,
            });
        }
        if self.quorum == 0 || self.quorum > self.verifiers {
            return Err(GenesisError::Quorum { quorum: self.quorum, verifiers: self.verifiers });
        }
        Ok(())
    }
}
