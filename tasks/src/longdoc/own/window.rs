//! Which part of a folder one task takes: some entities, some attributes, all paragraphs that state
//! facts of both, and others besides as far as there is room.

use super::{
    Size,
    collection::{Collection, MIN_ENTITIES, Quote, Stated},
};
use crate::{
    draw::Draw,
    longdoc::world::World,
    query::{Cell, Table},
    types::{AttrId, EntityId, FactRef},
};

/// Bytes of a paragraph's mark in the prompt.
const MARK_BYTES: usize = 18;

/// A part of a collection.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Places of entities in the collection, in its order: the roster.
    entities: Vec<usize>,
    /// Places of attributes in the domain, in its order.
    attrs: Vec<u16>,
    /// Places of paragraphs in the collection, in its order.
    pub(super) paragraphs: Vec<usize>,
}

impl Window {
    /// Draws a part; `None` where even the fewest entities' paragraphs are too many.
    pub(super) fn draw(collection: &Collection, size: Size, draw: &mut Draw) -> Option<Self> {
        let count = collection.domain.attributes.len();
        let mut attrs: Vec<u16> = draw
            .sample(count, size.attributes)
            .into_iter()
            .map(|at| u16::try_from(at).ok())
            .collect::<Option<_>>()?;
        attrs.sort_unstable();
        let mut entities = draw.sample(collection.entities.len(), size.entities);
        let mut window = loop {
            let mut chosen = entities.clone();
            chosen.sort_unstable();
            let mut window =
                Self { entities: chosen, attrs: attrs.clone(), paragraphs: Vec::new() };
            window.paragraphs = window.needed(collection);
            if fits(&window.paragraphs, collection, size) {
                break window;
            }
            if entities.len() <= MIN_ENTITIES {
                return None;
            }
            entities.pop();
        };
        window.fill(collection, size, draw);
        Some(window)
    }

    /// The paragraphs that state facts of the window, each once.
    fn needed(&self, collection: &Collection) -> Vec<usize> {
        let mut paragraphs: Vec<usize> = self
            .facts(collection)
            .flat_map(|(_, stated)| stated.quotes.iter().map(|quote| quote.paragraph))
            .collect();
        paragraphs.sort_unstable();
        paragraphs.dedup();
        paragraphs
    }

    /// Adds other paragraphs, in random order, that there is room for.
    fn fill(&mut self, collection: &Collection, size: Size, draw: &mut Draw) {
        let others: Vec<usize> = (0..collection.paragraphs.len())
            .filter(|at| self.paragraphs.binary_search(at).is_err())
            .collect();
        let mut bytes = bytes(&self.paragraphs, collection);
        for at in draw.sample(others.len(), size.paragraphs.saturating_sub(self.paragraphs.len())) {
            let Some(place) = others.get(at).copied() else { continue };
            let more = bytes + one(place, collection);
            if more <= size.bytes {
                bytes = more;
                self.paragraphs.push(place);
            }
        }
        self.paragraphs.sort_unstable();
    }

    /// The facts of the window.
    pub(super) fn facts<'c>(
        &'c self,
        collection: &'c Collection,
    ) -> impl Iterator<Item = (FactRef, &'c Stated)> {
        collection.facts.iter().filter_map(|stated| {
            let entity = self.entities.binary_search(&stated.entity).ok()?;
            let attr = self.attrs.binary_search(&stated.attr).ok()?;
            let entity = EntityId(u16::try_from(entity).ok()?);
            Some((FactRef { entity, attr: AttrId(u16::try_from(attr).ok()?) }, stated))
        })
    }

    /// What each paragraph of the window states, in the order of its text.
    pub(super) fn statements(&self, collection: &Collection) -> Vec<(Quote, FactRef, Cell)> {
        let mut all: Vec<(Quote, FactRef, Cell)> = self
            .facts(collection)
            .flat_map(|(fact, stated)| {
                stated.quotes.iter().map(move |quote| (*quote, fact, stated.cell))
            })
            .collect();
        all.sort_by_key(|(quote, fact, _)| (quote.paragraph, quote.from, *fact));
        all
    }

    /// The window's entities by [`EntityId`], as places in the collection.
    pub(super) fn entities(&self) -> impl Iterator<Item = (EntityId, usize)> {
        (0..).map(EntityId).zip(self.entities.iter().copied())
    }

    /// What the texts say, as a world.
    pub(super) fn world<'c>(&self, collection: &'c Collection) -> World<'c> {
        let roster: Vec<String> = self
            .entities
            .iter()
            .filter_map(|at| collection.entities.get(*at))
            .map(|entity| entity.name.clone())
            .collect();
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let mut table = Table::new(count(roster.len()), count(self.attrs.len()));
        for (fact, stated) in self.facts(collection) {
            table.set(fact, stated.cell);
        }
        World::given(&collection.domain, self.attrs.clone(), roster, table)
    }
}

fn one(place: usize, collection: &Collection) -> usize {
    collection.paragraphs.get(place).map_or(0, |paragraph| paragraph.text.len() + MARK_BYTES)
}

fn bytes(paragraphs: &[usize], collection: &Collection) -> usize {
    paragraphs.iter().map(|place| one(*place, collection)).sum()
}

fn fits(paragraphs: &[usize], collection: &Collection, size: Size) -> bool {
    paragraphs.len() <= size.paragraphs && bytes(paragraphs, collection) <= size.bytes
}
