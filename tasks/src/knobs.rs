//! The knobs of difficulty: six whole numbers behind each profile, and the same six read back from a
//! task.
//!
//! ```text
//! Profile ─► Knobs::of ─► the plan of a family ─► Task, AnswerKey ─► Knobs::measured
//! ```
//!
//! A profile is a named point in this space; [`lode_proto::adapt`] moves a model between such points.
//! What else a plan holds (layout, wordings, trace rules, token limits) makes a task fit its readers and
//! does not order profiles by difficulty.

use std::{collections::BTreeSet, fmt};

use lode_proto::task::Profile;
use serde::{Deserialize, Serialize};

use crate::types::{AnswerKey, Fact, FactRef, StatementKind, Task, TrapRole};

/// How hard a task is. Each number is the most of its kind that a task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knobs {
    /// Entities of the roster.
    pub entities: u16,
    /// Selections that the hardest question puts one after the other: a look-up is 1, "the sector of
    /// the company with the third most patents" is 2.
    pub hops: u16,
    /// Links from a value stated only relative to another down to one that is stated outright.
    pub chain_depth: u16,
    /// Facts about which the document misleads so that a reader who is misled gets something wrong
    /// (binding traps; several may be about one fact).
    pub traps: u16,
    /// False leads that change nothing: facts with bait only, rounded figures, and instructions that are
    /// about no fact of a binding trap.
    pub distractors: u16,
    /// Constraints on the artifact.
    pub constraints: u16,
}

/// One of the six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knob {
    /// [`Knobs::entities`]
    Entities,
    /// [`Knobs::hops`]
    Hops,
    /// [`Knobs::chain_depth`]
    ChainDepth,
    /// [`Knobs::traps`]
    Traps,
    /// [`Knobs::distractors`]
    Distractors,
    /// [`Knobs::constraints`]
    Constraints,
}

impl Knob {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Entities,
        Self::Hops,
        Self::ChainDepth,
        Self::Traps,
        Self::Distractors,
        Self::Constraints,
    ];

    /// Name for people, in the plural.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Hops => "hops of the hardest question",
            Self::ChainDepth => "links of the longest chain",
            Self::Traps => "facts with binding traps",
            Self::Distractors => "false leads",
            Self::Constraints => "constraints",
        }
    }

    /// Least and most that a family may be asked for.
    #[must_use]
    pub fn limits(self) -> (u16, u16) {
        match self {
            // A comparison needs two; names stay apart up to a hundred, with room to spare.
            Self::Entities => (2, 200),
            Self::Hops => (1, 4),
            // Every link's sign must be recoverable from the text; DESIGN 3.2 stops at five.
            Self::ChainDepth => (0, 5),
            // At least one a document.
            Self::Traps => (1, 16),
            Self::Distractors => (0, 200),
            Self::Constraints => (1, 15),
        }
    }
}

/// A knob outside its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{got} {} are asked for, but a task has {low} to {high}", knob.name())]
pub struct KnobError {
    /// Which.
    pub knob: Knob,
    /// Asked for.
    pub got: u16,
    /// Least.
    pub low: u16,
    /// Most.
    pub high: u16,
}

impl Knobs {
    /// The knobs of a profile.
    #[must_use]
    pub const fn of(profile: Profile) -> Self {
        match profile {
            Profile::Nano => Self {
                entities: 4,
                hops: 1,
                chain_depth: 0,
                traps: 1,
                distractors: 0,
                constraints: 2,
            },
            Profile::Mini => Self {
                entities: 8,
                hops: 4,
                chain_depth: 3,
                traps: 1,
                distractors: 0,
                constraints: 4,
            },
            Profile::Standard => Self {
                entities: 20,
                hops: 4,
                chain_depth: 5,
                traps: 2,
                distractors: 8,
                constraints: 8,
            },
            Profile::Hard => Self {
                entities: 100,
                hops: 4,
                chain_depth: 5,
                traps: 4,
                distractors: 40,
                constraints: 8,
            },
        }
    }

    /// One of them.
    #[must_use]
    pub const fn get(&self, knob: Knob) -> u16 {
        match knob {
            Knob::Entities => self.entities,
            Knob::Hops => self.hops,
            Knob::ChainDepth => self.chain_depth,
            Knob::Traps => self.traps,
            Knob::Distractors => self.distractors,
            Knob::Constraints => self.constraints,
        }
    }

