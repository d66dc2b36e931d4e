//! `lode task show`: a task for a person to read, and its parts for programs.
//!
//! ```text
//! seed or bundle ─► Task, AnswerKey ─► which sections? ─┬ Page   wrapped, numbered, in colour
//!                                                       └ JSON   the same sections as one object
//! ```
//!
//! The document is made of names and sentences of a domain file, which may be anybody's: it is quoted
//! through [`lode_proto::plain`], as every surface must.

mod find;
mod layout;
mod reading;

use std::{collections::BTreeSet, ops::RangeInclusive};

use anyhow::{Context, bail};
use lode_proto::plain;
use lode_tasks::{
    grammar::grammar,
    types::{AnswerKey, Task},
};
use serde_json::json;

use self::{
    find::Search,
    layout::{Page, Style, Text},
    reading::{Reader, Stated},
};
use super::make;
use crate::{
    Outcome,
    args::{Section, ShowTask, TaskPart},
    term::{self, Look},
};

pub(crate) fn show(args: &ShowTask) -> anyhow::Result<Outcome> {
    let (task, key) = load(args)?;
    if let Some(part) = args.part {
        return exact(&task, &key, part);
    }
    let view = View::new(args, &task, &key)?;
    if args.json {
        term::json(&view.json()?)?;
    } else {
        term::print_coloured(&view.page(Look::of_stdout())?)?;
    }
    // A search that finds nothing says so like `grep`.
    Ok(if view.searches.is_empty() || !view.found().is_empty() {
        Outcome::Yes
    } else {
        Outcome::No
    })
}

fn load(args: &ShowTask) -> anyhow::Result<(Task, AnswerKey)> {
    match (&args.bundle, &args.id) {
        (Some(dir), id) => {
            let id = id.as_deref().unwrap_or_default();
            let found = lode_bundle::tasks::find(dir, id)?;
            let (_, task, key) = found.with_context(|| {
                let dir = dir.display();
                format!("{dir} stores no task whose id begins with {id:?}; `lode bundle inspect` shows pairs with theirs")
            })?;
            Ok((task, key))
        }
        (None, Some(_)) => bail!("--id names a task of a bundle; say which with --bundle DIR"),
        (None, None) => make(&args.task),
    }
}

fn exact(task: &Task, key: &AnswerKey, part: TaskPart) -> anyhow::Result<Outcome> {
    match part {
        TaskPart::Prompt => term::print_exact(&task.prompt())?,
        TaskPart::Grammar => term::print_exact(&grammar(task))?,
        TaskPart::Key => term::json(key)?,
        TaskPart::Witness => term::print_exact(&key.witness)?,
        TaskPart::Trapped => {
            for trapped in &key.trapped {
                term::print_exact(&format!("--- trap {}\n{}", trapped.trap, trapped.text))?;
            }
        }
        TaskPart::Json => term::json(task)?,
    }
    Ok(Outcome::Yes)
}

/// `12` or `12-15`, from 1.
fn paragraphs(text: &str, count: usize) -> anyhow::Result<RangeInclusive<usize>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>())
    else {
        bail!("--paragraph {text:?} is neither a number nor two, as in 12-15");
    };
    if first == 0 || first > last || first > count {
        bail!("--paragraph {text}: the document has paragraphs 1 to {count}");
    }
    Ok(first..=last.min(count))
}

/// What of a task is shown.
struct View<'a> {
    task: &'a Task,
    key: &'a AnswerKey,
    sections: Vec<Section>,
    searches: Vec<Search>,
    /// Paragraphs that were asked for by number; all where none was.
    numbers: BTreeSet<usize>,
}

impl<'a> View<'a> {
    fn new(args: &ShowTask, task: &'a Task, key: &'a AnswerKey) -> anyhow::Result<Self> {
        let mut numbers = BTreeSet::new();
        for text in &args.paragraph {
            numbers.extend(paragraphs(text, task.paragraphs.len())?);
        }
        let searches = args.find.iter().map(|text| {
            Search::new(text, task, key)
                .with_context(|| format!("--find {text:?} holds no word to look for"))
        });
        let searches = searches.collect::<anyhow::Result<Vec<_>>>()?;
        let mut sections = args.section.clone();
        if !searches.is_empty() || !numbers.is_empty() {
            sections.push(Section::Document);
        }
        let asked = [
            (args.gold, Section::Gold),
            (args.traps, Section::Traps),
            (args.witness, Section::Witness),
        ];
        sections.extend(asked.into_iter().filter(|(asked, _)| *asked).map(|(_, section)| section));
        if sections.is_empty() {
            sections = Section::PUBLIC.to_vec();
        }
        sections.sort();
        sections.dedup();
        Ok(Self { task, key, sections, searches, numbers })
    }

