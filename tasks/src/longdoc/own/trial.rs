//! A folder tried out: some tasks of each profile, for whoever writes its facts file. What no check
//! of single facts can see (too few of them, too much text around them) shows here.

use std::collections::BTreeMap;

use lode_proto::{
    id::Hash,
    task::{DomainRef, Profile, TaskTemplate},
};

use super::{FACTS_FILE, Finding, NAME, Severity, generate};
use crate::{ENGINE_VERSION, family::Library};

/// Tasks tried of each profile.
const SEEDS: [(Profile, u64); 2] = [(Profile::Mini, 40), (Profile::Standard, 20)];
/// One in so many seeds may find no provable task before it is worth a warning.
const TOLERATED: u64 = 20;

/// Makes tasks of a folder of the library; nothing where all profiles can be made of it.
#[must_use]
pub fn trial(library: &Library, domain: &DomainRef, inputs: &[Hash]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (profile, seeds) in SEEDS {
        let template = TaskTemplate {
            family: NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: domain.clone(),
            profile,
            inputs: inputs.to_vec(),
        };
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        for seed in 0..seeds {
            let seed = Hash::derive("lode/1/own-trial", &seed.to_le_bytes()).0;
            if let Err(error) = generate(&template.spec(seed), library) {
                *reasons.entry(error.to_string()).or_default() += 1;
            }
        }
        let failed: u64 = reasons.values().sum();
        let most = reasons.into_iter().max_by_key(|(_, count)| *count);
        if let Some((reason, _)) = most
            && failed * TOLERATED > seeds
        {
            findings.push(Finding {
                severity: Severity::Warning,
                file: FACTS_FILE.to_owned(),
                line: 0,
                message: format!(
                    "{failed} of {seeds} seeds give no {profile} task, most often: {reason}. More facts, \
                     or more words in `vocabulary`, give more to ask about"
                ),
            });
        }
    }
    findings
}
