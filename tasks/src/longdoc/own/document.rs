//! The document: the files' paragraphs in their order under the names of their files, and ours put
//! among them at random places: introductions of aliases, notes, instructions and rules.

use super::{
    collection::{Collection, Mention},
    contest::{Contest, Contests, Holds, Mechanism},
    window::Window,
    words,
};
use crate::{
    domain::Slot,
    draw::Draw,
    lint,
    longdoc::{
        document::{Document, Draft, alias, attributed, capitalised, nothing, statement},
        phrase::Phrases,
        words as shared,
        world::World,
    },
    query::{Cell, value_of},
    types::{DocParagraph, EntityId, FactRef, Naming, Rule, Standing, Statement, StatementKind},
};

/// Renders a window with its contests.
pub(super) fn write(
    collection: &Collection,
    window: &Window,
    world: &World<'_>,
    contests: &Contests,
    draw: &mut Draw,
) -> Option<Document> {
    let aliases = aliases(collection, window);
    let writer = Writer { world, contests };
    let mut ours = Vec::new();
    for (entity, name) in &aliases {
        ours.push(writer.introduced(*entity, name, draw)?);
    }
    for contest in &contests.all {
        writer.notes(contest, &mut ours, draw)?;
    }
    writer.rules(&mut ours, draw)?;
    // What others wrote is as they wrote it; ours must be clean language.
    if ours.iter().any(|draft| lint::lint(&draft.text).is_err()) {
        return None;
    }
    let drafts = mixed(theirs(collection, window, world)?, ours, draw);
    let (paragraphs, statements) = drafts
        .into_iter()
        .map(|draft| (draft.text, DocParagraph { statements: draft.statements }))
        .unzip();
    Some(Document { paragraphs, statements, aliases })
}

/// Aliases that stand in the window's paragraphs.
fn aliases(collection: &Collection, window: &Window) -> Vec<(EntityId, String)> {
    let mut named: Vec<Mention> = window
        .paragraphs
        .iter()
        .filter_map(|place| collection.mentions.get(*place))
        .flat_map(|mentions| mentions.iter().map(|(_, _, mention)| *mention))
        .filter(|mention| mention.alias.is_some())
        .collect();
    named.sort_unstable();
    named.dedup();
    let alias = |mention: Mention| {
        let id = window.entities().find(|(_, place)| *place == mention.entity)?.0;
        let alias = collection.entities.get(mention.entity)?.aliases.get(mention.alias?)?;
        Some((id, alias.clone()))
    };
    named.into_iter().filter_map(alias).collect()
}

/// The files' paragraphs with what they state, behind the name of each file.
fn theirs(collection: &Collection, window: &Window, world: &World<'_>) -> Option<Vec<Draft>> {
    let stated = window.statements(collection);
    let mut drafts = Vec::with_capacity(window.paragraphs.len() + collection.files.len());
    let mut file = None;
    for place in &window.paragraphs {
        let paragraph = collection.paragraphs.get(*place)?;
        if file != Some(paragraph.file) {
            file = Some(paragraph.file);
            let (before, after) = words::FILE;
            let name = collection.files.get(paragraph.file)?;
            drafts.push(nothing(format!("{before}{name}{after}")));
        }
        let from = stated.partition_point(|(quote, ..)| quote.paragraph < *place);
        let here = stated.get(from..)?.iter().take_while(|(quote, ..)| quote.paragraph == *place);
        let mut draft = Draft { text: paragraph.text.clone(), statements: Vec::new() };
        for (_, fact, cell) in here {
            let value = value_of(*cell, &world.schemas[fact.attr.at()])?;
            let kind = StatementKind::Absolute { fact: *fact, value, standing: Standing::Plain };
            let named = own_name(collection, window, *place, fact.entity)?;
            draft.statements.push(Statement { kind, named, printed: None });
        }
        if draft.statements.is_empty() {
            draft.statements.push(statement(StatementKind::Nothing));
        }
        drafts.push(draft);
    }
    Some(drafts)
}