    /// Whether every knob is within its limits.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), KnobError> {
        for knob in Knob::ALL {
            let (got, (low, high)) = (self.get(knob), knob.limits());
            if !(low..=high).contains(&got) {
                return Err(KnobError { knob, got, low, high });
            }
        }
        Ok(())
    }

    /// Whether a task with these knobs may be one of the profile: none is above the profile's.
    #[must_use]
    pub fn within(&self, profile: Profile) -> bool {
        let most = Self::of(profile);
        Knob::ALL.iter().all(|knob| self.get(*knob) <= most.get(*knob))
    }

    /// What a task has.
    #[must_use]
    pub fn measured(task: &Task, key: &AnswerKey) -> Self {
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let about = |role: TrapRole| -> BTreeSet<FactRef> {
            key.traps.iter().filter(|trap| trap.role == role).map(|trap| trap.fact).collect()
        };
        let (binding, bait) = (about(TrapRole::Binding), about(TrapRole::Bait));
        let leads = key.document.iter().flat_map(|paragraph| &paragraph.statements);
        let leads = leads.filter(|one| match &one.kind {
            StatementKind::Hedged { .. } => true,
            StatementKind::Instruction { fact, .. } => !binding.contains(fact),
            _ => false,
        });
        Self {
            entities: count(task.roster.len()),
            hops: most_hops(key),
            chain_depth: count(key.facts.iter().map(|fact| links(key, fact)).max().unwrap_or(0)),
            traps: count(binding.len()),
            distractors: count(bait.difference(&binding).count() + leads.count()),
            constraints: count(task.constraints.len()),
        }
    }
}

impl fmt::Display for Knobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, knob) in Knob::ALL.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", self.get(knob), knob.name())?;
        }
        Ok(())
    }
}

/// Links of a fact's chain; a loop, which no generated key has, ends it.
fn links(key: &AnswerKey, fact: &Fact) -> usize {
    let by = |wanted: FactRef| {
        let place = key.facts.binary_search_by_key(&wanted, |known| known.fact).ok()?;
        key.facts.get(place)?.reference
    };
    let (mut links, mut next) = (0, fact.reference);
    while let Some(reference) = next.filter(|_| links < key.facts.len()) {
        links += 1;
        next = by(reference);
    }
    links
}

/// The hops of the longest way to an answer.
fn most_hops(key: &AnswerKey) -> u16 {
    let most = key.gold.iter().map(|gold| gold.query.hops()).max().unwrap_or(0);
    u16::try_from(most).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use lode_proto::task::TaskTemplate;

    use super::*;
    use crate::{ENGINE_VERSION, family::Library, longdoc};

    fn measured(profile: Profile, seed: u8) -> Knobs {
        let library = Library::builtin().expect("built in");
        let template = TaskTemplate {
            family: longdoc::NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: library.named("companies").expect("built in"),
            profile,
            inputs: Vec::new(),
        };
        let (task, key) = longdoc::generate(&template.spec([seed; 32]), &library).expect("a task");
        Knobs::measured(&task, &key)
    }

    #[test]
    fn profiles_are_in_order_and_within_the_limits() {
        for pair in Profile::ALL.windows(2) {
            let (easier, harder) = (Knobs::of(pair[0]), Knobs::of(pair[1]));
            assert!(easier.within(pair[1]) && easier != harder, "{easier} against {harder}");
        }
        for profile in Profile::ALL {
            assert_eq!(Knobs::of(profile).check(), Ok(()));
        }
    }

    #[test]
    fn a_knob_out_of_its_limits_is_named() {
        let knobs = Knobs { hops: 5, ..Knobs::of(Profile::Standard) };
        let error = knobs.check().expect_err("five hops");
        assert_eq!(
            error.to_string(),
            "5 hops of the hardest question are asked for, but a task has 1 to 4"
        );
        for knob in Knob::ALL {
            let (low, high) = knob.limits();
            assert!(low < high, "{knob:?}");
        }
    }

    /// The table says what is generated: no task is above its profile, and each knob is reached or
    /// nearly so by one of a few.
    #[test]
    fn tasks_have_the_knobs_of_their_profile() {
        for (profile, seeds) in
            [(Profile::Nano, 40), (Profile::Mini, 20), (Profile::Standard, 10), (Profile::Hard, 2)]
        {
            let mut most = Knobs {
                entities: 0,
                hops: 0,
                chain_depth: 0,
                traps: 0,
                distractors: 0,
                constraints: 0,
            };
            for seed in 0..seeds {
                let knobs = measured(profile, seed);
                assert!(knobs.within(profile), "{profile}, seed {seed}: {knobs}");
                most.entities = most.entities.max(knobs.entities);
                most.constraints = most.constraints.max(knobs.constraints);
                most.chain_depth = most.chain_depth.max(knobs.chain_depth);
            }
            let table = Knobs::of(profile);
            assert_eq!(most.constraints, table.constraints, "{profile}");
            // A domain with long sentences has as many entities as fit the prompt.
            assert!(most.entities * 2 >= table.entities, "{profile}: {most}");
            assert!(most.chain_depth + 1 >= table.chain_depth, "{profile}: {most}");
        }
    }
}
