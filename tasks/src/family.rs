//! Task families and what they read: domain files and inputs, by content hash.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use lode_proto::{
    attempt::Finish,
    id::Hash,
    task::{DomainRef, Profile, TaskSpec, TaskTemplate},
};

use crate::{
    domain::Domain,
    longdoc::{
        Longdoc,
        own::{self, Collection, Own, OwnError},
    },
    types::{AnswerKey, Task, Verdict},
};

/// Most derived sub-seeds that a generator tries before it gives up on a seed.
pub const MAX_TRIES: u32 = 64;

/// The generator found no task it could prove sound: a recorded outcome, not an error of anyone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no provable task in {tries} tries; the last one failed on: {last}")]
pub struct Exhausted {
    /// Sub-seeds tried.
    pub tries: u32,
    /// What the last one violated.
    pub last: String,
}

/// Why a task could not be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// A property of the seed; the counter is recorded as exhausted.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// No such family in this build.
    #[error("unknown task family {0:?}: this build knows {known}", known = known_families())]
    UnknownFamily(String),
    /// Made by another version of the engine.
    #[error("task engine version {asked} was asked for, this build has {have}")]
    EngineVersion {
        /// In the specification.
        asked: u32,
        /// [`crate::ENGINE_VERSION`].
        have: u32,
    },
    /// The family does not make this profile.
    #[error("family {family} has no profile {profile}")]
    UnsupportedProfile {
        /// Family name.
        family: String,
        /// The profile asked for.
        profile: Profile,
    },
    /// The library has no file of this hash.
    #[error(
        "domain {name} with hash {hash} is not in the library: add its file, or ask for one of: {known}"
    )]
    UnknownDomain {
        /// Name in the specification.
        name: String,
        /// Hash in the specification.
        hash: Hash,
        /// Names and short hashes of those that are there.
        known: String,
    },
    /// The library has no folder of this facts file and these texts.
    #[error(
        "the folder {name} with facts file {hash} and {texts} texts is not in the library: add it first"
    )]
    UnknownFolder {
        /// Name in the specification.
        name: String,
        /// Hash of the facts file in the specification.
        hash: Hash,
        /// Texts that the specification names.
        texts: usize,
    },
    /// The task takes no inputs, or other ones.
    #[error("family {family} takes {expected} inputs, the specification names {got}")]
    Inputs {
        /// Family name.
        family: String,
        /// How many it takes.
        expected: usize,
        /// How many are named.
        got: usize,
    },
    /// The generator broke its own rules; a defect of this build.
    #[error(
        "the engine broke an invariant: {0}; please report it with the domain file and the seed"
    )]
    Internal(String),
}

/// Why a domain file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Not TOML, not of the expected shape, or unusable.
    #[error("domain {name}{line}{place}: {message}", line = numbered(*line), place = named(place))]
    Content {
        /// File stem.
        name: String,
        /// From 1; 0 where it has none.
        line: usize,
        /// Which part, for example `attributes.employees`; empty for the file as a whole.
        place: String,
        /// What is wrong there and what is expected.
        message: String,
    },
    /// Larger than the limit.
    #[error("domain {name} has {got} bytes, at most {limit} are allowed")]
    TooLarge {
        /// File stem.
        name: String,
        /// Measured, bytes.
        got: usize,
        /// Limit, bytes.
        limit: usize,
    },
    /// The file cannot be read.
    #[error("domain file {path} cannot be read: {message}")]
    Unreadable {
        /// As given.
        path: String,
        /// What the system says.
        message: String,
    },
    /// No domain of that name.
    #[error("unknown domain {name:?}: known are {known}")]
    Unknown {
        /// As asked.
        name: String,
        /// Those there are.
        known: String,
    },
}

/// Why a library cannot be made of the files of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// The domain file.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The facts file or a text.
    #[error(transparent)]
    Own(#[from] OwnError),
}

fn numbered(line: usize) -> String {
    if line > 0 { format!(", line {line}") } else { String::new() }
}

fn named(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(", {place}") }
}

/// A kind of task: how to make one and how to grade an attempt at it.
pub trait Family: Send + Sync {
    /// Its name in specifications.
    fn name(&self) -> &'static str;

