//! Where a devnet keeps things, and the configuration of each of its daemons.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::children::Recipe;
use crate::args::Devnet;

/// Folders and files of a devnet.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
}

impl Layout {
    /// The devnet in `root`, with an absolute path, so that children may run anywhere.
    pub(crate) fn new(root: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(root)
            .with_context(|| format!("cannot make the folder {}", root.display()))?;
        let root = root
            .canonicalize()
            .with_context(|| format!("cannot use the folder {}", root.display()))?;
        for folder in ["config", "logs"] {
            let path = root.join(folder);
            std::fs::create_dir_all(&path)
                .with_context(|| format!("cannot make the folder {}", path.display()))?;
        }
        Ok(Self { root })
    }

    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.root.join("config").join(format!("{name}.toml"))
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where the coordinator puts finished bundles.
    pub(crate) fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    pub(crate) fn training(&self) -> PathBuf {
        self.root.join("training")
    }

    pub(crate) fn evaluation(&self) -> PathBuf {
        self.root.join("evaluation.json")
    }
}

/// Writes a child's configuration and returns how to start it.
pub(crate) fn recipe(
    layout: &Layout,
    role: &str,
    name: &str,
    config: &toml::Table,
) -> anyhow::Result<Recipe> {
    let path = layout.config(name);
    let text = toml::to_string_pretty(config).context("cannot write a configuration")?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let args = [role, "run", "--config", &path.display().to_string(), "--exit-with-parent", "--json"]
        .map(str::to_owned)
        .to_vec();
    Ok(Recipe { name: name.into(), args, env: Vec::new(), log: layout.log(name) })
}

/// A path as a TOML value.
fn text(path: &Path) -> toml::Value {
    toml::Value::String(path.display().to_string())
}

/// The miner's configuration.
pub(crate) fn miner(
    args: &Devnet,
    layout: &Layout,
    number: u32,
    network: &str,
    coordinator: &[String],
    threads: usize,
) -> toml::Table {
    let name = format!("miner-{number}");
    let place = usize::try_from(number).unwrap_or(1).saturating_sub(1);
    let engine = args.engines.get(place).or(args.engines.last());
    let engine = engine.map_or("native", String::as_str);
    toml::toml! {
        network = network
        stop_when_finished = true
        [engine]
        kind = engine
        grammar = true
    }
    .into_iter()
    .chain([
        ("data".to_owned(), text(&layout.data(&name))),
        ("coordinator".to_owned(), strings(coordinator)),
    ])
    .map(|(key, mut value)| {
        if let (true, Some(engine)) = (key == "engine", value.as_table_mut()) {
            engine.insert("model".into(), args.model.clone().into());
            engine.insert("threads".into(), i64::try_from(threads).unwrap_or(0).into());
        }
        (key, value)
    })
    .collect()
}

/// The verifier's configuration.
pub(crate) fn verifier(
    layout: &Layout,
    number: u32,
    network: &str,
    coordinator: &[String],
) -> toml::Table {
    let name = format!("verifier-{number}");
    [
        ("data", text(&layout.data(&name))),
        ("network", network.into()),
        ("coordinator", strings(coordinator)),
        ("threads", 1.into()),
        ("stop_when_finished", true.into()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

fn strings(texts: &[String]) -> toml::Value {
    toml::Value::Array(texts.iter().map(|text| toml::Value::String(text.clone())).collect())
}
