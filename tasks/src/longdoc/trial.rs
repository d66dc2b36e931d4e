//! A domain tried out: some tasks of each profile, for the author of its file. What no check of
//! single parts can see (ranges that leave no room, words for too few questions) shows here.

use std::collections::BTreeMap;

use lode_proto::{
    id::Hash,
    task::{DomainRef, Profile, TaskTemplate},
};

use super::{NAME, generate};
use crate::{
    ENGINE_VERSION,
    domain::{Finding, Severity},
    family::{GenerateError, Library},
};

/// Tasks tried of each profile: many of the small ones, few of the large.
const SEEDS: [(Profile, u64); 4] =
    [(Profile::Nano, 200), (Profile::Mini, 60), (Profile::Standard, 30), (Profile::Hard, 2)];
/// One in so many seeds may find no provable task before it is an error.
const TOLERATED: u64 = 20;

/// Makes tasks of every profile from a domain of the library; nothing where all of them are sound.
#[must_use]
pub fn trial(library: &Library, domain: &DomainRef) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (profile, seeds) in SEEDS {
        let template = TaskTemplate {
            family: NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: domain.clone(),
            profile,
            inputs: Vec::new(),
        };
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        for seed in 0..seeds {
            let seed = Hash::derive("lode/1/domain-trial", &seed.to_le_bytes()).0;
            match generate(&template.spec(seed), library) {
                Ok(_) => {}
                Err(GenerateError::UnsupportedProfile { .. }) => break,
                Err(GenerateError::Exhausted(exhausted)) => {
                    *reasons.entry(exhausted.last).or_default() += 1;
                }
                Err(error) => *reasons.entry(error.to_string()).or_default() += 1,
            }
        }
        let failed: u64 = reasons.values().sum();
        let Some((reason, _)) = reasons.into_iter().max_by_key(|(_, count)| *count) else {
            continue;
        };
        let severity = if failed * TOLERATED > seeds { Severity::Error } else { Severity::Warning };
        findings.push(Finding {
            severity,
            line: 0,
            place: format!("profile {profile}"),
            message: format!(
                "{failed} of {seeds} seeds gave no provable task, most often: {reason}"
            ),
        });
    }
    findings
}
