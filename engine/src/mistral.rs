//! mistral.rs in process on the CPU, with our own sampling.
//!
//! mistral.rs has one random generator for all requests, so its sampler is kept greedy and every
//! request carries a logits processor ([`Scribe`]) that draws by [`sampler::sample`] and leaves
//! only the token drawn. mistral.rs 0.8.1 calls the processor on the plain logits first; if the
//! grammar refuses the token, it adds the grammar's mask (-inf) and calls again
//! (`pipeline/sampling.rs`, `sample_sequence`). Both give the argmax over the allowed tokens: the
//! argmax over all, where it is allowed, is also the one over the allowed.
//!
//! One request at a time: in 0.8.1 the CPU attention of a decoding step with several sequences
//! (`attention/backends/cpu.rs`, `flash_attn_cpu_single_q`) keeps its scratch by head only, so that
//! every sequence gets the attention of the last one. Measured against a teacher-forced f32 pass,
//! log-probabilities of batched requests are off by several nats, those of single ones by rounding.
//!
//! Its response is a trimmed `String`; the bytes are made here from the tokens that the processor
//! noted, and the response is only used to check them.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use candle_core::Tensor;
use lode_model::{Gguf, LlamaConfig, Tokenizer};
use lode_proto::{attempt::Finish, policy::PolicyCard};
use mistralrs::{
    Constraint, CustomLogitsProcessor, DeviceMapSetting, GgufModelBuilder, NormalRequest, Request,
    RequestMessage, Response, SamplingParams, StopTokens, TokenSource,
};
use tokio::sync::mpsc;

use crate::{
    grammar::{Follower, Grammars},
    identity::Identity,
    native::{CancelOnDrop, check_room, completion, encode_raw},
    sampler,
    store::ModelFile,
    types::{CancelFlag, Completion, Control, Engine, EngineError, GroupRequest, Progress},
};

const NAME: &str = "mistralrs";
/// Name and version in policy cards.
pub(crate) const ENGINE: &str = "mistralrs/0.8.1";
/// What it computes with: candle's quantised matrices, activations quantised to eight bits.
const ARITHMETIC: &str = "candle-q8";

/// The engine.
pub struct Mistral {
    inner: Arc<Inner>,
    /// One group at a time (see above).
    busy: Arc<tokio::sync::Mutex<()>>,
}

struct Inner {
    model: mistralrs::Model,
    tokenizer: Tokenizer,
    grammars: Grammars,
    identity: Identity,
    positions: usize,
}

impl std::fmt::Debug for Mistral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mistral({})", self.inner.identity.model)
    }
}

fn backend(reason: impl std::fmt::Display) -> EngineError {
    EngineError::backend(NAME, reason.to_string())
}

impl Mistral {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// [`EngineError::Load`].
    pub async fn load(file: ModelFile) -> Result<Self, EngineError> {
        let load = {
            let name = file.path.display().to_string();
            move |reason: String| EngineError::Load { model: name.clone(), reason }
        };
        let identity = Identity::of_gguf(&file)?;
        let gguf = Gguf::open(&file.path).map_err(|e| load(e.to_string()))?;
        let config = LlamaConfig::from_gguf(&gguf).map_err(|e| load(e.to_string()))?;
        let tokenizer = Tokenizer::from_gguf(&gguf).map_err(|e| load(e.to_string()))?;
        let grammars = Grammars::new(&tokenizer)?;
        let path = std::path::absolute(&file.path).map_err(|e| load(e.to_string()))?;
        let (Some(folder), Some(name)) = (path.parent().and_then(Path::to_str), path.file_name())
        else {
            return Err(load("its path is not UTF-8".into()));
        };
        let builder = GgufModelBuilder::new(folder, vec![name.to_string_lossy()])
            .with_force_cpu()
            .with_token_source(TokenSource::None)
            .with_device_mapping(DeviceMapSetting::dummy())
            .with_max_num_seqs(1)
            // It never serves a prompt that is wholly cached, which the second attempt's would be;
            // and a prompt read from a cache is not bit-equal to one that was read anew.
            .with_prefix_cache_n(None);
        // A task of its own, because mistral.rs panics on some files.
        let model = tokio::spawn(builder.build())
            .await
            .map_err(|e| load(format!("mistral.rs panicked: {e}")))?
            .map_err(|e| load(format!("{e:#}")))?;
        let positions = config.max_positions;
        let inner = Arc::new(Inner { model, tokenizer, grammars, identity, positions });
        Ok(Self { inner, busy: Arc::default() })
    }
}

