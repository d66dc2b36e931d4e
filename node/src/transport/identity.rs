//! A node's ed25519 key as libp2p knows it. A peer id of such a key holds the key itself, so both
//! directions are exact.

use libp2p::{PeerId, identity};
use lode_proto::key::{PublicKey, SecretKey};

/// A key or peer id that is not an ed25519 identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// 32 bytes that are no ed25519 key.
    #[error("{0} is not a valid ed25519 key")]
    NotAKey(PublicKey),
    /// A peer id of another kind of key.
    #[error("peer {0} has no ed25519 key; every lode node must have one")]
    NotEd25519(PeerId),
}

/// The libp2p key pair of a node key.
pub(super) fn keypair(key: &SecretKey) -> Result<identity::Keypair, IdentityError> {
    let mut secret = key.to_bytes();
    // Wiped by libp2p, and again when `secret` is dropped.
    identity::Keypair::ed25519_from_bytes(secret.as_mut_slice())
        .map_err(|_| IdentityError::NotAKey(key.public()))
}

/// The libp2p peer id of a node.
///
/// # Errors
/// [`IdentityError::NotAKey`] where the bytes are no point of the curve.
pub fn peer_id(key: &PublicKey) -> Result<PeerId, IdentityError> {
    identity::ed25519::PublicKey::try_from_bytes(&key.0)
        .map(|public| identity::PublicKey::from(public).to_peer_id())
        .map_err(|_| IdentityError::NotAKey(*key))
}

/// The key that a peer id holds.
///
/// # Errors
/// [`IdentityError::NotEd25519`] for a peer id made of another kind of key.
pub fn public_key(peer: &PeerId) -> Result<PublicKey, IdentityError> {
    const IDENTITY_HASH: u64 = 0;
    let multihash: &libp2p::multihash::Multihash<64> = peer.as_ref();
    if multihash.code() != IDENTITY_HASH {
        return Err(IdentityError::NotEd25519(*peer));
    }
    identity::PublicKey::try_decode_protobuf(multihash.digest())
        .ok()
        .and_then(|public| public.try_into_ed25519().ok())
        .map(|public| PublicKey(public.to_bytes()))
        .ok_or(IdentityError::NotEd25519(*peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_peer_ids_are_the_same_thing() {
        let key = SecretKey::from_bytes(&[7; 32]);
        let peer = peer_id(&key.public()).expect("valid");
        assert_eq!(peer, keypair(&key).expect("valid").public().to_peer_id());
        assert_eq!(public_key(&peer).expect("ed25519"), key.public());
        // Golden: changes only if libp2p changes how it names ed25519 keys.
        assert_eq!(peer.to_string(), "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7");
    }

    #[test]
    fn other_peer_ids_are_refused() {
        let random = PeerId::random();
        assert_eq!(public_key(&random), Err(IdentityError::NotEd25519(random)));
        // No point of the curve has y = 2.
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert!(matches!(peer_id(&PublicKey(bytes)), Err(IdentityError::NotAKey(_))));
    }
}