    /// A pure function of its inputs: the same specification and library give the same bytes.
    ///
    /// # Errors
    /// [`GenerateError::Exhausted`] is an outcome of the seed and is recorded; the others say what
    /// is wrong with the specification or missing from the library.
    fn generate(
        &self,
        spec: &TaskSpec,
        library: &Library,
    ) -> Result<(Task, AnswerKey), GenerateError>;

    /// Grades the bytes of one completion by rule. Never fails: bytes that cannot be read are a
    /// verdict, too. `finish` says whether the token limit cut it.
    fn grade(&self, task: &Task, key: &AnswerKey, completion: &[u8], finish: Finish) -> Verdict;
}

/// Every family of this build.
const FAMILIES: [&dyn Family; 2] = [&Longdoc, &Own];

/// The family of that name, `None` where this build has none.
#[must_use]
pub fn family(name: &str) -> Option<&'static dyn Family> {
    FAMILIES.into_iter().find(|family| family.name() == name)
}

/// The task of a specification and its key, by the family that it names.
///
/// # Errors
/// [`GenerateError::UnknownFamily`], or the family's own.
pub fn generate(spec: &TaskSpec, library: &Library) -> Result<(Task, AnswerKey), GenerateError> {
    let named = family(&spec.family);
    named.ok_or_else(|| GenerateError::UnknownFamily(spec.family.clone()))?.generate(spec, library)
}

fn known_families() -> String {
    FAMILIES.map(Family::name).join(", ")
}

/// Domain files and inputs by content hash: all that generation reads besides the specification.
#[derive(Debug, Clone, Default)]
pub struct Library {
    domains: BTreeMap<Hash, Entry>,
    /// Folders by the hashes of their facts file and of their texts.
    own: BTreeMap<(Hash, Vec<Hash>), Arc<Collection>>,
    /// Content of facts files and texts.
    inputs: BTreeMap<Hash, Arc<[u8]>>,
}

/// A domain file as it stands in the library.
#[derive(Debug, Clone)]
struct Entry {
    domain: Arc<Domain>,
    bytes: Arc<[u8]>,
}

/// The domain files that are built in, by name.
const BUILTIN: [(&str, &str); 8] = [
    ("clinical_trials", include_str!("../domains/clinical_trials.toml")),
    ("companies", include_str!("../domains/companies.toml")),
    ("computational_biology", include_str!("../domains/computational_biology.toml")),
    ("logistics", include_str!("../domains/logistics.toml")),
    ("nuclear_physics", include_str!("../domains/nuclear_physics.toml")),
    ("quantum_codes", include_str!("../domains/quantum_codes.toml")),
    ("scrna_imputation", include_str!("../domains/scrna_imputation.toml")),
    ("service_incidents", include_str!("../domains/service_incidents.toml")),
];

impl Library {
    /// A library of the built-in domains.
    ///
    /// # Errors
    /// None for a released build: a test reads every built-in file.
    pub fn builtin() -> Result<Self, DomainError> {
        let mut library = Self::default();
        for (name, text) in BUILTIN {
            library.add(name, text.as_bytes())?;
        }
        Ok(library)
    }

