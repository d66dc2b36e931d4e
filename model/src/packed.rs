//! Several sequences in one forward: tokens side by side, attention kept apart by segments.
//!
//! The completions of one prompt are packed as `prompt | first | second | …`: the prompt is
//! encoded once, each completion attends to the prompt and to itself, and its positions go on
//! from the prompt's end. No padding, so nothing is computed for nothing.

use crate::error::{ModelError, Result};

/// A run of tokens that attends causally to itself and wholly to its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index of the first token.
    pub start: usize,
    /// Number of tokens.
    pub len: usize,
    /// Start and length of the earlier run that every token here also sees.
    pub prefix: Option<(usize, usize)>,
}

impl Segment {
    /// Tokens in the prefix.
    pub fn prefix_len(&self) -> usize {
        self.prefix.map_or(0, |(_, len)| len)
    }
}

/// The input of one forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Token ids, all sequences side by side.
    pub tokens: Vec<u32>,
    /// Position of each token in its own sequence.
    pub positions: Vec<u32>,
    /// The runs that attention keeps apart, in order, covering all tokens.
    pub segments: Vec<Segment>,
}

impl Packed {
    /// One sequence.
    pub fn single(tokens: &[u32]) -> Result<Self> {
        Self::shared_prompt(tokens, &[])
    }

    /// `prompt` followed by completions that each continue it.
    pub fn shared_prompt(prompt: &[u32], completions: &[&[u32]]) -> Result<Self> {
        if prompt.is_empty() || completions.iter().any(|c| c.is_empty()) {
            return Err(ModelError::Invalid(
                "a prompt and a completion need at least one token each".into(),
            ));
        }
        let mut packed = Self {
            tokens: prompt.to_vec(),
            positions: (0..prompt.len() as u32).collect(),
            segments: vec![Segment { start: 0, len: prompt.len(), prefix: None }],
        };
        for completion in completions {
            let start = packed.tokens.len();
            packed.tokens.extend_from_slice(completion);
            packed.positions.extend((0..completion.len()).map(|i| (prompt.len() + i) as u32));
            packed.segments.push(Segment {
                start,
                len: completion.len(),
                prefix: Some((0, prompt.len())),
            });
        }
        Ok(packed)
    }

    /// For the `i`-th completion of [`Packed::shared_prompt`]: the rows whose logits predict its
    /// tokens, in order. The first is predicted by the prompt's last token.
    pub fn predicting_rows(&self, i: usize) -> Vec<u32> {
        let (Some(prompt), Some(s)) = (self.segments.first(), self.segments.get(i + 1)) else {
            return Vec::new();
        };
        let first = (prompt.start + prompt.len - 1) as u32;
        std::iter::once(first).chain((s.start..s.start + s.len - 1).map(|r| r as u32)).collect()
    }
}
