//! JSON that loses nothing: fields keep their order, numbers their digits.
//!
//! `serde_json` keeps neither without features that would change it for the whole build, and turns
//! numbers into floats, which have no place in this crate. So this is a reader of its own: strict
//! (RFC 8259, no repeated keys), without recursion beyond [`MAX_DEPTH`], and bounded in the number of
//! values, because two bytes of text can become forty of memory.

mod read;

use std::collections::{HashMap, HashSet};

use super::{ForeignError, MAX_DEPTH};

pub(crate) use read::Reader;

/// A number as it was written. Two are equal where their digits are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// A whole number.
    #[must_use]
    pub fn whole(value: i64) -> Self {
        Self(value.to_string())
    }

    /// Thousandths as a decimal number without needless zeros: 539 is `0.539`, 1,000 is `1`.
    #[must_use]
    pub fn milli(value: i64) -> Self {
        let sign = if value < 0 { "-" } else { "" };
        let (whole, rest) = (value.unsigned_abs() / 1000, value.unsigned_abs() % 1000);
        if rest == 0 {
            return Self(format!("{sign}{whole}"));
        }
        let text = format!("{sign}{whole}.{rest:03}");
        Self(text.trim_end_matches('0').to_owned())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its value, where it is a whole number of 64 bits without fraction or exponent.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Its value in thousandths, rounded half up; `None` beyond 64 bits, or with an exponent.
    #[must_use]
    pub fn rounded_milli(&self) -> Option<i64> {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let Some(four) = fraction.get(..4) else { return self.as_milli() };
        let milli = Self(format!("{whole}.{}", four.get(..3)?)).as_milli()?;
        let up = four.as_bytes().get(3).is_some_and(|digit| *digit >= b'5');
        if fraction.bytes().any(|byte| !byte.is_ascii_digit()) {
            return None;
        }
        // Half of a negative number goes up, towards zero, unless anything follows it.
        let over = fraction.get(4..).is_some_and(|rest| rest.bytes().any(|byte| byte != b'0'));
        match (whole.starts_with('-'), up) {
            (false, true) => milli.checked_add(1),
            (true, true) if over || four.as_bytes().get(3) > Some(&b'5') => milli.checked_sub(1),
            _ => Some(milli),
        }
    }

    /// Its value in thousandths, where it is that exactly. Exponents are not read.
    #[must_use]
    pub fn as_milli(&self) -> Option<i64> {
        let (negative, digits) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.0.as_str()),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 3 {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let fraction: i64 = format!("{fraction:0<3}").parse().ok()?;
        let milli = whole.checked_mul(1000)?.checked_add(fraction)?;
        Some(if negative { -milli } else { milli })
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number with its digits.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// Fields in their order; no key twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// One value, and nothing but white space after it.
    ///
    /// # Errors
    /// Names line and column of the first byte that is no JSON, or the limit that was passed.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForeignError> {
        let mut reader = Reader::new(bytes)?;
        let value = reader.value()?;
        reader.end()?;
        Ok(value)
    }

    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A whole number.
    #[must_use]
    pub fn whole(value: i64) -> Self {
        Self::Number(Number::whole(value))
    }

    /// A count.
    #[must_use]
    pub fn count(value: usize) -> Self {
        Self::Number(Number(value.to_string()))
    }

    /// An object of the given fields.
    #[must_use]
    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Self {
        Self::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A field of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(fields) => {
                fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The same field, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        match self {
            Self::Object(fields) => {
                fields.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, for errors.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// On one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut out = String::new();
        write(self, None, 0, &mut out);
        out
    }

    /// With line breaks and two spaces a level, for people.
    #[must_use]
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        write(self, Some(2), 0, &mut out);
        out.push('\n');
        out
    }

    /// Dotted paths of everything that differs between two values, in order; list items by their
    /// place from 0. Missing on one side counts, and so does another order of the same fields.
    #[must_use]
    pub fn differences(&self, other: &Json) -> Vec<String> {
        let mut paths = Vec::new();
        differ(self, other, "", &mut paths);
        paths
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn differ(left: &Json, right: &Json, path: &str, paths: &mut Vec<String>) {
    match (left, right) {
        (Json::Object(a), Json::Object(b)) => {
            let theirs: HashMap<&str, &Json> = b.iter().map(|(k, v)| (k.as_str(), v)).collect();
            let ours: HashSet<&str> = a.iter().map(|(k, _)| k.as_str()).collect();
            for (key, value) in a {
                match theirs.get(key.as_str()) {
                    Some(other) => differ(value, other, &join(path, key), paths),
                    None => paths.push(join(path, key)),
                }
            }
            let mut missing = b.iter().filter(|(key, _)| !ours.contains(key.as_str())).peekable();
            let same_keys = a.len() == b.len() && missing.peek().is_none();
            paths.extend(missing.map(|(key, _)| join(path, key)));
            if same_keys && a.iter().zip(b).any(|((x, _), (y, _))| x != y) {
                paths.push(join(path, "(order of fields)"));
            }
        }
        (Json::List(a), Json::List(b)) if a.len() == b.len() => {
            for (place, (x, y)) in a.iter().zip(b).enumerate() {
                differ(x, y, &join(path, &place.to_string()), paths);
            }
        }
        _ if left == right => {}
        _ => paths.push(path.to_owned()),
    }
}

fn newline(indent: Option<usize>, level: usize, out: &mut String) {
    if let Some(width) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', width * level));
    }
}

fn write(value: &Json, indent: Option<usize>, level: usize, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => out.push_str(&number.0),
        Json::Text(text) => quote(text, out),
        Json::List(items) if items.is_empty() => out.push_str("[]"),
        Json::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                newline(indent, level + 1, out);
                write(item, indent, level + 1, out);
            }
            newline(indent, level, out);
            out.push(']');
        }
        Json::Object(fields) if fields.is_empty() => out.push_str("{}"),
        Json::Object(fields) => {
            out.push('{');
            for (place, (key, item)) in fields.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                newline(indent, level + 1, out);
                quote(key, out);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write(item, indent, level + 1, out);
            }
            newline(indent, level, out);
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_fields_their_order() {
        let text = r#"{"z":1.0,"a":-0,"n":12345678901234567890123,"e":1e400,"l":[0.10,[]],"o":{}}"#;
        assert_eq!(Json::parse(text.as_bytes()).unwrap().line(), text);
    }

    #[test]
    fn thousandths_are_exact_or_not_at_all() {
        let milli = |text: &str| match Json::parse(text.as_bytes()).unwrap() {
            Json::Number(number) => number.as_milli(),
            _ => None,
        };
        assert_eq!(milli("-0.2"), Some(-200));
        assert_eq!(milli("0.5390"), Some(539));
        assert_eq!(milli("12"), Some(12_000));
        assert_eq!(milli("0.0001"), None);
        assert_eq!(milli("1e3"), None);
        let rounded = |text: &str| match Json::parse(text.as_bytes()).unwrap() {
            Json::Number(number) => number.rounded_milli(),
            _ => None,
        };
        assert_eq!(rounded("0.8333333333333334"), Some(833));
        assert_eq!(rounded("0.5555"), Some(556));
        assert_eq!(rounded("-0.5555"), Some(-555));
        assert_eq!(rounded("-0.55551"), Some(-556));
        assert_eq!(rounded("0.25"), Some(250));
        assert_eq!(rounded("0.12345e3"), None);
        for value in [0, 1, -200, 539, 1000, -1050] {
            assert_eq!(milli(Number::milli(value).as_str()), Some(value));
        }
    }

    #[test]
    fn differences_are_named() {
        let parse = |text: &str| Json::parse(text.as_bytes()).unwrap();
        let left = parse(r#"{"a":{"b":[1,2]},"c":1,"d":2}"#);
        let right = parse(r#"{"a":{"b":[1,3]},"c":1,"e":2}"#);
        assert_eq!(left.differences(&right), ["a.b.1", "d", "e"]);
        assert_eq!(
            parse(r#"{"a":1,"b":2}"#).differences(&parse(r#"{"b":2,"a":1}"#)),
            ["(order of fields)"]
        );
        assert!(left.differences(&left).is_empty());
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, line, column) in [
            ("", 1, 1),
            ("{\"a\":1,\n \"a\":2}", 2, 2),
            ("[1,]", 1, 4),
            ("[01]", 1, 3),
            ("\"\\ud800\"", 1, 2),
            ("\"a\tb\"", 1, 3),
            ("1 2", 1, 3),
            ("nul", 1, 1),
            ("[1.]", 1, 4),
            ("{\"a\" 1}", 1, 6),
        ] {
            match Json::parse(text.as_bytes()) {
                Err(ForeignError::Syntax { line: l, column: c, .. }) => {
                    assert_eq!((l, c), (line, column), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(Json::parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        let error = Json::parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("nested deeper"), "{error}");
        let many = format!("[{}0]", "0,".repeat(crate::foreign::MAX_VALUES));
        assert!(matches!(Json::parse(many.as_bytes()), Err(ForeignError::TooLarge { .. })));
    }

    proptest! {
        /// What another reader makes of a text, and of what this one wrote, is the same.
        #[test]
        fn another_reader_agrees(text in "[\\[\\]{}\",:0-9a-e\\\\ntru .-]{0,40}") {
            let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
            match Json::parse(text.as_bytes()) {
                // The other reader makes floats of numbers, and refuses those beyond them.
                Ok(_) if theirs.as_ref().is_err_and(|e| e.to_string().contains("out of range")) => {}
                Ok(ours) => {
                    let again: serde_json::Value = serde_json::from_str(&ours.line()).unwrap();
                    prop_assert_eq!(Some(&again), theirs.as_ref().ok());
                    let pretty: serde_json::Value = serde_json::from_str(&ours.pretty()).unwrap();
                    prop_assert_eq!(pretty, again);
                }
                // The other reader takes repeated keys.
                Err(error) => prop_assert!(
                    theirs.is_err() || error.to_string().contains("twice"), "{}: {}", text, error
                ),
            }
        }

        #[test]
        fn any_text_survives(text: String) {
            let line = Json::text(&text).line();
            prop_assert_eq!(Json::parse(line.as_bytes()).unwrap(), Json::Text(text));
        }
    }
}
