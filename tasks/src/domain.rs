//! Domains: what documents of one subject speak of, and in which words, read from a TOML file.
//!
//! [`Domain::read`] checks a file and cuts its wordings at their slots; the generator draws from
//! the result. Nothing about a subject is in code: an operator adds a domain by adding a file.

mod raw;
mod template;

use lode_proto::{id::Hash, limits::MAX_DOMAIN_BYTES};

use crate::{
    family::DomainError,
    types::{AttributeSchema, ValueKind},
};
use raw::{Raw, RawAttribute};
pub(crate) use template::{Slot, Template, article, with_article};

/// Fewest name parts of each kind: enough for twenty entities and a pair of similar names.
const MIN_NAME_PARTS: usize = 20;
/// Fewest words of a category, so that guessing one does not pay.
const MIN_VOCABULARY: usize = 4;

/// A form of a number in another unit than the attribute's.
#[derive(Debug, Clone)]
pub(crate) struct UnitForm {
    pub(crate) form: Template,
    /// The printed number is the stored one times this.
    pub(crate) factor: i64,
}

/// An attribute with its wordings. Number ranges are in thousandths.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) schema: AttributeSchema,
    /// A value that no document has, for the worked example.
    pub(crate) example: String,
    /// Whether short documents speak of it.
    pub(crate) short: bool,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) step: i64,
    pub(crate) forms: Vec<Template>,
    pub(crate) gap_forms: Vec<Template>,
    pub(crate) unit_forms: Vec<UnitForm>,
    pub(crate) plain: Vec<Template>,
    pub(crate) more: Vec<Template>,
    pub(crate) less: Vec<Template>,
    pub(crate) more_next: Vec<Template>,
    pub(crate) less_next: Vec<Template>,
    pub(crate) wider: Vec<Template>,
    pub(crate) ask: Vec<Template>,
    pub(crate) measure: String,
    pub(crate) highest: String,
    pub(crate) lowest: String,
    pub(crate) above: Template,
    pub(crate) below: Template,
    pub(crate) is: Template,
    pub(crate) same: Template,
    pub(crate) of: Template,
    pub(crate) trace: Template,
    pub(crate) trace_more: Option<Template>,
    pub(crate) trace_less: Option<Template>,
}

/// How a named measure is made of attributes (places in [`Domain::attributes`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeasureKind {
    Sum(Vec<u16>),
    Diff(u16, u16),
    Ratio { over: Vec<u16>, under: Vec<u16> },
}

#[derive(Debug, Clone)]
pub(crate) struct NamedMeasure {
    pub(crate) phrase: String,
    pub(crate) kind: MeasureKind,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) always: bool,
    pub(crate) attributes: Vec<u16>,
    pub(crate) wordings: Vec<Template>,
}

macro_rules! wordings {
    ($(#[$doc:meta])* $name:ident { $($list:ident,)* ; $($one:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $(pub(crate) $list: Vec<Template>,)*
            $(pub(crate) $one: Template,)*
        }
    };
}

wordings! {
    /// Question wordings by shape.
    Questions {
        which, which_filtered, which_measure, which_measure_filtered, which_rank, which_only,
        compare, number, count, total, gap, ;
    }
}
wordings! {
    /// Parts of questions.
    Phrases {
        ; selected, selected_measure, selected_filtered, selected_only, relative, versus, also, unit,
    }
}
wordings! {
    /// Constraint wordings by kind.
    Constraints {
        word_count, max_words, min_words, answer, category, fact, name, starts_with, word,
        next_prime, equation, acrostic, forbidden_letter, order, digit_sum, word_lengths,
        alphabetical, sentence_count, ends_with, ; answer_of, number_of,
    }
}

/// A source that holds over, or yields to, statements without a source.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) label: String,
    pub(crate) weight: u32,
    pub(crate) holds: bool,
    pub(crate) rules: Vec<String>,
}

