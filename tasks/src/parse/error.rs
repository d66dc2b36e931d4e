//! Why a completion cannot be read.

/// What broke the format, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {fault}")]
pub struct ParseError {
    /// Byte offset into the completion (the cue is not counted).
    pub at: usize,
    /// What was found there and what was expected.
    pub fault: ParseFault,
}

/// What broke the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFault {
    /// Longer than the task allows; nothing was read.
    #[error("the completion has {got} bytes, at most {limit} are read")]
    TooLong {
        /// Bytes.
        got: usize,
        /// [`crate::types::Task::max_completion_bytes`].
        limit: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Nothing but white space.
    #[error("the completion is empty")]
    Empty,
    /// A trace is asked for and there is no line `<trace>`.
    #[error("there is no line <trace>")]
    NoTrace,
    /// The trace has no line `</trace>`.
    #[error("the trace is not closed by a line </trace>")]
    TraceOpen,
    /// A line of the trace that has no step id.
    #[error("a line of the trace must begin with a step id such as \"e1: \"")]
    NoStepId,
    /// More steps than the task allows.
    #[error("the trace has more than {0} steps")]
    TooManySteps(usize),
    /// A line after the trace that is neither an answer nor the artifact.
    #[error("expected a line that begins with \"Q1: \" or \"Artifact: \"")]
    StrayLine,
    /// An answer to a question that the task does not have.
    #[error("the task has no question Q{0}")]
    NoSuchQuestion(u32),
    /// A question answered twice.
    #[error("Q{0} is answered twice")]
    AnswerTwice(u16),
    /// An answer that is too long.
    #[error("an answer has {got} bytes, at most {limit} are read")]
    AnswerTooLong {
        /// Bytes.
        got: usize,
        /// [`super::MAX_ANSWER_BYTES`].
        limit: usize,
    },
    /// No artifact.
    #[error("there is no line \"Artifact: \"")]
    NoArtifact,
    /// An artifact without text.
    #[error("the artifact is empty")]
    EmptyArtifact,
    /// An artifact that is too long.
    #[error("the artifact has {got} bytes, at most {limit} are read")]
    ArtifactTooLong {
        /// Bytes.
        got: usize,
        /// [`super::MAX_ARTIFACT_BYTES`].
        limit: usize,
    },
    /// Text after the artifact's line.
    #[error("nothing may follow the line of the artifact")]
    AfterArtifact,
    /// A control character in an answer or the artifact.
    #[error("a control character (U+{:04X}) in an answer or the artifact", u32::from(*.0))]
    ControlCharacter(char),
}
