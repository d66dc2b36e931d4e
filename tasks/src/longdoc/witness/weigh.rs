//! What a careful reader does on the way to an answer and could leave out: filters, comparisons with
//! rivals, and statements that were met and withdrawn.
//!
//! Each is written as a whole or not at all, as long as there are bytes to spare.

use super::{Argument, Id, Source, Trace, step::push_ids};
use crate::{
    grade::measured,
    grammar::MAX_GRAMMAR_STEPS,
    longdoc::{phrase::Phrases, question, solve::How},
    number,
    parse::ORDINALS,
    query::{Cell, Evaluator, cell_of},
    types::{
        AttrId, CompareOp, EntityId, FactRef, Filter, Measure, Order, Query, Rule, Selector,
        Standing, StatementKind, Value,
    },
};

/// A statement that another one overrules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dispute {
    fact: FactRef,
    wrong: Cell,
    /// Where it stands, from 1.
    paragraph: u32,
    /// Where the rule stands that settles it, from 1.
    rule: u32,
}

/// The statements of a document that its rules overrule.
pub(super) fn disputes(source: Source<'_, '_>) -> Vec<Dispute> {
    let statements = || {
        (1_u32..).zip(source.document).flat_map(|(number, paragraph)| {
            paragraph.statements.iter().map(move |statement| (number, &statement.kind))
        })
    };
    let mut rules: Vec<(u32, Rule)> = Vec::new();
    let mut claims: Vec<(u32, FactRef, &Value, Standing)> = Vec::new();
    for (number, kind) in statements() {
        match kind {
            StatementKind::Rule(rule) => rules.push((number, *rule)),
            StatementKind::Absolute { fact, value, standing } => {
                claims.push((number, *fact, value, *standing));
            }
            _ => {}
        }
    }
    let beside = |fact: FactRef, wanted: Standing| {
        claims.iter().any(|(_, about, _, standing)| *about == fact && *standing == wanted)
    };
    let overrules = |rule: Rule, fact: FactRef, standing: Standing| match rule {
        Rule::Over(strong, weak) => weak == standing && beside(fact, strong),
        Rule::Holds(meant) => match (meant, standing) {
            (Standing::Source(_), Standing::Source(_)) => meant != standing && beside(fact, meant),
            (Standing::Extent(_), Standing::Extent(_)) | (Standing::AsOf(_), Standing::AsOf(_)) => {
                meant != standing
            }
            _ => false,
        },
        Rule::Came { condition, came } => !came && standing == Standing::If(condition),
    };
    let mut found = Vec::new();
    for (paragraph, fact, value, standing) in &claims {
        let rule = rules.iter().find(|(_, rule)| overrules(*rule, *fact, *standing));
        let Some((rule, _)) = rule else { continue };
        let schema = source.world.schemas.get(fact.attr.at());
        if let Some(wrong) = schema.and_then(|schema| cell_of(value, schema)) {
            found.push(Dispute { fact: *fact, wrong, paragraph: *paragraph, rule: *rule });
        }
    }
    found
}

/// The attribute that shows that an entity passes a filter.
pub(super) fn tested(filter: &Filter) -> Option<AttrId> {
    match filter {
        Filter::Is { attr, .. } | Filter::IsNot { attr, .. } | Filter::SameAs { attr, .. } => {
            Some(*attr)
        }
        Filter::Bound { measure, .. }
        | Filter::Versus { measure, .. }
        | Filter::Relative { measure, .. } => measure.parts().next(),
    }
}

/// Words with the id of a step behind them.
fn after(words: &str, step: Id) -> String {
    let mut text = format!("{words} ");
    step.push(&mut text);
    text
}

/// Where a trace stood before something that may be taken back.
struct Mark {
    text: usize,
    counts: [u32; 5],
    stated: usize,
    measured: usize,
    spare: usize,
}

