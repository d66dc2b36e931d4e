//! What a profile asks of the generator: sizes, shapes, traps, constraints and trace rules.

use lode_proto::task::Profile;

use crate::types::{TraceNeed, TraceRules, TrapKind};

/// How facts are laid out in paragraphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One sentence a paragraph, all absolute.
    Sentences,
    /// One group of attributes a paragraph; most entities only relative to another.
    Grouped,
}

/// The form of a question, by what it takes to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    LookupNumber,
    LookupCategory,
    WhichOnly,
    OnlyNumber,
    OnlyCategory,
    Extreme,
    Compare,
    CompareSelected,
    Kth,
    FilteredExtreme,
    ExceptExtreme,
    BoundedExtreme,
    VersusExtreme,
    BothExtreme,
    SameAsNamed,
    SameAsHop,
    RelativeHop,
    RelativeRanked,
    FilteredKth,
    SumExtreme,
    DiffExtreme,
    RatioExtreme,
    FilteredSum,
    FilteredRatio,
    NextTo,
    Nearest,
    NearestRanked,
    NearestCategory,
    Count,
    CountBoth,
    CountExcept,
    CountRelative,
    CountSame,
    Total,
    TotalSame,
    TotalSameRanked,
    Mode,
    Gap,
    GapOnly,
    GapRanked,
    GapFiltered,
    SumOfTwo,
    RankedNumber,
    RankedCategory,
    RunnerUpCategory,
    KthNumber,
    KthSumNumber,
    SumNumber,
    FilteredNumber,
    FilteredCategory,
    BoundedNumber,
    ThreeHops,
    FourHops,
    SameAsOnly,
    SameAsFiltered,
}

/// The kind of a constraint to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Leaves the slot empty.
    Nothing,
    WordCount,
    MaxWords,
    MinWords,
    Answer,
    Category,
    Fact,
    Name,
    StartsWith,
    Word,
    NextPrime,
    Equation,
    Acrostic,
    ForbiddenLetter,
    Order,
    Modular,
    Json,
    WordLengths,
    Alphabetical,
    SentenceCount,
    EndsWith,
    WordAt,
    LetterCount,
    DifferentInitials,
    LengthSum,
    FirstWordOf,
    LastWordOf,
    NoRepeats,
}

/// Shapes of long documents by weight: what takes one hop is rarer than what takes several.
const SHAPES: &[(Shape, u32)] = &[
    (Shape::LookupNumber, 1),
    (Shape::LookupCategory, 1),
    (Shape::WhichOnly, 1),
    (Shape::OnlyNumber, 2),
    (Shape::OnlyCategory, 2),
    (Shape::Extreme, 1),
    (Shape::Compare, 1),
    (Shape::CompareSelected, 2),
    (Shape::Kth, 1),
    (Shape::FilteredExtreme, 2),
    (Shape::ExceptExtreme, 2),
    (Shape::BoundedExtreme, 2),
    (Shape::VersusExtreme, 2),
    (Shape::BothExtreme, 2),
    (Shape::SameAsNamed, 2),
    (Shape::SameAsHop, 2),
    (Shape::RelativeHop, 2),
    (Shape::RelativeRanked, 2),
    (Shape::FilteredKth, 2),
    (Shape::SumExtreme, 1),
    (Shape::DiffExtreme, 1),
    (Shape::RatioExtreme, 1),
    (Shape::FilteredSum, 2),
    (Shape::FilteredRatio, 2),
    (Shape::NextTo, 2),
    (Shape::Nearest, 1),
    (Shape::NearestRanked, 2),
    (Shape::NearestCategory, 2),
    (Shape::Count, 2),
    (Shape::CountBoth, 2),
    (Shape::CountExcept, 2),
    (Shape::CountRelative, 2),
    (Shape::CountSame, 2),
    (Shape::Total, 2),
    (Shape::TotalSame, 2),
    (Shape::TotalSameRanked, 2),
    (Shape::Mode, 2),
    (Shape::Gap, 1),
    (Shape::GapOnly, 2),
    (Shape::GapRanked, 2),
    (Shape::GapFiltered, 2),
    (Shape::SumOfTwo, 2),
    (Shape::RankedNumber, 2),
    (Shape::RankedCategory, 2),
    (Shape::RunnerUpCategory, 2),
    (Shape::KthNumber, 2),
    (Shape::KthSumNumber, 2),
    (Shape::SumNumber, 2),
    (Shape::FilteredNumber, 2),
    (Shape::FilteredCategory, 2),
    (Shape::BoundedNumber, 2),
    (Shape::ThreeHops, 2),
    (Shape::FourHops, 2),
    (Shape::SameAsOnly, 2),
    (Shape::SameAsFiltered, 2),
];
/// How long the artifact is.
const LENGTH: &[(Kind, u32)] = &[(Kind::WordCount, 3), (Kind::MaxWords, 1), (Kind::MinWords, 1)];
/// What the artifact holds.
const TERMS: &[(Kind, u32)] =
    &[(Kind::Answer, 2), (Kind::Category, 3), (Kind::Fact, 1), (Kind::Order, 1), (Kind::Name, 1)];