    fn reader(&self) -> Reader<'_> {
        Reader { task: self.task, key: self.key }
    }

    /// Paragraphs to show, from 1.
    fn found(&self) -> Vec<(usize, &str)> {
        let wanted = |(number, text): &(usize, &str)| {
            (self.numbers.is_empty() || self.numbers.contains(number))
                && self.searches.iter().all(|search| !search.hits(text).is_empty())
        };
        (1..).zip(self.task.paragraphs.iter().map(String::as_str)).filter(wanted).collect()
    }

    fn json(&self) -> anyhow::Result<serde_json::Value> {
        let (task, reader) = (self.task, self.reader());
        let mut object = serde_json::Map::new();
        object.insert("task_id".into(), json!(task.id()?));
        for section in &self.sections {
            let value = match section {
                Section::Overview => json!(task.header),
                Section::Roster => json!(task.roster),
                Section::Document => {
                    let paragraph = |(number, text)| json!({ "number": number, "text": text });
                    self.found().into_iter().map(paragraph).collect()
                }
                Section::Questions => json!(task.questions),
                Section::Constraints => json!(task.constraints),
                Section::Format => json!(task.answer_format),
                Section::Gold => {
                    json!({ "questions": reader.gold(), "constraints": reader.checks() })
                }
                Section::Traps => json!(reader.traps()),
                Section::Witness => json!(self.key.witness),
            };
            object.insert(section.name().into(), value);
        }
        Ok(object.into())
    }

    fn page(&self, look: Look) -> anyhow::Result<String> {
        let mut page = Page::new(look);
        for section in &self.sections {
            match section {
                Section::Overview => self.overview(&mut page)?,
                Section::Roster => self.roster(&mut page),
                Section::Document => self.document(&mut page),
                Section::Questions => {
                    page.title("Questions");
                    for (number, question) in (1..).zip(&self.task.questions) {
                        page.hanging(
                            &format!("{:>4} ", format!("Q{number}")),
                            &Text::quote(&question.text),
                        );
                    }
                }
                Section::Constraints => {
                    page.title("Constraints on the artifact");
                    for (number, text) in (1..).zip(&self.task.constraints) {
                        page.hanging(&format!("{number:>4} "), &Text::quote(&text.0));
                    }
                }
                Section::Format => {
                    page.title("How to answer");
                    page.hanging("", &Text::quote(self.task.answer_format.trim()));
                }
                Section::Gold => self.gold(&mut page),
                Section::Traps => self.traps(&mut page),
                Section::Witness => {
                    page.title("A completion that passes");
                    page.hanging("  ", &Text::quote(self.key.witness.trim_end()));
                }
            }
        }
        Ok(page.finish())
    }

    fn overview(&self, page: &mut Page) -> anyhow::Result<()> {
        let (task, header) = (self.task, &self.task.header);
        let domain = plain::name(&header.domain.name);
        let look = page.look();
        let title = format!("Task {} · {domain} · {}", task.id()?.short(), header.profile);
        page.hanging("", &Text::default().styled(&title, Style::Strong, look));
        let characters: usize = task.paragraphs.iter().map(|text| text.chars().count()).sum();
        page.hanging(
            "",
            &Text::ours(format!(
                "{} paragraphs with {} characters, {} entities, {} questions, {} constraints",
                task.paragraphs.len(),
                lode_tasks::number::grouped(i64::try_from(characters).unwrap_or(i64::MAX)),
                task.roster.len(),
                task.questions.len(),
                task.constraints.len()
            )),
        );
        page.gap();
        page.hanging("", &Text::quote(task.preamble.trim()));
        Ok(())
    }

    fn roster(&self, page: &mut Page) {
        page.title("Roster");
        let names = self.task.roster.iter().map(|entry| plain::name(&entry.name));
        page.columns(&names.collect::<Vec<_>>());
    }

    fn document(&self, page: &mut Page) {
        let found = self.found();
        if self.searches.is_empty() {
            page.title("Document");
        } else {
            let all = self.task.paragraphs.len();
            let plural = if found.len() == 1 { "paragraph" } else { "paragraphs" };
            page.title(&format!("{} {plural} of {all}", found.len()));
            for (name, others) in self.searches.iter().flat_map(|search| &search.entities) {
                if !others.is_empty() {
                    let others: Vec<String> = others.iter().map(|name| plain::name(name)).collect();
                    let text = format!("{} is also {}", plain::name(name), others.join(", "));
                    page.hanging("", &Text::ours(text));
                }
            }
        }
        let width = self.task.paragraphs.len().to_string().len() + 2;
        for (number, text) in found {
            page.gap();
            // Hits are looked for in what is shown, so that their places fit.
            let shown = plain::block(text);
            let mut hits: Vec<_> =
                self.searches.iter().flat_map(|search| search.hits(&shown)).collect();
            hits.sort_by_key(|hit| (hit.start, hit.end));
            let (mut out, mut at) = (Text::default(), 0);
            for hit in hits.into_iter().filter(|hit| hit.start < hit.end) {
                if hit.start < at {
                    continue;
                }
                out = out.and(shown.get(at..hit.start).unwrap_or_default()).styled(
                    shown.get(hit.clone()).unwrap_or_default(),
                    Style::Hit,
                    page.look(),
                );
                at = hit.end;
            }
            out = out.and(shown.get(at..).unwrap_or_default());
            page.hanging(&format!("{:>width$}  ", format!("[{number}]")), &out);
        }
    }

    fn gold(&self, page: &mut Page) {
        let look = page.look();
        page.title("Gold path");
        for gold in self.reader().gold() {
            page.gap();
            page.hanging(
                &format!("{:>4} ", format!("Q{}", gold.question)),
                &Text::quote(&gold.text),
            );
            let answer = Text::default().styled(&plain::line(&gold.answer), Style::Strong, look);
            page.hanging("   = ", &answer);
            facts(page, &gold.facts);
        }
        page.title("Constraints as they come out");
        for check in self.reader().checks() {
            page.gap();
            page.hanging(&format!("{:>4} ", check.constraint), &Text::quote(&check.text));
            let mut text = Text::default().styled(&plain::line(&check.check), Style::Strong, look);
            if !check.questions.is_empty() {
                let from: Vec<String> = check.questions.iter().map(|q| format!("Q{q}")).collect();
                text = text.and(&format!("  (from {})", from.join(", ")));
            }
            page.hanging("   = ", &text);
            facts(page, &check.facts);
        }
    }

    fn traps(&self, page: &mut Page) {
        let look = page.look();
        page.title("Traps");
        let traps = self.reader().traps();
        if traps.is_empty() {
            page.hanging("", &Text::ours("none"));
        }
        for trap in traps {
            page.gap();
            let role = if trap.binding { "binding" } else { "bait" };
            let head = Text::default()
                .styled(&trap.kind, Style::Strong, look)
                .and(&format!(", {role}: {}", plain::line(&trap.what)));
            page.hanging(&format!("{:>4} ", trap.trap), &head);
            let right =
                format!("{}  {}", plain::line(&trap.right.value), cite(&trap.right.paragraphs));
            page.hanging("     right  ", &Text::ours(right));
            let wrong = Text::default()
                .styled(&plain::line(&trap.wrong.value), Style::Wrong, look)
                .and(&format!("  {}", cite(&trap.wrong.paragraphs)));
            page.hanging("     wrong  ", &wrong);
            for change in &trap.changes {
                page.hanging("     then   ", &Text::quote(change));
            }
            if trap.changes.is_empty() {
                page.hanging("     then   ", &Text::ours("nothing changes"));
            }
        }
    }
}