/// What the worked example is made of: names that no document has, and artifacts.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) entity: String,
    pub(crate) other: String,
    pub(crate) word: String,
    pub(crate) plain: Template,
    pub(crate) naming: Template,
    pub(crate) with_word: Template,
}

/// A domain, read and checked.
#[derive(Debug, Clone)]
pub struct Domain {
    pub(crate) name: String,
    pub(crate) hash: Hash,
    pub(crate) entity: String,
    pub(crate) entities: String,
    pub(crate) titles: Vec<String>,
    pub(crate) first: Vec<String>,
    pub(crate) second: Vec<String>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) measures: Vec<NamedMeasure>,
    pub(crate) groups: Vec<Group>,
    pub(crate) example: Example,
    pub(crate) marks: Vec<Mark>,
    pub(crate) sources: Vec<String>,
    pub(crate) authority: Vec<Template>,
    pub(crate) attributed: Vec<Template>,
    pub(crate) scope: Vec<String>,
    pub(crate) aliases: Vec<Template>,
    pub(crate) instructions: Vec<Template>,
    pub(crate) noise_general: Vec<String>,
    pub(crate) noise_entity: Vec<Template>,
    pub(crate) noise_pair: Vec<Template>,
    pub(crate) questions: Questions,
    pub(crate) phrases: Phrases,
    pub(crate) constraints: Constraints,
}

/// Reads one file: carries its name and its attribute keys for error messages and slots.
struct Reader {
    name: String,
    keys: Vec<String>,
}

impl Domain {
    /// Reads and checks a domain file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line where TOML gives one, else with its place.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, DomainError> {
        if bytes.len() > MAX_DOMAIN_BYTES {
            return Err(DomainError::TooLarge {
                name: name.to_owned(),
                got: bytes.len(),
                limit: MAX_DOMAIN_BYTES,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| DomainError::Syntax {
            name: name.to_owned(),
            line: line_of(bytes, error.valid_up_to()),
            message: "not UTF-8 text".to_owned(),
        })?;
        let raw: Raw = toml::from_str(text).map_err(|error| DomainError::Syntax {
            name: name.to_owned(),
            line: error.span().map_or(0, |span| line_of(bytes, span.start)),
            message: error.message().to_owned(),
        })?;
        let keys = raw.attributes.iter().map(|attribute| attribute.key.clone()).collect();
        Reader { name: name.to_owned(), keys }.domain(raw, Hash::of(bytes))
    }

    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Plain BLAKE3 of the file's bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// What a document is about, in the singular: "company".
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.entity
    }

    /// The entities that a document is about, in the plural: "companies".
    #[must_use]
    pub fn entities(&self) -> &str {
        &self.entities
    }
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count()
}

impl Reader {
    fn fault<T>(&self, place: &str, message: impl Into<String>) -> Result<T, DomainError> {
        Err(DomainError::Content {
            name: self.name.clone(),
            place: place.to_owned(),
            message: message.into(),
        })
    }

