//! The structure of a completion, from public information only.

use lode_proto::task::Profile;

use crate::{
    parse::{NONE, ORDINALS},
    types::{AnswerKind, AttributeSchema, ComputeOp, Task, ValueKind},
};

/// Most characters of an artifact under the grammar, by profile.
const ARTIFACT_CHARS: [(Profile, u16); 4] =
    [(Profile::Nano, 90), (Profile::Mini, 240), (Profile::Standard, 400), (Profile::Hard, 480)];
/// Most arguments of a compute step under the grammar.
const MAX_GRAMMAR_ARGUMENTS: u16 = 24;
/// Most steps that a filter or compare step may list under the grammar: with more, a trace at random
/// would outgrow what is read.
pub(crate) const MAX_GRAMMAR_STEPS: u16 = 10;
/// Punctuation that an artifact may hold besides letters, digits and spaces.
const PUNCTUATION: &str = ",.;:'!?%$+=()&/-";
/// What an artifact may hold besides where a constraint may ask for JSON.
const JSON_PUNCTUATION: &str = "{}\"";

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) upper: bool,
    pub(super) lower: bool,
    pub(super) digit: bool,
    /// Further characters, sorted, each once.
    pub(super) others: Vec<char>,
}

impl Class {
    fn of(chars: impl Iterator<Item = char>) -> Self {
        let mut class = Self { upper: false, lower: false, digit: false, others: Vec::new() };
        for c in chars {
            match c {
                'A'..='Z' => class.upper = true,
                'a'..='z' => class.lower = true,
                '0'..='9' => class.digit = true,
                other => class.others.push(other),
            }
        }
        class.others.sort_unstable();
        class.others.dedup();
        class
    }
}

/// A piece of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Exactly this text.
    Literal(String),
    /// So many characters of a set.
    Chars { class: Class, min: u16, max: u16 },
    /// One of several.
    Choice(Vec<Node>),
    /// One after the other.
    Sequence(Vec<Node>),
    /// So many times.
    Repeat { node: Box<Node>, min: u16, max: u16 },
    /// A terminal with a name of its own; the same name always has the same content.
    Terminal(String, Box<Node>),
}

impl Node {
    fn text(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }

    fn terminal(name: impl Into<String>, node: Self) -> Self {
        Self::Terminal(name.into(), Box::new(node))
    }

    fn repeat(node: Self, min: u16, max: u16) -> Self {
        Self::Repeat { node: Box::new(node), min, max }
    }

    fn maybe(node: Self) -> Self {
        Self::repeat(node, 0, 1)
    }

    fn digits(min: u16, max: u16) -> Self {
        let class = Class { upper: false, lower: false, digit: true, others: Vec::new() };
        Self::Chars { class, min, max }
    }

    fn one_of(chars: &str) -> Self {
        let others = chars.chars().collect();
        let class = Class { upper: false, lower: false, digit: false, others };
        Self::Chars { class, min: 1, max: 1 }
    }
}

pub(super) fn completion(task: &Task) -> Node {
    let terms = Terms::new(task);
    let mut parts = Vec::new();
    let opening = "<trace>\n";
    // What the cue has already said is left out, up to the first step's id.
    let (tag, id) = match task.cue.as_str() {
        "<trace>\ne1: " => (false, false),
        "<trace>\n" => (false, true),
        _ => (true, true),
    };
    if tag {
        parts.push(Node::text(opening));
    }
    parts.extend(terms.trace(id));
    parts.push(Node::text("</trace>\n"));
    for (place, question) in task.questions.iter().enumerate() {
        let number = place + 1;
        let answer = terms.answer(question.answer);
        parts.push(Node::terminal(
            format!("Q{number}"),
            Node::Sequence(vec![Node::Literal(format!("Q{number}: ")), answer, Node::text("\n")]),
        ));
    }
    parts.push(terms.artifact());
    parts.push(Node::maybe(Node::text("\n")));
    Node::Sequence(parts)
}

/// The terminals that a task's lines are made of.
struct Terms<'a> {
    task: &'a Task,
}

impl<'a> Terms<'a> {
    fn new(task: &'a Task) -> Self {
        Self { task }
    }

    fn name(&self) -> Node {
        let names = self.task.roster.iter().map(|entry| Node::text(&entry.name)).collect();
        Node::terminal("NAME", Node::Choice(names))
    }