#[async_trait]
impl Engine for Mistral {
    fn policy_card(&self, temperature_milli: u32, grammar: Option<u32>) -> PolicyCard {
        self.inner.identity.card(ENGINE.to_owned(), ARITHMETIC, temperature_milli, grammar)
    }

    fn context_tokens(&self) -> Option<u32> {
        u32::try_from(self.inner.positions).ok()
    }

    fn prompt_tokens(&self, prompt: &str) -> Option<usize> {
        encode_raw(&self.inner.tokenizer, prompt).ok().map(|tokens| tokens.len())
    }

    fn supports_grammar(&self) -> bool {
        true
    }

    async fn generate(
        &self,
        request: GroupRequest,
        control: &Control,
    ) -> Result<Vec<Result<Completion, EngineError>>, EngineError> {
        request.check()?;
        let abandoned = CancelFlag::default();
        let on_drop = CancelOnDrop(abandoned.clone());
        let work = async {
            let turn = Arc::clone(&self.busy).lock_owned().await;
            let (inner, control) = (Arc::clone(&self.inner), control.clone());
            // On its own, so that an abandoned group drains before the next one starts.
            let task = tokio::spawn(async move {
                let _turn = turn;
                inner.group(&request, &control, &abandoned).await
            });
            task.await.map_err(backend)?
        };
        let result = tokio::select! {
            result = work => result,
            () = control.cancel.cancelled() => Err(EngineError::Cancelled),
        };
        drop(on_drop);
        result
    }
}

impl Inner {
    async fn group(
        &self,
        request: &GroupRequest,
        control: &Control,
        abandoned: &CancelFlag,
    ) -> Result<Vec<Result<Completion, EngineError>>, EngineError> {
        control.check()?;
        let prompt = encode_raw(&self.tokenizer, &request.prompt)?;
        check_room(prompt.len(), request, self.positions)?;
        let start = request.grammar.as_deref().map(|lark| self.grammars.start(lark)).transpose()?;
        let tally = Arc::new(Tally {
            tokens: AtomicU64::new(0),
            finished: AtomicU32::new(0),
            attempts: request.attempt_seeds.len() as u32,
            control: control.clone(),
            abandoned: abandoned.clone(),
        });
        let mut results = Vec::with_capacity(request.attempt_seeds.len());
        for seed in &request.attempt_seeds {
            let scribe = Arc::new(Scribe {
                seed: *seed,
                prompt_tokens: prompt.len(),
                temperature_milli: request.temperature_milli,
                vocabulary: self.tokenizer.vocab_size(),
                evidence: request.evidence,
                notes: Mutex::default(),
                tally: Arc::clone(&tally),
            });
            results.push(self.attempt(request, &prompt, &scribe, start.as_ref()).await);
            if tally.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            tally.finished.fetch_add(1, Ordering::Relaxed);
            tally.report();
        }
        Ok(results)
    }

    async fn attempt(
        &self,
        request: &GroupRequest,
        prompt: &[u32],
        scribe: &Arc<Scribe>,
        start: Option<&Follower>,
    ) -> Result<Completion, EngineError> {
        let runner = self.model.inner();
        let (sender, mut receiver) = mpsc::channel(1);
        let parameters = SamplingParams {
            temperature: Some(0.0),
            stop_toks: Some(StopTokens::Ids(self.tokenizer.end_tokens.clone())),
            max_len: Some(request.max_completion_tokens as usize),
            ..SamplingParams::neutral()
        };
        let mut call = NormalRequest::new_simple(
            RequestMessage::CompletionTokens(prompt.to_vec()),
            parameters,
            sender,
            runner.next_request_id(),
            None,
            None,
        );
        call.logits_processors = Some(vec![Arc::clone(scribe) as Arc<dyn CustomLogitsProcessor>]);
        if let Some(lark) = &request.grammar {
            call.constraint = Constraint::Lark(lark.clone());
        }
        let queue = runner.get_sender(None).map_err(|e| backend(format!("{e:?}")))?;
        queue
            .send(Request::Normal(Box::new(call)))
            .await
            .map_err(|_| backend("its thread has ended"))?;
        let text = match receiver.recv().await {
            Some(Response::CompletionDone(done)) => {
                done.choices.into_iter().next().map(|choice| choice.text).unwrap_or_default()
            }
            Some(Response::InternalError(e) | Response::ValidationError(e)) => {
                return Err(scribe.problem().unwrap_or_else(|| backend(e)));
            }
            Some(Response::CompletionModelError(e, _)) => return Err(backend(e)),
            Some(_) => return Err(backend("it answered with something else than a completion")),
            None => return Err(backend("it dropped the request; its thread may have panicked")),
        };
        self.finish(request, prompt.len(), scribe, start, &text)
    }

