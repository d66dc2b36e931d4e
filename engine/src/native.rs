//! Our own llama in f32: the prompt is read once a group, and all attempts decode as one batch.
//!
//! ```text
//! prompt ─► prefill ─► logits ─► each attempt: mask ─► sample ─► token ─┐
//!                        ▲                                             │
//!                        └── decode one token a living row ◄───────────┘
//! ```
//!
//! Rows do not influence each other's numbers (`lode_model::Session`), so an attempt alone gives
//! the same bytes as the same attempt in a group.

use std::sync::Arc;

use async_trait::async_trait;
use lode_model::{LoraSet, Model, Session, Specials, Tokenizer};
use lode_proto::{
    attempt::{Finish, TokenEvidence},
    policy::PolicyCard,
};
use rayon::prelude::*;

use crate::{
    grammar::{Follower, Grammars},
    identity::Identity,
    sampler::{self, Mask},
    store::ModelFile,
    types::{CancelFlag, Completion, Control, Engine, EngineError, GroupRequest, Progress},
};

const NAME: &str = "native";
/// Name and version in policy cards.
pub(crate) const ENGINE: &str = concat!("lode-native/", env!("CARGO_PKG_VERSION"));
/// Bytes that a weight takes in memory: four as f32, and the file's own block of it, at most 1.1.
pub const BYTES_PER_WEIGHT: u64 = 5;
/// What it computes with.
const ARITHMETIC: &str = "f32";

/// The engine.
#[derive(Debug)]
pub struct Native {
    inner: Arc<Inner>,
}

/// One group at a time in this process: two would only share the same cores, and in one pool a
/// worker that waits inside one group could take up the whole of the other.
static BUSY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Debug)]
struct Inner {
    session: Session,
    tokenizer: Tokenizer,
    grammars: Grammars,
    identity: Identity,
}

impl Native {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// [`EngineError::Load`].
    pub async fn load(file: ModelFile) -> Result<Self, EngineError> {
        let load = move || {
            let identity = Identity::of_gguf(&file)?;
            let model = Model::load(&file.path).map_err(|e| EngineError::Load {
                model: file.path.display().to_string(),
                reason: e.to_string(),
            })?;
            Self::new(&model, None, identity)
        };
        tokio::task::spawn_blocking(load).await.map_err(|e| backend(&e))?
    }

    /// An engine over a loaded model and an adapter; `identity` says what both are.
    ///
    /// # Errors
    /// [`EngineError::Load`].
    pub fn new(
        model: &Model,
        adapter: Option<&LoraSet>,
        identity: Identity,
    ) -> Result<Self, EngineError> {
        let session = Session::new(model, adapter).map_err(|e| EngineError::Load {
            model: identity.model.clone(),
            reason: e.to_string(),
        })?;
        let tokenizer = model.tokenizer.clone();
        let grammars = Grammars::new(&tokenizer)?;
        let inner = Arc::new(Inner { session, tokenizer, grammars, identity });
        Ok(Self { inner })
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }
}

