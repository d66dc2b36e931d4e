//! What the checker finds, each kind under its own name.

/// A proof that does not hold (DESIGN 3.3), as it shows in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Proof 1: no wording of the domain reads a paragraph.
    #[error("paragraph {paragraph}: no wording of the domain reads {text:?}")]
    Unread {
        /// From 1.
        paragraph: u32,
        /// Its text.
        text: String,
    },
    /// Proof 1: a paragraph can be read in two ways.
    #[error("paragraph {paragraph}: {text:?} can be read in several ways")]
    Ambiguous {
        /// From 1.
        paragraph: u32,
        /// Its text.
        text: String,
    },
    /// Proof 1: the words for an entity lead to none, or to several.
    #[error("paragraph {paragraph}: {name:?} leads to {owners} entities, one is needed")]
    Unlinkable {
        /// From 1.
        paragraph: u32,
        /// As written.
        name: String,
        /// How many it leads to.
        owners: usize,
    },
    /// Proof 1: an alias is introduced for two entities, or is another's name.
    #[error("the alias {alias:?} has several owners")]
    AliasOwners {
        /// As written.
        alias: String,
    },
    /// Proof 1: the only statement of a fact misspells its entity.
    #[error("{fact} is stated only under a misspelt name")]
    OnlyMisspelt {
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 1: nothing states a fact, or what states it holds nowhere.
    #[error("nothing that holds states {fact}")]
    Unstated {
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 1: statements differ in a way for which the document has no rule.
    #[error("{fact} is stated in several ways, and no rule tells which {what} holds")]
    NoRule {
        /// Attribute and entity.
        fact: String,
        /// Source, extent or date.
        what: &'static str,
    },
    /// Proof 1: two rules about the same matter.
    #[error("two rules say which {what} holds")]
    TwoRules {
        /// Source, extent, date, or the condition.
        what: String,
    },
    /// Proof 1: a statement hangs on a condition whose outcome is never told.
    #[error("{fact} hangs on a condition whose outcome is not told: {condition:?}")]
    OutcomeUntold {
        /// Attribute and entity.
        fact: String,
        /// Its clause.
        condition: String,
    },
    /// Proof 4: two statements of equal standing contradict each other.
    #[error("statements of {fact} contradict each other")]
    Contradiction {
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 1: a chain of relative statements leads back to itself.
    #[error("{fact} follows only from itself")]
    Loop {
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 1: a question cannot be read, or in several ways.
    #[error("question {question}: {readings} readings of {text:?}")]
    Question {
        /// From 1.
        question: usize,
        /// How many readings with different answers.
        readings: usize,
        /// As asked.
        text: String,
    },
    /// Proof 1: a question has no single answer.
    #[error("question {question} has no single answer: {why}")]
    NoAnswer {
        /// From 1.
        question: usize,
        /// A tie, for example.
        why: &'static str,
    },
    /// Proof 1: the key's answer is not the one that follows.
    #[error("question {question}: the text gives {found}, the key {known}")]
    Gold {
        /// From 1.
        question: usize,
        /// By the text.
        found: String,
        /// By the key.
        known: String,
    },
    /// Proof 1: the key's value of a fact is not the one that follows.
    #[error("the key has another value of {fact}")]
    FactValue {
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 1: the key names other paragraphs for a fact than those that state it.
    #[error("{fact} is stated in {found:?}, the key says {known:?}")]
    FactPlaces {
        /// Attribute and entity.
        fact: String,
        /// By the text.
        found: Vec<u32>,
        /// By the key.
        known: Vec<u32>,
    },
    /// Proof 1: the key derives a fact from another than the text does.
    #[error("the key has another reference for {fact}")]
    FactReference {
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 1: the key's aliases are not those of the text.
    #[error("the names that the text uses and those of the key differ in {name:?}")]
    Aliases {
        /// One of those that differ.
        name: String,
    },
    /// Proof 3: a constraint cannot be read.
    #[error("constraint {constraint}: no single reading of {text:?}")]
    Constraint {
        /// From 1.
        constraint: usize,
        /// As asked.
        text: String,
    },
    /// Proof 3: a constraint comes to something else than the key says.
    #[error("constraint {constraint}: the text gives {found}, the key {known}")]
    Check {
        /// From 1.
        constraint: usize,
        /// By the text.
        found: String,
        /// By the key.
        known: String,
    },
    /// Proof 4: a wrong value in the text is no declared trap.
    #[error("paragraph {paragraph}: the wrong value of {fact} is no declared trap")]
    Undeclared {
        /// From 1.
        paragraph: u32,
        /// Attribute and entity.
        fact: String,
    },
    /// Proof 2: a trap does not stand in the text as the key says.
    #[error("trap {trap}: {why}")]
    TrapPlace {
        /// From 1.
        trap: usize,
        /// What differs.
        why: String,
    },
    /// Proof 2: a caught reader derives something else than the key says.
    #[error("trap {trap}: {why}")]
    TrapPath {
        /// From 1.
        trap: usize,
        /// What differs.
        why: String,
    },
    /// Proof 2: a trap that is said to bind changes nothing.
    #[error("trap {trap} is said to bind and changes nothing")]
    Idle {
        /// From 1.
        trap: usize,
    },
    /// Proof 2: bait changes something.
    #[error("trap {trap} is said to be bait and changes something")]
    Bites {
        /// From 1.
        trap: usize,
    },
    /// Proof 2: no trap binds.
    #[error("no trap binds")]
    NoTrap,
    /// Proof 3: the witness does not pass.
    #[error("the witness: {why}")]
    Witness {
        /// What is wrong with it.
        why: String,
    },
    /// Proof 3: a trapped witness is missing, passes, or fails by something else.
    #[error("the witness of trap {trap}: {why}")]
    Trapped {
        /// From 1.
        trap: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Proof 5.
    #[error("{place}: {what}")]
    Language {
        /// "paragraph 12"
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The task and its key do not have the same parts, or the domain file is not its own.
    #[error("{0}")]
    Shape(String),
}

impl Fault {
    /// The proof of DESIGN 3.3 that does not hold, 1 to 5.
    #[must_use]
    pub fn proof(&self) -> usize {
        match self {
            Self::Unread { .. }
            | Self::Ambiguous { .. }
            | Self::Unlinkable { .. }
            | Self::AliasOwners { .. }
            | Self::OnlyMisspelt { .. }
            | Self::Unstated { .. }
            | Self::NoRule { .. }
            | Self::TwoRules { .. }
            | Self::OutcomeUntold { .. }
            | Self::Loop { .. }
            | Self::Question { .. }
            | Self::NoAnswer { .. }
            | Self::Gold { .. }
            | Self::FactValue { .. }
            | Self::FactPlaces { .. }
            | Self::FactReference { .. }
            | Self::Aliases { .. }
            | Self::Shape(_) => 1,
            Self::TrapPlace { .. }
            | Self::TrapPath { .. }
            | Self::Idle { .. }
            | Self::Bites { .. }
            | Self::NoTrap => 2,
            Self::Constraint { .. }
            | Self::Check { .. }
            | Self::Witness { .. }
            | Self::Trapped { .. } => 3,
            Self::Contradiction { .. } | Self::Undeclared { .. } => 4,
            Self::Language { .. } => 5,
        }
    }

    /// The kind of defect, in one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unread { .. } => "unread",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Unlinkable { .. } => "unlinkable",
            Self::AliasOwners { .. } => "alias_owners",
            Self::OnlyMisspelt { .. } => "only_misspelt",
            Self::Unstated { .. } => "unstated",
            Self::NoRule { .. } => "no_rule",
            Self::TwoRules { .. } => "two_rules",
            Self::OutcomeUntold { .. } => "outcome_untold",
            Self::Contradiction { .. } => "contradiction",
            Self::Loop { .. } => "loop",
            Self::Question { .. } => "question",
            Self::NoAnswer { .. } => "no_answer",
            Self::Gold { .. } => "gold",
            Self::FactValue { .. } => "fact_value",
            Self::FactPlaces { .. } => "fact_places",
            Self::FactReference { .. } => "fact_reference",
            Self::Aliases { .. } => "aliases",
            Self::Constraint { .. } => "constraint",
            Self::Check { .. } => "check",
            Self::Undeclared { .. } => "undeclared",
            Self::TrapPlace { .. } => "trap_place",
            Self::TrapPath { .. } => "trap_path",
            Self::Idle { .. } => "idle",
            Self::Bites { .. } => "bites",
            Self::NoTrap => "no_trap",
            Self::Witness { .. } => "witness",
            Self::Trapped { .. } => "trapped",
            Self::Language { .. } => "language",
            Self::Shape(_) => "shape",
        }
    }
}
