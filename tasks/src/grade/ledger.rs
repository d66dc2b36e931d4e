//! What a trace states: each step by itself, then the facts that are left standing.
//!
//! A step is *live* unless a later revise step withdraws it. Where several live steps state the
//! same fact, the last one counts: it replaces the others. An id names the last step before the one
//! that refers to it; an earlier step of the same id stays what it is, live and graded.

use super::{answers::in_unit, index::TaskIndex};
use crate::{
    number,
    parse::{Argument, Claim, Named, Parsed, Said, Step, StepBody},
    query::Cell,
    types::{
        AttributeSchema, CitationOutcome, CitationStatus, ComputeOp, ComputeOutcome, ComputeStatus,
        EntityId, FactRef, StepId, StepKind, Task,
    },
};

/// Largest argument of `next_prime` that is recomputed.
pub(super) const MAX_PRIME_ARGUMENT: i64 = 1_000_000_000;

/// What one step amounts to.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Its number as an argument of later steps, thousandths; a difference is signed.
    number: Option<i64>,
    /// The fact that it states, and the value it gives; [`Cell::Missing`] for a word that is no
    /// value of the attribute.
    states: Option<(FactRef, Cell)>,
    /// For a relative extract: its fact and the reference.
    relative: Option<(FactRef, EntityId)>,
    /// A compute step that recomputes, or an extract.
    sound: bool,
    withdrawn: bool,
}

/// A trace, worked out.
#[derive(Debug)]
pub(super) struct Ledger {
    /// One for each extract step.
    pub(super) citations: Vec<CitationOutcome>,
    /// One for each compute step.
    pub(super) computes: Vec<ComputeOutcome>,
    /// Extract steps that were read.
    pub(super) extracts: usize,
    /// Steps that say nothing that could be read.
    pub(super) unread: Vec<StepId>,
    entries: Vec<Entry>,
    /// Live facts, each once.
    facts: Vec<(FactRef, Cell)>,
}

impl Ledger {
    pub(super) fn new(task: &Task, index: &TaskIndex, parsed: &Parsed) -> Self {
        let mut ledger = Self {
            citations: Vec::with_capacity(parsed.steps.len()),
            computes: Vec::new(),
            extracts: 0,
            unread: Vec::new(),
            entries: Vec::with_capacity(parsed.steps.len()),
            facts: Vec::with_capacity(parsed.steps.len()),
        };
        for (place, step) in parsed.steps.iter().enumerate() {
            let before = Before { steps: &parsed.steps[..place], entries: &ledger.entries };
            let entry = match &step.body {
                StepBody::Extract(claim) => {
                    ledger.extracts += 1;
                    let entry = extract(task, index, parsed, claim);
                    let status = citation(task, index, parsed, claim, step.citation);
                    ledger.cite(step, status);
                    entry
                }
                StepBody::Compute { op, arguments, result } => {
                    let (entry, status) = compute(&before, *op, arguments, *result);
                    ledger.computes.push(ComputeOutcome { step: step.id, status });
                    entry
                }
                StepBody::Revise(target) => {
                    match before.find(*target) {
                        Some(at) => ledger.entries[at].withdrawn = true,
                        None => ledger.unread.push(step.id),
                    }
                    Entry::default()
                }
                StepBody::Unread => {
                    ledger.unread.push(step.id);
                    match step.id.kind {
                        StepKind::Extract => {
                            let status = match step.citation {
                                None => CitationStatus::Missing,
                                Some(number) if !index.has_paragraph(number) => {
                                    CitationStatus::NoSuchParagraph
                                }
                                Some(_) => CitationStatus::EntityAbsent,
                            };
                            ledger.cite(step, status);
                        }
                        StepKind::Compute => ledger.computes.push(ComputeOutcome {
                            step: step.id,
                            status: ComputeStatus::Undefined,
                        }),
                        StepKind::Revise => {}
                    }
                    Entry::default()
                }
            };
            ledger.entries.push(entry);
        }
        for entry in &ledger.entries {
            let Some((fact, cell)) = entry.states.filter(|_| !entry.withdrawn) else { continue };
            match ledger.facts.iter_mut().find(|(known, _)| *known == fact) {
                Some(known) => known.1 = cell,
                None => ledger.facts.push((fact, cell)),
            }
        }
        ledger
    }

    fn cite(&mut self, step: &Step, status: CitationStatus) {
        let paragraph = step.citation.unwrap_or(0);
        self.citations.push(CitationOutcome { step: step.id, paragraph, status });
    }

    /// The value that the trace finally gives a fact; `None` where it states none.
    pub(super) fn get(&self, fact: FactRef) -> Option<Cell> {
        self.facts.iter().find(|(known, _)| *known == fact).map(|(_, cell)| *cell)
    }

    /// All facts that the trace finally states.
    pub(super) fn facts(&self) -> &[(FactRef, Cell)] {
        &self.facts
    }

    /// Whether a live extract, or a live compute step that recomputes, has this number.
    pub(super) fn has_number(&self, milli: i64) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.sound && !entry.withdrawn && entry.number == Some(milli))
    }
}

/// The steps before the one being worked out.
struct Before<'a> {
    steps: &'a [Step],
    entries: &'a [Entry],
}

impl Before<'_> {
    fn find(&self, id: StepId) -> Option<usize> {
        self.steps.iter().rposition(|step| step.id == id)
    }

    fn entry(&self, id: StepId) -> Option<&Entry> {
        self.entries.get(self.find(id)?)
    }
}

