//! Settings in layers: the built-in defaults, a TOML file, the environment, the command line;
//! each layer overrides the one before, key by key.
//!
//! ```text
//! T's defaults ◄─ FILE.toml ◄─ LODE_MINER_ENGINE__THREADS=2 ◄─ --threads 2
//! ```
//!
//! A daemon's settings type derives `Deserialize` with `#[serde(default, deny_unknown_fields)]`.
//! A key it does not have, or a value of the wrong type, is refused with where it came from and
//! what was expected. In the environment, `__` goes one table deeper; a value is read as TOML
//! where it is TOML (`2`, `true`, `["a"]`) and as text where it is not.

use std::{collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::files;

/// Largest settings file, bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why settings were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}")]
    File(String),
    /// The file is not TOML, or has a key or value that is not known.
    #[error("{path}: {reason}")]
    InFile {
        /// The file.
        path: String,
        /// What was wrong, with line and column where known.
        reason: String,
    },
    /// The environment or the command line has a key or value that is not known.
    #[error("{source_name}: {reason}")]
    InLayer {
        /// The variable or flag.
        source_name: String,
        /// What was wrong.
        reason: String,
    },
    /// A value that is needed was given nowhere.
    #[error("settings: {0}")]
    Incomplete(String),
}

/// Settings being put together.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    merged: Table,
    file: Option<(String, String)>,
    /// Where each key of the later layers came from, by dotted path.
    origins: BTreeMap<String, String>,
}

impl Layers {
    /// Nothing but the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    ///
    /// # Errors
    /// Where it is not there, cannot be read, or is not TOML.
    pub fn file(self, path: &Path) -> Result<Self, ConfigError> {
        let bytes = files::read_small(path, MAX_FILE)
            .map_err(|error| ConfigError::File(error.to_string()))?
            .ok_or_else(|| {
                ConfigError::File(format!(
                    "there is no settings file {}; check the path, or leave it out for the defaults",
                    path.display()
                ))
            })?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::InFile {
            path: path.display().to_string(),
            reason: "not UTF-8 text".into(),
        })?;
        self.text(&path.display().to_string(), &text)
    }

    /// Adds the text of a file.
    ///
    /// # Errors
    /// Where it is not TOML.
    pub fn text(mut self, name: &str, text: &str) -> Result<Self, ConfigError> {
        let table: Table = toml::from_str(text).map_err(|error| ConfigError::InFile {
            path: name.into(),
            reason: error.to_string().trim_end().into(),
        })?;
        merge(&mut self.merged, table);
        self.file = Some((name.into(), text.into()));
        Ok(self)
    }

    /// Adds this process's environment variables that begin with `prefix` (`LODE_MINER_`).
    ///
    /// # Errors
    /// Where one goes through a value that is no table.
    pub fn env(self, prefix: &str) -> Result<Self, ConfigError> {
        self.variables(prefix, std::env::vars())
    }

    /// Adds the variables that begin with `prefix`.
    ///
    /// # Errors
    /// Where one goes through a value that is no table.
    pub fn variables(
        mut self,
        prefix: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut variables: Vec<_> = variables
            .filter_map(|(name, value)| {
                let key = name.strip_prefix(prefix)?.to_lowercase().replace("__", ".");
                (!key.is_empty()).then_some((key, format!("environment variable {name}"), value))
            })
            .collect();
        variables.sort();
        for (key, origin, value) in variables {
            self = self.set(&key, &origin, parse(&value))?;
        }
        Ok(self)
    }

    /// Adds what flags of the form `KEY=VALUE` say (`--set engine.threads=2`); the value is read as
    /// in the environment.
    ///
    /// # Errors
    /// Where one has no `=`, or goes through a value that is no table.
    pub fn assignments(mut self, flags: &[String]) -> Result<Self, ConfigError> {
        for flag in flags {
            let origin = format!("--set {flag}");
            let (key, value) = flag.split_once('=').ok_or_else(|| ConfigError::InLayer {
                source_name: origin.clone(),
                reason: "has no value; write KEY=VALUE, for example engine.threads=2".into(),
            })?;
            self = self.set(key.trim(), &origin, parse(value.trim()))?;
        }
        Ok(self)
    }

    /// Adds one value by its dotted key; `origin` names where it came from, for messages
    /// (`--threads`).
    ///
    /// # Errors
    /// Where the key goes through a value that is no table.
    pub fn set(mut self, key: &str, origin: &str, value: Value) -> Result<Self, ConfigError> {
        let mut table = &mut self.merged;
        let (parents, last) = match key.rsplit_once('.') {
            Some((parents, last)) => (parents.split('.').collect(), last),
            None => (Vec::new(), key),
        };
        for part in parents {
            let entry = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().ok_or_else(|| ConfigError::InLayer {
                source_name: origin.into(),
                reason: format!("`{key}`: `{part}` is a value, not a group of settings"),
            })?;
        }
        table.insert(last.into(), value);
        self.origins.insert(key.into(), origin.into());
        Ok(self)
    }

    /// The settings.
    ///
    /// # Errors
    /// A key that `T` does not have, a value of the wrong type, or one that is missing.
    pub fn load<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        // The file by itself first: its errors have line and column.
        if let Some((path, text)) = &self.file
            && let Err(error) = toml::from_str::<T>(text)
            && !error.message().starts_with("missing field")
        {
            let reason = error.to_string().trim_end().to_owned();
            return Err(ConfigError::InFile { path: path.clone(), reason });
        }
        let merged = Value::Table(self.merged.clone());
        let error = match merged.try_into::<T>() {
            Ok(settings) => return Ok(settings),
            Err(error) => error,
        };
        // The file was fine: take the later layers one by one to find the one to blame.
        let mut table = match &self.file {
            Some((_, text)) => toml::from_str(text).unwrap_or_default(),
            None => Table::new(),
        };
        let mut before = None;
        for (key, origin) in &self.origins {
            let Some(value) = find(&self.merged, key) else { continue };
            put(&mut table, key, value.clone());
            if let Err(error) = Value::Table(table.clone()).try_into::<T>() {
                let message = error.message().to_owned();
                let missing = message.starts_with("missing field");
                if !missing && before.as_ref() != Some(&message) {
                    let reason = format!("`{key}`: {message}");
                    return Err(ConfigError::InLayer { source_name: origin.clone(), reason });
                }
                before = Some(message);
            }
        }
        Err(ConfigError::Incomplete(error.message().to_owned()))
    }
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((first, rest)) => find(table.get(first)?.as_table()?, rest),
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
        }
        Some((first, rest)) => {
            let entry = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Some(inner) = entry.as_table_mut() {
                put(inner, rest, value);
            }
        }
    }
}

