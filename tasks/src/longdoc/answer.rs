//! What the answer key says about the document: in which paragraphs facts are stated, traps stand
//! and aliases are introduced.

use crate::{
    query::value_of,
    types::{
        AnswerKey, DocParagraph, Fact, FactRef, Rule, Standing, Statement, StatementKind, Trap,
        TrapKind,
    },
};

use super::{
    prove,
    solve::{How, Reading, by_place},
    trap::DraftedTrap,
    world::World,
};

/// A document's statements by what they are about.
pub(super) struct Stated<'d> {
    attrs: usize,
    /// By the place of the fact, each with its paragraph (from 1).
    about: Vec<(usize, u32, &'d Statement)>,
    rules: Vec<(u32, Rule)>,
}

impl<'d> Stated<'d> {
    pub(super) fn new(document: &'d [DocParagraph], world: &World<'_>) -> Self {
        let attrs = world.schemas.len();
        let (mut about, mut rules) = (Vec::with_capacity(document.len() * 4), Vec::new());
        for (number, paragraph) in (1_u32..).zip(document) {
            for statement in &paragraph.statements {
                match &statement.kind {
                    StatementKind::Absolute { fact, .. }
                    | StatementKind::Relative { fact, .. }
                    | StatementKind::Instruction { fact, .. } => {
                        about.push((fact.entity.at() * attrs + fact.attr.at(), number, statement));
                    }
                    StatementKind::Rule(rule) => rules.push((number, *rule)),
                    _ => {}
                }
            }
        }
        let places = world.roster.len() * attrs;
        Self { attrs, about: by_place(&about, places, |(place, ..)| *place), rules }
    }

    fn about(&self, fact: FactRef) -> impl Iterator<Item = (u32, &'d Statement)> {
        let place = fact.entity.at() * self.attrs + fact.attr.at();
        let from = self.about.partition_point(|(at, ..)| *at < place);
        let rest = self.about.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |(at, ..)| *at == place)
            .map(|(_, number, said)| (*number, *said))
    }
}

/// A drafted trap with the paragraphs where it stands. `key` has the document and its facts.
pub(super) fn placed(
    drafted: &DraftedTrap,
    stated: &Stated<'_>,
    world: &World<'_>,
    key: &AnswerKey,
) -> Option<Trap> {
    let fact = drafted.fact;
    let schema = &world.schemas[fact.attr.at()];
    let mut trap = Trap {
        kind: drafted.kind,
        role: drafted.role,
        fact,
        right: value_of(drafted.right, schema)?,
        wrong: value_of(drafted.wrong, schema)?,
        right_paragraphs: Vec::new(),
        wrong_paragraphs: Vec::new(),
        consequences: drafted.consequences.clone(),
    };
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    let mut standings = Vec::new();
    for (number, statement) in stated.about(fact) {
        match &statement.kind {
            StatementKind::Absolute { value, standing, .. }
                if *standing != Standing::Wider && *value == trap.right =>
            {
                standings.push(*standing);
                right.push(number);
            }
            StatementKind::Relative { .. } => right.push(number),
            _ => {}
        }
        if prove::is_trap(statement, &trap, key) {
            wrong.push(number);
        }
    }
    for (number, rule) in &stated.rules {
        let settles = match rule {
            Rule::Over(..) => trap.kind == TrapKind::Superseded,
            Rule::Holds(standing) => standings.contains(standing),
            Rule::Came { condition, came } => {
                *came && standings.contains(&Standing::If(*condition))
            }
        };
        if settles {
            right.push(*number);
        }
    }
    // What is taken for the fact of a namesake is said of the namesake.
    if trap.kind == TrapKind::Homonym {
        let others = match drafted.other {
            Some(other) => vec![other],
            None => world.entities().collect(),
        };
        for entity in others {
            let tempting = stated.about(FactRef { entity, attr: fact.attr });
            let tempting = tempting.filter(|(_, said)| prove::is_trap(said, &trap, key));
            wrong.extend(tempting.map(|(number, _)| number));
        }
    }
    for paragraphs in [&mut right, &mut wrong] {
        paragraphs.sort_unstable();
        paragraphs.dedup();
    }
    trap.right_paragraphs = right;
    trap.wrong_paragraphs = wrong;
    Some(trap)
}

pub(super) fn defined_in(name: &str, document: &[DocParagraph]) -> Option<u32> {
    (1..).zip(document).find_map(|(number, paragraph)| {
        paragraph
            .statements
            .iter()
            .any(|statement| {
                matches!(&statement.kind, StatementKind::AliasOf { alias, .. } if alias == name)
            })
            .then_some(number)
    })
}

/// Most facts are stated once or twice.
const USUAL_STATEMENTS: usize = 2;

/// Every fact of the reading with the paragraphs that truly state it.
pub(super) fn facts(world: &World<'_>, truth: &Reading, document: &[DocParagraph]) -> Vec<Fact> {
    let attrs = world.schemas.len();
    let mut facts: Vec<Fact> = Vec::with_capacity(world.roster.len() * attrs);
    for entity in world.entities() {
        for attr in world.attr_ids() {
            let fact = FactRef { entity, attr };
            let Some(value) = value_of(truth.table.get(fact), &world.schemas[attr.at()]) else {
                continue;
            };
            let reference = match truth.how(fact) {
                How::Relative(_, entity) => Some(FactRef { entity, attr }),
                _ => None,
            };
            let paragraphs = Vec::with_capacity(USUAL_STATEMENTS);
            facts.push(Fact { fact, value, paragraphs, reference });
        }
    }
    let mut known = vec![usize::MAX; world.roster.len() * attrs];
    for (at, fact) in facts.iter().enumerate() {
        known[fact.fact.entity.at() * attrs + fact.fact.attr.at()] = at;
    }
    for (number, paragraph) in (1_u32..).zip(document) {
        for statement in &paragraph.statements {
            let (fact, stated) = match &statement.kind {
                StatementKind::Absolute { standing: Standing::Wider, .. } => continue,
                StatementKind::Absolute { fact, value, .. } => (fact, Some(value)),
                StatementKind::Relative { fact, .. } => (fact, None),
                _ => continue,
            };
            let place = known.get(fact.entity.at() * attrs + fact.attr.at());
            if let Some(fact) = place.and_then(|at| facts.get_mut(*at))
                && stated.is_none_or(|value| *value == fact.value)
            {
                fact.paragraphs.push(number);
            }
        }
    }
    facts
}