    /// Steps with their line breaks. Without compute steps the ids run from `e1`. With them any
    /// step and any id may stand anywhere, also twice: the parser says what that means, and how
    /// many of the steps are extracts is for the grader to count.
    fn trace(&self, first_id: bool) -> Vec<Node> {
        let rules = &self.task.trace;
        let fact = self.fact();
        if !rules.computes {
            let line = |number: u16, with_id: bool| {
                let mut parts = Vec::new();
                if with_id {
                    parts.push(Node::Literal(format!("e{number}: ")));
                }
                parts.push(fact.clone());
                parts.push(Node::text("\n"));
                Node::terminal(format!("E{number}"), Node::Sequence(parts))
            };
            let most = rules.max_steps.max(rules.min_extracts);
            let mut optional: Option<Node> = None;
            for number in (rules.min_extracts + 1..=most).rev() {
                let mut parts = vec![line(number, number > 1 || first_id)];
                parts.extend(optional.take());
                optional = Some(Node::maybe(Node::Sequence(parts)));
            }
            let mut lines: Vec<Node> =
                (1..=rules.min_extracts).map(|n| line(n, n > 1 || first_id)).collect();
            lines.extend(optional);
            return lines;
        }
        let id = Node::terminal(
            "ID",
            Node::Sequence(vec![Node::one_of("123456789"), Node::digits(0, 2)]),
        );
        let numbered = |letter: &str, body: Vec<Node>| {
            let mut parts = vec![Node::text(letter), id.clone(), Node::text(": ")];
            parts.extend(body);
            parts.push(Node::text("\n"));
            Node::Sequence(parts)
        };
        let mut lines = Vec::new();
        let mut least = rules.min_extracts;
        if !first_id {
            lines.push(Node::terminal(
                "FIRST",
                Node::Sequence(vec![fact.clone(), Node::text("\n")]),
            ));
            least = least.saturating_sub(1);
        }
        let extract = Node::terminal("EXTRACT", numbered("e", vec![fact]));
        // Years and small numbers stand without commas.
        let number =
            Node::terminal("NUMBER", Node::Choice(vec![integer(), decimal(), Node::digits(1, 6)]));
        let step = Node::terminal("STEP", Node::Sequence(vec![Node::one_of("ecfm"), id.clone()]));
        let argument = Node::terminal("ARGUMENT", Node::Choice(vec![step.clone(), number.clone()]));
        let op = Node::terminal(
            "OP",
            Node::Choice(ComputeOp::ALL.iter().map(|(_, word)| Node::text(word)).collect()),
        );
        let compute = Node::terminal(
            "COMPUTE",
            numbered(
                "c",
                vec![
                    op,
                    Node::text("("),
                    Node::maybe(list(argument.clone(), MAX_GRAMMAR_ARGUMENTS)),
                    Node::text(") = "),
                    number,
                ],
            ),
        );
        let steps = Node::terminal("STEPS", list(step.clone(), MAX_GRAMMAR_STEPS));
        let filter = Node::terminal("FILTER", numbered("f", self.filter(&steps, &step, argument)));
        let compare = Node::terminal("COMPARE", numbered("m", compare(&steps, &step)));
        let mut revise = vec![step, Node::text(" is superseded")];
        revise.extend(self.citation());
        let revise = Node::terminal("REVISE", numbered("r", revise));
        let most = rules.max_steps.saturating_sub(u16::from(!first_id));
        let line = Node::Choice(vec![extract, compute, filter, compare, revise]);
        lines.push(Node::repeat(line, least, most));
        lines
    }

    /// `filter(e3, e4, e9; above 1,990) = e3, e9`
    fn filter(&self, steps: &Node, step: &Node, argument: Node) -> Vec<Node> {
        let mut conditions = vec![
            Node::Sequence(vec![
                Node::Choice(vec![Node::text("above "), Node::text("below ")]),
                argument,
            ]),
            Node::Sequence(vec![Node::text("same as "), step.clone()]),
        ];
        if self.task.attributes.iter().any(|schema| !schema.kind.is_number()) {
            let word = self.answer(AnswerKind::Category);
            conditions.push(Node::Sequence(vec![
                Node::text("is "),
                Node::maybe(Node::text("not ")),
                word,
            ]));
        }
        vec![
            Node::text("filter("),
            steps.clone(),
            Node::text("; "),
            Node::Choice(conditions),
            Node::text(") = "),
            Node::Choice(vec![steps.clone(), Node::text(NONE)]),
        ]
    }

    fn citation(&self) -> Option<Node> {
        self.task.trace.citations.then(|| {
            let numbers =
                (1..=self.task.paragraphs.len()).map(|n| Node::Literal(n.to_string())).collect();
            Node::Sequence(vec![
                Node::text(" [paragraph_"),
                Node::terminal("PARAGRAPH", Node::Choice(numbers)),
                Node::text("]"),
            ])
        })
    }

    /// A trace sentence of any attribute, with its citation.
    fn fact(&self) -> Node {
        let mut sentences = Vec::new();
        for schema in self.task.attributes.iter() {
            let relative = self
                .task
                .trace
                .computes
                .then_some([schema.trace_more.as_ref(), schema.trace_less.as_ref()]);
            let forms = std::iter::once(Some(&schema.trace)).chain(relative.into_iter().flatten());
            sentences.extend(forms.flatten().map(|text| self.sentence(text, schema)));
        }
        let sentence = Node::terminal("SENTENCE", Node::Choice(sentences));
        match self.citation() {
            Some(citation) => Node::Sequence(vec![sentence, citation]),
            None => sentence,
        }
    }

