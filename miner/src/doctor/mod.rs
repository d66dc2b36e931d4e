//! `lode miner doctor`: whether a rig is fit to mine, and what to do where it is not.
//!
//! ```text
//! probe (system, network, engine) ─► facts ─► device, model, disk, reach, speed ─► Finding ─► Report
//!      shells that measure                       pure judgement, one file a matter
//! ```
//!
//! Every check stands by itself: what one finds never hides what another would. A check that makes
//! no sense any more (the speed of a model that is not there) says so instead of guessing. Nothing
//! is written but a probe file that is removed again, nothing is fetched, and the coordinator is
//! asked with a key that is thrown away, so that a doctor may look at a rig that works.
//!
//! [`before_load`] and [`before_join`] are the part of it that `lode miner run` makes: what could
//! never pass is refused there in the same words.

pub mod device;
pub mod disk;
pub mod finding;
pub mod model;
pub mod power;
mod probe;
pub mod reach;
pub mod speed;
pub mod terms;

use std::{future::Future, path::PathBuf, sync::Arc};

use lode_engine::{Engine, ModelHeader, store::ModelFile};
use lode_proto::{id::NetworkId, policy::Tier};
use serde::Serialize;

pub use finding::{Check, Finding, Level};
pub use speed::{Estimate, Speed};

use crate::config::{Device, EngineConfig, EngineKind, MinerConfig};
use device::GpuFacts;
use model::{MemoryFacts, ModelFacts};
use speed::Measured;
use terms::{SamplePrompt, Terms};

/// All findings, and what was measured for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
    /// The engine's speed, where it could be measured.
    pub speed: Option<Speed>,
    /// What an hour would earn, where the speed is known.
    pub estimate: Option<Estimate>,
}

impl Report {
    /// How many findings are of this level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether nothing fails.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.count(Level::Failure) == 0
    }
}

/// The findings so far, each shown as soon as it is there.
struct Findings<'a> {
    all: Vec<Finding>,
    show: &'a (dyn Fn(&Finding) + Sync),
}

impl Findings<'_> {
    fn add(&mut self, finding: Finding) {
        (self.show)(&finding);
        self.all.push(finding);
    }
}

/// Runs what may block for seconds beside the runtime; none where it died.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Makes all checks. `open` loads the engine, from the model file where it has one; `show` is called
/// with each finding as soon as it is there.
pub async fn examine<F>(
    config: &MinerConfig,
    network: NetworkId,
    open: impl FnOnce(Option<ModelFile>) -> F,
    show: &(dyn Fn(&Finding) + Sync),
) -> Report
where
    F: Future<Output = Result<Arc<dyn Engine>, String>>,
{
    let mut findings = Findings { all: Vec::new(), show };
    let engine = &config.engine;
    let in_process = engine.kind != EngineKind::Openai;
    let addresses = config.coordinator.clone();
    let asked = tokio::spawn(async move { probe::network::addresses(&addresses, network).await });

    let died = || Finding::not_tried(Check::Device, "the check itself failed");
    let gpus = blocking(probe::system::gpus).await;
    let device = gpus.as_ref().map_or_else(died, |gpus| judge_device(engine, gpus));
    let mut stops = stop_of(&device);
    findings.add(device);

    if config.power.limits() {
        let limits = config.power.clone();
        if let Some(read) = blocking(move || limits.read()).await {
            findings.add(power::judge(&config.power, read));
        }
    }

    let name = engine.model.clone();
    let facts = match in_process {
        true => blocking(move || probe::system::model(&name)).await,
        false => None,
    };
    if let Some(facts) = &facts {
        let file = model::judge_file(facts);
        stops = stops.or(stop_of(&file));
        findings.add(file);
    }
    let header = facts.as_ref().and_then(|facts| facts.header.as_ref().ok().copied());
    let mut file = None;
    if let Some(facts) = facts {
        let name = engine.model.clone();
        if let Some(facts) = blocking(move || probe::system::with_hash(facts, &name)).await {
            let hash = model::judge_hash(&facts);
            stops = stops.or(stop_of(&hash));
            findings.add(hash);
            file = facts.file.and_then(Result::ok);
        }
    }

    let data = config.data.clone();
    if let Some(facts) = blocking(move || probe::system::disk(&data)).await {
        findings.add(disk::judge(&facts));
    }

    let all = asked.await.unwrap_or_default();
    for finding in reach::judge_addresses(&all) {
        findings.add(finding);
    }
    findings.add(reach::judge_protocol(&all, network));
    let answer = reach::answer(&all);
    findings.add(reach::judge_clock(answer));
    let campaign = answer.and_then(|answer| answer.hello.campaign.as_ref());
    let mut terms = campaign.map_or_else(Terms::default, Terms::of);
    let prompt = SamplePrompt::of(terms.profile, campaign);
    if let Ok(prompt) = &prompt {
        terms = terms.with_prompt(prompt);
    }

    let memory = match (in_process, &header) {
        (false, _) => Finding::ok(Check::Memory, "the model server's own"),
        (true, None) => Finding::not_tried(Check::Memory, "the size of the model is not known"),
        (true, Some(header)) => judge_memory(engine, header, gpus.as_ref(), &terms).await,
    };
    stops = stops.or(stop_of(&memory));
    findings.add(memory);

    let work = Work { config: engine, terms: &terms };
    let (measured, loaded, context) = match (stops, prompt) {
        (Some(because), _) | (None, Err(because)) => {
            let context = Finding::not_tried(Check::Context, because.clone());
            (Measured::NotTried(because), None, context)
        }
        (None, Ok(prompt)) => match open(file).await {
            Err(reason) => {
                let context = Finding::not_tried(Check::Context, "no engine was loaded");
                (Measured::Failed(reason), None, context)
            }
            Ok(loaded) => {
                let (measured, context) = work.measure(loaded.as_ref(), &prompt).await;
                (measured, Some(loaded), context)
            }
        },
    };
    findings.add(context);
    findings.add(speed::judge_engine(&measured, &terms));
    findings.add(speed::judge_speed(&measured, &terms));
    let speed = if let Measured::Done(speed) = measured { Some(speed) } else { None };
    let estimate = speed.zip(loaded).map(|(speed, loaded)| {
        let card = loaded.policy_card(engine.temperature_milli, None);
        speed::estimate(&speed, &terms, card.parameters, Tier::T0)
    });
    Report { findings: findings.all, speed, estimate }
}