/// How a paragraph of theirs names an entity, where it does not use the canonical name.
fn own_name(
    collection: &Collection,
    window: &Window,
    paragraph: usize,
    entity: EntityId,
) -> Option<Option<Naming>> {
    let place = window.entities().nth(entity.at())?.1;
    let mentions = collection.mentions.get(paragraph)?;
    let mut own = mentions.iter().map(|(_, _, mention)| mention).filter(|m| m.entity == place);
    if own.clone().any(|mention| mention.alias.is_none()) {
        return Some(None);
    }
    let name = collection.entities.get(place)?.aliases.get(own.next()?.alias?)?;
    Some(Some(alias(name)))
}

/// Ours, in random order, each at a random place behind the first paragraph of theirs.
fn mixed(theirs: Vec<Draft>, mut ours: Vec<Draft>, draw: &mut Draw) -> Vec<Draft> {
    draw.shuffle(&mut ours);
    let mut places: Vec<(usize, Draft)> =
        ours.into_iter().map(|draft| (draw.index(theirs.len()), draft)).collect();
    places.sort_by_key(|(place, _)| *place);
    let mut places = places.into_iter().peekable();
    let mut all = Vec::with_capacity(theirs.len() + places.len());
    for (at, draft) in theirs.into_iter().enumerate() {
        all.push(draft);
        while let Some((_, draft)) = places.next_if(|(place, _)| *place == at) {
            all.push(draft);
        }
    }
    all
}

struct Writer<'w, 'a> {
    world: &'w World<'a>,
    contests: &'w Contests,
}

impl Writer<'_, '_> {
    fn introduced(&self, entity: EntityId, alias: &str, draw: &mut Draw) -> Option<Draft> {
        let name = self.world.name(entity);
        let text = draw.pick(&self.world.domain.aliases)?.fill(|slot, out| {
            out.push_str(if slot == Slot::Entity { name } else { alias });
        });
        let kind = StatementKind::AliasOf { entity, alias: alias.to_owned() };
        Some(Draft { text: note(&text), statements: vec![statement(kind)] })
    }

    /// The notes of a contest and the instruction, if one is planted.
    fn notes(&self, contest: &Contest, out: &mut Vec<Draft>, draw: &mut Draw) -> Option<()> {
        let fact = contest.fact;
        let schema = &self.world.schemas[fact.attr.at()];
        for candidate in contest.notes() {
            let body = self.sentence(fact, candidate.cell, draw)?;
            let text = attributed(self.world.domain, body, candidate.standing, draw)?;
            let value = value_of(candidate.cell, schema)?;
            let kind = StatementKind::Absolute { fact, value, standing: candidate.standing };
            out.push(Draft { text: note(&text), statements: vec![statement(kind)] });
        }
        if let Some(cell) = contest.planted {
            let sentence = Phrases { world: self.world, plain: true }.trace(fact, cell);
            let wordings = &self.world.domain.instructions;
            let text = draw.pick(wordings)?.fill(|_, out| out.push_str(&sentence));
            let kind = StatementKind::Instruction { fact, value: value_of(cell, schema)? };
            out.push(Draft { text: note(&text), statements: vec![statement(kind)] });
        }
        Some(())
    }

    /// A fact in one sentence.
    fn sentence(&self, fact: FactRef, cell: Cell, draw: &mut Draw) -> Option<String> {
        let attribute = self.world.attribute(fact.attr);
        let mut amount = self.world.text(cell, fact.attr);
        if matches!(cell, Cell::Number(_)) {
            amount = draw.pick(&attribute.forms)?.fill(|_, out| out.push_str(&amount));
        }
        let name = self.world.name(fact.entity);
        let text = draw.pick(&attribute.plain)?.fill(|slot, out| {
            out.push_str(if slot == Slot::Entity { name } else { &amount });
        });
        Some(capitalised(&text))
    }

