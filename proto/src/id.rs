//! Content hashes and the identifiers made of them.
//!
//! Every identifier is a BLAKE3 hash under its own derivation context, so that no id of one kind
//! can be passed off as another. In JSON they are 64 lower-case hexadecimal digits, in the binary
//! encoding 32 raw bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A string that should have been 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits (a 32-byte hash), got {got:?}")]
pub struct ParseIdError {
    /// The text that was offered, cut at 80 characters.
    pub got: String,
}

/// A 32-byte BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The plain BLAKE3 hash of `bytes` (what `b3sum` prints).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// BLAKE3 in key-derivation mode: a hash of `bytes` that is valid for `context` only.
    #[must_use]
    pub fn derive(context: &str, bytes: &[u8]) -> Self {
        Self(blake3::derive_key(context, bytes))
    }

    /// Like [`Hash::derive`] over several parts, each preceded by its length (u64, little-endian),
    /// so that moving a byte from one part to the next changes the result.
    #[must_use]
    pub fn derive_parts(context: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

/// Serde for byte arrays: hexadecimal text in readable formats, raw bytes (no length) in binary ones.
pub(crate) mod hex_array {
    use super::{Deserializer, Serializer, de};
    use serde::ser::SerializeTuple;
    use std::fmt;

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&hex::encode(bytes));
        }
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    struct Visitor<const N: usize>;

    impl<'de, const N: usize> de::Visitor<'de> for Visitor<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes, or {} lower-case hexadecimal digits", 2 * N)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; N], E> {
            let mut bytes = [0; N];
            if text.bytes().any(|b| b.is_ascii_uppercase()) {
                return Err(E::invalid_value(de::Unexpected::Str(text), &self));
            }
            hex::decode_to_slice(text, &mut bytes)
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
            Ok(bytes)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = seq
                    .next_element()?
                    .ok_or_else(|| de::Error::invalid_length(i, &Visitor::<N>))?;
            }
            Ok(bytes)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor::<N>)
        } else {
            deserializer.deserialize_tuple(N, Visitor::<N>)
        }
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex_array::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex_array::deserialize(deserializer).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| ParseIdError { got: text.chars().take(80).collect() })?;
        Ok(Self(bytes))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $context:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub Hash);

        impl $name {
            /// The derivation context of this identifier.
            pub const CONTEXT: &'static str = $context;

            /// The identifier of canonical bytes.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(Hash::derive(Self::CONTEXT, bytes))
            }

            /// The first eight hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A network: the hash of its signed genesis.
    NetworkId, "lode/1/network"
);
id!(
    /// A task: the hash of the public task's canonical bytes.
    TaskId, "lode/1/task-id"
);
id!(
    /// What produced a text: weights, quantisation, adapter, template, sampling, grammar.
    PolicyId, "lode/1/policy"
);
id!(
    /// A lease of one group of attempts to one miner.
    LeaseId, "lode/1/lease"
);
id!(
    /// One attempt: the hash of its canonical body.
    AttemptId, "lode/1/attempt"
);
id!(
    /// A pair: the hash of its kind and its two attempts.
    PairId, "lode/1/pair"
);
id!(
    /// A grading job given to verifiers.
    JobId, "lode/1/job"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_ids() {
        assert_eq!(Hash::of(b"lode").to_string(), blake3::hash(b"lode").to_hex().to_string());
        assert_ne!(TaskId::of(b"lode").0, AttemptId::of(b"lode").0);
        assert_ne!(
            Hash::derive_parts("c", &[b"ab", b"c"]),
            Hash::derive_parts("c", &[b"a", b"bc"])
        );
    }

    #[test]
    fn readable_formats_are_hex_and_refuse_other_spellings() {
        let id = TaskId::of(b"x");
        let json = serde_json::to_string(&id).expect("serialises");
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<TaskId>(&json).expect("parses"), id);
        assert!(serde_json::from_str::<TaskId>(&json.to_uppercase()).is_err());
        assert!("12".parse::<TaskId>().is_err());
    }
}