fn cite(paragraphs: &[u32]) -> String {
    paragraphs.iter().map(|number| format!("[{number}]")).collect::<Vec<_>>().join(" ")
}

/// Facts one below the other; a chain step by step, each further in than what it rests on.
fn facts(page: &mut Page, chains: &[Vec<Stated>]) {
    let look = page.look();
    for chain in chains {
        for (depth, step) in chain.iter().enumerate() {
            let mut text = Text::ours(plain::line(&step.what)).and(": ");
            if let Some(change) = &step.change {
                text = text.and(&format!("{change} gives "));
            }
            text = text.and(&plain::line(&step.value)).and("  ").styled(
                &cite(&step.paragraphs),
                Style::Faint,
                look,
            );
            for named in &step.named {
                let words = format!("  as {} ({})", plain::line(&named.text), named.by);
                text = text.and(&words);
                if !named.paragraphs.is_empty() {
                    text = text.and(" ").styled(&cite(&named.paragraphs), Style::Faint, look);
                }
            }
            if !step.traps.is_empty() {
                let traps: Vec<String> = step.traps.iter().map(ToString::to_string).collect();
                let word = if traps.len() == 1 { "trap" } else { "traps" };
                let traps = format!("{word} {}", traps.join(", "));
                text = text.and("  ").styled(&traps, Style::Wrong, look);
            }
            let arrow = if depth == 0 { "· " } else { "└ " };
            page.hanging(&format!("{:width$}{arrow}", "", width = 5 + 2 * depth), &text);
        }
    }
}

#[cfg(test)]
mod tests;
