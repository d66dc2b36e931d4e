//! Extract steps: what they state, and whether the paragraph that they cite holds it.

use super::{answers::in_unit, index::TaskIndex, ledger::Entry, steps::Steps};
use crate::{
    parse::{Claim, Named, Parsed, Said},
    query::Cell,
    types::{AttributeSchema, CitationStatus, EntityId, FactRef, Task},
};

/// Reads extracts against the task.
pub(super) struct Reader<'a> {
    pub(super) task: &'a Task,
    pub(super) index: &'a TaskIndex<'a>,
    pub(super) parsed: &'a Parsed,
}

impl Reader<'_> {
    fn entity(&self, named: &Named) -> Option<EntityId> {
        match named {
            Named::Roster(entity) => Some(*entity),
            Named::Other(range) => self.index.entity(self.parsed.slice(range)),
        }
    }

    /// What an extract amounts to, and how its citation compares.
    pub(super) fn extract(
        &self,
        place: usize,
        claim: &Claim,
        cited: Option<u32>,
    ) -> (Entry, CitationStatus) {
        let mut entry = Entry { rests: Steps::one(place), ..Entry::default() };
        entry.subject = self.entity(&claim.entity);
        let reference = claim.relative.as_ref().map(|relative| self.entity(&relative.reference));
        let schema = self.task.attributes.get(claim.attr.at());
        let number = schema.and_then(|schema| said_number(schema, &claim.value));
        let cell = match &claim.value {
            Said::Number(_) => number.map(Cell::Number),
            Said::Word(word, _) => Some(Cell::Category(*word)),
            Said::Text(range) => self.index.word(claim.attr, self.parsed.slice(range)),
        };
        match (entry.subject, &claim.relative) {
            (Some(entity), None) => {
                let fact = FactRef { entity, attr: claim.attr };
                entry.number = number;
                entry.states = Some((fact, cell.unwrap_or(Cell::Missing)));
            }
            (Some(entity), Some(relative)) => {
                let fact = FactRef { entity, attr: claim.attr };
                let sign = if relative.less { -1 } else { 1 };
                entry.number = number.and_then(|n| n.checked_mul(sign));
                entry.relative = reference.flatten().map(|reference| (fact, reference));
            }
            (None, _) => {}
        }
        let status = self.citation(claim, entry.subject, reference, number, cited);
        (entry, status)
    }

    fn citation(
        &self,
        claim: &Claim,
        entity: Option<EntityId>,
        reference: Option<Option<EntityId>>,
        milli: Option<i64>,
        cited: Option<u32>,
    ) -> CitationStatus {
        let Some(number) = cited else { return CitationStatus::Missing };
        if !self.index.has_paragraph(number) {
            return CitationStatus::NoSuchParagraph;
        }
        let names =
            |entity: Option<EntityId>| entity.is_some_and(|one| self.index.names(number, one));
        if !names(entity) || !reference.is_none_or(names) {
            return CitationStatus::EntityAbsent;
        }
        let holds = match &claim.value {
            Said::Number(_) => milli.zip(self.task.attributes.get(claim.attr.at())).is_some_and(
                |(milli, schema)| self.index.holds_number(number, milli, schema.scale),
            ),
            Said::Word(_, range) | Said::Text(range) => {
                self.index.holds_words(number, self.parsed.slice(range))
            }
        };
        if holds { CitationStatus::Right } else { CitationStatus::ValueAbsent }
    }

    /// Whether a relative extract says another difference than there is.
    pub(super) fn misrelates(&self, entry: &Entry) -> bool {
        let Some((fact, reference)) = entry.relative else { return false };
        let truth = &self.index.truth;
        let own = truth.number(fact.entity, fact.attr);
        let other = truth.number(reference, fact.attr);
        let difference = own.zip(other).and_then(|(own, other)| own.checked_sub(other));
        difference.is_none() || difference != entry.number
    }
}

fn said_number(schema: &AttributeSchema, said: &Said) -> Option<i64> {
    match said {
        Said::Number(found) => in_unit(found, schema.scale),
        Said::Word(..) | Said::Text(_) => None,
    }
}