    fn finish(
        &self,
        request: &GroupRequest,
        prompt_tokens: usize,
        scribe: &Scribe,
        start: Option<&Follower>,
        text: &str,
    ) -> Result<Completion, EngineError> {
        let (mut ids, mut logprobs_milli) = {
            let notes = scribe.notes();
            (notes.ids.clone(), notes.logprobs_milli.clone())
        };
        let ordinary: Vec<u32> =
            ids.iter().copied().filter(|id| !self.tokenizer.is_special(*id)).collect();
        let noted = self.tokenizer.decode_bytes(&ordinary).map_err(backend)?;
        if String::from_utf8_lossy(&noted).trim_start() != text {
            return Err(backend("its text is not the one our sampler drew"));
        }
        let ended = ids.last().is_some_and(|id| self.tokenizer.is_end(*id));
        let mut finish = if ended { Finish::Stop } else { Finish::Cap };
        if let Some(start) = start {
            // The end token after a finished grammar is forced, and the native engine does not
            // write it; a grammar that is finished at the cap has not been cut.
            let mut follower = start.split();
            for id in &ids[..ids.len() - usize::from(ended)] {
                follower.take(*id)?;
            }
            if follower.is_complete() {
                finish = Finish::Stop;
                if ended {
                    ids.pop();
                    logprobs_milli.pop();
                }
            }
        }
        completion(&self.tokenizer, request, prompt_tokens, finish, ids, logprobs_milli)
    }
}

/// What all attempts of a group share.
struct Tally {
    tokens: AtomicU64,
    finished: AtomicU32,
    attempts: u32,
    control: Control,
    abandoned: CancelFlag,
}

impl Tally {
    fn is_cancelled(&self) -> bool {
        self.abandoned.is_cancelled() || self.control.cancel.is_cancelled()
    }

    fn report(&self) {
        self.control.report(Progress {
            tokens: self.tokens.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
            attempts: self.attempts,
        });
    }
}

/// Draws the tokens of one attempt and notes them down.
struct Scribe {
    seed: [u8; 32],
    prompt_tokens: usize,
    temperature_milli: u32,
    vocabulary: usize,
    evidence: bool,
    notes: Mutex<Notes>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Notes {
    ids: Vec<u32>,
    logprobs_milli: Vec<i32>,
    /// Of the plain logits at the newest position.
    normaliser: f64,
    problem: Option<(u32, &'static str)>,
}

impl Scribe {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the processor refused, if it did.
    fn problem(&self) -> Option<EngineError> {
        if self.tally.is_cancelled() {
            return Some(EngineError::Cancelled);
        }
        let (position, reason) = self.notes().problem?;
        Some(EngineError::NoToken { position, reason })
    }
}

impl CustomLogitsProcessor for Scribe {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> candle_core::Result<Tensor> {
        if self.tally.is_cancelled() {
            candle_core::bail!("cancelled");
        }
        let all: Vec<f32> = logits.to_vec1()?;
        let values = &all[..all.len().min(self.vocabulary)];
        let mut notes = self.notes();
        let written = context.get(self.prompt_tokens..).unwrap_or_default();
        // A call for a position that was noted is the second one, under the grammar's mask.
        let second = written.len() + 1 == notes.ids.len();
        if second {
            notes.ids.pop();
        }
        if notes.ids != written {
            notes.problem = Some((written.len() as u32, "the engine lost count of its tokens"));
            candle_core::bail!("the context is not what was drawn");
        }
        let position = written.len() as u32;
        let Some(token) =
            sampler::sample(values, None, self.temperature_milli, &self.seed, position)
        else {
            notes.problem = Some((position, "no logit is a number"));
            candle_core::bail!("no token to draw");
        };
        notes.ids.push(token);
        if self.evidence {
            if second {
                notes.logprobs_milli.pop();
            } else {
                notes.normaliser = sampler::log_normaliser(values);
            }
            let logprob = sampler::logprob_milli(values, token, notes.normaliser);
            notes.logprobs_milli.push(logprob);
        }
        drop(notes);
        if !second {
            self.tally.tokens.fetch_add(1, Ordering::Relaxed);
            self.tally.report();
        }
        let mut only = vec![f32::NEG_INFINITY; all.len()];
        only[token as usize] = 0.0;
        Tensor::from_vec(only, all.len(), logits.device())
    }
}
