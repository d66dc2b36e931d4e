//! From statements to values: absolute figures are roots, differences lead from one company to the
//! next. Where a document does not say who is ahead, both values stay possible.

use super::companies::{Ahead, Document, Profile, Quantity, Said, Statement};

/// Most values that one figure may have because of unsaid signs; more are not followed.
const MAX_CANDIDATES: usize = 64;

/// What is known of one figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Every value that the document allows, thousandths, ascending; never empty.
    Values(Vec<i64>),
    /// Nothing: why.
    Unknown(String),
}

/// Everything that a document says about its companies.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Who there is.
    pub profiles: Vec<Profile>,
    values: Vec<[Option<Vec<i64>>; 11]>,
    why: Vec<[Option<String>; 11]>,
    /// Paragraphs that were not read, for people.
    pub unread: Vec<String>,
}

/// Figures by how far from an absolute one they are; see [`Facts::resolved`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Figures of one value.
    pub exact: usize,
    /// Figures of several possible values.
    pub ambiguous: usize,
    /// Figures without any.
    pub unknown: usize,
}

fn bounded(mut values: Vec<i64>) -> Option<Vec<i64>> {
    values.sort_unstable();
    values.dedup();
    (values.len() <= MAX_CANDIDATES && !values.is_empty()).then_some(values)
}