    /// The rules that the contests need, a paragraph each.
    fn rules(&self, out: &mut Vec<Draft>, draw: &mut Draw) -> Option<()> {
        let domain = self.world.domain;
        if let Some(over) = self.of(Mechanism::Sources) {
            let text = match self.contests.sources {
                Holds::Files => (*draw.pick(&words::FILES_OVER_SOURCES)?).to_owned(),
                Holds::Note(mark) => {
                    let (before, after) = draw.pick(&words::SOURCE_OVER_FILES)?;
                    let source = domain.sources.get(usize::from(mark))?;
                    format!("{before}{source}{after}")
                }
            };
            out.push(rule(&text, self.contests.sources, Standing::Source, over));
        }
        if let Some(over) = self.of(Mechanism::Dates) {
            let text = match self.contests.dates {
                Holds::Files => (*draw.pick(&words::FILES_OVER_DATES)?).to_owned(),
                Holds::Note(mark) => {
                    let (before, after) = draw.pick(&words::DATE_OVER_FILES)?;
                    let date = shared::DATES.get(usize::from(mark))?;
                    format!("{before}{date}{after}")
                }
            };
            out.push(rule(&text, self.contests.dates, Standing::AsOf, over));
        }
        let conditional = || {
            let all = self.contests.all.iter();
            all.filter(|contest| contest.mechanism == Mechanism::Conditions)
        };
        if conditional().next().is_some() {
            let over = conditional().filter_map(Contest::winner).filter(|s| *s != Standing::Plain);
            let statements: Vec<Statement> = over
                .map(|strong| statement(StatementKind::Rule(Rule::Over(strong, Standing::Plain))))
                .collect();
            let text = note(draw.pick(&words::CONDITIONS)?);
            out.push(if statements.is_empty() {
                nothing(text)
            } else {
                Draft { text, statements }
            });
        }
        for contest in conditional() {
            out.push(outcomes(contest, draw)?);
        }
        Some(())
    }

    /// The standings of all notes of a mechanism; `None` where there is none.
    fn of(&self, mechanism: Mechanism) -> Option<Vec<Standing>> {
        let mut all: Vec<Standing> = self
            .contests
            .all
            .iter()
            .filter(|contest| contest.mechanism == mechanism)
            .flat_map(|contest| contest.notes().map(|candidate| candidate.standing))
            .collect();
        all.sort_unstable();
        all.dedup();
        (!all.is_empty()).then_some(all)
    }
}

/// The rule of a mechanism as a paragraph.
fn rule(text: &str, holds: Holds, of: fn(u8) -> Standing, notes: Vec<Standing>) -> Draft {
    let rules: Vec<Rule> = match holds {
        Holds::Files => notes.into_iter().map(|weak| Rule::Over(Standing::Plain, weak)).collect(),
        Holds::Note(mark) => vec![Rule::Holds(of(mark)), Rule::Over(of(mark), Standing::Plain)],
    };
    let statements = rules.into_iter().map(|rule| statement(StatementKind::Rule(rule))).collect();
    Draft { text: note(text), statements }
}

/// Which of a contest's conditions came about, in one paragraph.
fn outcomes(contest: &Contest, draw: &mut Draw) -> Option<Draft> {
    let winner = contest.winner();
    let mut outcomes: Vec<(u8, bool)> = contest
        .notes()
        .filter_map(|candidate| match candidate.standing {
            Standing::If(condition) => Some((condition, winner == Some(candidate.standing))),
            _ => None,
        })
        .collect();
    draw.shuffle(&mut outcomes);
    let mut texts = Vec::with_capacity(outcomes.len());
    let mut statements = Vec::with_capacity(outcomes.len());
    for (condition, came) in outcomes {
        let words = shared::CONDITIONS.get(usize::from(condition))?;
        texts.push(if came { words.came } else { words.failed });
        statements.push(statement(StatementKind::Rule(Rule::Came { condition, came })));
    }
    Some(Draft { text: note(&texts.join(" ")), statements })
}

fn note(text: &str) -> String {
    format!("{}{text}", words::NOTE)
}