impl Trace<'_, '_> {
    /// Writes something that could be left out, or takes it back where it fails or takes more than
    /// there is to spare.
    fn optional(&mut self, write: impl FnOnce(&mut Self) -> Option<()>) {
        if self.spare == 0 {
            return;
        }
        let mark = Mark {
            text: self.text.len(),
            counts: self.counts,
            stated: self.stated.len(),
            measured: self.measured.len(),
            spare: self.spare,
        };
        let written = write(self).is_some();
        let took = self.text.len() - mark.text;
        if written && took <= mark.spare {
            self.spare = mark.spare - took;
            return;
        }
        self.text.truncate(mark.text);
        self.counts = mark.counts;
        self.measured.truncate(mark.measured);
        self.spare = mark.spare;
        for fact in self.stated.split_off(mark.stated) {
            self.steps.remove(&fact);
        }
    }

    /// Meets a statement about the fact that does not hold, and withdraws it.
    pub(super) fn withdraw(&mut self, fact: FactRef, cell: Cell) {
        let dispute = self.disputes.iter().find(|d| d.fact == fact && d.wrong != cell).copied();
        let Some(Dispute { wrong, paragraph, rule, .. }) = dispute else { return };
        self.optional(|trace| {
            let phrases = Phrases { world: trace.world, plain: true };
            let step = trace.extract(paragraph, |out| {
                phrases.push_trace(out, fact, wrong);
                Some(())
            })?;
            let rules = trace.rules;
            let line = trace.line('r', |out| {
                step.push(out);
                out.push_str(" is superseded");
                Trace::cite(rules, out, rule);
                Some(())
            });
            line.map(drop)
        });
    }

    /// The filters and comparisons of a question.
    pub(super) fn weigh(&mut self, query: &Query, evaluator: &Evaluator<'_>) {
        if self.spare == 0 {
            return;
        }
        match query {
            Query::Which(selector)
            | Query::Number { of: selector, .. }
            | Query::Category { of: selector, .. } => self.selector(selector, evaluator),
            Query::Gap { a, b, .. } | Query::Sum { a, b, .. } => {
                self.selector(a, evaluator);
                self.selector(b, evaluator);
            }
            Query::Count(filters) | Query::Total { filters, .. } | Query::Mode { filters, .. } => {
                if let Some(kept) = question::counted(query, evaluator) {
                    self.filters(filters, &kept, evaluator);
                    if let Query::Mode { attr, .. } = query {
                        self.optional(|trace| {
                            let fact = |entity: &EntityId| FactRef { entity: *entity, attr: *attr };
                            let steps = kept
                                .iter()
                                .map(|entity| trace.fact(fact(entity)).map(Argument::Step))
                                .collect::<Option<Vec<_>>>()?;
                            let count = steps.len().to_string();
                            trace.compute("count", &steps, &count).map(drop)
                        });
                    }
                }
            }
            Query::Compare { a, b, measure, order } => {
                self.selector(a, evaluator);
                self.selector(b, evaluator);
                let (Ok(a), Ok(b)) = (evaluator.entity(a), evaluator.entity(b)) else { return };
                if let Ok(crate::types::Answer::Entity(winner)) = evaluator.answer(query) {
                    self.optional(|trace| trace.compare(&[a, b], measure, *order, 1, winner));
                }
            }
        }
    }

    fn selector(&mut self, selector: &Selector, evaluator: &Evaluator<'_>) {
        let Ok(winner) = evaluator.entity(selector) else { return };
        match selector {
            Selector::Named(_) => {}
            Selector::Nearest { measure, to } => {
                self.selector(to, evaluator);
                if let Ok(to) = evaluator.entity(to) {
                    self.optional(|trace| trace.nearest(winner, to, measure));
                }
            }
            Selector::Only(filters) => self.filters(filters, &[winner], evaluator),
            Selector::Ranked { filters, measure, order, rank } => {
                let among = self.rivals(filters, measure, *order, *rank, winner, evaluator);
                self.filters(filters, &[winner], evaluator);
                if among.len() > 1 {
                    self.optional(|trace| trace.compare(&among, measure, *order, *rank, winner));
                }
            }
        }
    }

