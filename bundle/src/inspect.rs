//! A bundle at a glance, from its manifest alone: nothing is verified.

use std::{collections::BTreeMap, fmt, path::Path};

use lode_proto::{
    id::{Hash, NetworkId},
    key::PublicKey,
    plain,
    task::{DomainRef, Profile},
};
use serde::Serialize;

use crate::{
    audit::announced_pairs,
    error::BundleError,
    fsio, layout,
    read::{self, MAX_SIGNATURE_BYTES},
};

/// What a manifest says.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Name of the bundle.
    pub name: String,
    /// The network.
    pub network: NetworkId,
    /// Number of the epoch.
    pub epoch: u64,
    /// Plain BLAKE3 of `manifest.json`.
    pub manifest: Hash,
    /// Task family and version of its engine.
    pub family: (String, u32),
    /// The domain file.
    pub domain: DomainRef,
    /// Size and difficulty; where new models begin, where there are several.
    pub profile: Profile,
    /// Counters by profile.
    pub profiles: BTreeMap<Profile, u64>,
    /// Counters by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Pairs of all configs.
    pub pairs: u64,
    /// Rows of each config and split.
    pub counts: BTreeMap<String, u64>,
    /// What the pair builder dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Licences.
    pub licences: BTreeMap<String, String>,
    /// Verifiers of the epoch.
    pub verifiers: Vec<PublicKey>,
    /// Keys that signed the manifest, unchecked.
    pub signed_by: Vec<PublicKey>,
    /// Files that the manifest lists.
    pub files: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// What wrote it.
    pub software: String,
}

/// Reads what the manifest of a bundle says.
///
/// # Errors
/// Where there is no readable manifest.
pub fn inspect(dir: &Path) -> Result<Inspection, BundleError> {
    let opened = read::open(dir)?;
    let manifest = opened.manifest;
    let path = dir.join(layout::SIGNATURES);
    let signed_by = if path.exists() {
        let file = read::parse_signatures(&fsio::read_bounded(&path, MAX_SIGNATURE_BYTES as u64)?)?;
        file.envelopes.iter().map(|envelope| envelope.sender).collect()
    } else {
        Vec::new()
    };
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut profiles: BTreeMap<Profile, u64> = BTreeMap::new();
    for counter in &manifest.counters {
        *profiles.entry(counter.profile).or_default() += 1;
        *outcomes.entry(counter.outcome.name().to_owned()).or_default() += 1;
    }
    let template = &manifest.campaign.template;
    Ok(Inspection {
        network: manifest.network,
        epoch: manifest.epoch,
        manifest: opened.manifest_hash,
        family: (template.family.clone(), template.engine_version),
        domain: template.domain.clone(),
        profile: template.profile,
        profiles,
        outcomes,
        pairs: announced_pairs(&manifest),
        verifiers: manifest.verifiers,
        signed_by,
        files: manifest.files.len() as u64,
        bytes: manifest.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes)),
        name: manifest.name,
        counts: manifest.counts,
        dropped: manifest.dropped,
        licences: manifest.licences,
        software: manifest.software,
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  epoch {} of network {}",
            plain::name(&self.name),
            self.epoch,
            self.network
        )?;
        writeln!(f, "manifest   {}", self.manifest)?;
        let (family, version) = &self.family;
        let (family, domain) = (plain::name(family), plain::name(&self.domain.name));
        let profile = self.profile;
        writeln!(f, "tasks      {family} v{version}, domain {domain}, profile {profile}")?;
        writeln!(
            f,
            "files      {} with {} bytes, written by {}",
            self.files,
            self.bytes,
            plain::name(&self.software)
        )?;
        writeln!(
            f,
            "signed by  {} keys of coordinator and {} verifiers (not checked; run audit)",
            self.signed_by.len(),
            self.verifiers.len()
        )?;
        if self.profiles.len() > 1 {
            writeln!(f, "profiles")?;
            for (profile, count) in &self.profiles {
                writeln!(f, "  {:<40} {count:>8}", profile.name())?;
            }
        }
        for (title, table) in
            [("counters", &self.outcomes), ("rows", &self.counts), ("dropped", &self.dropped)]
        {
            writeln!(f, "{title}")?;
            for (name, count) in table {
                writeln!(f, "  {:<40} {count:>8}", plain::name(name))?;
            }
        }
        writeln!(f, "licences")?;
        for (of, licence) in &self.licences {
            writeln!(f, "  {:<40} {}", plain::name(of), plain::name(licence))?;
        }
        Ok(())
    }
}