    fn domain(&self, raw: Raw, hash: Hash) -> Result<Domain, DomainError> {
        if raw.name != self.name {
            return self
                .fault("name", format!("is {:?}, but the file is {:?}", raw.name, self.name));
        }
        for (place, parts) in
            [("names.first", &raw.names.first), ("names.second", &raw.names.second)]
        {
            self.names(place, parts)?;
        }
        for (place, list) in [
            ("titles", &raw.titles),
            ("scope.rules", &raw.scope.rules),
            ("noise.general", &raw.noise.general),
        ] {
            self.filled(place, list)?;
        }
        for name in [&raw.example.entity, &raw.example.other] {
            let words: Vec<&str> = name.split(' ').collect();
            let known = |word: &str| {
                raw.names.first.iter().chain(&raw.names.second).any(|part| part == word)
            };
            if words.len() != 2 || words.iter().any(|word| known(word)) {
                return self.fault(
                    "example",
                    format!("{name:?} must be two words that are no name parts"),
                );
            }
        }
        for mark in &raw.sources.marks {
            self.filled("sources.marks", &mark.rules)?;
        }
        self.filled("sources.names", &raw.sources.names)?;
        if raw.sources.names.len() < 2 {
            return self.fault("sources.names", "at least two sources are needed");
        }
        let attributes = self.attributes(&raw.attributes)?;
        if attributes.iter().filter(|attribute| attribute.short).count() < 2 {
            return self.fault("attributes", "at least two must have `short = true`");
        }
        let groups = self.groups(&raw, &attributes)?;
        let measures = self.measures(&raw, &attributes)?;
        let entity = &[Slot::Entity][..];
        let q = &raw.questions;
        let p = &raw.phrases;
        let c = &raw.constraints;
        use Slot as S;
        Ok(Domain {
            name: raw.name.clone(),
            hash,
            entity: raw.entity.clone(),
            entities: raw.entities.clone(),
            titles: raw.titles.clone(),
            example: Example {
                entity: raw.example.entity.clone(),
                other: raw.example.other.clone(),
                word: raw.example.word.clone(),
                plain: self.one("example.plain", &raw.example.plain, &[S::Sentence])?,
                naming: self.one(
                    "example.naming",
                    &raw.example.naming,
                    &[S::Sentence, S::Other],
                )?,
                with_word: self.one(
                    "example.with_word",
                    &raw.example.with_word,
                    &[S::Sentence, S::Word],
                )?,
            },
            marks: raw
                .sources
                .marks
                .iter()
                .map(|mark| Mark {
                    label: mark.label.clone(),
                    weight: mark.weight,
                    holds: mark.holds,
                    rules: mark.rules.clone(),
                })
                .collect(),
            first: raw.names.first.clone(),
            second: raw.names.second.clone(),
            sources: raw.sources.names.clone(),
            authority: self.list("sources.rules", &raw.sources.rules, &[S::Strong, S::Weak])?,
            attributed: self.list(
                "sources.attributed",
                &raw.sources.attributed,
                &[S::Source, S::Sentence],
            )?,
            scope: raw.scope.rules.clone(),
            aliases: self.list(
                "aliases.wordings",
                &raw.aliases.wordings,
                &[S::Entity, S::Alias],
            )?,
            instructions: self.list(
                "instructions.wordings",
                &raw.instructions.wordings,
                &[S::Sentence],
            )?,
            noise_general: raw.noise.general.clone(),
            noise_entity: self.list("noise.entity", &raw.noise.entity, entity)?,
            noise_pair: self.list("noise.pair", &raw.noise.pair, &[S::Entity, S::Other])?,
            questions: Questions {
                which: self.list("questions.which", &q.which, &[S::Superlative])?,
                which_filtered: self.list(
                    "questions.which_filtered",
                    &q.which_filtered,
                    &[S::Filters, S::Superlative],
                )?,
                which_measure: self.list(
                    "questions.which_measure",
                    &q.which_measure,
                    &[S::End, S::Measure],
                )?,
                which_measure_filtered: self.list(
                    "questions.which_measure_filtered",
                    &q.which_measure_filtered,
                    &[S::Filters, S::End, S::Measure],
                )?,
                which_rank: self.list(
                    "questions.which_rank",
                    &q.which_rank,
                    &[S::Ordinal, S::End, S::Measure],
                )?,
                which_only: self.list("questions.which_only", &q.which_only, &[S::Filters])?,
                compare: self.list(
                    "questions.compare",
                    &q.compare,
                    &[S::End, S::Measure, S::A, S::B],
                )?,
                number: self.list(
                    "questions.number",
                    &q.number,
                    &[S::Measure, S::Entity, S::Unit],
                )?,
                count: self.list("questions.count", &q.count, &[S::Filters])?,
                total: self.list(
                    "questions.total",
                    &q.total,
                    &[S::Measure, S::Filters, S::Unit],
                )?,
                gap: self.list("questions.gap", &q.gap, &[S::A, S::B, S::Measure, S::Unit])?,
            },
            phrases: Phrases {
                selected: self.one("phrases.selected", &p.selected, &[S::Superlative])?,
                selected_measure: self.one(
                    "phrases.selected_measure",
                    &p.selected_measure,
                    &[S::End, S::Measure],
                )?,
                selected_filtered: self.one(
                    "phrases.selected_filtered",
                    &p.selected_filtered,
                    &[S::Superlative, S::Filters],
                )?,
                selected_only: self.one(
                    "phrases.selected_only",
                    &p.selected_only,
                    &[S::Filters],
                )?,
                relative: self.one(
                    "phrases.relative",
                    &p.relative,
                    &[S::End, S::Measure, S::Entity],
                )?,
                versus: self.one("phrases.versus", &p.versus, &[S::End, S::Measure, S::Other])?,
                also: self.one("phrases.also", &p.also, &[S::First, S::Second])?,
                unit: self.one("phrases.unit", &p.unit, &[S::Unit])?,
            },
            constraints: Constraints {
                word_count: self.list("constraints.word_count", &c.word_count, &[S::N])?,
                max_words: self.list("constraints.max_words", &c.max_words, &[S::N])?,
                min_words: self.list("constraints.min_words", &c.min_words, &[S::N])?,
                answer: self.list("constraints.answer", &c.answer, &[S::Question])?,
                category: self.list(
                    "constraints.category",
                    &c.category,
                    &[S::Label, S::Question],
                )?,
                fact: self.list("constraints.fact", &c.fact, &[S::Of])?,
                name: self.list("constraints.name", &c.name, entity)?,
                starts_with: self.list("constraints.starts_with", &c.starts_with, entity)?,
                word: self.list("constraints.word", &c.word, &[S::Word])?,
                next_prime: self.list(
                    "constraints.next_prime",
                    &c.next_prime,
                    &[S::Number, S::Modulus, S::Plus],
                )?,
                equation: self.list(
                    "constraints.equation",
                    &c.equation,
                    &[S::Number, S::Other, S::Modulus, S::Plus],
                )?,
                acrostic: self.list("constraints.acrostic", &c.acrostic, &[S::N, S::Answers])?,
                forbidden_letter: self.list(
                    "constraints.forbidden_letter",
                    &c.forbidden_letter,
                    &[S::Letter],
                )?,
                order: self.list("constraints.order", &c.order, &[S::Answers])?,
                digit_sum: self.list(
                    "constraints.digit_sum",
                    &c.digit_sum,
                    &[S::Number, S::Modulus, S::Plus],
                )?,
                word_lengths: self.list(
                    "constraints.word_lengths",
                    &c.word_lengths,
                    &[S::N, S::Lengths],
                )?,
                alphabetical: self.list("constraints.alphabetical", &c.alphabetical, &[S::N])?,
                sentence_count: self.list(
                    "constraints.sentence_count",
                    &c.sentence_count,
                    &[S::N],
                )?,
                ends_with: self.list("constraints.ends_with", &c.ends_with, &[S::Word])?,
                answer_of: self.one("constraints.answer_of", &c.answer_of, &[S::Question])?,
                number_of: self.one(
                    "constraints.number_of",
                    &c.number_of,
                    &[S::Label, S::Question],
                )?,
            },
            attributes,
            groups,
            measures,
        })
    }

