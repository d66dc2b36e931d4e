//! How a record or blob lies in the key-value store: cut into pieces. sled writes a leaf, at most
//! some twenty values, as one; a leaf over a quarter of its segment (128 KiB) goes to a file of
//! its own, which sled does not sync. Pieces of 4 KiB keep leaves below that.
//!
//! ```text
//! r ‖ index (u64, big-endian) ‖ piece (u16)      value of piece 0: header ‖ bytes
//! b ‖ hash (32 bytes)         ‖ piece (u16)      value of the others: bytes
//! ```
//!
//! The checksum covers the key, where in which batch the record was, and all bytes.

use lode_proto::id::Hash;

/// Bytes of a record in one value of the store.
const PIECE: usize = 4 * 1024;
const VERSION: u8 = 1;
const HEADER: usize = 1 + 8 + 4 + 4 + 16;
/// Prefix of records' keys.
pub(super) const RECORDS: u8 = b'r';
const BLOBS: u8 = b'b';

/// The batch a record was appended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InBatch {
    /// Index of the batch's first record.
    pub(super) first: u64,
    /// Records in the batch.
    pub(super) count: u32,
}

/// The place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Record(u64),
    Blob(Hash),
}

impl Place {
    /// What all keys of the value begin with.
    pub(super) fn prefix(self) -> Vec<u8> {
        match self {
            Self::Record(index) => {
                let mut key = vec![RECORDS];
                key.extend(index.to_be_bytes());
                key
            }
            Self::Blob(hash) => {
                let mut key = vec![BLOBS];
                key.extend(hash.as_bytes());
                key
            }
        }
    }

    fn key(self, piece: u16) -> Vec<u8> {
        let mut key = self.prefix();
        key.extend(piece.to_be_bytes());
        key
    }

    /// The index in a record's key.
    pub(super) fn index_of(key: &[u8]) -> Option<u64> {
        match key {
            [RECORDS, rest @ ..] if rest.len() == 10 => {
                Some(u64::from_be_bytes(rest[..8].try_into().ok()?))
            }
            _ => None,
        }
    }
}

fn checksum(place: Place, batch: InBatch, bytes: &[u8]) -> [u8; 16] {
    let hash = Hash::derive_parts(
        "lode/1/log-record",
        &[&place.prefix(), &batch.first.to_le_bytes(), &batch.count.to_le_bytes(), bytes],
    );
    let mut short = [0; 16];
    short.copy_from_slice(&hash.0[..16]);
    short
}

/// The keys and values of a record or blob.
pub(super) fn cut(place: Place, batch: InBatch, bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::with_capacity(HEADER + bytes.len().min(PIECE));
    head.push(VERSION);
    head.extend(batch.first.to_le_bytes());
    head.extend(batch.count.to_le_bytes());
    // The log's limit on a record is far below 4 GiB.
    head.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend(checksum(place, batch, bytes));
    let (first, rest) = bytes.split_at(bytes.len().min(PIECE));
    head.extend(first);
    let mut pieces = vec![(place.key(0), head)];
    for (piece, bytes) in (1..=u16::MAX).zip(rest.chunks(PIECE)) {
        pieces.push((place.key(piece), bytes.to_vec()));
    }
    pieces
}

/// Puts a value together from its pieces in order of key, and checks it.
pub(super) fn join<'a>(
    place: Place,
    pieces: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(InBatch, Vec<u8>), String> {
    let mut pieces = pieces.enumerate().peekable();
    let Some((_, (_, head))) = pieces.peek() else { return Err("it is missing".into()) };
    let Some((header, _)) = head.split_at_checked(HEADER) else {
        return Err("its header is cut short".into());
    };
    if header[0] != VERSION {
        return Err(format!("its format is {}, but this build knows {VERSION}", header[0]));
    }
    let word =
        |at: usize| -> [u8; 4] { [header[at], header[at + 1], header[at + 2], header[at + 3]] };
    let first =
        u64::from(u32::from_le_bytes(word(1))) | u64::from(u32::from_le_bytes(word(5))) << 32;
    let batch = InBatch { first, count: u32::from_le_bytes(word(9)) };
    let length = u32::from_le_bytes(word(13)) as usize;
    let expected = header[17..HEADER].to_vec();
    let mut bytes = Vec::new();
    for (number, (key, value)) in pieces {
        if u16::try_from(number).map(|piece| place.key(piece)).as_deref() != Ok(key) {
            return Err(format!("piece {number} is missing"));
        }
        bytes.extend(if number == 0 { &value[HEADER..] } else { value });
    }
    if bytes.len() != length {
        return Err(format!("it has {} bytes of {length}", bytes.len()));
    }
    if checksum(place, batch, &bytes)[..] != expected[..] {
        return Err("its checksum is wrong".into());
    }
    Ok((batch, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BATCH: InBatch = InBatch { first: 7, count: 3 };

    fn rejoin(place: Place, pieces: &[(Vec<u8>, Vec<u8>)]) -> Result<(InBatch, Vec<u8>), String> {
        join(place, pieces.iter().map(|(key, value)| (&key[..], &value[..])))
    }

    #[test]
    fn sizes_around_a_piece() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 16 * 1024 * 1024] {
            let bytes: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let place = Place::Blob(Hash::of(b"x"));
            let pieces = cut(place, BATCH, &bytes);
            assert_eq!(pieces.len(), size.div_ceil(PIECE).max(1));
            assert_eq!(rejoin(place, &pieces).expect("whole"), (BATCH, bytes));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_change_is_found(
            bytes in proptest::collection::vec(any::<u8>(), 0..(2 * PIECE)),
            at: prop::sample::Index,
            bit in 0..8,
        ) {
            let place = Place::Record(9);
            let mut pieces = cut(place, BATCH, &bytes);
            let total: usize = pieces.iter().map(|(_, value)| value.len()).sum();
            let mut at = at.index(total);
            for (_, value) in &mut pieces {
                if at < value.len() {
                    value[at] ^= 1u8 << bit;
                    break;
                }
                at -= value.len();
            }
            prop_assert!(rejoin(place, &pieces).is_err());
            let whole = cut(place, BATCH, &bytes);
            prop_assert!(rejoin(Place::Record(8), &whole).is_err(), "moved to another index");
            prop_assert!(rejoin(place, &whole[..whole.len() - 1]).is_err(), "a piece is gone");
        }
    }
}
