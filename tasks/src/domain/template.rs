//! Wordings with slots.

use super::finding::quoted;

/// What a slot stands for. Attributes are places in [`super::Domain::attributes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Entity,
    Reference,
    Other,
    Value,
    Amount,
    N,
    Source,
    Sentence,
    Strong,
    Weak,
    Alias,
    Superlative,
    Filters,
    End,
    Measure,
    Unit,
    Ordinal,
    A,
    B,
    First,
    Second,
    Label,
    Of,
    Question,
    Answers,
    Number,
    Modulus,
    Plus,
    Letter,
    Lengths,
    Word,
    /// Entities with what they are told apart by: "companies in the banking sector".
    Set,
    Attr(u16),
    Article(u16),
}

/// Room made for what fills a slot, bytes: most names and amounts take less.
const SLOT_BYTES: usize = 40;

const NAMES: [(&str, Slot); 32] = [
    ("entity", Slot::Entity),
    ("reference", Slot::Reference),
    ("other", Slot::Other),
    ("value", Slot::Value),
    ("amount", Slot::Amount),
    ("n", Slot::N),
    ("source", Slot::Source),
    ("sentence", Slot::Sentence),
    ("strong", Slot::Strong),
    ("weak", Slot::Weak),
    ("alias", Slot::Alias),
    ("superlative", Slot::Superlative),
    ("filters", Slot::Filters),
    ("end", Slot::End),
    ("measure", Slot::Measure),
    ("unit", Slot::Unit),
    ("ordinal", Slot::Ordinal),
    ("a", Slot::A),
    ("b", Slot::B),
    ("first", Slot::First),
    ("second", Slot::Second),
    ("label", Slot::Label),
    ("of", Slot::Of),
    ("question", Slot::Question),
    ("answers", Slot::Answers),
    ("number", Slot::Number),
    ("modulus", Slot::Modulus),
    ("plus", Slot::Plus),
    ("letter", Slot::Letter),
    ("lengths", Slot::Lengths),
    ("word", Slot::Word),
    ("set", Slot::Set),
];

impl Slot {
    /// Whether a name is one of the engine's.
    pub(crate) fn known(name: &str) -> bool {
        name == "period" || NAMES.iter().any(|(known, _)| *known == name)
    }

    /// As written in a domain file, without braces.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, slot)| *slot == self).map_or("an attribute", |(name, _)| name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Slot(Slot),
}

/// A wording, cut at its slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
}

impl Template {
    /// Cuts `text` at its slots. `attributes` are the keys that slots may name besides the fixed
    /// ones. The error says what is wrong with the wording.
    pub(crate) fn parse(text: &str, attributes: &[String]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}').map(|at| open + at) else {
                return Err(format!("{} has a brace that is never closed", quoted(text)));
            };
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            }
            let name = &rest[open + 1..close];
            if name.contains('{') {
                return Err(format!("{} has a brace that is never closed", quoted(text)));
            }
            pieces.push(Piece::Slot(Self::slot(name, attributes).ok_or_else(|| {
                format!("{} has an unknown slot {}", quoted(text), quoted(name))
            })?));
            rest = &rest[close + 1..];
        }
        if rest.contains('}') {
            return Err(format!("{} has a brace that is never opened", quoted(text)));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    fn slot(name: &str, attributes: &[String]) -> Option<Slot> {
        let attribute = |key: &str| {
            let place = attributes.iter().position(|known| known == key)?;
            u16::try_from(place).ok()
        };
        if let Some(key) = name.strip_prefix("a:") {
            return attribute(key).map(Slot::Article);
        }
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, slot)| *slot)
            .or_else(|| attribute(name).map(Slot::Attr))
    }

    /// Whether two slots have no text between them.
    pub(crate) fn touching(&self) -> bool {
        self.pieces.windows(2).any(|two| matches!(two, [Piece::Slot(_), Piece::Slot(_)]))
    }

    /// The slots, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(*slot),
            Piece::Text(_) => None,
        })
    }

    /// Appends the wording to `out`, each slot written by `fill`.
    pub(crate) fn write(&self, out: &mut String, mut fill: impl FnMut(Slot, &mut String)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(slot) => fill(*slot, out),
            }
        }
    }

    /// The wording with each slot replaced by what `fill` gives.
    pub(crate) fn fill(&self, fill: impl FnMut(Slot, &mut String)) -> String {
        let room = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Slot(_) => SLOT_BYTES,
        };
        let mut out = String::with_capacity(self.pieces.iter().map(room).sum());
        self.write(&mut out, fill);
        out
    }
}

/// Appends `word` behind its indefinite article.
pub(crate) fn push_with_article(out: &mut String, word: &str) {
    out.push_str(article(word));
    out.push(' ');
    out.push_str(word);
}

/// The indefinite article of `word`, by its first sound as far as spelling tells.
pub(crate) fn article(word: &str) -> &'static str {
    const LONG_U: [&str; 5] = ["uni", "use", "usu", "eu", "one"];
    let begins =
        |head: &&str| word.get(..head.len()).is_some_and(|own| own.eq_ignore_ascii_case(head));
    let silent_h = ["hour", "honest", "honour", "heir"].iter().any(begins);
    let vowel = ["a", "e", "i", "o", "u"].iter().any(begins) && !LONG_U.iter().any(begins);
    if vowel || silent_h { "an" } else { "a" }
}