fn entity(index: &TaskIndex, parsed: &Parsed, named: &Named) -> Option<EntityId> {
    match named {
        Named::Roster(entity) => Some(*entity),
        Named::Other(range) => index.entity(parsed.slice(range)),
    }
}

fn said_number(schema: &AttributeSchema, said: &Said) -> Option<i64> {
    match said {
        Said::Number(found) => in_unit(found, schema.scale),
        Said::Text(_) => None,
    }
}

fn extract(task: &Task, index: &TaskIndex, parsed: &Parsed, claim: &Claim) -> Entry {
    let mut entry = Entry { sound: true, ..Entry::default() };
    let (Some(whose), Some(schema)) =
        (entity(index, parsed, &claim.entity), task.attributes.get(claim.attr.at()))
    else {
        return entry;
    };
    let fact = FactRef { entity: whose, attr: claim.attr };
    let number = said_number(schema, &claim.value);
    match &claim.relative {
        Some(relative) => {
            entry.number =
                number.and_then(|n| if relative.less { n.checked_neg() } else { Some(n) });
            entry.relative =
                entity(index, parsed, &relative.reference).map(|reference| (fact, reference));
        }
        None => {
            entry.number = number;
            let cell = match &claim.value {
                Said::Number(_) => number.map(Cell::Number),
                Said::Text(range) => index.word(claim.attr, parsed.slice(range)),
            };
            entry.states = Some((fact, cell.unwrap_or(Cell::Missing)));
        }
    }
    entry
}

fn citation(
    task: &Task,
    index: &TaskIndex,
    parsed: &Parsed,
    claim: &Claim,
    cited: Option<u32>,
) -> CitationStatus {
    let Some(number) = cited else { return CitationStatus::Missing };
    if !index.has_paragraph(number) {
        return CitationStatus::NoSuchParagraph;
    }
    let names = |named: &Named| {
        entity(index, parsed, named).is_some_and(|entity| index.names(number, entity))
    };
    let reference = claim.relative.as_ref().is_none_or(|relative| names(&relative.reference));
    if !names(&claim.entity) || !reference {
        return CitationStatus::EntityAbsent;
    }
    let holds = task.attributes.get(claim.attr.at()).is_some_and(|schema| match &claim.value {
        Said::Number(_) => said_number(schema, &claim.value)
            .is_some_and(|milli| index.holds_number(number, milli, schema.scale)),
        Said::Text(range) => index.holds_words(number, parsed.slice(range)),
    });
    if holds { CitationStatus::Right } else { CitationStatus::ValueAbsent }
}

fn compute(
    before: &Before<'_>,
    op: ComputeOp,
    arguments: &[Argument],
    result: i64,
) -> (Entry, ComputeStatus) {
    let mut entry = Entry { number: Some(result), ..Entry::default() };
    let status = match recompute(before, op, arguments, result) {
        None => ComputeStatus::Undefined,
        Some(true) => ComputeStatus::Right,
        Some(false) => ComputeStatus::Wrong,
    };
    entry.sound = status == ComputeStatus::Right;
    if let (ComputeOp::Add, [Argument::Step(a), Argument::Step(b)]) = (op, arguments)
        && entry.sound
        && let (Some(a), Some(b)) = (before.entry(*a), before.entry(*b))
    {
        let chained = chain(a, b).or_else(|| chain(b, a));
        entry.states = chained.map(|fact| (fact, Cell::Number(result)));
    }
    (entry, status)
}

/// The fact that an absolute step and a relative step that refers to it add up to.
fn chain(base: &Entry, relative: &Entry) -> Option<FactRef> {
    let (known, _) = base.states?;
    let (fact, reference) = relative.relative?;
    (known.attr == fact.attr && known.entity == reference).then_some(fact)
}

/// Whether the result is that of the operation; `None` where it has none.
fn recompute(
    before: &Before<'_>,
    op: ComputeOp,
    arguments: &[Argument],
    result: i64,
) -> Option<bool> {
    if op == ComputeOp::Count {
        let known = arguments.iter().all(|argument| match argument {
            Argument::Step(id) => before.find(*id).is_some(),
            Argument::Number(_) => true,
        });
        let count = i64::try_from(arguments.len()).ok()?.checked_mul(1000)?;
        return known.then_some(count == result);
    }
    let mut numbers = Vec::with_capacity(arguments.len());
    for argument in arguments {
        numbers.push(match argument {
            Argument::Step(id) => before.entry(*id)?.number?,
            Argument::Number(milli) => *milli,
        });
    }
    let result = i128::from(result);
    Some(match (op, numbers.as_slice()) {
        (ComputeOp::Add, [_, _, ..]) => {
            numbers.iter().map(|n| i128::from(*n)).sum::<i128>() == result
        }
        (ComputeOp::Sub, [a, b]) => i128::from(*a) - i128::from(*b) == result,
        (ComputeOp::Mul, [a, b]) => i128::from(*a) * i128::from(*b) == result * 1000,
        (ComputeOp::Mod, [a, b]) if *b > 0 => i128::from(a.rem_euclid(*b)) == result,
        (ComputeOp::Max, [_, ..]) => numbers.iter().max().map(|n| i128::from(*n)) == Some(result),
        (ComputeOp::Min, [_, ..]) => numbers.iter().min().map(|n| i128::from(*n)) == Some(result),
        (ComputeOp::AbsDiff, [a, b]) => i128::from(a.abs_diff(*b)) == result,
        (ComputeOp::NextPrime, [n]) if n % 1000 == 0 && n / 1000 <= MAX_PRIME_ARGUMENT => {
            i128::from(number::next_prime(n / 1000)) * 1000 == result
        }
        _ => return None,
    })
}
