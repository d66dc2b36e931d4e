//! Decoding: one prompt read once, many continuations of it advanced together.
//!
//! Flow: [`Session::prefill`] runs the shared forward over the prompt and keeps its keys and
//! values as a [`Prefix`]; [`Session::fork`] makes a [`Batch`] of rows that share that prefix (it
//! is never copied) and own only what they write themselves; [`Session::decode`] feeds one token
//! to every row and returns their logits; [`Batch::drop_row`] removes a row that has ended.
//!
//! A row's numbers do not depend on the rows beside it, on the number of threads, or on when a
//! row was dropped: every dot product is summed in one fixed order. An attempt can therefore be
//! replayed alone, bit for bit.

mod attend;
mod blocks;
mod decode;
mod dot;
mod team;

use std::sync::{Arc, RwLock};

use candle_core::DType;

use attend::Memory;
pub(crate) use blocks::Compact;

use crate::Model;
use crate::config::LlamaConfig;
use crate::error::{ModelError, Result};
use crate::kernels::Kernels;
use crate::llama::{Llama, rope_angles};
use crate::lora::LoraSet;
use crate::packed::Packed;

/// Most rows of one batch.
pub(crate) const MAX_ROWS: usize = 1_024;

/// A model set up for inference on the CPU in f32.
#[derive(Clone, Debug)]
pub struct Session {
    llama: Llama,
    /// What decoding multiplies with instead of the llama's own matrices: the same numbers, read
    /// faster.
    compact: Option<Arc<Compact>>,
}

/// Keys and values of a prompt, shared by every row that continues it.
#[derive(Debug)]
pub struct Prefix {
    len: usize,
    /// One for each layer.
    layers: Vec<Memory>,
}

impl Prefix {
    /// Tokens in the prompt.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none (never, from [`Session::prefill`]).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory that the keys and values take, bytes.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(Memory::bytes).sum()
    }
}

/// What reading a prompt gives.
#[derive(Debug)]
pub struct Prefill {
    /// Keys and values of the prompt.
    pub prefix: Arc<Prefix>,
    /// Logits after the last token, `[vocab]`.
    pub logits: Vec<f32>,
    /// Final normed hidden state of the last token, `[hidden]`.
    pub hidden: Vec<f32>,
}

/// One continuation: how far it is, and the keys and values it wrote.
#[derive(Debug)]
struct Row {
    id: usize,
    len: usize,
    /// One for each layer. In locks, since a thread may still be at a task of the layer before that
    /// another one has done instead of it.
    layers: Vec<RwLock<Memory>>,
}

/// Continuations of one prefix that advance together.
#[derive(Debug)]
pub struct Batch {
    prefix: Arc<Prefix>,
    capacity: usize,
    rows: Vec<Row>,
    /// Rotary angles of positions `prefix.len() ..`, `[capacity][head_dim / 2]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Batch {
    /// Rows that are still alive.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether every row has been dropped.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The numbers given to the living rows at the fork, in order.
    pub fn ids(&self) -> Vec<usize> {
        self.rows.iter().map(|r| r.id).collect()
    }

    /// Removes the row at `index` of the living rows; the others keep their order.
    pub fn drop_row(&mut self, index: usize) {
        if index < self.rows.len() {
            self.rows.remove(index);
        }
    }

    /// Tokens that the row at `index` can still take.
    pub fn room(&self, index: usize) -> usize {
        self.rows.get(index).map_or(0, |r| self.capacity - r.len)
    }
}

/// The result of one decoding step, one block a living row, in order.
#[derive(Debug)]
pub struct Step {
    rows: usize,
    /// `[rows * vocab]`.
    logits: Vec<f32>,
    /// `[rows * hidden]`, final normed hidden states.
    hidden: Vec<f32>,
}

impl Step {
    /// Logits of row `i`, `[vocab]`.
    pub fn logits(&self, i: usize) -> &[f32] {
        let n = self.logits.len() / self.rows.max(1);
        &self.logits[i * n..(i + 1) * n]
    }

