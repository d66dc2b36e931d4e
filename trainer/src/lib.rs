//! Preference training in process: DPO with LoRA on candle.
//!
//! Flow: [`Pair`]s of text become [`TokenPair`]s ([`tokenise`]); [`train`] runs DPO over them and
//! writes a PEFT adapter, a model card and a manifest; an [`Observer`] is told of every step, by
//! TRL's names; a run that was stopped goes on from its checkpoint, bit for bit.

#![forbid(unsafe_code)]

pub mod alignment;
pub mod checkpoint;
mod config;
mod data;
mod dpo;
mod error;
mod loss;
mod metrics;
mod optim;
mod output;
mod policy;
mod reference;
mod schedule;
mod trainer;

pub use config::DpoConfig;
pub use data::{DataReport, DropReason, Pair, Selection, TokenPair, Weighting, preview, tokenise};
pub use dpo::{CHECKPOINT_DIR, METRICS_FILE, Outcome, RunOptions, evaluate, train};
pub use error::{Result, TrainError};
pub use loss::{
    DpoLoss, LogProbs, LossKind, NORMALISATION, PairLoss, PairShape, log_sigmoid, sigmoid,
};
pub use metrics::{Alarm, AlarmBounds, Means, MetricsLog, Observer, Silent, StepMetrics};
pub use optim::{AdamW, AdamWConfig, Gradients, Slot, clip, global_norm};
pub use output::{MANIFEST_FILE, PROBE_FILE, Summary};
pub use policy::{Evaluated, How, accumulate, log_probs};
pub use schedule::{Sampler, Schedule, learning_rate};
pub use trainer::{SelfTests, Trainer, fresh_lora};
