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
    let args =
        [role, "run", "--config", &path.display().to_string(), "--exit-with-parent", "--json"]
            .map(str::to_owned)
            .to_vec();
    Ok(Recipe { name: name.into(), args, env: Vec::new(), log: layout.log(name) })
}

/// A path as a TOML value.
fn text(path: &Path) -> toml::Value {
    toml::Value::String(path.display().to_string())
}

/// Most tokens of a completion, by profile: three times what a witness takes.
fn max_completion_tokens(profile: &str) -> i64 {
    match profile {
        "nano" => 128,
        "mini" => 1_024,
        _ => 4_096,
    }
}

/// A table of these keys.
fn table<const N: usize>(entries: [(&str, toml::Value); N]) -> toml::Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A number as a TOML value.
fn integer(value: u64) -> toml::Value {
    toml::Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The coordinator's configuration: one epoch that closes when the pairs are there, or the budget
/// is spent; then training on its bundle.
pub(crate) fn coordinator(args: &Devnet, layout: &Layout) -> anyhow::Result<toml::Table> {
    let mut config = table([
        ("data", text(&layout.data("coordinator"))),
        ("bundles", text(&layout.bundles())),
        (
            "listen",
            strings(&["/ip4/127.0.0.1/tcp/0".into(), "/ip4/127.0.0.1/udp/0/quic-v1".into()]),
        ),
        ("epochs", integer(1)),
        ("stop_when_finished", true.into()),
        (
            "network",
            table([
                ("name", "devnet".into()),
                ("quorum", integer(2)),
                ("verifiers", integer(args.verifiers.into())),
            ])
            .into(),
        ),
        (
            "campaign",
            table([
                ("domain", args.domain.clone().into()),
                ("profile", args.profile.clone().into()),
                ("group_size", integer(args.group_size.into())),
                ("revision_every", integer(args.revision_every.into())),
                ("max_completion_tokens", max_completion_tokens(&args.profile).into()),
            ])
            .into(),
        ),
        (
            "target",
            table([
                ("pairs", integer(args.pairs)),
                ("paired_tasks", integer(args.min_tasks)),
                ("graded", integer(0)),
                ("max_tasks", integer(args.max_tasks)),
                ("max_ms", integer(args.max_minutes.saturating_mul(60_000))),
            ])
            .into(),
        ),
    ]);
    if args.train_steps > 0 {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let steps = args.train_steps.to_string();
        let out = layout.training().display().to_string();
        let words = [
            &program.display().to_string(),
            "train",
            "dpo",
            "--bundle",
            "{bundle}",
            "--base",
            &args.model,
            "--out",
            &out,
            "--steps",
            &steps,
            "--json",
        ]
        .map(str::to_owned);
        let training = table([("command", strings(&words)), ("steps", integer(args.train_steps))]);
        config.insert("training".into(), training.into());
    }
    Ok(config)
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
    table([
        ("data", text(&layout.data(&name))),
        ("network", network.into()),
        ("coordinator", strings(coordinator)),
        ("stop_when_finished", true.into()),
        (
            "engine",
            table([
                ("kind", engine.into()),
                ("model", args.model.clone().into()),
                ("grammar", true.into()),
                ("threads", integer(threads as u64)),
            ])
            .into(),
        ),
    ])
}

/// The verifier's configuration.
pub(crate) fn verifier(
    layout: &Layout,
    number: u32,
    network: &str,
    coordinator: &[String],
) -> toml::Table {
    table([
        ("data", text(&layout.data(&format!("verifier-{number}")))),
        ("network", network.into()),
        ("coordinator", strings(coordinator)),
        ("threads", 1.into()),
        ("stop_when_finished", true.into()),
    ])
}

fn strings(texts: &[String]) -> toml::Value {
    toml::Value::Array(texts.iter().map(|text| toml::Value::String(text.clone())).collect())
}
