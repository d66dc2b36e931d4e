//! `lode bundle audit|export|inspect|pull`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use async_trait::async_trait;
use lode_bundle::{
    audit::{AuditOptions, Report, audit as audit_bundle},
    engine::BuiltinEngine,
    error::BundleError,
    export,
    inspect::inspect as inspect_bundle,
    pairs::{Config, Split},
    pull::{self as pulling, ChunkSource, PullOptions},
    texts,
};
use lode_node::{
    rpc,
    transport::{Handle, Multiaddr, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    codec,
    envelope::Envelope,
    exchange::{BundleReply, BundleRequest},
    genesis::Genesis,
    id::NetworkId,
    key::SecretKey,
};
use zeroize::Zeroizing;

use crate::{Outcome, term};

/// Largest genesis file, bytes.
const MAX_GENESIS_BYTES: usize = 64 * 1024;

/// The network a reader trusts, from its id or from the file of its genesis.
fn anchor(text: Option<&str>) -> anyhow::Result<Option<NetworkId>> {
    let Some(text) = text else { return Ok(None) };
    if let Ok(id) = text.parse() {
        return Ok(Some(id));
    }
    let bytes = std::fs::read(text).with_context(|| {
        format!("--network {text:?} is neither a network id (64 hexadecimal digits) nor a file")
    })?;
    let envelope: Envelope = codec::decode(&bytes, MAX_GENESIS_BYTES)
        .with_context(|| format!("{text} is not a genesis"))?;
    let (id, _) = Genesis::open(&envelope).with_context(|| format!("{text} is not a genesis"))?;
    Ok(Some(id))
}

fn show_report(report: &Report, json: bool) -> anyhow::Result<Outcome> {
    if json {
        term::json(report)?;
    } else {
        for finding in &report.findings {
            term::print_line(&format!("{finding}"))?;
        }
        for pair in &report.bad_pairs {
            term::print_line(&format!("pair {} does not hold: {}", pair.id, pair.why))?;
        }
        term::print_line(&report.summary())?;
    }
    Ok(if report.holds() { Outcome::Yes } else { Outcome::No })
}

pub(crate) fn audit(dir: &Path, network: Option<&str>, json: bool) -> anyhow::Result<Outcome> {
    if !dir.is_dir() {
        bail!("{} is not a folder; name the folder of a bundle", dir.display());
    }
    let options = AuditOptions { anchor: anchor(network)?, ..AuditOptions::default() };
    show_report(&audit_bundle(dir, &BuiltinEngine, &options), json)
}

pub(crate) fn export_botcoin(dir: &Path, out: &Path) -> anyhow::Result<Outcome> {
    let count = export::botcoin(dir, &mut |pair| {
        // Only now is it known that there is a bundle to export.
        let path = out.join(&pair.file);
        std::fs::create_dir_all(out)
            .and_then(|()| std::fs::write(&path, &pair.text))
            .map_err(|source| BundleError::Io { path, source })
    })?;
    term::print_line(&format!("{count} pairs in {}", out.display()))?;
    Ok(Outcome::Yes)
}

pub(crate) fn inspect(dir: &Path, pairs: usize, json: bool) -> anyhow::Result<Outcome> {
    let inspection = inspect_bundle(dir)?;
    if json {
        term::json(&inspection)?;
        return Ok(Outcome::Yes);
    }
    term::print_line(&format!("{inspection}"))?;
    for pair in texts::read(dir, Config::Pairs, Split::Train)?.into_iter().take(pairs) {
        term::print_line(&format!("\n=== pair {} of task {}", pair.pair_id, pair.task_id))?;
        for (what, text) in
            [("prompt", &pair.prompt), ("chosen", &pair.chosen), ("rejected", &pair.rejected)]
        {
            // Behind a margin, so that no line of a text looks like one of ours.
            let quoted: Vec<String> = text.lines().map(|line| format!("  | {line}")).collect();
            term::print_line(&format!("--- {what}\n{}", quoted.join("\n")))?;
        }
    }
    Ok(Outcome::Yes)
}

/// A node as a source of bundles.
pub(crate) struct Remote {
    pub(crate) handle: Handle,
    pub(crate) target: Target,
}

#[async_trait]
impl ChunkSource for Remote {
    async fn ask(&self, request: BundleRequest) -> Result<BundleReply, String> {
        rpc::call_bundle(&self.handle, &self.target, &request).await.map_err(|e| e.to_string())
    }
}

/// A key for one download: bundles are served to anyone, and who asks does not matter.
fn passing_key() -> anyhow::Result<SecretKey> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice())
        .map_err(|error| anyhow::anyhow!("no random bytes from the system: {error}"))?;
    Ok(SecretKey::from_bytes(&secret))
}

/// What to pull.
pub(crate) struct Pull<'a> {
    pub(crate) from: &'a [String],
    pub(crate) name: Option<&'a str>,
    pub(crate) out: &'a Path,
    pub(crate) network: Option<&'a str>,
    pub(crate) audit: bool,
    pub(crate) json: bool,
}

pub(crate) fn pull(what: &Pull<'_>) -> anyhow::Result<Outcome> {
    let addresses: Vec<Multiaddr> = what
        .from
        .iter()
        .map(|text| {
            text.parse().with_context(|| {
                format!("--from {text:?} is not an address; for example /ip4/127.0.0.1/tcp/4101")
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let options = PullOptions {
        audit: AuditOptions { anchor: anchor(what.network)?, ..AuditOptions::default() },
        manifest: None,
        skip_audit: !what.audit,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir: (PathBuf, Option<Report>) = runtime.block_on(async {
        let config = TransportConfig::caller(passing_key()?, vec![Protocol::Bundle]);
        let (handle, _incoming) = Transport::start(config).await?;
        handle.connect(&addresses).await?;
        let source = Remote { handle, target: Target::at(addresses) };
        let name = match what.name {
            Some(name) => name.to_owned(),
            None => pulling::list(&source)
                .await?
                .into_iter()
                .map(|listing| listing.name)
                .max()
                .context("the node has no bundle yet")?,
        };
        let bar = term::byte_bar(0, &name);
        let progress = |at: pulling::Progress| {
            bar.set_length(at.total);
            bar.set_position(at.bytes);
        };
        let pulled =
            pulling::pull(&source, &name, what.out, &BuiltinEngine, &options, &progress).await?;
        bar.finish_and_clear();
        anyhow::Ok((pulled.dir, pulled.report))
    })?;
    let (dir, report) = dir;
    if !what.json {
        term::print_line(&format!("{}", dir.display()))?;
    }
    match report {
        Some(report) => show_report(&report, what.json),
        None => {
            term::plain("not audited; run `lode bundle audit` on it before you use it");
            Ok(Outcome::Yes)
        }
    }
}