impl Facts {
    /// Resolves what a document states.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let profiles = document.roster.profiles.clone();
        let mut facts = Self {
            values: vec![[const { None }; 11]; profiles.len()],
            why: vec![[const { None }; 11]; profiles.len()],
            profiles,
            unread: document
                .unread
                .iter()
                .map(|unread| format!("paragraph {}: {}", unread.paragraph, unread.why))
                .collect(),
        };
        for quantity in Quantity::ALL {
            let statements: Vec<&Statement> =
                document.statements.iter().filter(|s| s.quantity == quantity).collect();
            facts.roots(document, quantity, &statements);
            facts.follow(quantity, &statements);
        }
        facts
    }

    /// Absolute figures. A final record overrules what it corrects; two different records, or two
    /// different figures without one, leave nothing.
    fn roots(&mut self, document: &Document, quantity: Quantity, statements: &[&Statement]) {
        let slot = quantity.index();
        for entity in 0..self.profiles.len() {
            let said = |wanted: bool| {
                let mut found: Vec<(i64, usize)> = statements
                    .iter()
                    .filter_map(|statement| match statement.said {
                        Said::Is { entity: of, milli, last } if of == entity && last == wanted => {
                            Some((milli, statement.paragraph))
                        }
                        _ => None,
                    })
                    .collect();
                found.sort_unstable();
                found.dedup_by_key(|(milli, _)| *milli);
                found
            };
            // A value that the document itself calls superseded is none.
            let superseded: Vec<i64> = document
                .superseded
                .iter()
                .filter_map(|statement| match statement.said {
                    Said::Is { entity: of, milli, .. }
                        if of == entity && statement.quantity == quantity =>
                    {
                        Some(milli)
                    }
                    _ => None,
                })
                .collect();
            let last = said(true);
            let mut found = if last.is_empty() { said(false) } else { last };
            if found.len() > 1 {
                found.retain(|(milli, _)| !superseded.contains(milli));
            }
            match found.as_slice() {
                [] => {}
                [(milli, _)] => self.values[entity][slot] = Some(vec![*milli]),
                [(_, a), (_, b), ..] => {
                    let why = format!("paragraphs {a} and {b} contradict each other");
                    self.why[entity][slot] = Some(why);
                }
            }
        }
    }

    /// Follows differences from what is known, until nothing new is.
    fn follow(&mut self, quantity: Quantity, statements: &[&Statement]) {
        let slot = quantity.index();
        let mut open: Vec<&Statement> = statements
            .iter()
            .copied()
            .filter(|statement| matches!(statement.said, Said::Differs { .. }))
            .collect();
        loop {
            let before = open.len();
            let mut left = Vec::with_capacity(open.len());
            for statement in open {
                let Said::Differs { first, second, milli, ahead } = statement.said else {
                    continue;
                };
                let known = |facts: &Self, entity: usize| {
                    facts.values.get(entity).and_then(|values| values[slot].clone())
                };
                // From the second to the first, or back with the signs turned.
                let (to, from, signs): (usize, Vec<i64>, &[i64]) =
                    match (known(self, first), known(self, second)) {
                        (None, Some(from)) => match ahead {
                            Ahead::First => (first, from, &[1]),
                            Ahead::Second => (first, from, &[-1]),
                            Ahead::Unsaid => (first, from, &[1, -1]),
                        },
                        (Some(from), None) => match ahead {
                            Ahead::First => (second, from, &[-1]),
                            Ahead::Second => (second, from, &[1]),
                            Ahead::Unsaid => (second, from, &[1, -1]),
                        },
                        (Some(one), Some(other)) => {
                            self.compare(statement, slot, (first, &one), (second, &other));
                            continue;
                        }
                        (None, None) => {
                            left.push(statement);
                            continue;
                        }
                    };
                let values: Vec<i64> = from
                    .iter()
                    .flat_map(|value| signs.iter().filter_map(|s| value.checked_add(s * milli)))
                    .filter(|value| possible(quantity, *value))
                    .collect();
                match bounded(values) {
                    Some(values) => self.values[to][slot] = Some(values),
                    None => {
                        let paragraph = statement.paragraph;
                        let why = format!("paragraph {paragraph} allows no value, or too many");
                        self.why[to][slot] = Some(why);
                    }
                }
            }
            open = left;
            if open.len() == before || open.is_empty() {
                break;
            }
        }
    }

    /// Both ends of a difference are known: what does not fit it is out, and where nothing fits, the
    /// document contradicts itself.
    fn compare(
        &mut self,
        statement: &Statement,
        slot: usize,
        (first, ours): (usize, &[i64]),
        (second, theirs): (usize, &[i64]),
    ) {
        let Said::Differs { milli, ahead, .. } = statement.said else { return };
        let fits = |a: i64, b: i64| match ahead {
            Ahead::First => a.checked_sub(b) == Some(milli),
            Ahead::Second => b.checked_sub(a) == Some(milli),
            Ahead::Unsaid => a.checked_sub(b).and_then(i64::checked_abs) == Some(milli),
        };
        let keep = |of: &[i64], with: &[i64], turned: bool| -> Vec<i64> {
            let fit = |a: i64, b: i64| if turned { fits(b, a) } else { fits(a, b) };
            of.iter().copied().filter(|a| with.iter().any(|b| fit(*a, *b))).collect()
        };
        let (left, right) = (keep(ours, theirs, false), keep(theirs, ours, true));
        if left.is_empty() || right.is_empty() {
            let why = format!("paragraph {} contradicts another one", statement.paragraph);
            for entity in [first, second] {
                self.why[entity][slot] = Some(why.clone());
            }
            return;
        }
        self.values[first][slot] = Some(left);
        self.values[second][slot] = Some(right);
    }

    /// What is known of a figure.
    #[must_use]
    pub fn known(&self, entity: usize, quantity: Quantity) -> Known {
        let slot = quantity.index();
        let name = self.profiles.get(entity).map_or("?", |profile| profile.name.as_str());
        let what = quantity.name();
        if let Some(why) = self.why.get(entity).and_then(|why| why[slot].as_ref()) {
            return Known::Unknown(format!("{what} of {name}: {why}"));
        }
        match self.values.get(entity).and_then(|values| values[slot].clone()) {
            Some(values) => Known::Values(values),
            None => {
                let unread = match self.unread.as_slice() {
                    [] => String::new(),
                    [one] => format!(" ({one})"),
                    [one, rest @ ..] => format!(" ({one}, and {} more)", rest.len()),
                };
                Known::Unknown(format!(
                    "{what} of {name}: no paragraph that was read leads to it{unread}"
                ))
            }
        }
    }

    /// How many of all figures are known.
    #[must_use]
    pub fn resolved(&self) -> Resolved {
        let mut resolved = Resolved::default();
        for entity in 0..self.profiles.len() {
            for quantity in Quantity::ALL {
                match self.known(entity, quantity) {
                    Known::Values(values) if values.len() == 1 => resolved.exact += 1,
                    Known::Values(_) => resolved.ambiguous += 1,
                    Known::Unknown(_) => resolved.unknown += 1,
                }
            }
        }
        resolved
    }
}

/// Figures that can be at all: no negative employees, debt, revenue; satisfaction of ten.
fn possible(quantity: Quantity, milli: i64) -> bool {
    match quantity {
        Quantity::Satisfaction => (0..=10_000).contains(&milli),
        Quantity::Growth(_) => true,
        _ => milli >= 0,
    }
}
