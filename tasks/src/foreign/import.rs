//! The records of a foreign file, and how an import keeps them: every record as it was, with a mark
//! that says whose it is.
//!
//! ```text
//! FILE (one object, a list, or JSON Lines) ─► records ─► rows.jsonl: {"lode_import": …, "row": …}
//!   ▲                                                        │
//!   └──────────────────── restore (deep-equal) ◄─────────────┘
//! ```

use lode_proto::id::Hash;

use super::{
    ForeignError, MAX_RECORD_BYTES, MAX_RECORDS,
    fields::{Field, Place},
    json::{Json, Reader},
};

/// The key that marks an imported row. It stands first in every line of an import, and no bundle
/// takes a row that has it.
pub const IMPORT_KEY: &str = "lode_import";

/// File of an import's folder that says what was imported.
pub const SUMMARY_FILE: &str = "import.json";
/// File of an import's folder with the marked rows.
pub const ROWS_FILE: &str = "rows.jsonl";

/// How the records of a file hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One record and nothing else.
    Single,
    /// One JSON list.
    List,
    /// A record after the other, commonly one a line.
    Lines,
}

impl Shape {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Single, "single"), (Self::List, "list"), (Self::Lines, "lines")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(shape, _)| *shape == self).map_or("", |(_, name)| name)
    }
}

/// One record of a foreign file.
#[derive(Debug, Clone)]
pub struct Record {
    /// From 1.
    pub number: usize,
    /// Line on which it begins, from 1.
    pub line: usize,
    /// The record.
    pub json: Json,
}

impl Record {
    pub(crate) fn field(&self) -> Field<'_> {
        Field::root(&self.json, Place { record: self.number, line: self.line })
    }
}

/// A foreign file.
#[derive(Debug, Clone)]
pub struct File {
    /// How its records hang together.
    pub shape: Shape,
    /// Them.
    pub records: Vec<Record>,
}

/// Reads every record of a file, whatever its shape.
///
/// # Errors
/// What is no JSON with its line and column; what passes a limit.
pub fn read(bytes: &[u8]) -> Result<File, ForeignError> {
    let mut reader = Reader::new(bytes)?;
    reader.skip_space();
    let mut records: Vec<Record> = Vec::new();
    let (mut line, mut seen) = (1, 0);
    let mut next = |reader: &mut Reader<'_>, records: &mut Vec<Record>| {
        reader.skip_space();
        let start = reader.at();
        line += reader.lines_between(seen, start);
        seen = start;
        let json = reader.value()?;
        let found = reader.at() - start;
        if found > MAX_RECORD_BYTES {
            let (unit, limit) = ("bytes", MAX_RECORD_BYTES);
            return Err(ForeignError::TooLarge { what: "a record", found, unit, limit });
        }
        records.push(Record { number: records.len() + 1, line, json });
        if records.len() > MAX_RECORDS {
            let (found, limit) = (records.len(), MAX_RECORDS);
            return Err(ForeignError::TooLarge { what: "the file", found, unit: "records", limit });
        }
        Ok(())
    };
    if reader.peek() == Some(b'[') {
        reader.step();
        while reader.more(b']', records.is_empty())? {
            next(&mut reader, &mut records)?;
        }
        reader.end()?;
        return Ok(File { shape: Shape::List, records });
    }
    loop {
        next(&mut reader, &mut records)?;
        reader.skip_space();
        if reader.peek().is_none() {
            break;
        }
    }
    let shape = if records.len() == 1 { Shape::Single } else { Shape::Lines };
    Ok(File { shape, records })
}

/// Where imported records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `botcoin` or `dacr`.
    pub format: &'static str,
    /// Whose they are: a data set's name or an address.
    pub source: String,
    /// SPDX licence, or words that say that none is known.
    pub licence: String,
    /// Plain BLAKE3 of the file that was read.
    pub file: Hash,
}

/// One line of an import: the mark, what is said about the record, and the record itself.
#[must_use]
pub fn mark(origin: &Origin, shape: Shape, record: &Record, about: Vec<(String, Json)>) -> Json {
    let mark = Json::object([
        ("format", Json::text(origin.format)),
        ("source", Json::text(&origin.source)),
        ("licence", Json::text(&origin.licence)),
        ("file_blake3", Json::text(&origin.file.to_string())),
        ("shape", Json::text(shape.name())),
        ("record", Json::count(record.number)),
        ("line", Json::count(record.line)),
    ]);
    let mut fields = vec![(IMPORT_KEY.to_owned(), mark)];
    fields.extend(about);
    fields.push(("row".to_owned(), record.json.clone()));
    Json::Object(fields)
}

