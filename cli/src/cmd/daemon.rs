//! `lode coordinator|miner|verifier run`: configuration, signals, events; the work is in the crates.

use std::{future::Future, io::Read, path::Path, sync::Arc};

use anyhow::Context;
use lode_engine::{
    Engine, Mistral, Native, OpenAi, auto,
    openai::{DeclaredModel, OpenAiConfig},
};
use lode_miner::{EngineConfig, EngineKind};
use lode_node::{
    config::Layers,
    stop::Stop,
    telemetry::{self, Format},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Outcome, args::RunDaemon, cmd::model::obtain, term};

/// Reads a configuration: the file, then environment variables that begin with `prefix`.
fn load<T: DeserializeOwned>(path: &Path, prefix: &str) -> anyhow::Result<T> {
    Ok(Layers::new().file(path)?.env(prefix)?.load()?)
}

/// Runs a daemon until it ends by itself, SIGTERM or SIGINT comes, or its parent goes away.
fn run<F, E>(
    args: &RunDaemon,
    log_json: bool,
    workers: usize,
    daemon: impl FnOnce(Stop) -> F,
) -> anyhow::Result<Outcome>
where
    F: Future<Output = Result<(), E>>,
    E: Into<anyhow::Error>,
{
    telemetry::start(if log_json { Format::Json } else { Format::Plain })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let stop = Stop::default();
    if args.exit_with_parent {
        let stop = stop.clone();
        std::thread::spawn(move || {
            // Ends when the parent's end of the pipe is closed, however the parent died.
            let mut nothing = [0; 64];
            let mut stdin = std::io::stdin();
            while matches!(stdin.read(&mut nothing), Ok(n) if n > 0) {}
            stop.stop();
        });
    }
    runtime.block_on(async {
        let signals = stop.clone();
        tokio::spawn(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut term), Ok(mut int)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                tracing::warn!("no signal handlers: end this process with SIGKILL only");
                return;
            };
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::info!("ending in order; a second signal ends at once");
            signals.stop();
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            std::process::exit(130);
        });
        daemon(stop).await.map_err(Into::into)
    })?;
    Ok(Outcome::Yes)
}

/// Prints events as JSON lines where asked for; the log has them as text anyway.
fn sink<E: Serialize + std::fmt::Debug + 'static>(json: bool) -> Arc<dyn Fn(E) + Send + Sync> {
    Arc::new(move |event: E| {
        if json {
            // Whoever read the events went away; the daemon goes on.
            let _ = term::json(&event);
        } else {
            tracing::info!("{event:?}");
        }
    })
}

/// Threads of a daemon's runtime; matrix products have their own.
const RUNTIME_WORKERS: usize = 2;

pub(crate) fn coordinator(args: &RunDaemon, log_json: bool) -> anyhow::Result<Outcome> {
    let config: lode_coordinator::CoordinatorConfig = load(&args.config, "LODE_COORDINATOR_")?;
    let events = sink(args.json);
    run(args, log_json, RUNTIME_WORKERS, |stop| lode_coordinator::run(config, stop, events))
}

pub(crate) fn verifier(args: &RunDaemon, log_json: bool) -> anyhow::Result<Outcome> {
    let config: lode_verifier::VerifierConfig = load(&args.config, "LODE_VERIFIER_")?;
    let events = sink(args.json);
    run(args, log_json, RUNTIME_WORKERS, |stop| lode_verifier::run(config, stop, events))
}

pub(crate) fn miner(args: &RunDaemon, log_json: bool) -> anyhow::Result<Outcome> {
    let config: lode_miner::MinerConfig = load(&args.config, "LODE_MINER_")?;
    if config.engine.threads > 0 {
        limit_threads(config.engine.threads)?;
    }
    let events = sink(args.json);
    run(args, log_json, RUNTIME_WORKERS, |stop| async move {
        let engine = open_engine(&config.engine).await?;
        lode_miner::run(config, engine, stop, events).await?;
        anyhow::Ok(())
    })
}

/// Keeps matrix products to this many threads, so that two miners share two cores in peace.
pub(crate) fn limit_threads(threads: usize) -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot limit the threads of matrix products")
}

async fn open_engine(config: &EngineConfig) -> anyhow::Result<Arc<dyn Engine>> {
    let file = |name: String| async move {
        tokio::task::spawn_blocking(move || obtain(&name)).await.context("loading was stopped")?
    };
    Ok(match config.kind {
        EngineKind::Auto => {
            let opened = auto::open(file(config.model.clone()).await?).await?;
            tracing::info!("engine {}: {}", opened.kind.name(), opened.why);
            opened.engine
        }
        EngineKind::Native => Arc::new(Native::load(file(config.model.clone()).await?).await?),
        EngineKind::Mistralrs => Arc::new(Mistral::load(file(config.model.clone()).await?).await?),
        EngineKind::Openai => {
            let server = config
                .server
                .as_ref()
                .context("engine.kind = \"openai\" needs a table [engine.server]")?;
            let api_key = match &server.api_key_env {
                Some(name) => Some(
                    std::env::var(name)
                        .with_context(|| format!("the environment has no {name}"))?,
                ),
                None => None,
            };
            let declared = DeclaredModel {
                weights: server.weights,
                quantisation: server.quantisation.clone(),
                model: config.model.clone(),
                parameters: server.parameters,
                licence: server.licence.clone(),
                output_licence: server.output_licence.clone(),
                context_tokens: server.context_tokens,
            };
            let mut openai = OpenAiConfig::new(&server.url, &config.model, declared);
            openai.api_key = api_key;
            if let Some(concurrency) = server.concurrency {
                openai.concurrency = usize::from(concurrency.get());
            }
            openai.grammar = server
                .grammar
                .as_deref()
                .unwrap_or("none")
                .parse()
                .map_err(|e| anyhow::anyhow!("engine.server.grammar: {e}"))?;
            let engine = OpenAi::new(openai)?;
            for note in engine.check().await? {
                tracing::warn!("the model server: {note}");
            }
            Arc::new(engine)
        }
    })
}
