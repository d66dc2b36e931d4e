//! How much a Parquet file claims to unpack to, found before anything is unpacked.
//!
//! A few kilobytes of Zstandard can hold gigabytes. The decoder allocates what each page's header
//! claims and refuses a page that unpacks to more, so the sum of the claims bounds the memory.
//! Headers are Thrift structs in the compact protocol; only their first three fields (type,
//! unpacked size, packed size) are read, the rest is skipped.

use bytes::Bytes;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::error::BundleError;

/// Most pages of one file.
const MAX_PAGES: usize = 1_000_000;
/// Most rows that one byte of a file may claim.
const MAX_ROWS_PER_BYTE: i64 = 64;
/// Deepest nesting of a page header that is skipped.
const MAX_DEPTH: u32 = 8;

/// Refuses a file whose pages claim more than `limit` bytes unpacked, or that is not laid out as
/// its footer says.
pub(crate) fn check(path: &str, bytes: &[u8], limit: u64) -> Result<(), BundleError> {
    let bad = |what: String| BundleError::bad(path, what);
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&Bytes::copy_from_slice(bytes))
        .map_err(BundleError::parquet(path))?;
    let (mut claimed, mut pages): (u64, usize) = (0, 0);
    for group in metadata.row_groups() {
        if group.num_rows() < 0 || group.num_rows() > MAX_ROWS_PER_BYTE * bytes.len() as i64 {
            return Err(bad(format!("claims {} rows in {} bytes", group.num_rows(), bytes.len())));
        }
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let start = start.min(column.data_page_offset());
            let place = || -> Option<&[u8]> {
                let start = usize::try_from(start).ok()?;
                let length = usize::try_from(column.compressed_size()).ok()?;
                bytes.get(start..start.checked_add(length)?)
            };
            let mut rest =
                place().ok_or_else(|| bad("has a column that lies outside the file".into()))?;
            while !rest.is_empty() {
                let (header, unpacked, packed) = page_header(rest)
                    .ok_or_else(|| bad("has a page header that cannot be read".into()))?;
                claimed = claimed.saturating_add(unpacked);
                pages += 1;
                if claimed > limit || pages > MAX_PAGES {
                    return Err(bad(format!(
                        "unpacks to more than {limit} bytes (or {MAX_PAGES} pages); refused unread"
                    )));
                }
                rest = header
                    .checked_add(packed)
                    .and_then(|end| rest.get(end..))
                    .ok_or_else(|| bad("has a page that is cut".into()))?;
            }
        }
    }
    Ok(())
}

/// Length of the header, unpacked and packed size of the page, bytes.
fn page_header(bytes: &[u8]) -> Option<(usize, u64, usize)> {
    let mut cursor = Cursor { bytes, at: 0 };
    let (mut field, mut unpacked, mut packed) = (0, None, None);
    while let Some(kind) = cursor.field(&mut field)? {
        match (field, kind) {
            (2, 5) => unpacked = Some(cursor.zigzag()?),
            (3, 5) => packed = Some(cursor.zigzag()?),
            _ => cursor.skip(kind, MAX_DEPTH)?,
        }
    }
    Some((cursor.at, u64::try_from(unpacked?).ok()?, usize::try_from(packed?).ok()?))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        i64::try_from(value >> 1).ok().map(|half| if value & 1 == 0 { half } else { -half - 1 })
    }

    /// The type of the next field, whose number goes to `field`; `None` at the end of a struct.
    #[expect(clippy::option_option, reason = "the outer one is: cut")]
    fn field(&mut self, field: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *field = match byte >> 4 {
            0 => self.zigzag()?,
            step => field.checked_add(i64::from(step))?,
        };
        Some(Some(byte & 0x0f))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => {}
            3 => self.at = self.at.checked_add(1)?,
            4..=6 => {
                self.varint()?;
            }
            7 => self.at = self.at.checked_add(8)?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                for _ in 0..count {
                    // Truth values in a list take a byte each.
                    match head & 0x0f {
                        1 | 2 => self.at = self.at.checked_add(1)?,
                        item => self.skip(item, depth)?,
                    }
                    if self.at > self.bytes.len() {
                        return None;
                    }
                }
            }
            12 => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, depth)?;
                }
            }
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_a_header_as_thrift_writes_it() {
        // type = DATA_PAGE, unpacked = 300, packed = 5, data_page_header { values = 1, … }, stop.
        let bytes =
            [0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x0a, 0x2c, 0x15, 0x02, 0x15, 0x00, 0x00, 0x00];
        assert_eq!(page_header(&bytes), Some((bytes.len(), 300, 5)));
        for end in 0..bytes.len() {
            assert_eq!(page_header(&bytes[..end]), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = page_header(&bytes);
            let _ = check("x", &bytes, 1000);
        }
    }
}
