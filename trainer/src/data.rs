//! Pairs as text, and the tokens that are trained on.
//!
//! Prompt and completions are encoded apart and joined as tokens, so that the prompt is always a
//! token prefix and both sides share it exactly. The end token is appended to each completion and
//! scored. Nothing is ever cut: a pair that is too long is dropped and counted.

use std::collections::{BTreeMap, BTreeSet};

use lode_model::{Specials, Tokenizer};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};

/// One preference: two completions of one rendered prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Name of the pair, unique in its data set.
    pub id: String,
    /// The exact text the model saw, template included.
    pub prompt: String,
    /// The better completion, without an end token.
    pub chosen: String,
    /// The worse one.
    pub rejected: String,
    /// How much better the chosen side is, thousandths; none where nobody measured it.
    #[serde(default)]
    pub margin_milli: Option<i64>,
}

/// A pair ready for training.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPair {
    /// As in [`Pair`].
    pub id: String,
    /// At most one BOS, at the front.
    pub prompt: Vec<u32>,
    /// Ends with the end token, which is scored.
    pub chosen: Vec<u32>,
    /// Ends with the end token, which is scored.
    pub rejected: Vec<u32>,
    /// Its weight in the loss; 1 on average.
    pub weight: f64,
}

/// Which pairs are used, and how much each counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Most tokens of the prompt with the longer completion.
    pub max_length: usize,
    /// Pairs of a smaller margin are dropped, thousandths.
    pub min_margin_milli: Option<i64>,
    /// How much each counts.
    pub weighting: Weighting,
}

/// How much a pair counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// All the same.
    #[default]
    Uniform,
    /// In proportion to its margin.
    Margin,
}

/// Why a pair was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// An earlier pair has the same id.
    DuplicateId,
    /// The prompt has no text.
    EmptyPrompt,
    /// The chosen side has no text.
    EmptyChosen,
    /// The rejected side has no text.
    EmptyRejected,
    /// Both sides are the same text or the same tokens.
    Identical,
    /// Prompt and longer completion exceed the length limit.
    TooLong,
    /// Its margin is asked for, and it has none above zero or one below the least.
    LowMargin,
    /// A text holds bytes that the tokenizer cannot write.
    NotEncodable,
}

/// How many pairs were used and how many were dropped, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataReport {
    /// Pairs that came in.
    pub given: usize,
    /// Pairs that are trained on.
    pub used: usize,
    /// Counts by reason.
    pub dropped: BTreeMap<DropReason, usize>,
    /// Longest used sequence, prompt and one completion, tokens.
    pub longest: usize,
    /// BLAKE3 over the used pairs in order, hexadecimal.
    pub hash: String,
}

/// Domain of the data hash.
const HASH_CONTEXT: &str = "lode/dpo-data/v1";

/// Turns pairs into tokens.
pub fn tokenise(
    tokenizer: &Tokenizer,
    pairs: &[Pair],
    selection: &Selection,
) -> Result<(Vec<TokenPair>, DataReport)> {
    let mut report = DataReport { given: pairs.len(), ..DataReport::default() };
    let mut seen = BTreeSet::new();
    let mut used = Vec::new();
    let mut hasher = blake3::Hasher::new_derive_key(HASH_CONTEXT);
    for pair in pairs {
        let outcome = if seen.insert(pair.id.as_str()) {
            one(tokenizer, pair, selection)
        } else {
            Err(DropReason::DuplicateId)
        };
        match outcome {
            Ok(tokens) => {
                for text in [&pair.id, &pair.prompt, &pair.chosen, &pair.rejected] {
                    hasher.update(&(text.len() as u64).to_le_bytes());
                    hasher.update(text.as_bytes());
                }
                hasher.update(&pair.margin_milli.unwrap_or(i64::MIN).to_le_bytes());
                let longer = tokens.chosen.len().max(tokens.rejected.len());
                report.longest = report.longest.max(tokens.prompt.len() + longer);
                used.push(tokens);
            }
            Err(reason) => *report.dropped.entry(reason).or_default() += 1,
        }
    }
    report.used = used.len();
    report.hash = hasher.finalize().to_hex().to_string();
    if used.is_empty() {
        let reasons = report
            .dropped
            .iter()
            .map(|(r, n)| format!("{r:?}: {n}"))
            .collect::<Vec<_>>()
            .join(", ");
        return Err(TrainError::NoPairs { given: pairs.len(), reasons });
    }
    let mean = used.iter().map(|pair| pair.weight).sum::<f64>() / used.len() as f64;
    used.iter_mut().for_each(|pair| pair.weight /= mean);
    Ok((used, report))
}

