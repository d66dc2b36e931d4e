//! Fields of a record with their place, so that what is missing or of another kind is named.

use super::{
    ForeignError,
    json::{Json, Number},
};

/// Which record of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) record: usize,
    /// Line on which it begins, from 1.
    pub(crate) line: usize,
}

/// A value and the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) json: &'a Json,
    place: Place,
    path: String,
}

impl<'a> Field<'a> {
    pub(crate) fn root(json: &'a Json, place: Place) -> Self {
        Self { json, place, path: String::new() }
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> ForeignError {
        let path = if self.path.is_empty() { "the record".into() } else { self.path.clone() };
        let Place { record, line } = self.place;
        ForeignError::Field { record, line, path, what: what.into() }
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    fn wrong(&self, expected: &str) -> ForeignError {
        self.error(format!("is {}, expected {expected}", self.json.kind()))
    }

    fn child(&self, key: &str, json: &'a Json) -> Self {
        let path = if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) };
        Self { json, place: self.place, path }
    }

    /// A field that must be there (it may be null).
    pub(crate) fn get(&self, key: &str) -> Result<Self, ForeignError> {
        match self.json.get(key) {
            Some(json) => Ok(self.child(key, json)),
            None => match self.json {
                Json::Object(_) => Err(self.error(format!("the field {key:?} is missing"))),
                _ => Err(self.wrong("an object")),
            },
        }
    }

    /// A field that may be missing or null.
    pub(crate) fn maybe(&self, key: &str) -> Option<Self> {
        match self.json.get(key) {
            None | Some(Json::Null) => None,
            Some(json) => Some(self.child(key, json)),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, ForeignError> {
        match self.json {
            Json::Text(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    /// A text, or a number or truth value as it is written.
    pub(crate) fn plain(&self) -> Result<String, ForeignError> {
        match self.json {
            Json::Text(text) => Ok(text.clone()),
            Json::Number(number) => Ok(number.as_str().to_owned()),
            Json::Bool(truth) => Ok(truth.to_string()),
            _ => Err(self.wrong("a text or a number")),
        }
    }

    pub(crate) fn owned(&self) -> Result<String, ForeignError> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn truth(&self) -> Result<bool, ForeignError> {
        match self.json {
            Json::Bool(truth) => Ok(*truth),
            _ => Err(self.wrong("true or false")),
        }
    }

    pub(crate) fn number(&self) -> Result<&'a Number, ForeignError> {
        match self.json {
            Json::Number(number) => Ok(number),
            _ => Err(self.wrong("a number")),
        }
    }

    pub(crate) fn whole(&self) -> Result<i64, ForeignError> {
        let number = self.number()?;
        number.as_i64().ok_or_else(|| {
            self.error(format!("is {:.40}, expected a whole number", number.as_str()))
        })
    }

    pub(crate) fn count(&self) -> Result<usize, ForeignError> {
        let whole = self.whole()?;
        usize::try_from(whole).map_err(|_| self.error(format!("is {whole}, expected a count")))
    }

    /// A decimal number in thousandths, rounded half up.
    pub(crate) fn milli(&self) -> Result<i64, ForeignError> {
        let number = self.number()?;
        number.rounded_milli().ok_or_else(|| {
            self.error(format!("is {:.40}, expected a plain decimal number", number.as_str()))
        })
    }

    pub(crate) fn list(&self) -> Result<Vec<Self>, ForeignError> {
        match self.json {
            Json::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(place, item)| self.child(&place.to_string(), item))
                .collect()),
            _ => Err(self.wrong("a list")),
        }
    }

    pub(crate) fn texts(&self) -> Result<Vec<String>, ForeignError> {
        self.list()?.iter().map(Self::owned).collect()
    }

    pub(crate) fn counts(&self) -> Result<Vec<usize>, ForeignError> {
        self.list()?.iter().map(Self::count).collect()
    }

    /// Key and value of every field.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ForeignError> {
        match self.json {
            Json::Object(fields) => {
                Ok(fields.iter().map(|(key, json)| (key.as_str(), self.child(key, json))).collect())
            }
            _ => Err(self.wrong("an object")),
        }
    }
}

/// Reads an optional field: missing and null are `None`.
pub(crate) fn optional<'a, T>(
    of: &Field<'a>,
    key: &str,
    read: impl FnOnce(&Field<'a>) -> Result<T, ForeignError>,
) -> Result<Option<T>, ForeignError> {
    of.maybe(key).map(|field| read(&field)).transpose()
}