    /// Final normed hidden state of row `i`, `[hidden]`.
    pub fn hidden(&self, i: usize) -> &[f32] {
        let n = self.hidden.len() / self.rows.max(1);
        &self.hidden[i * n..(i + 1) * n]
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there were no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

impl Session {
    /// Inference over a loaded model, its adapter (if any) merged in.
    pub fn new(model: &Model, adapter: Option<&LoraSet>) -> Result<Self> {
        let llama = model.llama();
        match adapter {
            Some(lora) => Self::from_llama(llama.merge_lora(lora)?),
            None => Ok(Self { compact: model.compact.clone(), ..Self::from_llama(llama)? }),
        }
    }

    /// Inference over bare weights; they must be f32 on the CPU.
    pub fn from_llama(mut llama: Llama) -> Result<Self> {
        if llama.dtype() != DType::F32 || !llama.weights.embed.device().is_cpu() {
            return Err(ModelError::Unsupported("decoding runs on f32 weights on the CPU".into()));
        }
        llama.kernels = Kernels::OWN;
        Ok(Self { llama, compact: None })
    }

    /// The model's shape.
    pub fn config(&self) -> &LlamaConfig {
        &self.llama.config
    }

    /// The forward underneath, for scores and hidden states of whole sequences.
    pub fn llama(&self) -> &Llama {
        &self.llama
    }

    /// Reads a prompt.
    pub fn prefill(&self, tokens: &[u32]) -> Result<Prefill> {
        let cfg = self.config();
        let (hidden, cache) = self.llama.hidden_and_cache(&Packed::single(tokens)?)?;
        let last = hidden.narrow(0, tokens.len() - 1, 1)?;
        let logits = self.llama.logits(&last)?.flatten_all()?.to_vec1()?;
        let mut layers = Vec::with_capacity(cache.len());
        for (keys, values) in &cache {
            let (keys, values) = (keys.to_vec2::<f32>()?, values.to_vec2::<f32>()?);
            let mut memory = Memory::new(cfg, tokens.len());
            for (at, (keys, values)) in keys.iter().zip(&values).enumerate() {
                memory.put(at, keys, values);
            }
            layers.push(memory);
        }
        let prefix = Arc::new(Prefix { len: tokens.len(), layers });
        Ok(Prefill { prefix, logits, hidden: last.flatten_all()?.to_vec1()? })
    }

    /// `rows` continuations of `prefix`, each with room for `capacity` tokens of its own.
    pub fn fork(&self, prefix: &Arc<Prefix>, rows: usize, capacity: usize) -> Result<Batch> {
        let cfg = self.config();
        let needed = prefix.len.saturating_add(capacity);
        if needed > cfg.max_positions {
            return Err(ModelError::TooLong { needed, limit: cfg.max_positions });
        }
        if rows == 0 || rows > MAX_ROWS || capacity == 0 {
            return Err(ModelError::Invalid(format!(
                "{rows} rows of {capacity} tokens; 1 to {MAX_ROWS} rows of at least one token are possible"
            )));
        }
        if prefix.layers.len() != cfg.layers {
            return Err(ModelError::Invalid("the prefix was read by another model".into()));
        }
        let positions: Vec<u32> = (prefix.len..needed).map(|p| p as u32).collect();
        let (cos, sin) = rope_angles(cfg, &positions);
        let to_f32 = |v: Vec<f64>| v.into_iter().map(|x| x as f32).collect();
        let layers = || (0..cfg.layers).map(|_| RwLock::new(Memory::new(cfg, capacity))).collect();
        let rows = (0..rows).map(|id| Row { id, len: 0, layers: layers() }).collect();
        Ok(Batch { prefix: Arc::clone(prefix), capacity, rows, cos: to_f32(cos), sin: to_f32(sin) })
    }

    /// Feeds `tokens[i]` to the `i`-th living row of `batch`.
    pub fn decode(&self, batch: &mut Batch, tokens: &[u32]) -> Result<Step> {
        if tokens.len() != batch.rows.len() {
            return Err(ModelError::Invalid(format!(
                "{} tokens for {} rows",
                tokens.len(),
                batch.rows.len()
            )));
        }
        if let Some(id) = tokens.iter().find(|t| **t as usize >= self.config().vocab) {
            return Err(ModelError::TokenOutOfRange { id: *id, vocab: self.config().vocab });
        }
        if let Some(full) = batch.rows.iter().find(|r| r.len >= batch.capacity) {
            let needed = batch.prefix.len + full.len + 1;
            return Err(ModelError::TooLong { needed, limit: batch.prefix.len + batch.capacity });
        }
        if tokens.is_empty() {
            return Ok(Step { rows: 0, logits: Vec::new(), hidden: Vec::new() });
        }
        decode::step(&self.llama, self.compact.as_deref(), batch, tokens)
    }

    /// Teacher-forced log-probability of each completion token after `prompt`.
    pub fn score(&self, prompt: &[u32], completion: &[u32]) -> Result<Vec<f32>> {
        self.llama.score(prompt, completion)
    }
}