    /// Reads, checks and adds a domain file. `name` is the file's stem and must be the name that
    /// the file gives itself.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<DomainRef, DomainError> {
        let domain = Domain::read(name, bytes)?;
        let hash = domain.hash();
        self.domains.insert(hash, Entry { domain: Arc::new(domain), bytes: bytes.into() });
        Ok(DomainRef { name: name.to_owned(), hash })
    }

    /// Checks and adds a domain file that a caller has read, or failed to read, from `path`:
    /// `library.add_read(path, std::fs::read(path))`. Nothing is read here; the path gives the
    /// domain its name, and both give the error its words.
    ///
    /// # Errors
    /// Where the file could not be read, or is no usable domain.
    pub fn add_read(
        &mut self,
        path: &Path,
        read: io::Result<Vec<u8>>,
    ) -> Result<DomainRef, DomainError> {
        let name = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let bytes = read.map_err(|error| DomainError::Unreadable {
            path: path.display().to_string(),
            message: error.to_string(),
        })?;
        self.add(&name, &bytes)
    }

    /// The domain of this name; where several versions are loaded, the one with the lowest hash.
    ///
    /// # Errors
    /// [`DomainError::Unknown`], listing those there are.
    pub fn named(&self, name: &str) -> Result<DomainRef, DomainError> {
        self.domains()
            .into_iter()
            .find(|domain| domain.name == name)
            .ok_or_else(|| DomainError::Unknown { name: name.to_owned(), known: self.known() })
    }

    /// The hashes and names of every domain, sorted by hash.
    #[must_use]
    pub fn domains(&self) -> Vec<DomainRef> {
        self.domains
            .iter()
            .map(|(hash, entry)| DomainRef { name: entry.domain.name().to_owned(), hash: *hash })
            .collect()
    }

    /// The bytes of a domain file, for a bundle.
    #[must_use]
    pub fn domain_bytes(&self, hash: Hash) -> Option<&[u8]> {
        self.domains.get(&hash).map(|entry| &*entry.bytes)
    }

    /// Reads, checks and adds a folder of somebody's own texts: its facts file, and the texts that
    /// this names in `files`, in their order. Gives what a specification names it by.
    ///
    /// # Errors
    /// The first thing that is wrong with the folder, and where.
    pub fn add_own(
        &mut self,
        facts: &[u8],
        texts: &[&[u8]],
    ) -> Result<(DomainRef, Vec<Hash>), OwnError> {
        let collection = Collection::read(facts, texts)?;
        let named = DomainRef { name: collection.name().to_owned(), hash: collection.hash() };
        let hashes: Vec<Hash> = texts.iter().map(|text| Hash::of(text)).collect();
        self.inputs.insert(named.hash, facts.into());
        for (hash, text) in hashes.iter().zip(texts) {
            self.inputs.insert(*hash, (*text).into());
        }
        self.own.insert((named.hash, hashes.clone()), Arc::new(collection));
        Ok((named, hashes))
    }

    /// A library that holds what tasks of a template are made from, and nothing else. `blobs` has
    /// the content of its domain file and inputs by hash; what is missing there is missing here.
    ///
    /// # Errors
    /// Where a domain file or a folder cannot be used.
    pub fn of(
        template: &TaskTemplate,
        blobs: &BTreeMap<Hash, Vec<u8>>,
    ) -> Result<Self, LibraryError> {
        let mut library = Self::default();
        let Some(domain) = blobs.get(&template.domain.hash) else { return Ok(library) };
        if template.family == own::NAME {
            let texts: Option<Vec<&[u8]>> =
                template.inputs.iter().map(|hash| blobs.get(hash).map(Vec::as_slice)).collect();
            if let Some(texts) = texts {
                library.add_own(domain, &texts)?;
            }
        } else {
            library.add(&template.domain.name, domain)?;
        }
        Ok(library)
    }

    /// The folder that a specification names.
    ///
    /// # Errors
    /// [`GenerateError::UnknownFolder`] where the library has none of these hashes and this name.
    pub fn own(&self, wanted: &DomainRef, inputs: &[Hash]) -> Result<&Collection, GenerateError> {
        self.own
            .get(&(wanted.hash, inputs.to_vec()))
            .map(|collection| &**collection)
            .filter(|collection| collection.name() == wanted.name)
            .ok_or_else(|| GenerateError::UnknownFolder {
                name: wanted.name.clone(),
                hash: wanted.hash,
                texts: inputs.len(),
            })
    }

    /// The content of a facts file or a text, for a bundle.
    #[must_use]
    pub fn input_bytes(&self, hash: Hash) -> Option<&[u8]> {
        self.inputs.get(&hash).map(|bytes| &**bytes)
    }

    /// The domain that a specification names.
    ///
    /// # Errors
    /// [`GenerateError::UnknownDomain`] where the library has no file of that hash and name.
    pub fn domain(&self, wanted: &DomainRef) -> Result<&Domain, GenerateError> {
        self.domains
            .get(&wanted.hash)
            .map(|entry| &*entry.domain)
            .filter(|domain| domain.name() == wanted.name)
            .ok_or_else(|| GenerateError::UnknownDomain {
                name: wanted.name.clone(),
                hash: wanted.hash,
                known: self.known(),
            })
    }

    fn known(&self) -> String {
        let names: Vec<String> = self
            .domains()
            .iter()
            .map(|domain| format!("{} ({})", domain.name, domain.hash.short()))
            .collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}
