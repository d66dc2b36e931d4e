//! What the answer key says about the document: in which paragraphs facts are stated, traps stand
//! and aliases are introduced.

use crate::{
    query::{cell_of, value_of},
    types::{
        AnswerKey, DocParagraph, Fact, FactRef, Rule, Standing, StatementKind, Trap, TrapKind,
    },
};

use super::{
    prove,
    solve::{How, Reading},
    trap::DraftedTrap,
    world::World,
};

/// A drafted trap with the paragraphs where it stands.
pub(super) fn placed(drafted: &DraftedTrap, world: &World<'_>, key: &AnswerKey) -> Option<Trap> {
    let schema = &world.schemas[drafted.fact.attr.at()];
    let mut trap = Trap {
        kind: drafted.kind,
        role: drafted.role,
        fact: drafted.fact,
        right: value_of(drafted.right, schema)?,
        wrong: value_of(drafted.wrong, schema)?,
        right_paragraphs: Vec::new(),
        wrong_paragraphs: Vec::new(),
        consequences: drafted.consequences.clone(),
    };
    let truly = |kind: &StatementKind| match kind {
        StatementKind::Absolute { fact, value, standing }
            if *fact == trap.fact && *standing != Standing::Wider && *value == trap.right =>
        {
            Some(*standing)
        }
        _ => None,
    };
    let statements = || key.document.iter().flat_map(|paragraph| &paragraph.statements);
    let standings: Vec<Standing> =
        statements().filter_map(|statement| truly(&statement.kind)).collect();
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for (number, paragraph) in (1_u32..).zip(&key.document) {
        for statement in &paragraph.statements {
            let settles = match &statement.kind {
                StatementKind::Absolute { .. } => truly(&statement.kind).is_some(),
                StatementKind::Relative { fact, .. } => *fact == trap.fact,
                StatementKind::Rule(Rule::Over(..)) => trap.kind == TrapKind::Superseded,
                StatementKind::Rule(Rule::Holds(standing)) => standings.contains(standing),
                StatementKind::Rule(Rule::Came { condition, came }) => {
                    *came && standings.contains(&Standing::If(*condition))
                }
                _ => false,
            };
            if settles && right.last() != Some(&number) {
                right.push(number);
            }
            let namesake = match &statement.kind {
                StatementKind::Absolute { fact, .. } | StatementKind::Relative { fact, .. } => {
                    drafted.other.is_none_or(|other| fact.entity == other)
                }
                _ => true,
            };
            if namesake && wrong.last() != Some(&number) && prove::is_trap(statement, &trap, key) {
                wrong.push(number);
            }
        }
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
            facts.push(Fact { fact, value, paragraphs: Vec::new(), reference });
        }
    }
    for (number, paragraph) in (1_u32..).zip(document) {
        for statement in &paragraph.statements {
            let (fact, stated) = match &statement.kind {
                StatementKind::Absolute { standing: Standing::Wider, .. } => continue,
                StatementKind::Absolute { fact, value, .. } => {
                    (fact, cell_of(value, &world.schemas[fact.attr.at()]))
                }
                StatementKind::Relative { fact, .. } => (fact, Some(truth.table.get(*fact))),
                _ => continue,
            };
            let Ok(at) = facts.binary_search_by_key(fact, |known| known.fact) else { continue };
            if stated == Some(truth.table.get(*fact)) {
                facts[at].paragraphs.push(number);
            }
        }
    }
    facts
}