    fn filled(&self, place: &str, list: &[String]) -> Result<(), DomainError> {
        if list.is_empty() || list.iter().any(|text| text.trim().is_empty()) {
            return self.fault(place, "must be a list of at least one non-empty text");
        }
        Ok(())
    }

    fn names(&self, place: &str, parts: &[String]) -> Result<(), DomainError> {
        let mut sorted = parts.to_vec();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < MIN_NAME_PARTS || sorted.len() < parts.len() {
            return self.fault(
                place,
                format!(
                    "{} different parts, at least {MIN_NAME_PARTS} are needed, none twice",
                    sorted.len()
                ),
            );
        }
        if let Some(bad) = parts.iter().find(|part| {
            !part.starts_with(|c: char| c.is_ascii_uppercase())
                || !part.chars().all(|c| c.is_ascii_alphabetic())
        }) {
            return self.fault(place, format!("{bad:?} is not one capitalised ASCII word"));
        }
        Ok(())
    }

    /// A wording that must hold each of `slots` and no other.
    fn one(&self, place: &str, text: &str, slots: &[Slot]) -> Result<Template, DomainError> {
        let template = match Template::parse(text, &self.keys) {
            Ok(template) => template,
            Err(message) => return self.fault(place, message),
        };
        for slot in slots {
            let count = template.slots().filter(|other| other == slot).count();
            if count == 0 {
                return self.fault(place, format!("{text:?} lacks the slot {{{}}}", slot.name()));
            }
        }
        if let Some(extra) = template.slots().find(|slot| !slots.contains(slot)) {
            return self
                .fault(place, format!("{text:?} cannot have the slot {{{}}} here", extra.name()));
        }
        Ok(template)
    }