/// Numbers that are derived from answers.
const NUMBERS: &[(Kind, u32)] =
    &[(Kind::NextPrime, 1), (Kind::Equation, 1), (Kind::Modular, 1), (Kind::Json, 1)];
/// How the artifact begins.
const LEAD: &[(Kind, u32)] = &[
    (Kind::Acrostic, 2),
    (Kind::WordLengths, 1),
    (Kind::Alphabetical, 1),
    (Kind::DifferentInitials, 1),
    (Kind::LengthSum, 1),
    (Kind::WordAt, 1),
    (Kind::FirstWordOf, 1),
    (Kind::StartsWith, 1),
];
/// Its letters, words and sentences.
const SURFACE: &[(Kind, u32)] = &[
    (Kind::ForbiddenLetter, 2),
    (Kind::LetterCount, 1),
    (Kind::SentenceCount, 1),
    (Kind::EndsWith, 1),
    (Kind::LastWordOf, 1),
    (Kind::NoRepeats, 1),
    (Kind::Word, 1),
];

/// How the artifact begins, or its letters, words and sentences.
fn form() -> Vec<(Kind, u32)> {
    [LEAD, SURFACE].concat()
}

/// One profile of `longdoc`.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    /// Fewest and most entities.
    pub(super) entities: (i64, i64),
    /// Bytes of the document that entities may take, so that the prompt fits a model's context;
    /// domains of many words have fewer entities.
    pub(super) entity_bytes: Option<usize>,
    /// How many of the domain's groups are used, in file order (grouped layout).
    pub(super) groups: usize,
    /// Attributes of one document (sentence layout).
    pub(super) attributes: (i64, i64),
    /// Paragraphs, before some are joined, that noise fills up to.
    pub(super) paragraphs: usize,
    /// Largest number in a document, in its unit.
    pub(super) max_number: i64,
    /// Longest chain of relative statements.
    pub(super) depth: u32,
    /// Entities with an alias.
    pub(super) aliases: usize,
    /// Facts stated once more by themselves.
    pub(super) restated: usize,
    /// Facts given once more as a rounded figure.
    pub(super) hedged: usize,
    /// True values that the document asks to report.
    pub(super) instructions: usize,
    /// Paragraphs of figures that name their entity only by what is said of it elsewhere.
    pub(super) described: usize,
    /// How often (of, out of) a name that is not needed is misspelt.
    pub(super) misspelt: (u64, u64),
    /// Whether the absolute values of one group stand in tables.
    pub(super) tables: bool,
    /// Whether sections have headings.
    pub(super) headed: bool,
    /// How often (of, out of) a paragraph goes on with the next one, where neither is attributed.
    pub(super) joined: (u64, u64),
    /// Statements about one disputed fact; one of them is right.
    pub(super) candidates: usize,
    pub(super) questions: usize,
    pub(super) shapes: Vec<(Shape, u32)>,
    /// Each slot of the skeleton draws one kind.
    pub(super) constraints: Vec<Vec<(Kind, u32)>>,
    /// Kinds of traps of a short document.
    pub(super) traps: Vec<(TrapKind, u32)>,
    /// How often (of, out of) the authority rule is about one mark instead of two sources.
    pub(super) marked: (u64, u64),
    /// Binding traps of a short document, disputes that bind of a long one: fewest and most.
    pub(super) binding: (i64, i64),
    pub(super) bait: (i64, i64),
    /// Most estimated tokens of the witness.
    pub(super) witness_tokens: usize,
    pub(super) trace: TraceRules,
    pub(super) max_completion_bytes: u32,
}