    /// Those that the winner is held against, and the winner: all that are ahead of it, or else the
    /// one that takes fewest lines, the nearest of these.
    fn rivals(
        &self,
        filters: &[Filter],
        measure: &Measure,
        order: Order,
        rank: u16,
        winner: EntityId,
        evaluator: &Evaluator<'_>,
    ) -> Vec<EntityId> {
        let table = &self.reading.table;
        let mut passing = evaluator.filtered(filters).unwrap_or_default();
        let exact = |entity: &EntityId| {
            let (over, under) = measured(table, *entity, measure).unwrap_or((0, 1));
            // Close enough to sort by: the comparison itself is exact.
            i128::from(over) * 1_000_000 / i128::from(under)
        };
        passing.sort_by_cached_key(exact);
        if order == Order::Highest {
            passing.reverse();
        }
        let Some(place) = passing.iter().position(|entity| *entity == winner) else {
            return Vec::new();
        };
        let mut among: Vec<EntityId> = if rank > 1 {
            passing.get(..=place).unwrap_or(&[]).to_vec()
        } else {
            let attrs = measure.attrs();
            let lines = |entity: &EntityId| -> usize {
                attrs.iter().map(|attr| self.lines(FactRef { entity: *entity, attr: *attr })).sum()
            };
            let rival = passing.iter().skip(place + 1).min_by_key(|entity| lines(entity));
            rival.into_iter().chain([&winner]).copied().collect()
        };
        among.sort_unstable();
        among
    }

    /// How many lines it takes to state a fact.
    fn lines(&self, fact: FactRef) -> usize {
        let mut at = fact;
        let mut lines = 0;
        while !self.steps.contains_key(&at) {
            match self.reading.how(at) {
                How::Relative(_, reference) if lines < 64 => {
                    lines += 2;
                    at.entity = reference;
                }
                _ => return lines + 1,
            }
        }
        lines
    }

    /// `compare(c2, e9; second highest) = e9`
    fn compare(
        &mut self,
        among: &[EntityId],
        measure: &Measure,
        order: Order,
        rank: u16,
        winner: EntityId,
    ) -> Option<()> {
        let mut steps = Vec::with_capacity(among.len());
        let mut found = None;
        for entity in among {
            let step = self.measure(*entity, measure)?;
            if *entity == winner {
                found = Some(step);
            }
            steps.push(step);
        }
        let end = match order {
            Order::Highest => "highest",
            Order::Lowest => "lowest",
        };
        let place = match usize::from(rank).checked_sub(1)? {
            0 => end.to_owned(),
            at => format!("{} {end}", ORDINALS.get(at)?),
        };
        let found = found?;
        self.compared(&steps, &place, found)?;
        Some(())
    }

    /// The distances of the winner and of the cheapest rival to an entity, and which is less.
    fn nearest(&mut self, winner: EntityId, to: EntityId, measure: &Measure) -> Option<()> {
        let lines = |entity: &EntityId| -> usize {
            let attrs = measure.attrs();
            attrs.iter().map(|attr| self.lines(FactRef { entity: *entity, attr: *attr })).sum()
        };
        let others = self.world.entities().filter(|one| *one != winner && *one != to);
        let mut among = [winner, others.min_by_key(lines)?];
        among.sort_unstable();
        let target = self.measure(to, measure)?;
        let own = measured(&self.reading.table, to, measure)?.0;
        let (mut steps, mut found) = (Vec::with_capacity(among.len()), None);
        for entity in among {
            let step = self.measure(entity, measure)?;
            let distance = own.abs_diff(measured(&self.reading.table, entity, measure)?.0);
            let cell = Cell::Number(i64::try_from(distance).ok()?);
            let text = self.distance(cell, measure)?;
            let arguments = [Argument::Step(step), Argument::Step(target)];
            let step = self.compute("abs_diff", &arguments, &text)?;
            found = found.or((entity == winner).then_some(step));
            steps.push(step);
        }
        let found = found?;
        self.compared(&steps, "lowest", found)?;
        Some(())
    }

    fn compared(&mut self, steps: &[Id], place: &str, found: Id) -> Option<Id> {
        self.line('m', |out| {
            out.push_str("compare(");
            push_ids(out, steps);
            out.push_str("; ");
            out.push_str(place);
            out.push_str(") = ");
            found.push(out);
            Some(())
        })
    }