    fn list(
        &self,
        place: &str,
        texts: &[String],
        slots: &[Slot],
    ) -> Result<Vec<Template>, DomainError> {
        if texts.is_empty() {
            return self.fault(place, "must have at least one wording");
        }
        texts.iter().map(|text| self.one(place, text, slots)).collect()
    }

    fn attributes(&self, raws: &[RawAttribute]) -> Result<Vec<Attribute>, DomainError> {
        let mut attributes = Vec::with_capacity(raws.len());
        for (at, raw) in raws.iter().enumerate() {
            let place = format!("attributes.{}", raw.key);
            if self.keys.iter().take(at).any(|key| *key == raw.key) {
                return self.fault(&place, "the key is used twice");
            }
            let mut raw = raw.clone();
            if let Some(like) = raw.like.clone() {
                let Some(base) = raws.iter().find(|base| base.key == like && base.like.is_none())
                else {
                    return self
                        .fault(&place, format!("`like` names {like:?}, which is not there"));
                };
                raw.inherit(base);
            }
            attributes.push(self.attribute(&place, &raw)?);
        }
        Ok(attributes)
    }

    fn attribute(&self, place: &str, raw: &RawAttribute) -> Result<Attribute, DomainError> {
        let periods = raw.periods.clone().unwrap_or_default();
        let first_period = periods.first().cloned().unwrap_or_default();
        let settle = |text: &str| text.replace("{period}", &first_period);
        let expand = |texts: &Option<Vec<String>>| -> Vec<String> {
            let mut all = Vec::new();
            for text in texts.iter().flatten() {
                if text.contains("{period}") {
                    all.extend(periods.iter().map(|period| text.replace("{period}", period)));
                } else {
                    all.push(text.clone());
                }
            }
            all
        };
        let need = |field: &str, text: &Option<String>| -> Result<String, DomainError> {
            match text {
                Some(text) => Ok(settle(text)),
                None => self.fault(place, format!("`{field}` is missing")),
            }
        };
        let Some(kind) = raw.kind else {
            return self.fault(place, "`kind` is missing: category, integer, year or decimal");
        };
        let vocabulary = self.vocabulary(place, kind, raw)?;
        let (min, max, step) = self.limits(place, kind, raw)?;
        let trace_text = need("trace", &raw.trace)?;
        let fact = [Slot::Entity, Slot::Value];
        let trace = self.one(&format!("{place}.trace"), &trace_text, &fact)?;
        let relative = [Slot::Entity, Slot::Value, Slot::Reference];
        let relative_trace = |field: &str, text: &Option<String>| match text {
            Some(text) => self.one(&format!("{place}.{field}"), &settle(text), &relative).map(Some),
            None => Ok(None),
        };
        let number = kind.is_number();
        let said = if number { [Slot::Entity, Slot::Amount] } else { fact };
        let gap = [Slot::Entity, Slot::Amount, Slot::Reference];
        let gap_next = [Slot::Amount, Slot::Reference];
        let optional = |field: &str, texts: &Option<Vec<String>>, slots: &[Slot]| {
            expand(texts)
                .iter()
                .map(|text| self.one(&format!("{place}.{field}"), text, slots))
                .collect::<Result<Vec<_>, _>>()
        };
        let forms = raw.forms.clone().unwrap_or_else(|| vec!["{n}".to_owned()]);
        let gap_forms = raw.gap_forms.clone().unwrap_or_else(|| forms.clone());
        let mut unit_forms = Vec::new();
        for form in raw.unit_forms.iter().flatten() {
            if form.factor < 2 {
                return self.fault(&format!("{place}.unit_forms"), "`factor` must be at least 2");
            }
            unit_forms.push(UnitForm {
                form: self.one(&format!("{place}.unit_forms"), &form.form, &[Slot::N])?,
                factor: form.factor,
            });
        }
        let phrase = |field: &str, text: &Option<String>, slot: Slot, wanted: bool| {
            let text = if wanted { need(field, text)? } else { format!("{{{}}}", slot.name()) };
            self.one(&format!("{place}.{field}"), &text, &[slot])
        };
        let attribute = Attribute {
            example: need("example", &raw.example)?,
            short: raw.short.unwrap_or(false),
            min,
            max,
            step,
            forms: self.list(&format!("{place}.forms"), &forms, &[Slot::N])?,
            gap_forms: self.list(&format!("{place}.gap_forms"), &gap_forms, &[Slot::N])?,
            unit_forms,
            plain: self.list(&format!("{place}.plain"), &expand(&raw.plain), &said)?,
            more: optional("more", &raw.more, &gap)?,
            less: optional("less", &raw.less, &gap)?,
            more_next: optional("more_next", &raw.more_next, &gap_next)?,
            less_next: optional("less_next", &raw.less_next, &gap_next)?,
            wider: optional("wider", &raw.wider, &said)?,
            ask: self.list(&format!("{place}.ask"), &expand(&raw.ask), &[Slot::Entity])?,
            measure: if number && kind != ValueKind::Year || raw.measure.is_some() {
                need("measure", &raw.measure)?
            } else {
                String::new()
            },
            highest: if number { need("highest", &raw.highest)? } else { String::new() },
            lowest: if number { need("lowest", &raw.lowest)? } else { String::new() },
            above: phrase("above", &raw.above, Slot::Value, number)?,
            below: phrase("below", &raw.below, Slot::Value, number)?,
            is: phrase("is", &raw.is, Slot::Value, !number)?,
            same: phrase("same", &raw.same, Slot::Entity, !number)?,
            of: phrase("of", &raw.of, Slot::Entity, true)?,
            trace_more: relative_trace("trace_more", &raw.trace_more)?,
            trace_less: relative_trace("trace_less", &raw.trace_less)?,
            trace,
            schema: AttributeSchema {
                key: raw.key.clone(),
                label: need("label", &raw.label)?,
                kind,
                unit: raw.unit.clone().unwrap_or_default(),
                scale: raw.scale.unwrap_or(1),
                trace: trace_text,
                trace_more: raw.trace_more.as_deref().map(settle),
                trace_less: raw.trace_less.as_deref().map(settle),
                vocabulary,
            },
        };
        self.consistent(place, &attribute)?;
        Ok(attribute)
    }