/// Tokens of a raw prompt: names of special tokens in it are ordinary text, so that a document
/// cannot end a turn, and a BOS stands in front where the model wants one.
pub(crate) fn encode_raw(tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<u32>, EngineError> {
    let mut tokens = tokenizer
        .encode(prompt, Specials::AsText)
        .map_err(|e| EngineError::Request { reason: e.to_string() })?;
    if let (true, Some(bos)) = (tokenizer.adds_bos(), tokenizer.bos) {
        tokens.insert(0, bos);
    }
    Ok(tokens)
}

/// Refuses what does not fit the model's positions.
pub(crate) fn check_room(
    prompt_tokens: usize,
    request: &GroupRequest,
    limit: usize,
) -> Result<(), EngineError> {
    let completion_tokens = request.max_completion_tokens;
    if prompt_tokens.saturating_add(completion_tokens as usize) > limit {
        return Err(EngineError::TooLong { prompt_tokens, completion_tokens, limit });
    }
    Ok(())
}

fn backend(error: &dyn std::fmt::Display) -> EngineError {
    EngineError::backend(NAME, error.to_string())
}

/// Sets its flag when it goes out of scope.
pub(crate) struct CancelOnDrop(pub(crate) CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[async_trait]
impl Engine for Native {
    fn policy_card(&self, temperature_milli: u32, grammar: Option<u32>) -> PolicyCard {
        self.inner.identity.card(ENGINE.to_owned(), ARITHMETIC, temperature_milli, grammar)
    }

    fn context_tokens(&self) -> Option<u32> {
        u32::try_from(self.inner.session.config().max_positions).ok()
    }

    fn prompt_tokens(&self, prompt: &str) -> Option<usize> {
        encode_raw(&self.inner.tokenizer, prompt).ok().map(|tokens| tokens.len())
    }

    fn supports_grammar(&self) -> bool {
        true
    }

    /// Keys and values: the prompt's once, and each attempt's own.
    fn group_bytes(
        &self,
        prompt_tokens: usize,
        attempts: usize,
        max_completion_tokens: u32,
    ) -> u64 {
        let config = self.inner.session.config();
        let own = attempts.saturating_mul(max_completion_tokens as usize);
        let token = 2 * config.layers * config.kv_heads * config.head_dim * size_of::<f32>();
        prompt_tokens.saturating_add(own).saturating_mul(token) as u64
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
            let turn = BUSY.lock().await;
            let (inner, control) = (Arc::clone(&self.inner), control.clone());
            let run = move || {
                let _turn = turn;
                // Inside the pool: from outside, each of the hundreds of products of a token would
                // be handed over to it and waited for.
                rayon::scope(|_| inner.group(&request, &control, &abandoned))
            };
            tokio::task::spawn_blocking(run).await.map_err(|e| backend(&e))?
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
    fn group(
        &self,
        request: &GroupRequest,
        control: &Control,
        abandoned: &CancelFlag,
    ) -> Result<Vec<Result<Completion, EngineError>>, EngineError> {
        let check = || {
            if abandoned.is_cancelled() { Err(EngineError::Cancelled) } else { control.check() }
        };
        check()?;
        let prompt = encode_raw(&self.tokenizer, &request.prompt)?;
        check_room(prompt.len(), request, self.session.config().max_positions)?;
        let start = request.grammar.as_deref().map(|lark| self.grammars.start(lark)).transpose()?;
        let prefill = self.session.prefill(&prompt).map_err(|e| backend(&e))?;
        check()?;

        let cap = request.max_completion_tokens;
        let mut writers: Vec<Writer<'_>> = request
            .attempt_seeds
            .iter()
            .map(|seed| Writer {
                request,
                tokenizer: &self.tokenizer,
                seed,
                follower: start.as_ref().map(Follower::split),
                ids: Vec::new(),
                logprobs_milli: Vec::new(),
                end: None,
            })
            .collect();
        writers.par_iter_mut().for_each(|writer| writer.step(&prefill.logits));
        let room = (cap as usize - 1).max(1);
        let mut batch =
            self.session.fork(&prefill.prefix, writers.len(), room).map_err(|e| backend(&e))?;
        let mut living: Vec<usize> = (0..writers.len()).collect();
        loop {
            check()?;
            control.report(Progress {
                tokens: writers.iter().map(|writer| writer.ids.len() as u64).sum(),
                finished: writers.iter().filter(|writer| writer.end.is_some()).count() as u32,
                attempts: writers.len() as u32,
            });
            for row in (0..living.len()).rev() {
                if writers[living[row]].end.is_some() {
                    living.remove(row);
                    batch.drop_row(row);
                }
            }
            if living.is_empty() {
                break;
            }
            let last = |writer: &usize| writers[*writer].ids.last().copied().unwrap_or_default();
            let tokens: Vec<u32> = living.iter().map(last).collect();
            let step = self.session.decode(&mut batch, &tokens).map_err(|e| backend(&e))?;
            writers
                .iter_mut()
                .filter(|writer| writer.end.is_none())
                .enumerate()
                .collect::<Vec<_>>()
                .into_par_iter()
                .for_each(|(row, writer)| writer.step(step.logits(row)));
        }
        Ok(writers.into_iter().map(|writer| writer.finish(prompt.len())).collect())
    }
}

/// One attempt in the making.
struct Writer<'a> {
    request: &'a GroupRequest,
    tokenizer: &'a Tokenizer,
    seed: &'a [u8; 32],
    follower: Option<Follower>,
    ids: Vec<u32>,
    logprobs_milli: Vec<i32>,
    end: Option<Result<Finish, EngineError>>,
}

impl Writer<'_> {
    /// Draws the next token from `logits` and sees whether the text ends with it.
    fn step(&mut self, logits: &[f32]) {
        match self.draw(logits) {
            Ok(None) => {}
            Ok(Some(finish)) => self.end = Some(Ok(finish)),
            Err(error) => self.end = Some(Err(error)),
        }
    }

    fn draw(&mut self, logits: &[f32]) -> Result<Option<Finish>, EngineError> {
        // The output matrix may have rows that no token stands for.
        let logits = &logits[..logits.len().min(self.tokenizer.vocab_size())];
        let position = self.ids.len() as u32;
        let mask = self.follower.as_mut().map(Follower::mask).transpose()?;
        let token = sampler::sample(
            logits,
            mask.as_ref().map(|mask| Mask(mask.as_slice())),
            self.request.temperature_milli,
            self.seed,
            position,
        )
        .ok_or(EngineError::NoToken {
            position,
            reason: if mask.is_some() {
                "the grammar allows none that the model can write"
            } else {
                "no logit is a number"
            },
        })?;
        self.ids.push(token);
        if self.request.evidence {
            let normaliser = sampler::log_normaliser(logits);
            self.logprobs_milli.push(sampler::logprob_milli(logits, token, normaliser));
        }
        if self.tokenizer.is_end(token) {
            return Ok(Some(Finish::Stop));
        }
        if let Some(follower) = &mut self.follower {
            follower.take(token)?;
            if follower.is_complete() {
                return Ok(Some(Finish::Stop));
            }
        }
        Ok((self.ids.len() >= self.request.max_completion_tokens as usize).then_some(Finish::Cap))
    }

    fn finish(self, prompt_tokens: usize) -> Result<Completion, EngineError> {
        let finish = self.end.unwrap_or(Err(EngineError::Cancelled))?;
        completion(
            self.tokenizer,
            self.request,
            prompt_tokens,
            finish,
            self.ids,
            self.logprobs_milli,
        )
    }
}

/// A completion from its tokens; an end token at the end is counted, but is no text.
pub(crate) fn completion(
    tokenizer: &Tokenizer,
    request: &GroupRequest,
    prompt_tokens: usize,
    finish: Finish,
    ids: Vec<u32>,
    logprobs_milli: Vec<i32>,
) -> Result<Completion, EngineError> {
    let text = match ids.split_last() {
        Some((last, text)) if tokenizer.is_end(*last) => text,
        _ => &ids,
    };
    let bytes = tokenizer.decode_bytes(text).map_err(|e| backend(&e))?;
    Ok(Completion {
        bytes,
        finish,
        prompt_tokens: prompt_tokens as u32,
        completion_tokens: ids.len() as u32,
        evidence: request.evidence.then_some(TokenEvidence {
            ids,
            logprobs_milli,
            toploc: Vec::new(),
        }),
    })
}
