//! `lode model pull|merge|export-hf`.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::{Context, ensure};
use lode_engine::store::{KnownModel, ModelFile, OnPull, PullEvent, Sources, Store};

use lode_model::LoraSet;

use crate::{Outcome, args::MergeModel, term};

/// Shows a pull: a bar on a terminal, a line a source elsewhere.
fn show_pull(name: &str) -> OnPull {
    let bar = Mutex::new(term::byte_bar(0, name));
    Arc::new(move |event| {
        let Ok(bar) = bar.lock() else { return };
        match event {
            PullEvent::Trying { source } => {
                term::plain(&format!("model: trying {source}"));
            }
            PullEvent::Bytes { done, total } => {
                bar.set_length(total);
                bar.set_position(done);
            }
            PullEvent::Failed { source, reason } => {
                term::plain(&format!("model: not from {source}: {reason}"));
            }
            PullEvent::Done { path } => {
                bar.finish_and_clear();
                term::plain(&format!("model: {}", path.display()));
            }
        }
    })
}

/// The file behind a name or path; a known model that is not there yet is pulled.
pub(crate) fn obtain(name: &str) -> anyhow::Result<ModelFile> {
    let store = Store::of_user()?;
    if KnownModel::named(name).is_none() {
        return Ok(store.resolve(name)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(store.pull(name, &Sources::default(), show_pull(name)))?)
}

pub(crate) fn pull(name: &str, from: Option<&Path>, json: bool) -> anyhow::Result<Outcome> {
    let store = Store::of_user()?;
    let sources = Sources { local: from.map(Into::into), ..Sources::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let file = runtime.block_on(store.pull(name, &sources, show_pull(name)))?;
    if json {
        term::json(&serde_json::json!({ "path": file.path, "blake3": file.hash }))?;
    } else {
        term::print_line(&format!("{}  {}", file.hash, file.path.display()))?;
    }
    Ok(Outcome::Yes)
}

/// `lode model merge`: a base with an adapter's updates in its matrices, for transformers and for miners.
pub(crate) fn merge(args: &MergeModel) -> anyhow::Result<Outcome> {
    let folder = Path::new(&args.base);
    let base = if folder.is_dir() { folder.to_owned() } else { obtain(&args.base)?.path };
    let same = |a: &Path, b: &Path| {
        a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
    };
    ensure!(!same(&base, &args.out), "--out is the base itself; name another folder");
    let shards = args.out.join("model.safetensors.index.json");
    ensure!(!shards.exists(), "{} is there: --out holds another model", shards.display());
    ensure!(
        args.gguf.is_empty() || base.is_file(),
        "--gguf needs a base that is a GGUF file: its tokenizer is copied; {} is a folder",
        base.display()
    );
    let read = || format!("cannot load {}", base.display());
    let model = lode_model::Model::load(&base).with_context(read)?;
    let adapter = || format!("cannot load the adapter {}", args.adapter.display());
    let dtype = model.llama().dtype();
    let lora = LoraSet::load(&args.adapter, &model.config, dtype).with_context(adapter)?;
    let merged = model.merged(&lora)?;
    drop(model);
    let write = || format!("cannot write {}", args.out.display());
    lode_model::export_hf(&merged, &args.out).with_context(write)?;
    for kind in &args.gguf {
        let out = args.out.join(format!("model-{}.gguf", kind.name()));
        lode_model::export_gguf(&merged, &base, *kind, &out).with_context(write)?;
        term::print_line(&format!("{}", out.display()))?;
    }
    term::print_line(&format!("{}", args.out.display()))?;
    Ok(Outcome::Yes)
}

pub(crate) fn export_hf(model: &str, out: &Path) -> anyhow::Result<Outcome> {
    let file = obtain(model)?;
    let loaded = lode_model::Model::load(&file.path)
        .with_context(|| format!("cannot load {}", file.path.display()))?;
    lode_model::export_hf(&loaded, out)
        .with_context(|| format!("cannot write {}", out.display()))?;
    term::print_line(&format!("{}", out.display()))?;
    Ok(Outcome::Yes)
}
