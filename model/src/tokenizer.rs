//! Byte-level BPE tokenizers, from GGUF metadata or a `tokenizer.json`.
//!
//! Whatever the source, a `tokenizer.json` text is the one form kept and exported; `tokenizers`
//! does the splitting and merging, and a table of each token's bytes does the decoding, so that
//! streaming and grammars see exactly the bytes that a token stands for.
//!
//! Special tokens are `Option`s, never filled in by default: a model without a BOS has none.

mod read;

use crate::chat::ChatTemplate;
use crate::error::{ModelError, Result};

/// Longest text that is encoded in one call, bytes.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// What to do with the names of special tokens that occur in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// They become the special tokens (rendered prompts).
    Parse,
    /// They are ordinary text (documents, completions, anything another party wrote).
    AsText,
}

/// A tokenizer with the special tokens and the chat template of its model.
#[derive(Clone)]
pub struct Tokenizer {
    parse: tokenizers::Tokenizer,
    as_text: tokenizers::Tokenizer,
    json: String,
    fingerprint: [u8; 32],
    token_bytes: Vec<Box<[u8]>>,
    special: Vec<bool>,
    byte_known: [bool; 256],
    add_bos: bool,
    /// Beginning-of-sequence token.
    pub bos: Option<u32>,
    /// The token that ends the model's turn; scored in training.
    pub eos: Option<u32>,
    /// Token that fills batches up; never scored.
    pub pad: Option<u32>,
    /// Token for what has no token.
    pub unk: Option<u32>,
    /// Every token at which generation stops; contains `eos`.
    pub end_tokens: Vec<u32>,
    /// The model's own chat template, if it came with one.
    pub chat_template: Option<ChatTemplate>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab", &self.token_bytes.len())
            .field("bos", &self.bos)
            .field("eos", &self.eos)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Number of token ids (the model's matrix may have a few more rows).
    pub fn vocab_size(&self) -> usize {
        self.token_bytes.len()
    }

    /// Whether the model wants a BOS before a text.
    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }

    /// The tokens of `text`, nothing added. Encoding loses nothing: a byte without a token is an
    /// error, never skipped.
    pub fn encode(&self, text: &str, specials: Specials) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(ModelError::Invalid(format!(
                "a text of {} bytes is longer than the limit of {MAX_TEXT_BYTES}",
                text.len()
            )));
        }
        if let Some((offset, byte)) =
            text.bytes().enumerate().find(|(_, b)| !self.byte_known[usize::from(*b)])
        {
            return Err(ModelError::ByteNotInVocabulary { byte, offset });
        }
        let tokenizer = match specials {
            Specials::Parse => &self.parse,
            Specials::AsText => &self.as_text,
        };
        let encoding =
            tokenizer.encode_fast(text, false).map_err(|e| ModelError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a rendered prompt: special tokens parsed, and one BOS in front if the model
    /// wants one and the text does not bring it.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.encode(text, Specials::Parse)?;
        if let (true, Some(bos)) = (self.add_bos, self.bos)
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// The bytes that one token stands for; a special token stands for its name.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.token_bytes.get(id as usize).map(AsRef::as_ref)
    }

    /// Whether `id` is a special (control) token.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    /// Whether generation stops at `id`.
    pub fn is_end(&self, id: u32) -> bool {
        self.end_tokens.binary_search(&id).is_ok()
    }

    /// The bytes of a token sequence, special tokens by name. Need not be UTF-8.
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        for id in ids {
            let bytes = self
                .token_bytes(*id)
                .ok_or(ModelError::TokenOutOfRange { id: *id, vocab: self.vocab_size() })?;
            out.extend_from_slice(bytes);
        }
        Ok(out)
    }

    /// The text of a token sequence; bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.decode_bytes(ids)?).into_owned())
    }

    /// The `tokenizer.json` text.
    pub fn to_json(&self) -> &str {
        &self.json
    }

    /// BLAKE3 over the contents of `tokenizer.json`, whatever its white space and key order.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The name of a token as `tokenizer_config.json` writes it.
    pub fn token_text(&self, id: Option<u32>) -> Option<String> {
        id.and_then(|id| self.parse.id_to_token(id))
    }

    /// The underlying tokenizer (special tokens parsed).
    pub fn inner(&self) -> &tokenizers::Tokenizer {
        &self.parse
    }
}
