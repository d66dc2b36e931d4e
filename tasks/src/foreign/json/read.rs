//! From bytes to values.

use std::collections::HashSet;

use super::{ForeignError, Json, MAX_DEPTH, Number};
use crate::foreign::{MAX_FILE_BYTES, MAX_VALUES};

/// Fields up to which a repeated key is looked for one by one.
const FEW_FIELDS: usize = 32;

/// Reads values from a text, one after the other.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
    repeats: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning; a byte order mark is skipped.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, ForeignError> {
        if bytes.len() > MAX_FILE_BYTES {
            let (found, limit) = (bytes.len(), MAX_FILE_BYTES);
            return Err(ForeignError::TooLarge { what: "the file", found, unit: "bytes", limit });
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let text = std::str::from_utf8(good).unwrap_or_default();
                let reader = Self { text, at: text.len(), depth: 0, values: 0, repeats: false };
                return Err(reader.error("this is no UTF-8 text; give JSON or JSON Lines"));
            }
        };
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Ok(Self { text, at, depth: 0, values: 0, repeats: false })
    }

    /// The same, but of a repeated key the last value counts, as in JavaScript.
    pub(crate) fn with_repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// Byte offset of what is read next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Line and column of the next byte, from 1.
    pub(crate) fn place(&self) -> (usize, usize) {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1)
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> ForeignError {
        let (line, column) = self.place();
        ForeignError::Syntax { line, column, what: what.into() }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over one byte that was peeked at.
    pub(crate) fn step(&mut self) {
        self.at += 1;
    }

    /// Lines that begin between two offsets.
    pub(crate) fn lines_between(&self, from: usize, to: usize) -> usize {
        let text = self.text.as_bytes().get(from..to).unwrap_or_default();
        text.iter().filter(|byte| **byte == b'\n').count()
    }

    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Refuses anything but white space.
    pub(crate) fn end(&mut self) -> Result<(), ForeignError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("the value has ended; nothing may follow it")),
        }
    }

    /// The next value, white space before it skipped.
    pub(crate) fn value(&mut self) -> Result<Json, ForeignError> {
        self.skip_space();
        self.values += 1;
        if self.values > MAX_VALUES {
            let (found, limit) = (self.values, MAX_VALUES);
            return Err(ForeignError::TooLarge { what: "the file", found, unit: "values", limit });
        }
        match self.peek() {
            None => Err(self.error("the file ends where a value should be")),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => {
                for (word, value) in
                    [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
                {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.error("no JSON value begins like this"))
            }
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Json, ForeignError>,
    ) -> Result<Json, ForeignError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels, the limit")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Whether another item follows; the closing byte or the comma is taken.
    pub(crate) fn more(&mut self, close: u8, first: bool) -> Result<bool, ForeignError> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(close) {
                    return Err(self.error("a comma before the end"));
                }
                Ok(true)
            }
            Some(_) if first => Ok(true),
            Some(_) => Err(self.error(format!("expected a comma or {:?}", char::from(close)))),
            None => Err(self.error(format!("the file ends before {:?}", char::from(close)))),
        }
    }

    fn list(&mut self) -> Result<Json, ForeignError> {
        let mut items = Vec::new();
        while self.more(b']', items.is_empty())? {
            items.push(self.value()?);
        }
        Ok(Json::List(items))
    }

    fn object(&mut self) -> Result<Json, ForeignError> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        while self.more(b'}', fields.is_empty())? {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key in quotes"));
            }
            let key = self.string()?;
            if fields.len() == FEW_FIELDS {
                keys = fields.iter().map(|(key, _)| key.clone()).collect();
            }
            let twice = if fields.len() < FEW_FIELDS {
                fields.iter().any(|(other, _)| *other == key)
            } else {
                !keys.insert(key.clone())
            };
            if twice && !self.repeats {
                self.at = start;
                return Err(self.error(format!("the key {key:.40?} stands here twice")));
            }
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.error("expected a colon after the key"));
            }
            self.at += 1;
            let value = self.value()?;
            if twice {
                fields.retain(|(other, _)| *other != key);
            }
            fields.push((key, value));
        }
        Ok(Json::Object(fields))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, ForeignError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.error("a number has no zeros in front"));
            }
        } else if self.digits() == 0 {
            return Err(self.error("expected a digit"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("expected a digit after the point"));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("expected a digit in the exponent"));
            }
        }
        Ok(Json::Number(Number(self.text[start..self.at].to_owned())))
    }

    fn string(&mut self) -> Result<String, ForeignError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error("a control character inside a text")),
                None => return Err(self.error("the file ends inside a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ForeignError> {
        let plain = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.error("no such escape")),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    }

    fn unicode(&mut self) -> Result<char, ForeignError> {
        let half = "half of a surrogate pair: it stands for no character";
        let first = self.unit(self.at).ok_or_else(|| self.error("expected four hex digits"))?;
        if let Some(c) = char::from_u32(first) {
            self.at += 6;
            return Ok(c);
        }
        let second = self.unit(self.at + 6).filter(|unit| (0xdc00..0xe000).contains(unit));
        match second {
            Some(second) if first < 0xdc00 => {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                let c = char::from_u32(code).ok_or_else(|| self.error(half))?;
                self.at += 12;
                Ok(c)
            }
            _ => Err(self.error(half)),
        }
    }
}