/// An engine with what it is to do.
struct Work<'a> {
    config: &'a EngineConfig,
    terms: &'a Terms,
}

impl Work<'_> {
    /// Judges the context first: a task that does not fit is not tried.
    async fn measure(&self, loaded: &dyn Engine, prompt: &SamplePrompt) -> (Measured, Finding) {
        let counted = loaded.prompt_tokens(&prompt.text).map(|tokens| tokens as u64);
        let judge = |counted| speed::judge_context(loaded.context_tokens(), counted, self.terms);
        let context = judge(counted);
        if let Some(because) = stop_of(&context) {
            return (Measured::NotTried(because), context);
        }
        let measured = probe::engine::measure(loaded, self.config, prompt, self.terms).await;
        // A server knows afterwards what it read.
        let context = match &measured {
            Measured::Done(speed) if counted.is_none() && speed.prompt_tokens > 0 => {
                judge(Some(speed.prompt_tokens))
            }
            _ => context,
        };
        (measured, context)
    }
}

/// Why an engine is not even loaded, where this finding forbids it.
fn stop_of(finding: &Finding) -> Option<String> {
    let fault = finding.fault.filter(|_| finding.level == Level::Failure)?;
    Some(format!("because of {fault}"))
}

fn judge_device(engine: &EngineConfig, gpus: &GpuFacts) -> Finding {
    device::judge(engine.device, engine.kind, gpus, Device::OF_THIS_BUILD)
}

async fn judge_memory(
    engine: &EngineConfig,
    header: &ModelHeader,
    gpus: Option<&GpuFacts>,
    terms: &Terms,
) -> Finding {
    let needed = model::needed(engine.kind, header, terms);
    let gpu = gpus.and_then(GpuFacts::best).filter(|_| engine.device == Device::Cuda);
    let facts = match gpu {
        Some(gpu) => {
            Some(MemoryFacts { available: gpu.free, from: format!("free on {}", gpu.name) })
        }
        None => blocking(probe::system::memory).await.flatten(),
    };
    facts.map_or_else(
        || Finding::not_tried(Check::Memory, "the system does not say how much there is"),
        |facts| model::judge_memory(needed, &facts, terms),
    )
}

/// The checks of a start that need no engine: the device, and whether the model is whole and fits.
/// What the tasks need beside it is not known yet, so only what could never fit is refused.
///
/// # Errors
/// The first finding that is a failure.
pub async fn before_load(engine: &EngineConfig, file: Option<PathBuf>) -> Result<(), Box<Finding>> {
    let refuse = |finding: Finding| match finding.level {
        Level::Failure => Err(Box::new(finding)),
        _ => Ok(()),
    };
    if engine.device != Device::Auto
        && let Some(gpus) = blocking(probe::system::gpus).await
    {
        refuse(judge_device(engine, &gpus))?;
    }
    let Some(path) = file else { return Ok(()) };
    let read = {
        let path = path.clone();
        blocking(move || ModelHeader::read(&path)).await
    };
    let Some(header) = read else { return Ok(()) };
    let header = header.map_err(model::ModelFault::Header);
    let facts = ModelFacts { path, header, file: None };
    refuse(model::judge_file(&facts))?;
    if let Ok(header) = &facts.header {
        refuse(judge_memory(engine, header, None, &Terms::least()).await)?;
    }
    Ok(())
}

/// The checks of a start that need the engine and the coordinator: whether a task of the campaign
/// fits the model's context. A coordinator that is away is no reason not to start.
///
/// # Errors
/// The finding, where it is a failure.
pub async fn before_join(
    addresses: &[String],
    network: NetworkId,
    engine: &dyn Engine,
) -> Result<(), Box<Finding>> {
    let all: Vec<_> = probe::network::first_answer(addresses, network).await.into_iter().collect();
    let Some(campaign) = reach::answer(&all).and_then(|answer| answer.hello.campaign.as_ref())
    else {
        return Ok(());
    };
    let terms = Terms::of(campaign);
    let Ok(prompt) = SamplePrompt::of(terms.profile, Some(campaign)) else { return Ok(()) };
    let counted = engine.prompt_tokens(&prompt.text).map(|tokens| tokens as u64);
    let finding = speed::judge_context(engine.context_tokens(), counted, &terms);
    if finding.level == Level::Failure { Err(Box::new(finding)) } else { Ok(()) }
}