    fn vocabulary(
        &self,
        place: &str,
        kind: ValueKind,
        raw: &RawAttribute,
    ) -> Result<Vec<String>, DomainError> {
        let mut words = raw.vocabulary.clone().unwrap_or_default();
        for first in raw.first.iter().flatten() {
            words.extend(raw.last.iter().flatten().map(|last| format!("{first} {last}")));
        }
        if kind.is_number() {
            return if words.is_empty() {
                Ok(words)
            } else {
                self.fault(place, "numbers have no vocabulary")
            };
        }
        let given = words.len();
        words.sort();
        words.dedup();
        if words.len() < given || words.len() < MIN_VOCABULARY {
            return self.fault(
                &format!("{place}.vocabulary"),
                format!(
                    "{} different words, at least {MIN_VOCABULARY} are needed, none twice",
                    words.len()
                ),
            );
        }
        Ok(words)
    }

    /// Range and step in thousandths.
    fn limits(
        &self,
        place: &str,
        kind: ValueKind,
        raw: &RawAttribute,
    ) -> Result<(i64, i64, i64), DomainError> {
        const LARGEST: i64 = 1_000_000_000;
        if !kind.is_number() {
            return Ok((0, 0, 1));
        }
        let (Some(min), Some(max)) = (raw.min, raw.max) else {
            return self.fault(place, "`min` and `max` are needed for a number");
        };
        let step = raw.step.unwrap_or(1);
        if !(0 < min && min < max && max <= LARGEST && step > 0) {
            return self.fault(place, format!("needs 0 < min < max <= {LARGEST} and step > 0"));
        }
        if kind == ValueKind::Decimal {
            if min % step != 0 || max % step != 0 {
                return self.fault(place, "`min` and `max` must be multiples of `step`");
            }
            return Ok((min, max, step));
        }
        Ok((min * 1000, max * 1000, step * 1000))
    }

