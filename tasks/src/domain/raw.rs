//! A domain file as TOML has it.

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) name: String,
    pub(super) entity: String,
    pub(super) entities: String,
    pub(super) titles: Vec<String>,
    pub(super) names: Names,
    pub(super) attributes: Vec<RawAttribute>,
    #[serde(default)]
    pub(super) measures: Vec<RawMeasure>,
    pub(super) example: Option<RawExample>,
    pub(super) groups: Vec<RawGroup>,
    pub(super) sources: RawSources,
    pub(super) scope: Option<RawRules>,
    #[serde(default)]
    pub(super) scopes: Vec<RawScope>,
    pub(super) aliases: Option<RawWordings>,
    pub(super) instructions: Option<RawWordings>,
    pub(super) noise: RawNoise,
    pub(super) shared: Option<RawShared>,
    pub(super) questions: Option<RawQuestions>,
    pub(super) phrases: Option<RawPhrases>,
    pub(super) constraints: Option<RawConstraints>,
}

/// What a domain file may leave to the engine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    pub(super) example: RawExample,
    pub(super) shared: RawShared,
    pub(super) sources: CommonSources,
    pub(super) aliases: RawWordings,
    pub(super) instructions: RawWordings,
    pub(super) questions: RawQuestions,
    pub(super) phrases: RawPhrases,
    pub(super) constraints: RawConstraints,
}

/// The shared wordings, before the domain's nouns are filled in.
const COMMON: &str = include_str!("../../domains/common/wordings.toml");

impl Common {
    /// The shared wordings for a domain's entity in the singular and the plural.
    pub(super) fn of(entity: &str, entities: &str) -> Result<Self, toml::de::Error> {
        let quoted = |noun: &str| noun.replace('\\', "\\\\").replace('"', "\\\"");
        toml::from_str(
            &COMMON.replace("{noun}", &quoted(entity)).replace("{nouns}", &quoted(entities)),
        )
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    pub(super) first: Vec<String>,
    pub(super) second: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnitForm {
    pub(super) form: String,
    pub(super) factor: i64,
}

/// How a value hangs on others of the same entity; one of the first five fields is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFrom {
    pub(super) plus: Option<String>,
    pub(super) share: Option<String>,
    pub(super) sum: Option<Vec<String>>,
    pub(super) product: Option<Vec<String>>,
    pub(super) ratio: Option<[String; 2]>,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) times: Option<i64>,
    pub(super) per: Option<i64>,
}

macro_rules! raw_attribute {
    ($($field:ident: $kind:ty,)*) => {
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct RawAttribute {
            pub(super) key: String,
            pub(super) like: Option<String>,
            $(pub(super) $field: Option<$kind>,)*
        }

        impl RawAttribute {
            /// Takes over from `base` every field that is not given.
            pub(super) fn inherit(&mut self, base: &Self) {
                $(if self.$field.is_none() {
                    self.$field = base.$field.clone();
                })*
            }
        }
    };
}

