//! The one binary encoding: bincode behind two functions, so that it can be replaced in one place
//! (`docs/decisions/0002-bincode.md`).
//!
//! Varint integers, little-endian. Bincode accepts several spellings of the same value (a small
//! number in a long varint); [`decode`] does not: it re-encodes what it read and compares. It also
//! consumes every byte and never allocates more than the limit.

use serde::{Serialize, de::DeserializeOwned};

use crate::limits::MAX_ENCODED_BYTES;

/// Why bytes were not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Longer than the caller's limit; nothing was decoded.
    #[error("{got} bytes, but at most {limit} are allowed here")]
    TooLong {
        /// Bytes offered.
        got: usize,
        /// The caller's limit, bytes.
        limit: usize,
    },
    /// Not an encoding of the expected type.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Bytes after the value.
    #[error("{0} bytes left over after the value")]
    Trailing(usize),
    /// Another spelling of the value than the canonical one.
    #[error("not the canonical encoding of the value it holds")]
    NotCanonical,
    /// A value that has no encoding within [`MAX_ENCODED_BYTES`].
    #[error("cannot be encoded: {0}")]
    Unencodable(String),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_ENCODED_BYTES>()
}

/// The canonical bytes of a value.
///
/// # Errors
/// [`CodecError::Unencodable`] where the value is larger than [`MAX_ENCODED_BYTES`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(value, config())
        .map_err(|error| CodecError::Unencodable(error.to_string()))?;
    if bytes.len() > MAX_ENCODED_BYTES {
        return Err(CodecError::TooLong { got: bytes.len(), limit: MAX_ENCODED_BYTES });
    }
    Ok(bytes)
}

/// Reads one value from its canonical bytes, at most `limit` of them.
///
/// # Errors
/// Whatever is not exactly `encode(value)` for some value of type `T`.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLong { got: bytes.len(), limit });
    }
    let (value, used): (T, usize) = bincode::serde::decode_from_slice(bytes, config())
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    if used != bytes.len() {
        return Err(CodecError::Trailing(bytes.len() - used));
    }
    if encode(&value)? != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        text: String,
        list: Vec<Option<u32>>,
    }

    #[test]
    fn golden_bytes() {
        let sample = Sample { number: 300, text: "ab".into(), list: vec![None, Some(7)] };
        let bytes = encode(&sample).expect("encodes");
        assert_eq!(hex::encode(&bytes), "fb2c0102616202000107");
        assert_eq!(decode::<Sample>(&bytes, 64).expect("decodes"), sample);
    }

    #[test]
    fn other_spellings_are_refused() {
        // 7 as a three-byte varint.
        assert_eq!(decode::<u64>(&[0xfb, 7, 0], 16), Err(CodecError::NotCanonical));
        assert_eq!(decode::<u64>(&[7, 0], 16), Err(CodecError::Trailing(1)));
        assert!(matches!(decode::<u64>(&[7], 0), Err(CodecError::TooLong { got: 1, limit: 0 })));
        // A length that claims 4 GiB must fail without allocating it.
        assert!(matches!(
            decode::<Vec<u8>>(&[0xfc, 0xff, 0xff, 0xff, 0xff, 1], 64),
            Err(CodecError::Malformed(_))
        ));
    }

    proptest! {
        #[test]
        fn round_trip(number: u64, text: String, list: Vec<Option<u32>>) {
            let sample = Sample { number, text, list };
            let bytes = encode(&sample).expect("encodes");
            prop_assert_eq!(decode::<Sample>(&bytes, bytes.len()).expect("decodes"), sample);
        }

        #[test]
        fn what_decodes_is_canonical(bytes: Vec<u8>) {
            if let Ok(value) = decode::<Sample>(&bytes, 1 << 16) {
                prop_assert_eq!(encode(&value).expect("encodes"), bytes);
            }
        }
    }
}
