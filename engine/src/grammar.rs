//! Lark grammars by llguidance: which tokens may come next.

use std::sync::Arc;

use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar};
use lode_model::Tokenizer;
use lode_proto::attempt::Finish;
use toktrie::{ApproximateTokEnv, SimpleVob};
use toktrie_hf_tokenizers::{ByteTokenizer, ByteTokenizerEnv};

use crate::types::EngineError;

/// Compiles grammars for one tokenizer.
pub(crate) struct Grammars {
    factory: ParserFactory,
}

/// One attempt's way through a grammar.
pub(crate) struct Follower(Matcher);

fn grammar(error: impl std::fmt::Display) -> EngineError {
    // llguidance appends its whole parser state to some errors; the first line says what it is.
    let text = error.to_string();
    EngineError::Grammar { reason: text.lines().next().unwrap_or_default().to_owned() }
}

impl Grammars {
    /// The table of token bytes, as mistral.rs builds its own.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Result<Self, EngineError> {
        let tokenizer =
            ByteTokenizer::from_tokenizer(tokenizer.inner().clone()).map_err(grammar)?;
        let tok_trie = toktrie::TokTrie::from(&tokenizer.tokrx_info(), &tokenizer.token_bytes());
        let env = Arc::new(ByteTokenizerEnv { tokenizer, tok_trie });
        let env: toktrie::TokEnv = env;
        let mut factory = ParserFactory::new_simple(&env).map_err(grammar)?;
        factory.quiet();
        Ok(Self { factory })
    }

    /// The start of a Lark grammar.
    pub(crate) fn start(&self, lark: &str) -> Result<Follower, EngineError> {
        let parsed = TopLevelGrammar::from_lark(lark.to_owned());
        let parser = self.factory.create_parser(parsed).map_err(grammar)?;
        let follower = Matcher::new(Ok(parser));
        match follower.get_error() {
            Some(error) => Err(grammar(error)),
            None => Ok(Follower(follower)),
        }
    }
}

/// Whether a text that somebody else wrote follows a grammar, byte by byte: all of it where it ended
/// by itself, as far as it goes where it was cut.
pub(crate) fn obeys(lark: &str, text: &str, finish: Finish) -> Result<bool, EngineError> {
    let env = ApproximateTokEnv::single_byte_env();
    let mut factory = ParserFactory::new_simple(&env).map_err(grammar)?;
    factory.quiet();
    let parser =
        factory.create_parser(TopLevelGrammar::from_lark(lark.to_owned())).map_err(grammar)?;
    let mut matcher = Matcher::new(Ok(parser));
    // A cut may leave a part of a character, which servers send as this one.
    let text = match finish {
        Finish::Stop => text,
        Finish::Cap => text.trim_end_matches(char::REPLACEMENT_CHARACTER),
    };
    let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
    if matcher.try_consume_tokens(&bytes).map_err(grammar)? < bytes.len() {
        return Ok(false);
    }
    match finish {
        Finish::Cap => Ok(true),
        Finish::Stop => Ok(matcher.is_stopped() || matcher.is_accepting().map_err(grammar)?),
    }
}

impl Follower {
    /// A copy that shares nothing, for another thread.
    pub(crate) fn split(&self) -> Self {
        Self(self.0.deep_clone())
    }

    /// The tokens that may come next, the end token where the text may end.
    pub(crate) fn mask(&mut self) -> Result<SimpleVob, EngineError> {
        self.0.compute_mask_or_eos().map_err(grammar)
    }

    /// Takes a token that [`Follower::mask`] allowed.
    pub(crate) fn take(&mut self, token: u32) -> Result<(), EngineError> {
        self.0.consume_token(token).map_err(grammar)
    }

    /// Whether nothing can follow any more.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.is_stopped() && !self.0.is_error()
    }
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grammars")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARK: &str =
        "start: line{1,3}\nline: \"e\" /[1-3]/ \": \" CITY \"\\n\"\nCITY: \"Oslo\" | \"Łódź\"\n";

    #[track_caller]
    fn check(text: &str, finish: Finish, expected: bool) {
        assert_eq!(obeys(LARK, text, finish).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn whole_texts_and_cut_ones_are_told_from_others() {
        check("e1: Oslo\n", Finish::Stop, true);
        check("e1: Oslo\ne2: Łódź\ne3: Oslo\n", Finish::Stop, true);
        check("e1: Os", Finish::Stop, false);
        check("e1: Os", Finish::Cap, true);
        check("e1: \u{fffd}", Finish::Cap, true);
        check("", Finish::Cap, true);
        check("e1: Rome\n", Finish::Cap, false);
        check("Sure! e1: Oslo\n", Finish::Stop, false);
        check("e1: Oslo\ne2: Oslo\ne3: Oslo\nmore", Finish::Stop, false);
        assert!(obeys("start: %%%", "a", Finish::Stop).is_err());
    }
}