    fn sentence(&self, text: &str, schema: &AttributeSchema) -> Node {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            let Some((slot, tail)) = tail.split_once('}') else { break };
            if !literal.is_empty() {
                parts.push(Node::text(literal));
            }
            parts.push(if slot == "value" { value(schema) } else { self.name() });
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Node::text(rest));
        }
        Node::Sequence(parts)
    }

    fn answer(&self, kind: AnswerKind) -> Node {
        let attributes = &self.task.attributes;
        match kind {
            AnswerKind::Entity => self.name(),
            AnswerKind::Category => {
                let mut words: Vec<Node> = Vec::new();
                for schema in attributes.iter().filter(|schema| !schema.kind.is_number()) {
                    let shape = category(&schema.vocabulary);
                    if !words.contains(&shape) {
                        words.push(shape);
                    }
                }
                Node::Choice(words)
            }
            AnswerKind::Integer if attributes.iter().any(|s| s.kind == ValueKind::Year) => {
                Node::Choice(vec![integer(), year()])
            }
            AnswerKind::Integer => integer(),
            AnswerKind::Decimal => decimal(),
        }
    }

    fn artifact(&self) -> Node {
        let names = self.task.roster.iter().flat_map(|entry| entry.name.chars());
        let words = self
            .task
            .attributes
            .iter()
            .flat_map(|schema| &schema.vocabulary)
            .flat_map(|w| w.chars());
        let basic = "AZaz09".chars();
        let first = Class::of(basic.clone());
        let profile = self.task.header.profile;
        let json = if profile == Profile::Nano { "" } else { JSON_PUNCTUATION };
        let marks = PUNCTUATION.chars().chain(json.chars()).chain(" ".chars());
        let class = Class::of(basic.chain(marks).chain(names).chain(words));
        let most = ARTIFACT_CHARS.iter().find(|(of, _)| *of == profile).map_or(240, |(_, n)| *n);
        Node::terminal(
            "ARTIFACT",
            Node::Sequence(vec![
                Node::text("Artifact: "),
                Node::Chars { class: first, min: 1, max: 1 },
                Node::Chars { class, min: 1, max: most - 1 },
            ]),
        )
    }
}

/// `compare(e3, e9; second highest) = e9`
fn compare(steps: &Node, step: &Node) -> Vec<Node> {
    let ordinals = ORDINALS.iter().skip(1).map(|word| Node::Literal(format!("{word} "))).collect();
    vec![
        Node::text("compare("),
        steps.clone(),
        Node::text("; "),
        Node::maybe(Node::Choice(ordinals)),
        Node::Choice(vec![Node::text("highest"), Node::text("lowest")]),
        Node::text(") = "),
        step.clone(),
    ]
}

/// One to `most` with commas between them.
fn list(one: Node, most: u16) -> Node {
    let more = Node::Sequence(vec![Node::text(", "), one.clone()]);
    Node::Sequence(vec![one, Node::repeat(more, 0, most - 1)])
}

fn value(schema: &AttributeSchema) -> Node {
    match schema.kind {
        ValueKind::Category => category(&schema.vocabulary),
        ValueKind::Integer => integer(),
        ValueKind::Year => year(),
        ValueKind::Decimal => decimal(),
    }
}

/// A whole number with commas.
fn integer() -> Node {
    let group = Node::Sequence(vec![Node::text(","), Node::digits(3, 3)]);
    Node::terminal(
        "INTEGER",
        Node::Sequence(vec![
            Node::maybe(Node::text("-")),
            Node::digits(1, 3),
            Node::repeat(group, 0, 3),
        ]),
    )
}

fn decimal() -> Node {
    Node::terminal("DECIMAL", Node::Sequence(vec![integer(), Node::text("."), Node::digits(1, 3)]))
}

fn year() -> Node {
    Node::terminal("YEAR", Node::Sequence(vec![Node::one_of("12"), Node::digits(3, 3)]))
}

/// Words of the shape that a vocabulary has: how many, how long, of which characters; not which.
fn category(vocabulary: &[String]) -> Node {
    let words: Vec<&str> = vocabulary.iter().flat_map(|entry| entry.split(' ')).collect();
    let length = |word: &&str| u16::try_from(word.chars().count()).unwrap_or(u16::MAX);
    let shortest = words.iter().map(length).min().unwrap_or(1).max(1);
    let longest = words.iter().map(length).max().unwrap_or(1).max(1);
    let counts = |pick: fn(u16, u16) -> u16, start: u16| {
        vocabulary
            .iter()
            .map(|entry| u16::try_from(entry.split(' ').count()).unwrap_or(u16::MAX))
            .fold(start, pick)
    };
    let (fewest, most) = (counts(u16::min, u16::MAX).clamp(1, 8), counts(u16::max, 1).min(8));
    let first = Class::of(words.iter().filter_map(|word| word.chars().next()));
    let class = Class::of(words.iter().flat_map(|word| word.chars().skip(1)));
    let mut word = vec![Node::Chars { class: first, min: 1, max: 1 }];
    if longest > 1 {
        word.push(Node::Chars { class, min: shortest - 1, max: longest - 1 });
    }
    let word = Node::Sequence(word);
    let mut further = vec![Node::text(" ")];
    further.push(word.clone());
    let further = Node::repeat(Node::Sequence(further), fewest - 1, most.max(fewest) - 1);
    Node::Sequence(vec![word, further])
}