fn parse(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        name: String,
        engine: Engine,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Engine {
        threads: u32,
        model: Option<String>,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { name: "default".into(), engine: Engine::default() }
        }
    }

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let owned: Vec<_> = pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        owned.into_iter()
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let settings: Settings = Layers::new()
            .text("f.toml", "name = \"file\"\n[engine]\nthreads = 1\nmodel = \"m\"\n")
            .expect("TOML")
            .variables("LODE_X_", variables(&[("LODE_X_ENGINE__THREADS", "2"), ("HOME", "/")]))
            .expect("fits")
            .set("name", "--name", "flag".into())
            .expect("fits")
            .load()
            .expect("loads");
        let engine = Engine { threads: 2, model: Some("m".into()) };
        assert_eq!(settings, Settings { name: "flag".into(), engine });
        assert_eq!(Layers::new().load::<Settings>().expect("defaults"), Settings::default());
    }

    #[test]
    fn unknown_keys_say_where_and_what_was_expected() {
        let load = |layers: Layers| layers.load::<Settings>().expect_err("refused").to_string();
        let file = load(Layers::new().text("f.toml", "[engine]\nthreds = 1\n").expect("TOML"));
        for part in ["f.toml", "line 2", "threds", "threads", "model"] {
            assert!(file.contains(part), "no {part:?} in {file}");
        }
        let text = "name = \"a\"\n[engine]\nthreads = 1\n";
        let variable = load(
            Layers::new()
                .text("f.toml", text)
                .expect("TOML")
                .variables("LODE_X_", variables(&[("LODE_X_ENGINE__THREDS", "2")]))
                .expect("fits"),
        );
        for part in ["environment variable LODE_X_ENGINE__THREDS", "engine.threds", "`threads`"] {
            assert!(variable.contains(part), "no {part:?} in {variable}");
        }
        let flag =
            load(Layers::new().set("engine.threads", "--threads", "x".into()).expect("fits"));
        for part in ["--threads", "engine.threads", "invalid type", "u32"] {
            assert!(flag.contains(part), "no {part:?} in {flag}");
        }
    }

    #[test]
    fn broken_files_are_named() {
        let error = Layers::new().text("f.toml", "a = = 1").expect_err("no TOML").to_string();
        assert!(error.starts_with("f.toml: ") && error.contains("line 1"), "{error}");
        let error = Layers::new().file(Path::new("/nowhere/f.toml")).expect_err("none").to_string();
        assert!(error.contains("/nowhere/f.toml"), "{error}");
        let through = Layers::new().text("f.toml", "name = \"a\"").expect("TOML");
        let error = through.set("name.x", "--x", 1.into()).expect_err("no table").to_string();
        assert!(error.contains("--x") && error.contains("`name`"), "{error}");
    }

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(parse("2"), Value::Integer(2));
        assert_eq!(parse("[\"a\"]"), Value::Array(vec!["a".into()]));
        assert_eq!(parse("/ip4/127.0.0.1/tcp/0"), Value::String("/ip4/127.0.0.1/tcp/0".into()));
        assert_eq!(parse("1\nb = 2"), Value::String("1\nb = 2".into()));
        assert_eq!(parse(""), Value::String(String::new()));
    }
}
