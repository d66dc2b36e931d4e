//! What goes into an engine and what comes out of it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use lode_proto::{
    attempt::{Finish, TokenEvidence},
    limits,
    policy::PolicyCard,
};
use tokio::sync::watch;

/// One prompt, and one attempt for each seed.
#[derive(Clone)]
pub struct GroupRequest {
    /// The prompt, byte for byte; no chat template is put around it.
    pub prompt: String,
    /// A Lark grammar (llguidance's dialect) that every completion must follow, or none.
    pub grammar: Option<String>,
    /// The noise of each attempt.
    pub attempt_seeds: Vec<[u8; 32]>,
    /// Temperature in thousandths; 0 is greedy.
    pub temperature_milli: u32,
    /// Most tokens of one completion, the end token included.
    pub max_completion_tokens: u32,
    /// Whether [`Completion::evidence`] is wanted (it costs a pass over the logits a token).
    pub evidence: bool,
}

impl GroupRequest {
    /// Refuses a request that no engine can answer.
    ///
    /// # Errors
    /// [`EngineError::Request`] with the limit that was passed.
    pub fn check(&self) -> Result<(), EngineError> {
        let refuse = |reason: String| Err(EngineError::Request { reason });
        let attempts = self.attempt_seeds.len();
        if attempts == 0 || attempts > limits::MAX_GROUP_SIZE as usize {
            return refuse(format!(
                "a group has 1 to {} attempts, not {attempts}",
                limits::MAX_GROUP_SIZE
            ));
        }
        if self.prompt.is_empty() {
            return refuse("the prompt is empty".into());
        }
        let bytes = self.prompt.len().max(self.grammar.as_ref().map_or(0, String::len));
        if bytes > limits::MAX_MESSAGE_BYTES {
            return refuse(format!(
                "prompt and grammar have at most {} bytes each, not {bytes}",
                limits::MAX_MESSAGE_BYTES
            ));
        }
        if self.max_completion_tokens == 0
            || self.max_completion_tokens > limits::MAX_COMPLETION_TOKENS
        {
            return refuse(format!(
                "a completion has 1 to {} tokens, not {}",
                limits::MAX_COMPLETION_TOKENS,
                self.max_completion_tokens
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for GroupRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "GroupRequest({} attempts, prompt of {} bytes, grammar {}, T {:.3}, at most {} tokens)",
            self.attempt_seeds.len(),
            self.prompt.len(),
            if self.grammar.is_some() { "yes" } else { "no" },
            f64::from(self.temperature_milli) / 1000.0,
            self.max_completion_tokens
        )
    }
}

/// What a model wrote for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text, without prompt and end token. Not always UTF-8.
    pub bytes: Vec<u8>,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated, the end token included.
    pub completion_tokens: u32,
    /// Token ids and log-probabilities, where asked for and known.
    pub evidence: Option<TokenEvidence>,
}

/// How far a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Tokens generated so far, over all attempts of the group.
    pub tokens: u64,
    /// Attempts that have ended.
    pub finished: u32,
    /// Attempts of the group.
    pub attempts: u32,
}

/// A flag that stops a generation at its next token. Clones share it.
#[derive(Debug, Clone)]
pub struct CancelFlag(Arc<watch::Sender<bool>>);

impl Default for CancelFlag {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl CancelFlag {
    /// Stops everything that was given a clone of this flag.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether [`CancelFlag::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the flag is set. Cancel safe.
    pub async fn cancelled(&self) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|set| *set).await;
    }
}

/// The caller's hold on a running generation: stop it, watch it.
#[derive(Clone, Default)]
pub struct Control {
    /// Checked at every token.
    pub cancel: CancelFlag,
    /// Called as tokens come, from the generating thread: it must return at once.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Control {
    /// Tells the caller how far the group is.
    pub fn report(&self, progress: Progress) {
        if let Some(callback) = &self.progress {
            callback(progress);
        }
    }

    /// # Errors
    /// [`EngineError::Cancelled`] once the flag is set.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.cancel.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control(cancelled {})", self.cancel.is_cancelled())
    }
}

/// Something that generates text.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What the attempts of a group come from, for a temperature and a version of the grammar
    /// generator (none where text is drawn freely). Where an engine cannot apply a grammar, the
    /// card has none whatever was asked.
    fn policy_card(&self, temperature_milli: u32, grammar: Option<u32>) -> PolicyCard;

    /// Most tokens that prompt and completion may have together, where known.
    fn context_tokens(&self) -> Option<u32>;

    /// Tokens that a prompt takes, where the engine can tell without asking anybody.
    fn prompt_tokens(&self, _prompt: &str) -> Option<usize> {
        None
    }

    /// Whether [`GroupRequest::grammar`] is obeyed.
    fn supports_grammar(&self) -> bool;

    /// Groups that [`Engine::generate`] gains from running at once; more only wait for each other.
    fn concurrent_groups(&self) -> usize {
        1
    }

    /// Memory that a group takes besides the model, bytes, at most and about; 0 where the engine
    /// is not in this process.
    fn group_bytes(
        &self,
        _prompt_tokens: usize,
        _attempts: usize,
        _max_completion_tokens: u32,
    ) -> u64 {
        0
    }

    /// Generates a group: one result for each seed, in order.
    ///
    /// Dropping the future stops the generation as soon as [`CancelFlag`] would.
    ///
    /// # Errors
    /// The outer error is one that concerns all attempts (bad grammar, prompt too long, cancelled,
    /// engine gone); the inner ones concern one attempt each.
    async fn generate(
        &self,
        request: GroupRequest,
        control: &Control,
    ) -> Result<Vec<Result<Completion, EngineError>>, EngineError>;
}

