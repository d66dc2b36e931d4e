//! A domain file into a [`Domain`]: every wording is cut at its slots, which must be those of its
//! place; attributes, groups and measures are checked in files of their own.

use lode_proto::id::Hash;

use super::{
    Constraints, Domain, Example, Mark, Phrases, Questions, ScopeForm,
    raw::{Common, Raw},
    template::{Slot, Template},
};
use crate::family::DomainError;

/// Fewest name parts of each kind: enough for twenty entities and a pair of similar names.
const MIN_NAME_PARTS: usize = 20;
/// Fewest extents of figures: the one that is meant and another.
const MIN_SCOPES: usize = 2;

/// Reads one file: carries its name and its attribute keys for error messages and slots.
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) keys: Vec<String>,
}

impl Reader {
    pub(super) fn fault<T>(
        &self,
        place: &str,
        message: impl Into<String>,
    ) -> Result<T, DomainError> {
        Err(DomainError::Content {
            name: self.name.clone(),
            place: place.to_owned(),
            message: message.into(),
        })
    }

    pub(super) fn domain(&self, raw: Raw, hash: Hash) -> Result<Domain, DomainError> {
        if raw.name != self.name {
            return self
                .fault("name", format!("is {:?}, but the file is {:?}", raw.name, self.name));
        }
        for (place, parts) in
            [("names.first", &raw.names.first), ("names.second", &raw.names.second)]
        {
            self.names(place, parts)?;
        }
        for (place, list) in [("titles", &raw.titles), ("noise.general", &raw.noise.general)] {
            self.filled(place, list)?;
        }
        let scopes = self.scopes(&raw)?;
        let common = match Common::of(&raw.entity, &raw.entities) {
            Ok(common) => common,
            Err(error) => return self.fault("entity", error.message()),
        };
        let example = raw.example.as_ref().unwrap_or(&common.example);
        for name in [&example.entity, &example.other] {
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
        self.filled("sources.names", &raw.sources.names)?;
        if raw.sources.names.len() < 2 {
            return self.fault("sources.names", "at least two sources are needed");
        }
        let shared = raw.shared.as_ref().unwrap_or(&common.shared);
        let (attributes, joint) = self.attributes(&raw.attributes, shared)?;
        if attributes.iter().filter(|attribute| attribute.short).count() < 2 {
            return self.fault("attributes", "at least two must have `short = true`");
        }
        let groups = self.groups(&raw, &attributes)?;
        let measures = self.measures(&raw, &attributes)?;
        let entity = &[Slot::Entity][..];
        let marks = raw.sources.marks.as_ref().unwrap_or(&common.sources.marks);
        for mark in marks {
            self.filled("sources.marks", &mark.rules)?;
        }
        let attributed = raw.sources.attributed.as_ref().unwrap_or(&common.sources.attributed);
        let rules = raw.sources.rules.as_ref().unwrap_or(&common.sources.rules);
        let aliases = raw.aliases.as_ref().unwrap_or(&common.aliases);
        let instructions = raw.instructions.as_ref().unwrap_or(&common.instructions);
        let q = raw.questions.as_ref().unwrap_or(&common.questions);
        let p = raw.phrases.as_ref().unwrap_or(&common.phrases);
        let c = raw.constraints.as_ref().unwrap_or(&common.constraints);
        use Slot as S;
        Ok(Domain {
            name: raw.name.clone(),
            hash,
            entity: raw.entity.clone(),
            entities: raw.entities.clone(),
            titles: raw.titles.clone(),
            example: Example {
                entity: example.entity.clone(),
                other: example.other.clone(),
                word: example.word.clone(),
                plain: self.one("example.plain", &example.plain, &[S::Sentence])?,
                naming: self.one("example.naming", &example.naming, &[S::Sentence, S::Other])?,
                with_word: self.one(
                    "example.with_word",
                    &example.with_word,
                    &[S::Sentence, S::Word],
                )?,
            },
            marks: marks
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
            authority: self.list("sources.rules", rules, &[S::Strong, S::Weak])?,
            attributed: self.list("sources.attributed", attributed, &[S::Source, S::Sentence])?,
            scope: raw.scope.as_ref().map(|scope| scope.rules.clone()).unwrap_or_default(),
            scopes,
            aliases: self.list("aliases.wordings", &aliases.wordings, &[S::Entity, S::Alias])?,
            instructions: self.list(
                "instructions.wordings",
                &instructions.wordings,
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
            joint,
            groups,
            measures,
        })
    }

    /// Extents of figures: sentences without slots, none twice.
    fn scopes(&self, raw: &Raw) -> Result<Vec<ScopeForm>, DomainError> {
        let mut scopes: Vec<ScopeForm> = Vec::with_capacity(raw.scopes.len());
        for scope in &raw.scopes {
            for text in [&scope.note, &scope.rule] {
                if !text.starts_with(char::is_uppercase)
                    || !text.ends_with('.')
                    || text.contains(['{', '}'])
                {
                    return self.fault(
                        "scopes",
                        format!("{text:?} is not a whole sentence without slots, such as \"This figure counts subsidiaries.\""),
                    );
                }
                if scopes.iter().any(|other| other.note == *text || other.rule == *text) {
                    return self.fault("scopes", format!("{text:?} is there twice"));
                }
            }
            scopes.push(ScopeForm { note: scope.note.clone(), rule: scope.rule.clone() });
        }
        if scopes.len() < MIN_SCOPES {
            return self.fault(
                "scopes",
                format!(
                    "{} extents of figures, at least {MIN_SCOPES} are needed: [[scopes]] with `note` and `rule`",
                    scopes.len()
                ),
            );
        }
        if raw.scope.is_none() && raw.attributes.iter().any(|attribute| attribute.wider.is_some()) {
            return self.fault("scope", "`wider` wordings need [scope] with `rules` about them");
        }
        Ok(scopes)
    }

    pub(super) fn filled(&self, place: &str, list: &[String]) -> Result<(), DomainError> {
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
    pub(super) fn one(
        &self,
        place: &str,
        text: &str,
        slots: &[Slot],
    ) -> Result<Template, DomainError> {
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

    pub(super) fn list(
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
}
