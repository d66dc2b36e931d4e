//! `lode coordinator|miner|verifier run`: configuration, signals, events; the work is in the crates.

use std::{
    future::Future,
    io::{IsTerminal, Read},
    path::Path,
    sync::Arc,
};

use anyhow::Context;
use lode_engine::{
    Engine, OpenAi, Pool,
    auto::{self, InProcess},
    openai::{DeclaredModel, OpenAiConfig},
    store::ModelFile,
};
use lode_miner::{EngineConfig, EngineKind, MinerConfig, doctor};
use lode_node::{
    config::Layers,
    stop::Stop,
    telemetry::{self, Format},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Outcome,
    args::{RunDaemon, RunMiner},
    cmd::{miner::dashboard, model::obtain},
    term,
};

/// Reads a configuration: the file, then environment variables that begin with `prefix`.
pub(super) fn load<T: DeserializeOwned>(path: &Path, prefix: &str) -> anyhow::Result<T> {
    layers(path, prefix, &[])
}

/// As [`load`], with `KEY=VALUE` from the command line on top.
fn layers<T: DeserializeOwned>(path: &Path, prefix: &str, set: &[String]) -> anyhow::Result<T> {
    Ok(Layers::new().file(path)?.env(prefix)?.assignments(set)?.load()?)
}

/// A daemon's runtime; matrix products have threads of their own.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(RUNTIME_WORKERS)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn format(log_json: bool) -> Format {
    if log_json { Format::Json } else { Format::Plain }
}

/// Runs a daemon until it ends by itself, SIGTERM or SIGINT comes, or its parent goes away. Its log
/// lines go where they should already.
fn run<F, E>(args: &RunDaemon, daemon: impl FnOnce(Stop) -> F) -> anyhow::Result<Outcome>
where
    F: Future<Output = Result<(), E>>,
    E: Into<anyhow::Error>,
{
    let runtime = runtime()?;
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
            dashboard::leave();
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

/// Threads of a runtime.
const RUNTIME_WORKERS: usize = 2;

pub(crate) fn coordinator(args: &RunDaemon, log_json: bool) -> anyhow::Result<Outcome> {
    let config: lode_coordinator::CoordinatorConfig =
        layers(&args.config, "LODE_COORDINATOR_", &args.set)?;
    telemetry::start(format(log_json))?;
    let events = sink(args.json);
    run(args, |stop| lode_coordinator::run(config, stop, events))
}

pub(crate) fn verifier(args: &RunDaemon, log_json: bool) -> anyhow::Result<Outcome> {
    let config: lode_verifier::VerifierConfig = layers(&args.config, "LODE_VERIFIER_", &args.set)?;
    telemetry::start(format(log_json))?;
    let events = sink(args.json);
    run(args, |stop| lode_verifier::run(config, stop, events))
}

pub(crate) fn miner(args: &RunMiner, log_json: bool) -> anyhow::Result<Outcome> {
    let config: MinerConfig = layers(&args.run.config, "LODE_MINER_", &args.run.set)?;
    if config.engine.threads > 0 {
        limit_threads(config.engine.threads)?;
    }
    let show = args.dashboard && dashboard::possible()?;
    telemetry::start_to(
        format(log_json),
        !show && std::io::stderr().is_terminal(),
        dashboard::LogLine::default,
    )?;
    let (json, events) = (args.run.json, sink(args.run.json));
    let plain: lode_miner::EventSink = Arc::new(move |event: lode_miner::Event| {
        if !json && event.is_detail() {
            tracing::debug!("{event:?}");
        } else if !event.is_fleeting() {
            events(event);
        }
    });
    run(&args.run, |stop| async move {
        // First, since a model that is fetched has a bar of its own.
        let engine = open_engine(&config.engine).await?;
        refuse_unfit(&config, engine.as_ref()).await?;
        // Dropped on every way out, and with it the terminal is as it was.
        let screen = show.then(|| dashboard::Screen::open(stop.clone())).transpose()?;
        let events = match &screen {
            Some(screen) => screen.sink(plain),
            None => plain,
        };
        lode_miner::run(config, engine, stop, events).await?;
        anyhow::Ok(())
    })
}

/// `lode miner pause` and `resume`: a file in the data folder, which a running miner looks for.
pub(crate) fn pause(config: &Path, paused: bool) -> anyhow::Result<Outcome> {
    let config: MinerConfig = load(config, "LODE_MINER_")?;
    let file = config.pause_file();
    let name = file.display().to_string();
    if paused {
        std::fs::write(&file, "").with_context(|| format!("cannot write {name}"))?;
        term::print_line("paused: no new work is taken; what is held is finished")?;
    } else {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {name}"));
            }
            _ => term::print_line("not paused: new work is taken")?,
        }
    }
    Ok(Outcome::Yes)
}

/// Keeps matrix products to this many threads, so that two miners share two cores in peace.
pub(crate) fn limit_threads(threads: usize) -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot limit the threads of matrix products")
}

/// Gets the model where it is not there yet, refuses what `lode miner doctor` would, and loads.
async fn open_engine(config: &EngineConfig) -> anyhow::Result<Arc<dyn Engine>> {
    let name = config.model.clone();
    let file = match config.kind {
        EngineKind::Openai => None,
        _ => Some(
            tokio::task::spawn_blocking(move || obtain(&name))
                .await
                .context("loading was stopped")??,
        ),
    };
    let path = file.as_ref().map(|file| file.path.clone());
    doctor::before_load(config, path).await.map_err(unfit)?;
    load_engine(config, file).await
}

/// Refuses to join where no task could ever be answered.
async fn refuse_unfit(config: &MinerConfig, engine: &dyn Engine) -> anyhow::Result<()> {
    for (network, addresses) in config.networks() {
        // A network id that is none is refused by the daemon, in its own words.
        let Ok(network) = network.parse() else { continue };
        doctor::before_join(addresses, network, engine).await.map_err(unfit)?;
    }
    Ok(())
}

fn unfit(finding: Box<doctor::Finding>) -> anyhow::Error {
    anyhow::anyhow!("{finding} (`lode miner doctor` makes all checks)")
}

/// Loads the engine, from a model file where it computes in this process.
pub(super) async fn load_engine(
    config: &EngineConfig,
    file: Option<ModelFile>,
) -> anyhow::Result<Arc<dyn Engine>> {
    let file = || file.context("there is no model file");
    Ok(match config.kind {
        EngineKind::Auto => {
            let opened = auto::open(file()?).await?;
            tracing::info!("engine {}: {}", opened.kind.name(), opened.why);
            opened.engine
        }
        EngineKind::Native => InProcess::Native.load(file()?).await?,
        EngineKind::Mistralrs => InProcess::Mistralrs.load(file()?).await?,
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
            let mut engines = Vec::new();
            for url in std::iter::once(&server.url).chain(&server.further_urls) {
                let openai = OpenAiConfig { base_url: url.clone(), ..openai.clone() };
                let engine = OpenAi::new(openai)?;
                for note in engine.check().await? {
                    tracing::warn!("the model server at {url}: {note}");
                }
                engines.push(Arc::new(engine) as Arc<dyn Engine>);
            }
            match <[_; 1]>::try_from(engines) {
                Ok([engine]) => engine,
                Err(engines) => Arc::new(Pool::new(engines)?),
            }
        }
    })
}
