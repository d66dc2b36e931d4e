//! The document: paragraphs of text, each together with the statements it makes.
//!
//! ```text
//! short: rules ─► one sentence a fact, shuffled
//! long:  title ─► sections with headings ─► groups, differences, tables, candidates, noise
//! ```

mod brief;
mod candidate;
mod paragraph;
mod section;

use crate::{
    draw::Draw,
    types::{DocParagraph, EntityId, NamedBy, Naming, Statement, StatementKind},
};

pub(super) use candidate::attributed;

use super::{dispute::Drawn, plan::Plan, trap::DraftedTrap, world::World};

/// Room made for a paragraph of several sentences, bytes.
const PARAGRAPH_BYTES: usize = 256;

/// A paragraph before its place is known.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) statements: Vec<Statement>,
}

/// The rendered document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) paragraphs: Vec<String>,
    pub(super) statements: Vec<DocParagraph>,
    /// The names other than the canonical ones that lead to an entity.
    pub(super) aliases: Vec<(EntityId, String)>,
}

/// What a document is made of besides the world.
#[derive(Debug, Clone, Copy)]
pub(super) enum Conflicts<'t> {
    /// Of a short document.
    Traps(&'t [DraftedTrap]),
    /// Of a long document.
    Disputes(&'t Drawn),
}

/// Renders a world with its conflicts.
pub(super) fn write(
    world: &World<'_>,
    plan: &Plan,
    conflicts: Conflicts<'_>,
    draw: &mut Draw,
) -> Option<Document> {
    let (drafts, aliases) = match conflicts {
        Conflicts::Traps(traps) => (brief::write(world, plan, traps, draw)?, Vec::new()),
        Conflicts::Disputes(drawn) => section::write(world, plan, drawn, draw)?,
    };
    let (paragraphs, statements) = drafts
        .into_iter()
        .map(|draft| (draft.text, DocParagraph { statements: draft.statements }))
        .unzip();
    Some(Document { paragraphs, statements, aliases })
}

/// A statement under the canonical name.
pub(super) fn statement(kind: StatementKind) -> Statement {
    Statement { kind, named: None, printed: None }
}

/// A paragraph that states nothing about any fact.
pub(super) fn nothing(text: String) -> Draft {
    Draft { text, statements: vec![statement(StatementKind::Nothing)] }
}

pub(super) fn alias(name: &str) -> Naming {
    Naming { text: name.to_owned(), by: NamedBy::Alias }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_capitalised(&mut out, text);
    out
}

fn push_capitalised(out: &mut String, text: &str) {
    let mut chars = text.chars();
    out.extend(chars.next().into_iter().flat_map(char::to_uppercase));
    out.push_str(chars.as_str());
}

/// Appends `text`, with a capital where it begins a sentence.
fn push_name(out: &mut String, text: &str) {
    if out.is_empty() || out.ends_with(". ") || out.ends_with(": ") {
        push_capitalised(out, text);
    } else {
        out.push_str(text);
    }
}
