//! The coordinator's configuration, `deploy/coordinator.example.toml` with a comment for each key.

use std::path::{Path, PathBuf};

use lode_node::transport::Multiaddr;
use lode_proto::{
    epoch::Campaign,
    genesis::Admission,
    key::PublicKey,
    limits,
    task::{Profile, TaskTemplate},
};
use lode_tasks::family::Library;
use serde::{Deserialize, Serialize};

use super::RunError;
use crate::core::{EpochPlan, Target, Timing};

/// Everything a coordinator is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// Folder for the key, the genesis, the log and the bundles.
    pub data: PathBuf,
    /// Addresses to listen on.
    #[serde(default = "default_listen")]
    pub listen: Vec<String>,
    /// The network; read when it is founded, and compared with the genesis afterwards.
    #[serde(default)]
    pub network: NetworkConfig,
    /// What is asked of miners.
    pub campaign: CampaignConfig,
    /// When an epoch closes.
    #[serde(default)]
    pub target: Target,
    /// How long to wait for others.
    #[serde(default)]
    pub timing: Timing,
    /// Epochs to publish before the campaign is over; 0 for no end.
    #[serde(default)]
    pub epochs: u64,
    /// Threads that generate and grade; 0 takes all cores.
    #[serde(default)]
    pub threads: usize,
    /// SPDX licence under which the bundles' own content is published.
    #[serde(default = "default_licence")]
    pub licence: String,
    /// Folder for published bundles; `bundles` in the data folder unless it is given.
    #[serde(default)]
    pub bundles: Option<PathBuf>,
    /// What to run on a published bundle.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Stop once the campaign is over and what runs on the bundles has ended, instead of serving on.
    #[serde(default)]
    pub stop_when_finished: bool,
}

/// What to run on a published bundle.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Program and arguments; `{bundle}` stands for the bundle's folder, `{epoch}` for its number.
    /// Empty runs nothing. What did not end well is run again at the next start. JSON objects with
    /// a number `step` that it prints, one a line, are passed on as progress.
    pub command: Vec<String>,
    /// Steps that it takes in all, to tell how far it is; 0 where it says so itself (`steps`).
    pub steps: u64,
}

/// The network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Name for people.
    pub name: String,
    /// Verifiers that must agree with the coordinator's own grade.
    pub quorum: u32,
    /// Verifiers of the network.
    pub verifiers: u32,
    /// Keys of the verifiers; empty admits the first to ask.
    pub verifier_keys: Vec<PublicKey>,
    /// Whether any miner may join.
    pub open_to_miners: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            name: "lode".into(),
            quorum: 2,
            verifiers: 3,
            verifier_keys: Vec::new(),
            open_to_miners: true,
        }
    }
}

impl NetworkConfig {
    pub(super) fn admission(&self) -> Admission {
        if self.verifier_keys.is_empty() {
            Admission::Open
        } else {
            Admission::Listed(self.verifier_keys.clone())
        }
    }
}

/// What is asked of miners.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignConfig {
    /// Task family.
    #[serde(default = "default_family")]
    pub family: String,
    /// A built-in domain, or the path of a domain file.
    #[serde(default = "default_domain")]
    pub domain: String,
    /// Size and difficulty; where new models begin, where there are several.
    pub profile: Profile,
    /// Profiles, easiest first, that a model is moved between so that about half of its attempts pass;
    /// empty keeps every task at `profile`.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// Attempts in a group.
    #[serde(default = "default_group_size")]
    pub group_size: u32,
    /// Every so many tasks of a profile one is a revision session: one attempt at a time, with feedback
    /// between them; 0: none is.
    #[serde(default)]
    pub revision_every: u32,
    /// Most generated tokens of an attempt.
    pub max_completion_tokens: u32,
    /// A lease's time, milliseconds.
    #[serde(default = "default_lease_ms")]
    pub lease_ms: u64,
}

fn default_listen() -> Vec<String> {
    vec!["/ip4/0.0.0.0/tcp/4101".into(), "/ip4/0.0.0.0/udp/4101/quic-v1".into()]
}

fn default_licence() -> String {
    "CC-BY-4.0".into()
}

fn default_family() -> String {
    lode_tasks::longdoc::NAME.into()
}

fn default_domain() -> String {
    "companies".into()
}