    /// What holds between the parts of an attribute.
    fn consistent(&self, place: &str, attribute: &Attribute) -> Result<(), DomainError> {
        let relative =
            [&attribute.more, &attribute.less, &attribute.more_next, &attribute.less_next];
        let some = relative.iter().any(|list| !list.is_empty());
        let all = relative.iter().all(|list| !list.is_empty())
            && attribute.trace_more.is_some()
            && attribute.trace_less.is_some();
        if some && (!all || !attribute.schema.kind.is_number()) {
            return self.fault(
                place,
                "relative wordings need a number, and all of more, less, more_next, less_next, trace_more, trace_less",
            );
        }
        if attribute.schema.vocabulary.contains(&attribute.example) {
            return self.fault(&format!("{place}.example"), "must not be a word of the vocabulary");
        }
        for trace in
            [Some(&attribute.trace), attribute.trace_more.as_ref(), attribute.trace_less.as_ref()]
        {
            let slots: Vec<Slot> = trace.into_iter().flat_map(Template::slots).collect();
            if slots.iter().enumerate().any(|(at, slot)| slots[..at].contains(slot)) {
                return self.fault(place, "a trace sentence has a slot twice");
            }
        }
        let first = attribute.plain.first().map(|plain| {
            plain.fill(|slot, out| match (slot, attribute.forms.first()) {
                (Slot::Amount, Some(form)) => form.write(out, |_, out| out.push_str("{value}")),
                (slot, _) => {
                    out.push('{');
                    out.push_str(slot.name());
                    out.push('}');
                }
            })
        });
        let wanted = format!("{}.", attribute.schema.trace);
        if first.as_deref() != Some(wanted.as_str()) {
            return self.fault(
                &format!("{place}.plain"),
                format!(
                    "the first wording must read {wanted:?} (in its first form), as the trace does"
                ),
            );
        }
        Ok(())
    }

    fn attr(&self, place: &str, key: &str) -> Result<u16, DomainError> {
        match self.keys.iter().position(|known| known == key).and_then(|at| u16::try_from(at).ok())
        {
            Some(at) => Ok(at),
            None => self.fault(place, format!("no attribute {key:?}")),
        }
    }