/// Whether bytes are (the beginning of) an import of this build.
#[must_use]
pub fn is_imported(bytes: &[u8]) -> bool {
    let rest = bytes.trim_ascii_start().strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
    let key = rest.strip_prefix(b"\"").and_then(|rest| rest.strip_prefix(IMPORT_KEY.as_bytes()));
    key.is_some_and(|rest| rest.starts_with(b"\""))
}

/// Source and licence of what is imported, as far as the first row says them.
#[must_use]
pub fn origin_of(lines: &[u8]) -> Option<(String, String)> {
    is_imported(lines).then_some(())?;
    let said = |key: &str| {
        let mark = Reader::new(lines).ok()?.value().ok()?;
        mark.get(IMPORT_KEY)?.get(key)?.as_text().map(str::to_owned)
    };
    let unknown = || "unknown".to_owned();
    Some((said("source").unwrap_or_else(unknown), said("licence").unwrap_or_else(unknown)))
}

/// The records of an import's lines as they were, in the shape of the file they came from.
///
/// # Errors
/// What is not an import of `format`, with its line.
pub fn restore(lines: &[u8], format: &str) -> Result<File, ForeignError> {
    if lines.trim_ascii().is_empty() {
        return Ok(File { shape: Shape::List, records: Vec::new() });
    }
    let imported = read(lines)?;
    let mut shape = None;
    let mut records = Vec::with_capacity(imported.records.len());
    for record in imported.records {
        let field = record.field();
        if record.json.get(IMPORT_KEY).is_none() {
            return Err(field.error(format!("is no imported row: it has no {IMPORT_KEY:?}")));
        }
        let mark = field.get(IMPORT_KEY)?;
        let found = mark.get("format")?.text()?;
        if found != format {
            return Err(mark.error(format!("is of format {found:.40?}, expected {format:?}")));
        }
        let name = mark.get("shape")?;
        let text = name.text()?;
        let known = Shape::ALL.iter().find(|(_, other)| *other == text);
        let (found, _) =
            known.ok_or_else(|| name.error(format!("no shape is named {text:.40?}")))?;
        shape.get_or_insert(*found);
        let (number, line) = (mark.get("record")?.count()?, mark.get("line")?.count()?);
        let json = field.get("row")?.json.clone();
        records.push(Record { number, line, json });
    }
    let shape = shape.unwrap_or(Shape::List);
    // Rows that were taken out of a list or of lines are still one.
    let shape = if shape == Shape::Single && records.len() != 1 { Shape::Lines } else { shape };
    Ok(File { shape, records })
}

impl File {
    /// The file's text: a single record and a list with line breaks for people, lines one each.
    #[must_use]
    pub fn text(&self) -> String {
        match (self.shape, self.records.as_slice()) {
            (Shape::Single, [record]) => record.json.pretty(),
            (Shape::List, records) => {
                Json::List(records.iter().map(|record| record.json.clone()).collect()).pretty()
            }
            (_, records) => records.iter().map(|record| record.json.line() + "\n").collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> (Shape, String) {
        let file = read(text.as_bytes()).unwrap();
        let origin = Origin {
            format: "botcoin",
            source: "a test".into(),
            licence: "none".into(),
            file: Hash::of(text.as_bytes()),
        };
        let lines: String = file
            .records
            .iter()
            .map(|record| mark(&origin, file.shape, record, Vec::new()).line() + "\n")
            .collect();
        assert!(file.records.is_empty() || is_imported(lines.as_bytes()));
        let back = restore(lines.as_bytes(), "botcoin").unwrap();
        assert!(restore(lines.as_bytes(), "dacr").is_err());
        (back.shape, back.text())
    }

    #[test]
    fn every_shape_comes_back() {
        assert_eq!(round("{\"a\": 1.50}"), (Shape::Single, "{\n  \"a\": 1.50\n}\n".into()));
        let lines = "{\"a\":1}\n{\"b\":[2]}\n";
        assert_eq!(round(lines), (Shape::Lines, lines.into()));
        let (shape, list) = round("[{\"a\":1}, {\"b\":2}]");
        assert_eq!(shape, Shape::List);
        assert_eq!(Json::parse(list.as_bytes()), Json::parse(b"[{\"a\":1},{\"b\":2}]"));
    }

    #[test]
    fn records_know_their_lines() {
        let file = read(b"[\n{\"a\":\n1},\n\n{}]").unwrap();
        let lines: Vec<usize> = file.records.iter().map(|record| record.line).collect();
        assert_eq!(lines, [2, 5]);
        assert!(read(b"").is_err());
        assert!(
            restore(b"{\"row\":1}", "botcoin").unwrap_err().to_string().contains("lode_import")
        );
        assert!(!is_imported(b"{\"row\":{\"lode_import\":1}}"));
    }
}
