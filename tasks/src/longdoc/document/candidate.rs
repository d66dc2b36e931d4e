//! Paragraphs that dispute a fact: its candidates, each in one sentence with its standing, the
//! rules that tell them apart, and instructions.

use super::{Draft, capitalised, paragraph::AMOUNT_BYTES, section::Writer, statement};
use crate::{
    domain::Domain,
    draw::Draw,
    longdoc::{
        dispute::{Candidate, Dispute},
        phrase::Phrases,
        words,
    },
    query::Cell,
    types::{FactRef, Rule, Standing, Statement, StatementKind},
};

impl Writer<'_, '_> {
    /// One paragraph a candidate, and the instruction, if one is planted.
    pub(super) fn dispute(&self, dispute: &Dispute, draw: &mut Draw) -> Option<Vec<Draft>> {
        let mut drafts = Vec::with_capacity(dispute.candidates.len() + 1);
        for candidate in &dispute.candidates {
            drafts.push(self.candidate(dispute.fact, *candidate, draw)?);
        }
        if let Some(cell) = dispute.planted {
            drafts.push(self.instruction(dispute.fact, cell, draw)?);
        }
        Some(drafts)
    }

    fn candidate(&self, fact: FactRef, candidate: Candidate, draw: &mut Draw) -> Option<Draft> {
        let mut amount = String::with_capacity(AMOUNT_BYTES);
        let printed =
            self.amount(&mut amount, fact.attr, candidate.cell, candidate.unit_form, draw)?;
        let named = self.mention(fact.entity, draw);
        let body = self.body(fact, &amount, named.as_ref(), draw)?;
        let text = self.standing(body, candidate.standing, draw)?;
        let value = self.value(fact, candidate.cell)?;
        let kind = StatementKind::Absolute { fact, value, standing: candidate.standing };
        Some(Draft { text, statements: vec![Statement { kind, named, printed }] })
    }

    /// A sentence together with what it says of its own standing.
    pub(super) fn standing(
        &self,
        body: String,
        standing: Standing,
        draw: &mut Draw,
    ) -> Option<String> {
        attributed(self.world.domain, body, standing, draw)
    }

    /// The rules that the document's disputes need, a paragraph each.
    pub(super) fn rules(&self, draw: &mut Draw) -> Option<Vec<Draft>> {
        let standings = || {
            self.drawn.disputes.iter().flat_map(|dispute| &dispute.candidates).map(|c| c.standing)
        };
        let meant = self.drawn.meant;
        let mut rules = Vec::new();
        let mut holds = |text: String, standing: Standing| {
            let kind = StatementKind::Rule(Rule::Holds(standing));
            rules.push(Draft { text, statements: vec![statement(kind)] });
        };
        if standings().any(|standing| matches!(standing, Standing::Source(_))) {
            let source = self.world.domain.sources.get(usize::from(meant.source))?;
            let (before, after) = draw.pick(&words::SOURCE_RULES)?;
            holds(format!("{before}{source}{after}"), Standing::Source(meant.source));
        }
        if standings().any(|standing| matches!(standing, Standing::Extent(_))) {
            let extent = self.world.domain.scopes.get(usize::from(meant.extent))?;
            holds(extent.rule.clone(), Standing::Extent(meant.extent));
        }
        if standings().any(|standing| matches!(standing, Standing::AsOf(_))) {
            let date = words::DATES.get(usize::from(meant.date))?;
            let (before, after) = draw.pick(&words::DATE_RULES)?;
            holds(format!("{before}{date}{after}"), Standing::AsOf(meant.date));
        }
        for dispute in &self.drawn.disputes {
            rules.extend(self.outcomes(dispute, draw)?);
        }
        Some(rules)
    }

    /// Which of a dispute's conditions came about, in one paragraph.
    fn outcomes(&self, dispute: &Dispute, draw: &mut Draw) -> Option<Option<Draft>> {
        let mut outcomes: Vec<(u8, bool)> = dispute
            .candidates
            .iter()
            .enumerate()
            .filter_map(|(at, candidate)| match candidate.standing {
                Standing::If(condition) => Some((condition, at == dispute.right)),
                _ => None,
            })
            .collect();
        if outcomes.is_empty() {
            return Some(None);
        }
        draw.shuffle(&mut outcomes);
        let mut draft = Draft { text: String::new(), statements: Vec::new() };
        for (condition, came) in outcomes {
            let words = words::CONDITIONS.get(usize::from(condition))?;
            if !draft.text.is_empty() {
                draft.text.push(' ');
            }
            draft.text.push_str(if came { words.came } else { words.failed });
            draft.statements.push(statement(StatementKind::Rule(Rule::Came { condition, came })));
        }
        Some(Some(draft))
    }

    /// A sentence that tells the reader what to report.
    pub(super) fn instruction(&self, fact: FactRef, cell: Cell, draw: &mut Draw) -> Option<Draft> {
        let sentence = Phrases { world: self.world, plain: true }.trace(fact, cell);
        let text =
            draw.pick(&self.world.domain.instructions)?.fill(|_, out| out.push_str(&sentence));
        let value = self.value(fact, cell)?;
        let kind = StatementKind::Instruction { fact, value };
        Some(Draft { text, statements: vec![statement(kind)] })
    }
}

/// A sentence together with what it says of its own standing.
pub(in crate::longdoc) fn attributed(
    domain: &Domain,
    body: String,
    standing: Standing,
    draw: &mut Draw,
) -> Option<String> {
    Some(match standing {
        Standing::Plain | Standing::Wider => body,
        Standing::Source(at) => {
            let source = domain.sources.get(usize::from(at))?;
            let (before, after, begins) = draw.pick(&words::BY_SOURCE)?;
            let source = if *begins { capitalised(source) } else { source.clone() };
            let after = after.replace("{}", &body);
            format!("{before}{source}{after}")
        }
        Standing::Extent(at) => {
            format!("{body} {}", domain.scopes.get(usize::from(at))?.note)
        }
        Standing::AsOf(at) => {
            let (before, after) = draw.pick(&words::BY_DATE)?;
            let date = words::DATES.get(usize::from(at))?;
            format!("{before}{date}{after}{body}")
        }
        Standing::If(at) => {
            let (before, after) = draw.pick(&words::BY_CONDITION)?;
            let clause = words::CONDITIONS.get(usize::from(at))?.clause;
            format!("{before}{clause}{after}{body}")
        }
    })
}
