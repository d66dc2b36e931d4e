//! A domain file into a [`Domain`]: every wording is cut at its slots, which must be those of its
//! place; attributes, groups and measures are checked in files of their own, and at the end what
//! must not collide.

use lode_proto::id::Hash;

use super::{
    Constraints, Domain, Example, Phrases, Questions,
    finding::Stop,
    raw::{Common, Raw},
    reader::Reader,
    template::{Slot, Template},
};

impl Reader {
    pub(super) fn domain(&self, raw: Raw, hash: Hash) -> Result<Domain, Stop> {
        self.head(&raw)?;
        let scopes = self.scopes(&raw);
        let common = match Common::of(&raw.entity, &raw.entities) {
            Ok(common) => common,
            Err(error) => return self.fault("entity", error.message()),
        };
        let example = raw.example.as_ref().unwrap_or(&common.example);
        self.strangers(&raw, example);
        let shared = raw.shared.as_ref().unwrap_or(&common.shared);
        let (attributes, joint) = self.attributes(&raw.attributes, shared)?;
        if !self.own && attributes.iter().filter(|attribute| attribute.short).count() < 2 {
            let _ = self.fault::<()>("attributes", "at least two must have `short = true`");
        }
        let groups = if self.own { Vec::new() } else { self.groups(&raw, &attributes)? };
        let schema = |place: &u16| attributes.get(usize::from(*place)).map(|a| a.schema.clone());
        let first = |count: usize| groups.iter().take(count).flat_map(|group| &group.attributes);
        let grouped = (1..=groups.len()).map(|count| first(count).filter_map(schema).collect());
        let grouped = grouped.collect();
        let measures = self.measures(&raw, &attributes)?;
        let entity = &[Slot::Entity][..];
        let marks = self.marks(raw.sources.marks.as_ref().unwrap_or(&common.sources.marks));
        let attributed = raw.sources.attributed.as_ref().unwrap_or(&common.sources.attributed);
        let rules = raw.sources.rules.as_ref().unwrap_or(&common.sources.rules);
        let aliases = raw.aliases.as_ref().unwrap_or(&common.aliases);
        let instructions = raw.instructions.as_ref().unwrap_or(&common.instructions);
        let q = raw.questions.as_ref().unwrap_or(&common.questions);
        let p = raw.phrases.as_ref().unwrap_or(&common.phrases);
        let c = raw.constraints.as_ref().unwrap_or(&common.constraints);
        use Slot as S;
        let domain = Domain {
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
            marks,
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
            noise_entity: self.noise("noise.entity", &raw.noise.entity, entity)?,
            noise_pair: self.noise("noise.pair", &raw.noise.pair, &[S::Entity, S::Other])?,
            questions: Questions {
                which: self.list("questions.which", &q.which, &[S::Superlative])?,
                which_filtered: self.list(
                    "questions.which_filtered",
                    &q.which_filtered,
                    &[S::Set, S::Superlative],
                )?,
                which_measure: self.list(
                    "questions.which_measure",
                    &q.which_measure,
                    &[S::End, S::Measure],
                )?,
                which_measure_filtered: self.list(
                    "questions.which_measure_filtered",
                    &q.which_measure_filtered,
                    &[S::Set, S::End, S::Measure],
                )?,
                which_rank: self.list(
                    "questions.which_rank",
                    &q.which_rank,
                    &[S::Ordinal, S::End, S::Measure],
                )?,
                which_rank_filtered: self.list(
                    "questions.which_rank_filtered",
                    &q.which_rank_filtered,
                    &[S::Set, S::Ordinal, S::End, S::Measure],
                )?,
                which_only: self.list("questions.which_only", &q.which_only, &[S::Filters])?,
                which_nearest: self.list(
                    "questions.which_nearest",
                    &q.which_nearest,
                    &[S::Entity, S::Measure],
                )?,
                which_next: self.list(
                    "questions.which_next",
                    &q.which_next,
                    &[S::Entity, S::End, S::Measure],
                )?,
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
                value: self.list("questions.value", &q.value, &[S::Label, S::Entity])?,
                category: self.list("questions.category", &q.category, &[S::Label, S::Entity])?,
                mode: self.list("questions.mode", &q.mode, &[S::Label, S::Set])?,
                count: self.list("questions.count", &q.count, &[S::Set])?,
                total: self.list("questions.total", &q.total, &[S::Measure, S::Set, S::Unit])?,
                gap: self.list("questions.gap", &q.gap, &[S::A, S::B, S::Measure, S::Unit])?,
                sum: self.list("questions.sum", &q.sum, &[S::A, S::B, S::Measure, S::Unit])?,
                take: self.list("questions.take", &q.take, &[S::Entity])?,
                then_take: self.list("questions.then_take", &q.then_take, &[S::Entity])?,
            },
            phrases: Phrases {
                selected: self.one("phrases.selected", &p.selected, &[S::Superlative])?,
                selected_measure: self.one(
                    "phrases.selected_measure",
                    &p.selected_measure,
                    &[S::End, S::Measure],
                )?,
                selected_rank: self.one(
                    "phrases.selected_rank",
                    &p.selected_rank,
                    &[S::Ordinal, S::End, S::Measure],
                )?,
                selected_filtered: self.one(
                    "phrases.selected_filtered",
                    &p.selected_filtered,
                    &[S::Set, S::Superlative],
                )?,
                selected_measure_filtered: self.one(
                    "phrases.selected_measure_filtered",
                    &p.selected_measure_filtered,
                    &[S::Set, S::End, S::Measure],
                )?,
                selected_rank_filtered: self.one(
                    "phrases.selected_rank_filtered",
                    &p.selected_rank_filtered,
                    &[S::Set, S::Ordinal, S::End, S::Measure],
                )?,
                selected_only: self.one(
                    "phrases.selected_only",
                    &p.selected_only,
                    &[S::Filters],
                )?,
                selected_nearest: self.one(
                    "phrases.selected_nearest",
                    &p.selected_nearest,
                    &[S::Entity, S::Measure],
                )?,
                that: self.one("phrases.that", &p.that, &[])?,
                that_next: self.one("phrases.that_next", &p.that_next, &[])?,
                set: self.one("phrases.set", &p.set, &[S::Filters])?,
                other_set: self.one("phrases.other_set", &p.other_set, &[S::Filters])?,
                relative: self.one(
                    "phrases.relative",
                    &p.relative,
                    &[S::End, S::Measure, S::Entity],
                )?,
                versus: self.one("phrases.versus", &p.versus, &[S::End, S::Measure, S::Other])?,
                except: self.one("phrases.except", &p.except, &[S::Filters])?,
                but_not: self.one("phrases.but_not", &p.but_not, &[S::First, S::Second])?,
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
                name: self.list("constraints.name", &c.name, &[S::Entity])?,
                starts_with: self.list("constraints.starts_with", &c.starts_with, &[S::Entity])?,
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
                modular: self.list(
                    "constraints.modular",
                    &c.modular,
                    &[S::Number, S::Modulus, S::Plus],
                )?,
                json: self.list(
                    "constraints.json",
                    &c.json,
                    &[S::Question, S::Number, S::Modulus, S::Plus],
                )?,
                acrostic: self.list("constraints.acrostic", &c.acrostic, &[S::N, S::Answers])?,
                forbidden_letter: self.list(
                    "constraints.forbidden_letter",
                    &c.forbidden_letter,
                    &[S::Letter],
                )?,
                order: self.list("constraints.order", &c.order, &[S::Answers])?,
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
                word_at: self.list("constraints.word_at", &c.word_at, &[S::N, S::Word])?,
                letter_count: self.list(
                    "constraints.letter_count",
                    &c.letter_count,
                    &[S::Letter, S::N],
                )?,
                different_initials: self.list(
                    "constraints.different_initials",
                    &c.different_initials,
                    &[S::N],
                )?,
                length_sum: self.list(
                    "constraints.length_sum",
                    &c.length_sum,
                    &[S::N, S::Lengths],
                )?,
                first_word_of: self.list(
                    "constraints.first_word_of",
                    &c.first_word_of,
                    &[S::Question],
                )?,
                last_word_of: self.list(
                    "constraints.last_word_of",
                    &c.last_word_of,
                    &[S::Question],
                )?,
                no_repeats: self.list("constraints.no_repeats", &c.no_repeats, &[])?,
                answer_of: self.one("constraints.answer_of", &c.answer_of, &[S::Question])?,
                number_of: self.one(
                    "constraints.number_of",
                    &c.number_of,
                    &[S::Label, S::Question],
                )?,
                times: self.one("constraints.times", &c.times, &[S::N, S::Number])?,
                plus_other: self.one(
                    "constraints.plus_other",
                    &c.plus_other,
                    &[S::First, S::Second],
                )?,
            },
            attributes,
            joint,
            group_keys: raw.groups.iter().map(|group| group.key.clone()).collect(),
            groups,
            grouped,
            measures,
        };
        self.collisions(&domain);
        if self.count() == 0 { Ok(domain) } else { Err(Stop) }
    }

    /// Sentences that say nothing; a facts file has none.
    fn noise(&self, place: &str, texts: &[String], slots: &[Slot]) -> Result<Vec<Template>, Stop> {
        if self.own { Ok(Vec::new()) } else { self.list(place, texts, slots) }
    }
}