/// Why an engine gave no completion.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The caller set the flag.
    #[error("the generation was cancelled")]
    Cancelled,
    /// No engine can answer this.
    #[error("the request cannot be answered: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// Prompt and completion do not fit the model.
    #[error(
        "the prompt has {prompt_tokens} tokens and the completion up to {completion_tokens}, but \
         the model has room for {limit} together; use a smaller task profile or token limit"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens asked for.
        completion_tokens: u32,
        /// Tokens of the model's context.
        limit: usize,
    },
    /// The grammar does not compile, or the parser gave up on it.
    #[error("the grammar cannot be used: {reason}")]
    Grammar {
        /// In the grammar compiler's words.
        reason: String,
    },
    /// No token could be drawn: the mask was empty or the logits were not numbers.
    #[error(
        "no token can be drawn at position {position}: {reason}; the model file may be damaged"
    )]
    NoToken {
        /// Generated tokens before it.
        position: u32,
        /// What was found.
        reason: &'static str,
    },
    /// The model could not be loaded.
    #[error("cannot load {model}: {reason}")]
    Load {
        /// Path or name.
        model: String,
        /// In the loader's words.
        reason: String,
    },
    /// The device has no memory for so many attempts at once. Fewer may fit.
    #[error(
        "the {engine} engine ran out of memory: {reason}; lower memory_mib, or take a smaller model"
    )]
    OutOfMemory {
        /// Name of the engine.
        engine: &'static str,
        /// In the engine's words.
        reason: String,
    },
    /// The engine failed by itself.
    #[error("the {engine} engine failed: {reason}")]
    Backend {
        /// Name of the engine.
        engine: &'static str,
        /// In the engine's words.
        reason: String,
    },
    /// The server behind the engine answers, but not with what its model wrote.
    #[error("the model server at {url} cannot be used: {reasons}")]
    Unfit {
        /// Where it is, without credentials.
        url: String,
        /// What it does, and what to change.
        reasons: String,
    },
    /// The server behind the engine did not answer well.
    #[error("the model server at {url} {problem}")]
    Server {
        /// Where it is, without credentials.
        url: String,
        /// What it did.
        problem: ServerError,
    },
}

impl EngineError {
    /// A failure inside an engine, by its own words: libraries have no type for a full device.
    #[must_use]
    pub fn backend(engine: &'static str, reason: String) -> Self {
        let words = reason.to_ascii_lowercase();
        let full =
            ["out of memory", "out_of_memory", "failed to allocate", "cannot allocate memory"];
        if full.iter().any(|known| words.contains(known)) {
            Self::OutOfMemory { engine, reason }
        } else {
            Self::Backend { engine, reason }
        }
    }
}

/// What a model server did instead of answering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// No connection.
    #[error("cannot be reached ({0}); check that it runs and the address is right")]
    Unreachable(String),
    /// Nothing came for longer than the progress timeout.
    #[error("sent nothing for {} s; raise the timeout if it is only slow", .0.as_secs_f64())]
    Hang(Duration),
    /// It closed the connection in the middle of an answer.
    #[error("ended its answer early ({0})")]
    EarlyEnd(String),
    /// It answered, but not with a completion.
    #[error("sent something that is not a completion ({0}); is it an OpenAI-compatible server?")]
    Garbage(String),
    /// A completion without a text.
    #[error("sent an empty completion (finish reason {0}); the model may refuse raw prompts")]
    Empty(String),
    /// It refused: 4xx other than 429, or 429 and 5xx after all retries.
    #[error("answered with status {status}: {body}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The start of its answer.
        body: String,
    },
    /// A text that the grammar does not allow.
    #[error("ignored the grammar: it wrote {0}; see docs/servers.md")]
    Ungrammatical(String),
    /// It did not stop at the token limit.
    #[error("wrote on past the limit of {max_tokens} tokens; it ignores max_tokens")]
    Overrun {
        /// The limit that it was sent.
        max_tokens: u32,
    },
    /// It sent more than a completion can be.
    #[error("sent more than {limit} bytes")]
    TooLarge {
        /// Bytes accepted.
        limit: usize,
    },
}
