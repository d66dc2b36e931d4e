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
    TwoHopNumber,
    TwoHopCategory,
    Extreme,
    Compare,
    Kth,
    FilteredExtreme,
    BoundedExtreme,
    VersusExtreme,
    SumExtreme,
    DiffExtreme,
    RatioExtreme,
    Count,
    Total,
    Gap,
    RankedNumber,
    RankedCategory,
    SameAsHop,
    RelativeHop,
    ThreeHops,
    FourHops,
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
    DigitSum,
    WordLengths,
    Alphabetical,
    SentenceCount,
    EndsWith,
}

/// One profile of `longdoc`.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    /// Fewest and most entities.
    pub(super) entities: (i64, i64),
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
        shapes: vec![(Shape::WhichOnly, 1)].into_iter().chain(standard().shapes).collect(),
        constraints: vec![
            vec![(Kind::WordCount, 2), (Kind::MaxWords, 1), (Kind::MinWords, 1)],
            vec![(Kind::Answer, 1), (Kind::Category, 2), (Kind::Fact, 1)],
            vec![(Kind::NextPrime, 2), (Kind::DigitSum, 1)],
            vec![
                (Kind::ForbiddenLetter, 2),
                (Kind::EndsWith, 1),
                (Kind::SentenceCount, 1),
                (Kind::StartsWith, 1),
                (Kind::Word, 1),
            ],
        ],
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
    let all = [
        Shape::LookupNumber,
        Shape::LookupCategory,
        Shape::TwoHopNumber,
        Shape::TwoHopCategory,
        Shape::Extreme,
        Shape::Compare,
        Shape::Kth,
        Shape::FilteredExtreme,
        Shape::BoundedExtreme,
        Shape::VersusExtreme,
        Shape::SumExtreme,
        Shape::DiffExtreme,
        Shape::RatioExtreme,
        Shape::Count,
        Shape::Total,
        Shape::Gap,
        Shape::RankedNumber,
        Shape::RankedCategory,
        Shape::SameAsHop,
        Shape::RelativeHop,
        Shape::ThreeHops,
        Shape::FourHops,
    ];
    Plan {
        layout: Layout::Grouped,
        entities: (20, 20),
        groups: usize::MAX,
        attributes: (0, 0),
        paragraphs: 100,
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
        shapes: all.into_iter().map(|shape| (shape, 1)).collect(),
        constraints: vec![
            vec![(Kind::WordCount, 1)],
            vec![(Kind::Answer, 1)],
            vec![(Kind::Category, 1)],
            vec![(Kind::Category, 1), (Kind::Order, 1)],
            vec![(Kind::NextPrime, 1)],
            vec![(Kind::Equation, 1), (Kind::DigitSum, 1)],
            vec![(Kind::Acrostic, 1), (Kind::WordLengths, 1), (Kind::Alphabetical, 1)],
            vec![(Kind::ForbiddenLetter, 2), (Kind::SentenceCount, 1), (Kind::EndsWith, 1)],
        ],
        traps: Vec::new(),
        marked: (0, 1),
        binding: (1, 2),
        bait: (1, 1),
        witness_tokens: 1_400,
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
