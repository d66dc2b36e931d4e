//! Generating text: one trait, several engines, one sampler.
//!
//! ```text
//! GroupRequest ─► Engine::generate ─► [Completion]      (one prompt, one completion a seed)
//!                   ├─ native     our own llama: one prefill and one batched decode a group
//!                   ├─ mistral    mistral.rs in process, one request an attempt
//!                   └─ openai     any server's raw /v1/completions
//! name ─► Store::pull ─► ModelFile ─► Native::load, Mistral::load
//!                                 └─► auto::open: the faster of both, measured once
//! ```
//!
//! In process, every token is drawn by [`sampler::sample`], a function of logits, grammar mask,
//! attempt seed and position, so that an attempt can be repeated and replayed. Behind a server the
//! server draws, and the policy says so (`sampler: "server"`).

#![forbid(unsafe_code)]

pub mod auto;
mod cause;
mod grammar;
mod header;
mod identity;
pub mod measure;
pub mod memory;
mod mistral;
mod native;
pub mod openai;
mod pool;
pub mod sampler;
pub mod store;
mod types;

pub use header::{HeaderError, ModelHeader};
pub use identity::{Identity, parameters};
pub use mistral::Mistral;
pub use native::{BYTES_PER_WEIGHT as NATIVE_BYTES_PER_WEIGHT, Native};
pub use openai::OpenAi;
pub use pool::Pool;
pub use types::{
    CancelFlag, Completion, Control, Engine, EngineError, GroupRequest, Progress, ServerError,
};