    /// A distance as a number: years differ by no year.
    fn distance(&self, cell: Cell, measure: &Measure) -> Option<String> {
        let attr = measure.attrs().into_iter().next()?;
        match cell {
            Cell::Number(milli) if milli % 1000 == 0 => Some(number::grouped(milli / 1000)),
            cell => Some(self.world.text(cell, attr)),
        }
    }

    fn filters(&mut self, filters: &[Filter], kept: &[EntityId], evaluator: &Evaluator<'_>) {
        for filter in filters {
            if let Filter::SameAs { of, .. } | Filter::Relative { of, .. } = filter {
                self.selector(of, evaluator);
            }
            // A measure of the same entity is another step for each.
            if matches!(filter, Filter::Versus { .. }) {
                for entity in kept {
                    self.optional(|trace| trace.filter(filter, &[*entity], evaluator));
                }
            } else if !kept.is_empty() {
                self.optional(|trace| trace.filter(filter, kept, evaluator));
            }
        }
    }

    /// `filter(e3, e4, e9; above 1,990) = e3, e9`: those that pass and, where it is cheap, one that
    /// does not.
    fn filter(
        &mut self,
        filter: &Filter,
        kept: &[EntityId],
        evaluator: &Evaluator<'_>,
    ) -> Option<()> {
        let words = |op: &CompareOp| match op {
            CompareOp::Above => "above",
            CompareOp::Below => "below",
        };
        let condition = match filter {
            Filter::Is { value, .. } => format!("is {value}"),
            Filter::IsNot { value, .. } => format!("is not {value}"),
            Filter::Bound { measure, op, milli } => {
                let attr = measure.attrs().first().copied()?;
                format!("{} {}", words(op), self.world.text(Cell::Number(*milli), attr))
            }
            Filter::Versus { op, other, .. } => {
                after(words(op), self.measure(*kept.first()?, other)?)
            }
            Filter::SameAs { attr, of } => {
                let entity = evaluator.entity(of).ok()?;
                after("same as", self.fact(FactRef { entity, attr: *attr })?)
            }
            Filter::Relative { measure, op, of } => {
                let entity = evaluator.entity(of).ok()?;
                after(words(op), self.measure(entity, measure)?)
            }
        };
        let mut passed = Vec::with_capacity(kept.len());
        for entity in kept {
            passed.push(self.shown(*entity, filter)?);
        }
        let mut among = passed.clone();
        among.extend(self.rejected(filter, evaluator));
        // A policy under the grammar can write no longer list.
        if among.len() > usize::from(MAX_GRAMMAR_STEPS) {
            return None;
        }
        let line = self.line('f', |out| {
            out.push_str("filter(");
            push_ids(out, &among);
            out.push_str("; ");
            out.push_str(&condition);
            out.push_str(") = ");
            push_ids(out, &passed);
            Some(())
        });
        line.map(drop)
    }

    /// The step by which a filter judges an entity.
    fn shown(&mut self, entity: EntityId, filter: &Filter) -> Option<Id> {
        match filter {
            Filter::Is { attr, .. } | Filter::IsNot { attr, .. } | Filter::SameAs { attr, .. } => {
                self.fact(FactRef { entity, attr: *attr })
            }
            Filter::Bound { measure, .. }
            | Filter::Versus { measure, .. }
            | Filter::Relative { measure, .. } => self.measure(entity, measure),
        }
    }

    /// The step of an entity that is stated already and does not pass.
    fn rejected(&self, filter: &Filter, evaluator: &Evaluator<'_>) -> Option<Id> {
        let attr = match filter {
            Filter::Is { attr, .. } => *attr,
            Filter::Bound { measure: Measure::Attr(attr), .. } => *attr,
            _ => return None,
        };
        let passing = evaluator.filtered(std::slice::from_ref(filter)).ok()?;
        self.world
            .entities()
            .filter(|entity| !passing.contains(entity))
            .find_map(|entity| self.steps.get(&FactRef { entity, attr }).copied())
    }
}
