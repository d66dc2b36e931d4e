//! What names a task before it is generated: the pure inputs of `Family::generate`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    codec::{CodecError, encode},
    id::Hash,
};

/// How large and how hard a task is (DESIGN 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// 3–5 entities, a prompt of about 1,000 bytes: for a 135M model on a CPU.
    Nano,
    /// 8 entities, 25 paragraphs: for 1–3B models.
    Mini,
    /// 20 entities, about 100 paragraphs and 22,000 characters: for 7–30B models.
    Standard,
    /// 400 paragraphs, 100,000 characters: for frontier models.
    Hard,
}

impl Profile {
    /// Every profile, smallest first.
    pub const ALL: [Self; 4] = [Self::Nano, Self::Mini, Self::Standard, Self::Hard];

    /// The name used in files, flags and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::Mini => "mini",
            Self::Standard => "standard",
            Self::Hard => "hard",
        }
    }
}

/// Where a task stands in its epoch: each profile has a sequence of its own, without gaps, so that
/// whoever chooses which sequence goes on does not choose among tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The sequence.
    pub profile: Profile,
    /// Number in it, from 0.
    pub index: u64,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A profile name nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile {0:?}: expected one of nano, mini, standard, hard")]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// A domain file, named for people and pinned by content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DomainRef {
    /// File stem, for example `companies`.
    pub name: String,
    /// Plain BLAKE3 of the file's bytes.
    pub hash: Hash,
}

/// What is the same for all tasks of an epoch: everything of a [`TaskSpec`] but its seed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskTemplate {
    /// Task family, for example `longdoc`.
    pub family: String,
    /// Version of the engine whose output this is; 0 promises nothing.
    pub engine_version: u32,
    /// The domain file.
    pub domain: DomainRef,
    /// Size and difficulty.
    pub profile: Profile,
    /// Further inputs by content hash (none for `longdoc`).
    pub inputs: Vec<Hash>,
}

impl TaskTemplate {
    /// The specification of the task with this seed.
    #[must_use]
    pub fn spec(&self, seed: [u8; 32]) -> TaskSpec {
        TaskSpec {
            family: self.family.clone(),
            engine_version: self.engine_version,
            domain: self.domain.clone(),
            profile: self.profile,
            inputs: self.inputs.clone(),
            seed,
        }
    }
}

/// All that a task is made from: the same specification gives the same bytes everywhere.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Task family, for example `longdoc`.
    pub family: String,
    /// Version of the engine whose output this is; 0 promises nothing.
    pub engine_version: u32,
    /// The domain file.
    pub domain: DomainRef,
    /// Size and difficulty.
    pub profile: Profile,
    /// Further inputs by content hash (none for `longdoc`).
    pub inputs: Vec<Hash>,
    /// The secret of the task until it is sealed: whoever has it has the answers.
    pub seed: [u8; 32],
}

impl fmt::Debug for TaskSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TaskSpec({}/{} v{} {}, seed hidden)",
            self.family, self.domain.name, self.engine_version, self.profile
        )
    }
}

impl TaskSpec {
    /// Canonical bytes.
    ///
    /// # Errors
    /// Only where a field is beyond the codec's limit.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, CodecError> {
        encode(self)
    }
}