raw_attribute! {
    label: String,
    kind: crate::types::ValueKind,
    example: String,
    short: bool,
    shared: bool,
    vocabulary: Vec<String>,
    first: Vec<String>,
    last: Vec<String>,
    min: i64,
    max: i64,
    step: i64,
    from: RawFrom,
    unit: String,
    scale: i64,
    periods: Vec<String>,
    measure: String,
    trace: String,
    trace_more: String,
    trace_less: String,
    forms: Vec<String>,
    gap_forms: Vec<String>,
    unit_forms: Vec<RawUnitForm>,
    plain: Vec<String>,
    more: Vec<String>,
    less: Vec<String>,
    more_next: Vec<String>,
    less_next: Vec<String>,
    wider: Vec<String>,
    ask: Vec<String>,
    highest: String,
    lowest: String,
    above: String,
    below: String,
    is: String,
    same: String,
    of: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMeasure {
    pub(super) phrase: String,
    pub(super) sum: Option<Vec<String>>,
    pub(super) diff: Option<[String; 2]>,
    pub(super) over: Option<Vec<String>>,
    pub(super) under: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExample {
    pub(super) entity: String,
    pub(super) other: String,
    pub(super) word: String,
    pub(super) plain: String,
    pub(super) naming: String,
    pub(super) with_word: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroup {
    pub(super) key: String,
    #[serde(default)]
    pub(super) always: bool,
    #[serde(default)]
    pub(super) headings: Vec<String>,
    pub(super) attributes: Vec<String>,
    pub(super) wordings: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSources {
    pub(super) names: Vec<String>,
    pub(super) rules: Option<Vec<String>>,
    pub(super) attributed: Option<Vec<String>>,
    pub(super) marks: Option<Vec<RawMark>>,
}

/// What [`RawSources`] may leave out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommonSources {
    pub(super) rules: Vec<String>,
    pub(super) attributed: Vec<String>,
    pub(super) marks: Vec<RawMark>,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMark {
    pub(super) label: String,
    pub(super) holds: bool,
    #[serde(default = "one")]
    pub(super) weight: u32,
    pub(super) rules: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRules {
    pub(super) rules: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScope {
    pub(super) note: String,
    pub(super) rule: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWordings {
    pub(super) wordings: Vec<String>,
}

/// Wordings that fit every attribute of their kind. `{of}` is the attribute's `of` ("the number of
/// people that {entity} employs"), `{Of}` the same with a capital, `{measure}` its `measure`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShared {
    /// Of years and categories.
    pub(super) words: Vec<String>,
    pub(super) plain: Vec<String>,
    pub(super) more: Vec<String>,
    pub(super) less: Vec<String>,
    pub(super) more_next: Vec<String>,
    pub(super) less_next: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNoise {
    pub(super) general: Vec<String>,
    pub(super) entity: Vec<String>,
    pub(super) pair: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuestions {
    pub(super) which: Vec<String>,
    pub(super) which_filtered: Vec<String>,
    pub(super) which_measure: Vec<String>,
    pub(super) which_measure_filtered: Vec<String>,
    pub(super) which_rank: Vec<String>,
    pub(super) which_rank_filtered: Vec<String>,
    pub(super) which_only: Vec<String>,
    pub(super) which_nearest: Vec<String>,
    pub(super) which_next: Vec<String>,
    pub(super) compare: Vec<String>,
    pub(super) number: Vec<String>,
    pub(super) value: Vec<String>,
    pub(super) category: Vec<String>,
    pub(super) mode: Vec<String>,
    pub(super) count: Vec<String>,
    pub(super) total: Vec<String>,
    pub(super) gap: Vec<String>,
    pub(super) sum: Vec<String>,
    pub(super) take: Vec<String>,
    pub(super) then_take: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPhrases {
    pub(super) selected: String,
    pub(super) selected_measure: String,
    pub(super) selected_rank: String,
    pub(super) selected_filtered: String,
    pub(super) selected_measure_filtered: String,
    pub(super) selected_rank_filtered: String,
    pub(super) selected_only: String,
    pub(super) selected_nearest: String,
    pub(super) that: String,
    pub(super) that_next: String,
    pub(super) set: String,
    pub(super) other_set: String,
    pub(super) relative: String,
    pub(super) versus: String,
    pub(super) except: String,
    pub(super) but_not: String,
    pub(super) also: String,
    pub(super) unit: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConstraints {
    pub(super) word_count: Vec<String>,
    pub(super) max_words: Vec<String>,
    pub(super) min_words: Vec<String>,
    pub(super) answer: Vec<String>,
    pub(super) category: Vec<String>,
    pub(super) fact: Vec<String>,
    pub(super) name: Vec<String>,
    pub(super) starts_with: Vec<String>,
    pub(super) word: Vec<String>,
    pub(super) next_prime: Vec<String>,
    pub(super) equation: Vec<String>,
    pub(super) modular: Vec<String>,
    pub(super) json: Vec<String>,
    pub(super) acrostic: Vec<String>,
    pub(super) forbidden_letter: Vec<String>,
    pub(super) order: Vec<String>,
    pub(super) word_lengths: Vec<String>,
    pub(super) alphabetical: Vec<String>,
    pub(super) sentence_count: Vec<String>,
    pub(super) ends_with: Vec<String>,
    pub(super) word_at: Vec<String>,
    pub(super) letter_count: Vec<String>,
    pub(super) different_initials: Vec<String>,
    pub(super) length_sum: Vec<String>,
    pub(super) first_word_of: Vec<String>,
    pub(super) last_word_of: Vec<String>,
    pub(super) no_repeats: Vec<String>,
    pub(super) answer_of: String,
    pub(super) number_of: String,
    pub(super) times: String,
    pub(super) plus_other: String,
}
