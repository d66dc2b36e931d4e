//! The network's genesis: made and signed once, kept in the data folder, the truth from then on.

use std::path::Path;

use lode_node::files;
use lode_proto::{
    codec,
    envelope::Envelope,
    genesis::{Genesis, GenesisError},
    id::{Hash, NetworkId},
    key::SecretKey,
};

use super::{RunError, config::NetworkConfig};

/// Name of the genesis file in the data folder: the canonical encoding of its envelope.
pub(super) const GENESIS_FILE: &str = "genesis";
/// Largest genesis file read, bytes.
const MAX_GENESIS_FILE: u64 = 64 * 1024;

pub(super) fn random() -> Result<Hash, RunError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| RunError::Random(error.to_string()))?;
    Ok(Hash(bytes))
}

/// The genesis in `folder`; founds the network where there is none.
///
/// # Errors
/// A genesis that is damaged, another coordinator's, or other than the configuration says.
pub(super) fn load_or_found(
    folder: &Path,
    config: &NetworkConfig,
    key: &SecretKey,
) -> Result<(NetworkId, Envelope), RunError> {
    let path = folder.join(GENESIS_FILE);
    if let Some(bytes) = files::read_small(&path, MAX_GENESIS_FILE)? {
        let envelope: Envelope = codec::decode(&bytes, bytes.len())
            .map_err(|error| RunError::Genesis(GenesisError::from(error)))?;
        let (network, genesis) = Genesis::open(&envelope)?;
        agrees(&path, config, &genesis)?;
        return Ok((network, envelope));
    }
    let genesis = Genesis {
        name: config.name.clone(),
        version: 1,
        coordinator: key.public(),
        quorum: config.quorum,
        verifiers: config.verifiers,
        verifier_admission: config.admission(),
        open_to_miners: config.open_to_miners,
        nonce: random()?,
    };
    let limit = lode_proto::limits::MAX_VERIFIERS;
    if config.verifiers as usize > limit || config.verifier_keys.len() > limit {
        return Err(RunError::Config(format!("network.verifiers: at most {limit}")));
    }
    let (network, envelope) = genesis.seal(key)?;
    let bytes = codec::encode(&envelope).map_err(GenesisError::from)?;
    files::create_new(&path, &bytes, 0o644)?;
    Ok((network, envelope))
}

fn agrees(path: &Path, config: &NetworkConfig, genesis: &Genesis) -> Result<(), RunError> {
    let same = config.name == genesis.name
        && config.quorum == genesis.quorum
        && config.verifiers == genesis.verifiers
        && config.admission() == genesis.verifier_admission
        && config.open_to_miners == genesis.open_to_miners;
    if same {
        return Ok(());
    }
    Err(RunError::Config(format!(
        "[network] differs from the genesis in {}, which is final: the network is {:?} with a \
         quorum of {} among {} verifiers. Set the same, or found another network in an empty folder",
        path.display(),
        genesis.name,
        genesis.quorum,
        genesis.verifiers
    )))
}