impl Selection {
    /// The weight of a pair before all are brought to 1 on average.
    #[allow(clippy::cast_precision_loss)] // thousandths of a score
    fn weight(&self, margin_milli: Option<i64>) -> std::result::Result<f64, DropReason> {
        let wanted = self.min_margin_milli.is_some() || self.weighting == Weighting::Margin;
        let Some(margin) = margin_milli else {
            return if wanted { Err(DropReason::LowMargin) } else { Ok(1.0) };
        };
        if self.min_margin_milli.is_some_and(|least| margin < least) {
            return Err(DropReason::LowMargin);
        }
        match self.weighting {
            Weighting::Uniform => Ok(1.0),
            Weighting::Margin if margin > 0 => Ok(margin as f64),
            Weighting::Margin => Err(DropReason::LowMargin),
        }
    }
}

fn one(
    tokenizer: &Tokenizer,
    pair: &Pair,
    selection: &Selection,
) -> std::result::Result<TokenPair, DropReason> {
    let weight = selection.weight(pair.margin_milli)?;
    // Some data sets write the end token into the text; appended to, it would be scored twice.
    let end = tokenizer.token_text(tokenizer.eos);
    let bare = |text: &'_ str| match &end {
        Some(end) => text.strip_suffix(end.as_str()).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    };
    let (chosen, rejected) = (bare(&pair.chosen), bare(&pair.rejected));
    if pair.prompt.is_empty() {
        return Err(DropReason::EmptyPrompt);
    }
    if chosen.is_empty() {
        return Err(DropReason::EmptyChosen);
    }
    if rejected.is_empty() {
        return Err(DropReason::EmptyRejected);
    }
    if chosen == rejected {
        return Err(DropReason::Identical);
    }
    let not_encodable = |_| DropReason::NotEncodable;
    let prompt = tokenizer.encode_prompt(&pair.prompt).map_err(not_encodable)?;
    // What a model or a miner wrote is text, also where it spells the name of a special token.
    let side = |text: &str| -> std::result::Result<Vec<u32>, DropReason> {
        let mut ids = tokenizer.encode(text, Specials::AsText).map_err(not_encodable)?;
        ids.extend(tokenizer.eos);
        Ok(ids)
    };
    let (chosen, rejected) = (side(&chosen)?, side(&rejected)?);
    if chosen == rejected {
        return Err(DropReason::Identical);
    }
    if prompt.len() + chosen.len().max(rejected.len()) > selection.max_length {
        return Err(DropReason::TooLong);
    }
    Ok(TokenPair { id: pair.id.clone(), prompt, chosen, rejected, weight })
}

/// Tokens at each end of a prompt that the preview shows.
const PREVIEW_ENDS: usize = 8;

/// The first `count` pairs with their token boundaries, for a person to see before training that
/// chosen and rejected are the right way round and that the end token is there once.
pub fn preview(tokenizer: &Tokenizer, pairs: &[TokenPair], count: usize) -> Result<String> {
    use std::fmt::Write;
    let mut out = String::new();
    let tokens = |ids: &[u32]| -> Result<String> {
        let texts = ids
            .iter()
            .map(|id| Ok(tokenizer.decode(&[*id])?.escape_debug().to_string()))
            .collect::<Result<Vec<_>>>()?;
        Ok(texts.join("|"))
    };
    for (i, pair) in pairs.iter().take(count).enumerate() {
        let n = pair.prompt.len();
        let (head, tail) =
            (&pair.prompt[..n.min(PREVIEW_ENDS)], &pair.prompt[n.saturating_sub(PREVIEW_ENDS)..]);
        let _ = writeln!(out, "pair {} of {}: {}", i + 1, pairs.len(), pair.id);
        let _ = writeln!(out, "  prompt    {n:>5} tokens {head:?} … {tail:?}");
        let _ = writeln!(out, "            …{}", tokens(tail)?);
        let _ =
            writeln!(out, "  chosen    {:>5} tokens {}", pair.chosen.len(), tokens(&pair.chosen)?);
        let _ = writeln!(
            out,
            "  rejected  {:>5} tokens {}",
            pair.rejected.len(),
            tokens(&pair.rejected)?
        );
    }
    Ok(out)
}