    fn attrs(&self, place: &str, keys: &[String]) -> Result<Vec<u16>, DomainError> {
        keys.iter().map(|key| self.attr(place, key)).collect()
    }

    fn groups(&self, raw: &Raw, attributes: &[Attribute]) -> Result<Vec<Group>, DomainError> {
        let mut groups = Vec::new();
        let mut seen = vec![false; attributes.len()];
        for group in &raw.groups {
            let place = format!("groups.{}", group.key);
            let members = self.attrs(&place, &group.attributes)?;
            for member in &members {
                let at = usize::from(*member);
                if std::mem::replace(&mut seen[at], true) {
                    return self.fault(&place, format!("{:?} is in two groups", self.keys[at]));
                }
                if !group.always && attributes[at].more.is_empty() {
                    return self.fault(
                        &place,
                        format!(
                            "{:?} has no relative wordings, so the group needs `always = true`",
                            self.keys[at]
                        ),
                    );
                }
            }
            if group.wordings.is_empty() {
                return self.fault(&place, "must have at least one wording");
            }
            let mut wordings = Vec::new();
            for text in &group.wordings {
                let template = match Template::parse(text, &self.keys) {
                    Ok(template) => template,
                    Err(message) => return self.fault(&place, message),
                };
                let count = |slot: Slot| template.slots().filter(|other| *other == slot).count();
                if count(Slot::Entity) != 1 {
                    return self.fault(&place, format!("{text:?} must have {{entity}} once"));
                }
                for member in &members {
                    if count(Slot::Attr(*member)) + count(Slot::Article(*member)) != 1 {
                        let key = &self.keys[usize::from(*member)];
                        return self.fault(&place, format!("{text:?} must have {{{key}}} once"));
                    }
                }
                if template.slots().count() != members.len() + 1 {
                    return self
                        .fault(&place, format!("{text:?} has a slot that is not in the group"));
                }
                wordings.push(template);
            }
            groups.push(Group { always: group.always, attributes: members, wordings });
        }
        match seen.iter().position(|seen| !seen) {
            Some(at) => self.fault("groups", format!("{:?} is in no group", self.keys[at])),
            None => Ok(groups),
        }
    }

    fn measures(
        &self,
        raw: &Raw,
        attributes: &[Attribute],
    ) -> Result<Vec<NamedMeasure>, DomainError> {
        let mut measures = Vec::new();
        for measure in &raw.measures {
            let place = format!("measures.{:?}", measure.phrase);
            let kind = match (&measure.sum, &measure.diff, &measure.over, &measure.under) {
                (Some(sum), None, None, None) if sum.len() > 1 => {
                    MeasureKind::Sum(self.attrs(&place, sum)?)
                }
                (None, Some([a, b]), None, None) => {
                    MeasureKind::Diff(self.attr(&place, a)?, self.attr(&place, b)?)
                }
                (None, None, Some(over), Some(under)) if !over.is_empty() && !under.is_empty() => {
                    MeasureKind::Ratio {
                        over: self.attrs(&place, over)?,
                        under: self.attrs(&place, under)?,
                    }
                }
                _ => {
                    return self.fault(
                        &place,
                        "needs either `sum` of two or more, or `diff` of two, or both `over` and `under`",
                    );
                }
            };
            let members = match &kind {
                MeasureKind::Sum(attrs) => attrs.clone(),
                MeasureKind::Diff(a, b) => vec![*a, *b],
                MeasureKind::Ratio { over, under } => over.iter().chain(under).copied().collect(),
            };
            if members.iter().any(|at| !attributes[usize::from(*at)].schema.kind.is_number()) {
                return self.fault(&place, "is made of numbers only");
            }
            measures.push(NamedMeasure { phrase: measure.phrase.clone(), kind });
        }
        Ok(measures)
    }
}