fn default_group_size() -> u32 {
    limits::DEFAULT_GROUP_SIZE
}

fn default_lease_ms() -> u64 {
    limits::DEFAULT_LEASE_MS
}

/// `/ip4/127.0.0.1/tcp/0` with the port that the same address had in `before`.
fn with_port(text: &str, before: &[String]) -> String {
    let parts: Vec<&str> = text.split('/').collect();
    let place = parts.iter().position(|part| *part == "0");
    let Some(place) = place.filter(|place| *place > 0) else {
        return text.to_owned();
    };
    for address in before {
        let old: Vec<&str> = address.split('/').collect();
        let rest = parts.get(place + 1..).unwrap_or_default();
        if old.get(..place) == parts.get(..place)
            && old.get(place + 1..).is_some_and(|old| old.starts_with(rest))
            && let Some(port) = old.get(place)
        {
            let mut parts = parts.clone();
            parts[place] = port;
            return parts.join("/");
        }
    }
    text.to_owned()
}

impl CoordinatorConfig {
    /// The addresses to listen on. A port 0 becomes the one it was in `before`, so that peers find
    /// the coordinator again after a restart.
    ///
    /// # Errors
    /// One that is no multiaddress, or none at all.
    pub(super) fn addresses(&self, before: &[String]) -> Result<Vec<Multiaddr>, RunError> {
        if self.listen.is_empty() {
            return Err(RunError::Config("listen: name at least one address".into()));
        }
        let parse = |text: &String| {
            text.parse().map_err(|error| {
                RunError::Config(format!(
                    "listen: {text:?} is not a multiaddress ({error}); for example \
                     /ip4/0.0.0.0/udp/4101/quic-v1"
                ))
            })
        };
        self.listen.iter().map(|text| parse(&with_port(text, before))).collect()
    }

    /// The folder of published bundles.
    #[must_use]
    pub fn bundles_folder(&self) -> PathBuf {
        self.bundles.clone().unwrap_or_else(|| self.data.join(super::BUNDLES))
    }

    pub(super) fn threads(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Reads the domain and makes the plan of an epoch.
    ///
    /// # Errors
    /// A domain that is not there or not usable.
    pub(super) fn plan(&self) -> Result<(EpochPlan, Library), RunError> {
        let mut library =
            Library::builtin().map_err(|error| RunError::Config(error.to_string()))?;
        let campaign = &self.campaign;
        let is_file = campaign.domain.ends_with(".toml");
        let domain = if is_file {
            let path = Path::new(&campaign.domain);
            library.add_read(path, std::fs::read(path))
        } else {
            library.named(&campaign.domain)
        };
        let domain =
            domain.map_err(|error| RunError::Config(format!("campaign.domain: {error}")))?;
        let plan = EpochPlan {
            campaign: Campaign {
                template: TaskTemplate {
                    family: campaign.family.clone(),
                    engine_version: lode_tasks::ENGINE_VERSION,
                    domain,
                    profile: campaign.profile,
                    inputs: Vec::new(),
                },
                group_size: campaign.group_size,
                max_completion_tokens: campaign.max_completion_tokens,
                lease_ms: campaign.lease_ms,
                profiles: campaign.profiles.clone(),
                revision_every: campaign.revision_every,
            },
            target: self.target,
        };
        Ok((plan, library))
    }
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn a_port_is_remembered_for_the_same_address_only() {
        let before = ["/ip4/127.0.0.1/udp/7/quic-v1/p2p/12D3", "/ip4/127.0.0.1/tcp/8/p2p/12D3"];
        let before = before.map(str::to_owned);
        assert_eq!(with_port("/ip4/127.0.0.1/tcp/0", &before), "/ip4/127.0.0.1/tcp/8");
        assert_eq!(
            with_port("/ip4/127.0.0.1/udp/0/quic-v1", &before),
            "/ip4/127.0.0.1/udp/7/quic-v1"
        );
        for other in ["/ip4/127.0.0.1/tcp/9", "/ip4/0.0.0.0/tcp/0", "/ip4/127.0.0.1/udp/0", "0", ""]
        {
            let same = other != "/ip4/127.0.0.1/udp/0";
            assert_eq!(with_port(other, &before) == other, same, "{other}");
        }
    }
}