/// The plan of a profile; `None` where `longdoc` does not make it yet.
pub(super) fn plan(profile: Profile) -> Option<Plan> {
    match profile {
        Profile::Nano => Some(nano()),
        Profile::Mini => Some(mini()),
        Profile::Standard => Some(standard()),
        Profile::Hard => Some(hard()),
    }
}

fn nano() -> Plan {
    Plan {
        layout: Layout::Sentences,
        entities: (3, 4),
        entity_bytes: None,
        groups: 0,
        attributes: (2, 2),
        paragraphs: 0,
        // Numbers with a thousands separator are copied right 3 to 16 % of the time, others
        // up to 50 %.
        max_number: 989,
        depth: 0,
        aliases: 0,
        restated: 0,
        hedged: 0,
        instructions: 0,
        described: 0,
        misspelt: (0, 1),
        tables: false,
        headed: false,
        joined: (0, 1),
        candidates: 2,
        questions: 1,
        // Measured on SmolLM2-135M: it looks facts up, but ranks, filters and hops at chance.
        shapes: vec![(Shape::LookupNumber, 1), (Shape::LookupCategory, 2)],
        // A surface constraint alone lets an artifact about another entity pass.
        constraints: vec![
            vec![(Kind::Answer, 1)],
            vec![(Kind::Nothing, 3), (Kind::StartsWith, 3), (Kind::Name, 2), (Kind::MaxWords, 2)],
        ],
        traps: vec![(TrapKind::Superseded, 7), (TrapKind::Scope, 1)],
        // Two named sources are nearly always mixed up by the smallest models.
        marked: (5, 6),
        binding: (1, 1),
        bait: (0, 0),
        witness_tokens: 160,
        trace: TraceRules {
            needs: vec![TraceNeed::Facts],
            min_extracts: 1,
            max_steps: 3,
            citations: false,
            computes: false,
            citation_milli: 0,
        },
        max_completion_bytes: 4 * 1024,
    }
}

fn mini() -> Plan {
    Plan {
        entities: (8, 8),
        entity_bytes: None,
        groups: 2,
        paragraphs: 25,
        depth: 3,
        aliases: 1,
        restated: 0,
        hedged: 0,
        instructions: 0,
        described: 1,
        tables: false,
        headed: false,
        questions: 4,
        shapes: SHAPES.to_vec(),
        // Each slot leaves out what the others are about: the length, a term, a number, the form.
        constraints: vec![LENGTH.to_vec(), TERMS.to_vec(), NUMBERS.to_vec(), form()],
        binding: (1, 1),
        bait: (0, 0),
        witness_tokens: 700,
        max_completion_bytes: 16 * 1024,
        ..standard()
    }
}

fn hard() -> Plan {
    Plan {
        entities: (100, 100),
        entity_bytes: None,
        paragraphs: 580,
        joined: (1, 2),
        aliases: 10,
        restated: 24,
        hedged: 24,
        instructions: 6,
        described: 8,
        binding: (3, 4),
        bait: (2, 3),
        ..standard()
    }
}

fn standard() -> Plan {
    Plan {
        layout: Layout::Grouped,
        entities: (20, 20),
        entity_bytes: Some(13_200),
        groups: usize::MAX,
        attributes: (0, 0),
        paragraphs: 96,
        max_number: i64::MAX / 1000,
        depth: 5,
        aliases: 3,
        restated: 2,
        hedged: 2,
        instructions: 1,
        described: 2,
        misspelt: (1, 2),
        tables: true,
        headed: true,
        joined: (0, 1),
        candidates: 6,
        questions: 10,
        shapes: SHAPES.to_vec(),
        constraints: vec![
            LENGTH.to_vec(),
            TERMS.to_vec(),
            TERMS.to_vec(),
            NUMBERS.to_vec(),
            NUMBERS.to_vec(),
            LEAD.to_vec(),
            SURFACE.to_vec(),
            [TERMS, NUMBERS, SURFACE].concat(),
        ],
        traps: Vec::new(),
        marked: (0, 1),
        binding: (1, 2),
        bait: (1, 1),
        witness_tokens: 1_350,
        trace: TraceRules {
            needs: vec![
                TraceNeed::Facts,
                TraceNeed::Citations,
                TraceNeed::Computes,
                TraceNeed::Dataflow,
            ],
            min_extracts: 3,
            max_steps: 200,
            citations: true,
            computes: true,
            citation_milli: 800,
        },
        max_completion_bytes: 32 * 1024,
    }
}
