//! What the text gives against what the key says.

use super::{
    amount::Known,
    ask::Asker,
    demand::{Demand, Demands},
    fault::Fault,
    measure::{Ask, Said as Answered},
    names::Names,
    reader::{Claim, Said},
    settle::{Facts, fact_name},
    witness::Held,
    wordings::{Mark, Wordings},
};
use crate::{
    grade::Grader,
    types::{
        Answer, AnswerKey, Check, Consequence, FactRef, FailureClass, Task, Trap, TrapKind,
        TrapRole, TrapStatus, Value,
    },
};
use lode_proto::attempt::Finish;

/// A task with all that its text says.
pub(super) struct Compare<'a> {
    pub(super) words: &'a Wordings,
    pub(super) active: &'a [usize],
    pub(super) names: &'a Names<'a>,
    pub(super) task: &'a Task,
    pub(super) key: &'a AnswerKey,
    pub(super) said: &'a Said,
}

/// What a reader derives.
struct Derived {
    answers: Vec<Answered>,
    checks: Vec<Check>,
}

impl Compare<'_> {
    pub(super) fn all(&self, facts: &Facts, faults: &mut Vec<Fault>) {
        self.facts(facts, faults);
        self.aliases(faults);
        let (Some(asks), Some(demands)) = (self.asks(facts, faults), self.demands(faults)) else {
            return;
        };
        let reader =
            Demands { words: self.words, active: self.active, names: self.names, task: self.task };
        let derive = |facts: &Facts| -> Result<Derived, String> {
            let mut answers = Vec::with_capacity(asks.len());
            for (at, ask) in asks.iter().enumerate() {
                let answer = facts.answer(ask);
                answers.push(answer.map_err(|why| format!("question {}: {why}", at + 1))?);
            }
            let mut checks = Vec::with_capacity(demands.len());
            for (at, demand) in demands.iter().enumerate() {
                let check = reader.check(demand, &answers, facts);
                checks.push(check.ok_or_else(|| format!("constraint {} is undefined", at + 1))?);
            }
            Ok(Derived { answers, checks })
        };
        let truth = match derive(facts) {
            Ok(truth) => truth,
            Err(why) => {
                faults.push(Fault::Shape(why));
                return;
            }
        };
        for (at, (found, known)) in truth.checks.iter().zip(&self.key.constraints).enumerate() {
            if !same(found, &known.check) {
                faults.push(Fault::Check {
                    constraint: at + 1,
                    found: format!("{found:?}"),
                    known: format!("{:?}", known.check),
                });
            }
        }
        self.undeclared(facts, faults);
        let grader = Grader::new(self.task, self.key);
        let held = Held {
            words: self.words,
            active: self.active,
            task: self.task,
            claims: &self.said.claims,
        };
        let own = held.fault(&self.key.witness, facts, &truth.answers, &truth.checks, None);
        let verdict = grader.grade(self.key.witness.as_bytes(), Finish::Stop);
        let graded = verdict.failure.map(|class| format!("the grader fails it as {class:?}"));
        faults.extend(own.or(graded).map(|why| Fault::Witness { why }));

        let mut told: Vec<(FactRef, TrapKind)> = Vec::new();
        for (at, trap) in self.key.traps.iter().enumerate() {
            let number = at + 1;
            if let Some(why) = self.place(trap, facts) {
                faults.push(Fault::TrapPlace { trap: number, why });
            }
            let Some(wrong) = self.known(trap.fact, &trap.wrong) else {
                let why = "its wrong value does not fit its attribute".to_owned();
                faults.push(Fault::TrapPlace { trap: number, why });
                continue;
            };
            let (entity, attr) = (trap.fact.entity.at(), trap.fact.attr.at());
            let misread = facts.misread(entity, attr, wrong);
            let caught = match derive(&misread) {
                Ok(caught) => caught,
                Err(why) => {
                    faults.push(Fault::TrapPath { trap: number, why });
                    continue;
                }
            };
            faults.extend(self.path(number, trap, &truth, &caught));
            if trap.role != TrapRole::Binding || told.contains(&(trap.fact, trap.kind)) {
                continue;
            }
            told.push((trap.fact, trap.kind));
            let fail = |why: String| Fault::Trapped { trap: number, why };
            let text = self.key.trapped.iter().find(|t| usize::from(t.trap) == number);
            let Some(text) = text.map(|trapped| trapped.text.as_str()) else {
                faults.push(fail("there is none".to_owned()));
                continue;
            };
            let place = Some((entity, attr));
            let own = held.fault(text, &misread, &caught.answers, &caught.checks, place);
            let verdict = grader.grade(text.as_bytes(), Finish::Stop);
            let named = verdict
                .traps
                .iter()
                .any(|t| usize::from(t.trap) == number && t.status == TrapStatus::Caught);
            let graded = match verdict.failure {
                Some(FailureClass::Trap) if named => None,
                Some(class) => Some(format!("the grader fails it as {class:?}")),
                None => Some("the grader passes it".to_owned()),
            };
            faults.extend(own.or(graded).map(fail));
        }
        if !self.key.traps.iter().any(|trap| trap.role == TrapRole::Binding) {
            faults.push(Fault::NoTrap);
        }
    }

    /// The one meaning of each question, with the gold answers compared.
    fn asks(&self, facts: &Facts, faults: &mut Vec<Fault>) -> Option<Vec<Ask>> {
        let asker = Asker { words: self.words, active: self.active, names: self.names };
        let mut asks = Vec::with_capacity(self.task.questions.len());
        let before = faults.len();
        for (at, (question, gold)) in self.task.questions.iter().zip(&self.key.gold).enumerate() {
            let number = at + 1;
            let readings = asker.readings(&question.text);
            let mut answers: Vec<Answered> =
                readings.iter().filter_map(|ask| facts.answer(ask).ok()).collect();
            answers.sort();
            answers.dedup();
            let text = question.text.clone();
            match (answers.as_slice(), readings.as_slice()) {
                ([answer], [.., _]) => {
                    if !self.agrees(&gold.answer, *answer) {
                        let (found, known) = (format!("{answer:?}"), format!("{:?}", gold.answer));
                        faults.push(Fault::Gold { question: number, found, known });
                    }
                    let fits = |ask: &&Ask| facts.answer(ask) == Ok(*answer);
                    asks.extend(readings.iter().find(fits).cloned());
                }
                ([], [first, ..]) => {
                    let why = facts.answer(first).err().unwrap_or("it has no answer");
                    faults.push(Fault::NoAnswer { question: number, why });
                }
                (several, _) => {
                    faults.push(Fault::Question {
                        question: number,
                        readings: several.len(),
                        text,
                    });
                }
            }
        }
        let wrong = |fault: &Fault| !matches!(fault, Fault::Gold { .. });
        let broken = faults.get(before..).is_some_and(|new| new.iter().any(wrong));
        (!broken && asks.len() == self.task.questions.len()).then_some(asks)
    }

    fn demands(&self, faults: &mut Vec<Fault>) -> Option<Vec<Demand>> {
        let reader =
            Demands { words: self.words, active: self.active, names: self.names, task: self.task };
        let mut demands = Vec::with_capacity(self.task.constraints.len());
        for (at, text) in self.task.constraints.iter().enumerate() {
            match reader.read(&text.0) {
                Some(demand) => demands.push(demand),
                None => faults.push(Fault::Constraint { constraint: at + 1, text: text.0.clone() }),
            }
        }
        (demands.len() == self.task.constraints.len()).then_some(demands)
    }

    /// Whether an answer of the key is the one that follows.
    fn agrees(&self, answer: &Answer, found: Answered) -> bool {
        match (answer, found) {
            (Answer::Entity(entity), Answered::Entity(at)) => entity.at() == at,
            (Answer::Integer(n), Answered::Number(milli)) => n.checked_mul(1000) == Some(milli),
            (Answer::Decimal(known), Answered::Number(milli)) => *known == milli,
            (Answer::Category(text), Answered::Word(attr, word)) => {
                let attribute = self.active.get(attr).and_then(|at| self.words.attributes.get(*at));
                attribute.and_then(|a| a.vocabulary.get(word)) == Some(text)
            }
            _ => false,
        }
    }

    /// A value of the key.
    fn known(&self, fact: FactRef, value: &Value) -> Option<Known> {
        match value {
            Value::Text(text) => {
                let attribute = self.words.attributes.get(*self.active.get(fact.attr.at())?)?;
                attribute.word(text).map(Known::Word)
            }
            number => number.milli().map(Known::Number),
        }
    }

    fn name(&self, fact: FactRef) -> String {
        fact_name(self.task, fact.entity.at(), fact.attr.at())
    }

    fn facts(&self, facts: &Facts, faults: &mut Vec<Fault>) {
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); facts.entities * facts.attrs];
        for claim in self.said.claims.iter().filter(|claim| !claim.wider && !claim.rounded) {
            let Some(entity) = claim.entity else { continue };
            let truth = facts.value(entity, claim.attr);
            if claim.reference.is_some() || truth == Some(claim.value) {
                places[entity * facts.attrs + claim.attr].push(claim.paragraph);
            }
        }
        places.iter_mut().for_each(|list| list.sort_unstable());
        if self.key.facts.len() != places.len() {
            let found =
                format!("{} facts in the text, {} in the key", places.len(), self.key.facts.len());
            faults.push(Fault::Shape(found));
            return;
        }
        for known in &self.key.facts {
            let (entity, attr) = (known.fact.entity.at(), known.fact.attr.at());
            let settled = facts.get(entity, attr);
            if settled.map(|s| s.value) != self.known(known.fact, &known.value) {
                faults.push(Fault::FactValue { fact: self.name(known.fact) });
            }
            let reference = known.reference.map(|fact| fact.entity.at());
            if settled.and_then(|s| s.reference) != reference {
                faults.push(Fault::FactReference { fact: self.name(known.fact) });
            }
            let found = places.get(entity * facts.attrs + attr).cloned().unwrap_or_default();
            if found != known.paragraphs {
                let known_places = known.paragraphs.clone();
                faults.push(Fault::FactPlaces {
                    fact: self.name(known.fact),
                    found,
                    known: known_places,
                });
            }
        }
    }

    /// Every name that leads to an entity without being its own.
    fn aliases(&self, faults: &mut Vec<Fault>) {
        let mut found: Vec<(usize, String, Option<u32>)> = self
            .said
            .aliases
            .iter()
            .map(|((entity, name), paragraph)| (*entity, name.clone(), Some(*paragraph)))
            .collect();
        for claim in &self.said.claims {
            if let (Some(entity), Some(name)) = (claim.entity, &claim.written) {
                found.push((entity, name.clone(), None));
            }
        }
        let mut known: Vec<(usize, String, Option<u32>)> = self
            .key
            .aliases
            .iter()
            .map(|alias| (alias.entity.at(), alias.name.clone(), alias.defined_in))
            .collect();
        for list in [&mut found, &mut known] {
            list.sort();
            list.dedup();
        }
        let differs = found.iter().find(|f| !known.contains(f));
        let differs = differs.or_else(|| known.iter().find(|k| !found.contains(k)));
        faults.extend(differs.map(|(_, name, _)| Fault::Aliases { name: name.clone() }));
    }

    /// Wrong values in the text that no trap of the key declares.
    fn undeclared(&self, facts: &Facts, faults: &mut Vec<Fault>) {
        let declared = |fact: (usize, usize), wrong: Known, fits: &dyn Fn(TrapKind) -> bool| {
            self.key.traps.iter().any(|trap| {
                (trap.fact.entity.at(), trap.fact.attr.at()) == fact
                    && self.known(trap.fact, &trap.wrong) == Some(wrong)
                    && fits(trap.kind)
            })
        };
        for claim in &self.said.claims {
            let Some(entity) = claim.entity else { continue };
            let truth = facts.value(entity, claim.attr);
            let fact = (entity, claim.attr);
            if claim.rounded {
                if !rounds(truth, claim.value) {
                    let fact = fact_name(self.task, entity, claim.attr);
                    faults.push(Fault::Contradiction { fact });
                }
                continue;
            }
            if claim.reference.is_some() || (truth == Some(claim.value) && !claim.wider) {
                continue;
            }
            let fits = |kind: TrapKind| kind_fits(claim, kind);
            if !declared(fact, claim.value, &fits) {
                let fact = fact_name(self.task, entity, claim.attr);
                faults.push(Fault::Undeclared { paragraph: claim.paragraph, fact });
            }
        }
        for ((entity, attr, value), paragraph) in &self.said.instructions {
            let right = facts.value(*entity, *attr) == Some(*value);
            let planted = |kind| kind == TrapKind::PlantedInstruction;
            if !right && !declared((*entity, *attr), *value, &planted) {
                let fact = fact_name(self.task, *entity, *attr);
                faults.push(Fault::Undeclared { paragraph: *paragraph, fact });
            }
        }
    }

    /// What differs between a trap of the key and the text, if anything.
    fn place(&self, trap: &Trap, facts: &Facts) -> Option<String> {
        let (entity, attr) = (trap.fact.entity.at(), trap.fact.attr.at());
        let Some(settled) = facts.get(entity, attr) else {
            return Some("it is about a fact that nothing states".to_owned());
        };
        let (right, wrong) =
            (self.known(trap.fact, &trap.right), self.known(trap.fact, &trap.wrong));
        if right != Some(settled.value) || wrong == right {
            return Some("its right value is not the one that follows".to_owned());
        }
        let mut holds: Vec<u32> = Vec::new();
        let mut states: Vec<u32> = Vec::new();
        for claim in self.said.claims.iter().filter(|claim| !claim.rounded) {
            let own = claim.entity == Some(entity) && claim.attr == attr;
            let tempts = match trap.kind {
                TrapKind::Superseded
                | TrapKind::OutsideFilter
                | TrapKind::ConditionalCorrection => {
                    own && claim.reference.is_none() && !claim.wider && Some(claim.value) == wrong
                }
                TrapKind::Scope => own && claim.reference.is_none() && Some(claim.value) == wrong,
                TrapKind::Unit => {
                    let printed = claim.printed.map(Known::Number);
                    own && Some(claim.value) == right && printed.is_some() && printed == wrong
                }
                TrapKind::Homonym | TrapKind::PlantedInstruction => false,
            };
            if tempts {
                holds.push(claim.paragraph);
            }
            let stated = claim.reference.is_some() || (Some(claim.value) == right && !claim.wider);
            if own && stated {
                states.push(claim.paragraph);
            }
        }
        if trap.kind == TrapKind::PlantedInstruction {
            let planted = |((e, a, value), _): &&((usize, usize, Known), u32)| {
                (*e, *a) == (entity, attr) && Some(*value) == wrong
            };
            holds.extend(self.said.instructions.iter().filter(planted).map(|(_, at)| *at));
        }
        if trap.kind == TrapKind::Homonym {
            holds.extend(self.namesake(trap, wrong, facts));
        }
        // Rules that settle it: the one that the right statement holds by.
        let marks: Vec<Mark> = self
            .said
            .claims
            .iter()
            .filter(|c| c.entity == Some(entity) && c.attr == attr && Some(c.value) == right)
            .map(|claim| claim.mark)
            .collect();
        states.extend(self.said.holds.iter().filter(|(m, _)| marks.contains(m)).map(|(_, at)| *at));
        states.extend(self.said.outcomes.iter().filter_map(|((condition, came), at)| {
            (*came && marks.contains(&Mark::If(*condition))).then_some(*at)
        }));
        if trap.kind == TrapKind::Superseded {
            states.extend(self.said.over.iter().map(|(_, at)| *at));
        }
        for list in [&mut holds, &mut states] {
            list.sort_unstable();
            list.dedup();
        }
        if holds.is_empty() || holds != trap.wrong_paragraphs {
            return Some(format!(
                "its wrong value stands in {holds:?}, the key says {:?}",
                trap.wrong_paragraphs
            ));
        }
        (states != trap.right_paragraphs).then(|| {
            format!(
                "its right value is stated or settled in {states:?}, the key says {:?}",
                trap.right_paragraphs
            )
        })
    }

    /// Where the text speaks of another entity with the same first word and the wrong value: of
    /// the one that the trap is about, where there are several.
    fn namesake(&self, trap: &Trap, wrong: Option<Known>, facts: &Facts) -> Vec<u32> {
        let (entity, attr) = (trap.fact.entity.at(), trap.fact.attr.at());
        let first = |entity: usize| {
            self.task.roster.get(entity).and_then(|entry| entry.name.split(' ').next())
        };
        let namesakes = (0..facts.entities).filter(|other| {
            *other != entity && first(*other) == first(entity) && facts.value(*other, attr) == wrong
        });
        let mut told: Vec<Vec<u32>> = namesakes
            .map(|other| {
                let about = |claim: &&Claim| {
                    !claim.rounded && claim.entity == Some(other) && claim.attr == attr
                };
                self.said.claims.iter().filter(about).map(|claim| claim.paragraph).collect()
            })
            .collect();
        let meant = told.iter().position(|places| *places == trap.wrong_paragraphs).unwrap_or(0);
        if told.is_empty() { Vec::new() } else { told.swap_remove(meant) }
    }

    /// What differs between where a trap leads and where the key says it leads.
    fn path(&self, number: usize, trap: &Trap, truth: &Derived, caught: &Derived) -> Option<Fault> {
        let mut found = 0;
        let differ = |why: String| Some(Fault::TrapPath { trap: number, why });
        for (at, (right, wrong)) in truth.answers.iter().zip(&caught.answers).enumerate() {
            let told = trap.consequences.iter().find_map(|consequence| match consequence {
                Consequence::Answer { question, answer } if usize::from(*question) == at + 1 => {
                    Some(answer)
                }
                _ => None,
            });
            found += usize::from(right != wrong);
            if (right != wrong) != told.is_some()
                || told.is_some_and(|answer| !self.agrees(answer, *wrong))
            {
                return match trap.role {
                    TrapRole::Bait => Some(Fault::Bites { trap: number }),
                    TrapRole::Binding => differ(format!("question {} becomes {wrong:?}", at + 1)),
                };
            }
        }
        for (at, (right, wrong)) in truth.checks.iter().zip(&caught.checks).enumerate() {
            let told = trap.consequences.iter().find_map(|consequence| match consequence {
                Consequence::Check { constraint, check } if usize::from(*constraint) == at + 1 => {
                    Some(check)
                }
                _ => None,
            });
            found += usize::from(right != wrong);
            if (right != wrong) != told.is_some() || told.is_some_and(|check| !same(wrong, check)) {
                return match trap.role {
                    TrapRole::Bait => Some(Fault::Bites { trap: number }),
                    TrapRole::Binding => differ(format!("constraint {} becomes {wrong:?}", at + 1)),
                };
            }
        }
        match (found, trap.role) {
            (0, TrapRole::Binding) => Some(Fault::Idle { trap: number }),
            (1.., TrapRole::Bait) => Some(Fault::Bites { trap: number }),
            _ if found != trap.consequences.len() => {
                differ("the key lists consequences that do not follow".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether a kind of trap is what a losing statement tempts to.
fn kind_fits(claim: &Claim, kind: TrapKind) -> bool {
    if claim.wider {
        return kind == TrapKind::Scope;
    }
    match claim.mark {
        Mark::Plain | Mark::Source(_) => {
            matches!(kind, TrapKind::Superseded | TrapKind::OutsideFilter)
        }
        Mark::Extent(_) | Mark::Date(_) => {
            matches!(kind, TrapKind::Scope | TrapKind::OutsideFilter)
        }
        Mark::If(_) => matches!(kind, TrapKind::ConditionalCorrection | TrapKind::OutsideFilter),
    }
}

/// Whether a figure is the truth rounded to its two leading digits.
fn rounds(truth: Option<Known>, about: Known) -> bool {
    let (Some(Known::Number(truth)), Known::Number(about)) = (truth, about) else { return false };
    let mut unit = 1000;
    while truth / unit >= 100 {
        unit *= 10;
    }
    about % unit == 0 && (about - truth).abs() * 2 <= unit
}

/// Whether two checks are the same but for surface forms.
fn same(a: &Check, b: &Check) -> bool {
    match (a, b) {
        (Check::Contains(a), Check::Contains(b)) | (Check::StartsWith(a), Check::StartsWith(b)) => {
            a.first() == b.first()
        }
        (Check::Order(a), Check::Order(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.first() == b.first())
        }
        _ => a == b,
    }
}
