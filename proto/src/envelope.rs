//! Signed messages: `{network, sender, sequence, bytes, signature}`.
//!
//! ```text
//! seal:  value ─ encode ─► bytes ─ sign(context ‖ network ‖ sender ‖ sequence ‖ bytes) ─► Envelope
//! open:  Envelope ─ right network? ─ strict signature? ─► bytes ─ decode ─► value
//! ```
//!
//! The context is the payload type's own ([`Payload::CONTEXT`]) and is signed but not sent, so an
//! envelope of one type never verifies as another. Bytes are decoded only after the signature
//! holds. Replay is stopped by the receiver, which remembers the last sequence of each key
//! ([`Envelope::sequence`] must grow); clocks play no part.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    codec::{self, CodecError},
    id::{Hash, NetworkId},
    key::{PublicKey, SecretKey, Signature},
    limits::MAX_PAYLOAD_BYTES,
};

/// A type that travels signed.
pub trait Payload: Serialize + DeserializeOwned {
    /// What the signature says the bytes are, for example `lode/1/receipt`. Unique to the type.
    const CONTEXT: &'static str;
    /// Largest encoding accepted, bytes.
    const MAX_BYTES: usize = MAX_PAYLOAD_BYTES;
}

/// Declares the signing context of one or more payload types.
#[macro_export]
macro_rules! payload {
    ($($type:ty => $context:literal),+ $(,)?) => {
        $(impl $crate::envelope::Payload for $type {
            const CONTEXT: &'static str = $context;
        })+
    };
}

/// Why an envelope was not opened, or a value not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Signed for another network.
    #[error("signed for network {got}, but this is network {want}")]
    WrongNetwork {
        /// The envelope's network.
        got: NetworkId,
        /// The network expected.
        want: NetworkId,
    },
    /// The signature is not the sender's over these bytes as this kind of message.
    #[error("the signature does not hold for sender {sender} as {context}")]
    BadSignature {
        /// The key the envelope names.
        sender: PublicKey,
        /// The kind of message expected.
        context: &'static str,
    },
    /// Another key than the one that must have signed.
    #[error("signed by {got}, but only {want} may sign this")]
    WrongSender {
        /// The key the envelope names.
        got: PublicKey,
        /// The key expected.
        want: PublicKey,
    },
    /// The bytes are not a canonical value of the type.
    #[error("the signed bytes cannot be used: {0}")]
    Codec(#[from] CodecError),
}

/// Bytes with the key that vouches for them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The network this was said on; all zero for a genesis, which defines it.
    pub network: NetworkId,
    /// Who says it.
    pub sender: PublicKey,
    /// Grows with every message of this sender on this network.
    pub sequence: u64,
    /// The canonical encoding of the payload.
    pub bytes: Vec<u8>,
    /// Over context, network, sender, sequence and bytes.
    pub signature: Signature,
}

fn preimage(
    context: &str,
    network: &NetworkId,
    sender: &PublicKey,
    sequence: u64,
    bytes: &[u8],
) -> [u8; 32] {
    Hash::derive_parts(
        "lode/1/envelope",
        &[context.as_bytes(), network.0.as_bytes(), &sender.0, &sequence.to_le_bytes(), bytes],
    )
    .0
}

impl Envelope {
    /// Signs `value`.
    ///
    /// # Errors
    /// [`EnvelopeError::Codec`] where the value encodes to more than its type's limit.
    pub fn seal<T: Payload>(
        value: &T,
        network: NetworkId,
        key: &SecretKey,
        sequence: u64,
    ) -> Result<Self, EnvelopeError> {
        let bytes = codec::encode(value)?;
        if bytes.len() > T::MAX_BYTES {
            return Err(CodecError::TooLong { got: bytes.len(), limit: T::MAX_BYTES }.into());
        }
        let sender = key.public();
        let signature = key.sign(&preimage(T::CONTEXT, &network, &sender, sequence, &bytes));
        Ok(Self { network, sender, sequence, bytes, signature })
    }

    /// The payload, once network and signature have been found right.
    ///
    /// # Errors
    /// Any other network, signature or encoding.
    pub fn open<T: Payload>(&self, network: NetworkId) -> Result<T, EnvelopeError> {
        if self.network != network {
            return Err(EnvelopeError::WrongNetwork { got: self.network, want: network });
        }
        let signed = preimage(T::CONTEXT, &self.network, &self.sender, self.sequence, &self.bytes);
        if !self.sender.verify(&signed, &self.signature) {
            return Err(EnvelopeError::BadSignature { sender: self.sender, context: T::CONTEXT });
        }
        Ok(codec::decode(&self.bytes, T::MAX_BYTES)?)
    }

    /// Like [`Envelope::open`], for what only one key may say.
    ///
    /// # Errors
    /// Any other sender, network, signature or encoding.
    pub fn open_from<T: Payload>(
        &self,
        network: NetworkId,
        sender: &PublicKey,
    ) -> Result<T, EnvelopeError> {
        if self.sender != *sender {
            return Err(EnvelopeError::WrongSender { got: self.sender, want: *sender });
        }
        self.open(network)
    }

    /// The hash of the whole envelope, signature included.
    ///
    /// # Errors
    /// Only for an envelope beyond the codec's limit.
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(Hash::derive("lode/1/envelope-hash", &codec::encode(self)?))
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Envelope(#{} by {}, {} bytes)",
            self.sequence,
            self.sender.short(),
            self.bytes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note(String);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Other(String);
    payload!(Note => "lode/test/note", Other => "lode/test/other");

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32])
    }

    #[test]
    fn golden_envelope() {
        let network = NetworkId::of(b"golden");
        let envelope = Envelope::seal(&Note("hello".into()), network, &key(7), 42).expect("seals");
        assert_eq!(envelope.open::<Note>(network).expect("opens"), Note("hello".into()));
        assert_eq!(
            envelope.hash().expect("hashes").to_string(),
            "cb0a2e11753adb3478972ef68ad94e91cbb66302120ad5a1f9a4e36309218155"
        );
    }

    #[test]
    fn every_changed_part_is_refused() {
        let network = NetworkId::of(b"n");
        let good = Envelope::seal(&Note("hello".into()), network, &key(7), 42).expect("seals");
        assert!(matches!(
            good.open::<Other>(network),
            Err(EnvelopeError::BadSignature { context: "lode/test/other", .. })
        ));
        assert!(matches!(
            good.open::<Note>(NetworkId::of(b"m")),
            Err(EnvelopeError::WrongNetwork { .. })
        ));
        assert!(matches!(
            good.open_from::<Note>(network, &key(8).public()),
            Err(EnvelopeError::WrongSender { .. })
        ));
        let mut bad = good.clone();
        bad.sequence += 1;
        assert!(matches!(bad.open::<Note>(network), Err(EnvelopeError::BadSignature { .. })));
        let encoded = codec::encode(&good).expect("encodes");
        for index in 0..encoded.len() {
            let mut bytes = encoded.clone();
            bytes[index] ^= 1;
            if let Ok(changed) = codec::decode::<Envelope>(&bytes, 4096) {
                assert!(changed.open::<Note>(network).is_err(), "byte {index} was not covered");
            }
        }
    }
}
