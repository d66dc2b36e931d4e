//! The grammar: llguidance reads it, it accepts witnesses, and writing at random under it does not
//! pass.

use std::sync::Arc;

use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar};
use lode_proto::attempt::Finish;
use lode_tasks::{
    grade::Grader,
    grammar::{Grammar, grammar},
    parse::parse,
    types::Task,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use toktrie::ApproximateTokEnv;

use crate::fixture::{WITNESS, key, small, task};

/// Reads texts byte by byte under a grammar.
pub(crate) struct Reader(ParserFactory);

impl Reader {
    pub(crate) fn new() -> Self {
        let mut factory = ParserFactory::new_simple(&ApproximateTokEnv::single_byte_env())
            .expect("a parser factory");
        factory.quiet();
        Self(factory)
    }

    /// How many bytes of the text the grammar accepts, and whether it may end there.
    pub(crate) fn read(&self, lark: &str, text: &str) -> (usize, bool) {
        let parser = self.0.create_parser(TopLevelGrammar::from_lark(lark.to_owned()));
        let mut matcher = Matcher::new(parser);
        assert_eq!(matcher.get_error(), None, "{lark}");
        let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
        let accepted = matcher.try_consume_tokens(&tokens).expect("no internal error");
        (accepted, accepted == tokens.len() && matcher.is_accepting().expect("no internal error"))
    }

    pub(crate) fn assert_accepts(&self, lark: &str, text: &str) {
        let (accepted, ends) = self.read(lark, text);
        assert!(
            ends,
            "stuck at byte {accepted} of {}, before {:?}\n{lark}",
            text.len(),
            text.get(accepted..text.len().min(accepted + 40)),
        );
    }
}

const SMALL: &str = "\
e1: Alta Flow is based in Falkridge [paragraph_2]
e2: Volt Link employs 2,800 people [paragraph_12]
</trace>
Q1: Nero Data
Q2: Marrow Bay
Q3: 1,410
Q4: 2.1
Q5: 1,250
Artifact: Calm Lyndora and Falkridge hold 23 lamps while 20+57=77 boats drift home";

#[test]
fn it_accepts_the_witness_and_little_else() {
    let reader = Reader::new();
    let lark = grammar(&task());
    reader.assert_accepts(&lark, WITNESS);
    reader.assert_accepts(&lark, WITNESS.trim_end());
    for (from, to) in [
        ("e1: Alta", "e1: Beta"),
        ("[paragraph_2]", "[paragraph_13]"),
        ("[paragraph_2]", "[paragraph_0]"),
        ("Q1: Nero", "Q1: Zero"),
        ("add(", "plus("),
        ("e1: ", "x1: "),
        ("home\n", "home\nmore"),
    ] {
        let text = WITNESS.replacen(from, to, 1);
        assert!(!reader.read(&lark, &text).1, "{to} must not be accepted\n{lark}");
    }
}

#[test]
fn it_begins_where_the_cue_ends() {
    let reader = Reader::new();
    let mut task = small();
    let lark = grammar(&task);
    reader.assert_accepts(&lark, SMALL);
    reader.assert_accepts(&lark, &format!("{SMALL}\n"));
    assert!(!reader.read(&lark, &format!("<trace>\n{SMALL}")).1);
    // Ids count up, one extract at least, four at most, no compute steps.
    assert!(!reader.read(&lark, &SMALL.replace("e2:", "e3:")).1);
    assert!(!reader.read(&lark, SMALL.split_once("</trace>").expect("has one").1).1);
    task.cue = "<trace>\ne1: ".into();
    reader.assert_accepts(&grammar(&task), SMALL.strip_prefix("e1: ").expect("begins so"));
    task.cue = String::new();
    reader.assert_accepts(&grammar(&task), &format!("<trace>\n{SMALL}"));
    assert!(parse(&task, format!("<trace>\n{SMALL}").as_bytes()).is_ok());
}

#[test]
fn it_is_made_from_public_information_only() {
    // Another world with the same shapes: other paragraphs, same number; same grammar.
    let mut other = task();
    for paragraph in &mut other.paragraphs {
        *paragraph = "Nothing here.".into();
    }
    assert_eq!(grammar(&other), grammar(&task()));
    let lark = grammar(&task());
    for value in ["4,210", "2,800", "Lyndora", "Falkridge", "Marrow"] {
        assert!(!lark.contains(value), "{value}\n{lark}");
    }
}

/// Draws at random: every text is accepted by the grammar it was drawn from and can be read.
pub(crate) fn draws_fit(reader: &Reader, task: &Task, seed: u64, draws: u32) {
    let grammar = Grammar::new(task);
    let lark = grammar.lark();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for _ in 0..draws {
        let text = grammar.sample(&mut rng);
        reader.assert_accepts(&lark, &text);
        parse(task, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn draws_are_in_the_language() {
    let reader = Reader::new();
    draws_fit(&reader, &small(), 7, 50);
    draws_fit(&reader, &task(), 7, 20);
}

#[test]
fn drawing_at_random_does_not_pass() {
    let key = Arc::new(key());
    for task in [small(), task()] {
        let grader = Grader::new(&task, &key);
        let grammar = Grammar::new(&task);
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let passed = (0..2_000)
            .filter(|_| grader.grade(grammar.sample(&mut rng).as_bytes(), Finish::Stop).passes())
            .count();
        assert_eq!(passed, 0);
    }
}
