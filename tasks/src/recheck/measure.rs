//! What a question can ask for, and the one answer to it, by counting who is ahead of whom.

use super::{amount::Known, settle::Facts};

/// A number made of attributes of one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    Sum(Vec<usize>),
    Diff(usize, usize),
    Ratio(Vec<usize>, Vec<usize>),
}

/// A condition on one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Filter {
    Is { attr: usize, word: usize, not: bool },
    Bound { attr: usize, above: bool, milli: i64 },
    Versus { left: Measure, above: bool, right: Measure },
    Same { attr: usize, of: Box<Pick> },
    Relative { measure: Measure, above: bool, of: Box<Pick> },
}

/// A way to single out one entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pick {
    Named(usize),
    Only(Vec<Filter>),
    Ranked { filters: Vec<Filter>, measure: Measure, high: bool, rank: usize },
    Nearest { measure: Measure, to: Box<Pick> },
}

/// A whole question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Which(Pick),
    Value { attr: usize, of: Pick },
    Number { measure: Measure, of: Pick },
    Count(Vec<Filter>),
    Total { filters: Vec<Filter>, measure: Measure },
    Mode { filters: Vec<Filter>, attr: usize },
    Gap { measure: Measure, a: Pick, b: Pick },
    Both { measure: Measure, a: Pick, b: Pick },
    Compare { measure: Measure, high: bool, a: Pick, b: Pick },
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Entity(usize),
    /// Attribute and word.
    Word(usize, usize),
    /// Thousandths.
    Number(i64),
}

/// Why there is no single answer.
pub(super) type Undefined = &'static str;

const UNKNOWN: Undefined = "a fact it needs is not known";
const TIE: Undefined = "a tie";
const NOBODY: Undefined = "too few entities pass";

/// A number over a positive number.
type Quotient = (i128, i128);

impl Facts {
    /// The one answer.
    pub(super) fn answer(&self, ask: &Ask) -> Result<Said, Undefined> {
        Ok(match ask {
            Ask::Which(pick) => Said::Entity(self.pick(pick)?),
            Ask::Value { attr, of } => match self.value(self.pick(of)?, *attr).ok_or(UNKNOWN)? {
                Known::Number(milli) => Said::Number(milli),
                Known::Word(word) => Said::Word(*attr, word),
            },
            Ask::Number { measure, of } => number(self.whole(self.pick(of)?, measure)?)?,
            Ask::Count(filters) => number(1000 * self.passing(filters)?.len() as i128)?,
            Ask::Total { filters, measure } => {
                let passing = self.passing(filters)?;
                if passing.is_empty() {
                    return Err(NOBODY);
                }
                let parts: Result<Vec<i128>, _> =
                    passing.iter().map(|entity| self.whole(*entity, measure)).collect();
                number(parts?.iter().sum())?
            }
            Ask::Mode { filters, attr } => self.mode(filters, *attr)?,
            Ask::Gap { measure, a, b } => {
                let (a, b) = (self.pick(a)?, self.pick(b)?);
                number((self.whole(a, measure)? - self.whole(b, measure)?).abs())?
            }
            Ask::Both { measure, a, b } => {
                let (a, b) = self.two(a, b)?;
                number(self.whole(a, measure)? + self.whole(b, measure)?)?
            }
            Ask::Compare { measure, high, a, b } => {
                let (a, b) = self.two(a, b)?;
                Said::Entity(self.best(&[a, b], measure, *high, 1)?)
            }
        })
    }

    fn two(&self, a: &Pick, b: &Pick) -> Result<(usize, usize), Undefined> {
        let (a, b) = (self.pick(a)?, self.pick(b)?);
        if a == b { Err(TIE) } else { Ok((a, b)) }
    }

    fn pick(&self, pick: &Pick) -> Result<usize, Undefined> {
        match pick {
            Pick::Named(entity) => Ok(*entity),
            Pick::Only(filters) => match self.passing(filters)?.as_slice() {
                [one] => Ok(*one),
                [] => Err(NOBODY),
                _ => Err(TIE),
            },
            Pick::Ranked { filters, measure, high, rank } => {
                self.best(&self.passing(filters)?, measure, *high, *rank)
            }
            Pick::Nearest { measure, to } => {
                let to = self.pick(to)?;
                let own = self.whole(to, measure)?;
                let mut best: Option<(i128, usize, bool)> = None;
                for other in (0..self.entities).filter(|other| *other != to) {
                    let far = (self.whole(other, measure)? - own).abs();
                    best = match best {
                        Some((known, _, _)) if far > known => best,
                        Some((known, entity, _)) if far == known => Some((known, entity, true)),
                        _ => Some((far, other, false)),
                    };
                }
                match best {
                    Some((_, entity, false)) => Ok(entity),
                    Some(_) => Err(TIE),
                    None => Err(NOBODY),
                }
            }
        }
    }

    fn passing(&self, filters: &[Filter]) -> Result<Vec<usize>, Undefined> {
        let mut left: Vec<usize> = (0..self.entities).collect();
        for filter in filters {
            let mut kept = Vec::with_capacity(left.len());
            let other = match filter {
                Filter::Same { of, .. } | Filter::Relative { of, .. } => Some(self.pick(of)?),
                _ => None,
            };
            for entity in left {
                if self.passes(filter, entity, other)? {
                    kept.push(entity);
                }
            }
            left = kept;
        }
        Ok(left)
    }

    fn passes(
        &self,
        filter: &Filter,
        entity: usize,
        other: Option<usize>,
    ) -> Result<bool, Undefined> {
        let word = |entity, attr| match self.value(entity, attr) {
            Some(Known::Word(word)) => Ok(word),
            _ => Err(UNKNOWN),
        };
        Ok(match filter {
            Filter::Is { attr, word: wanted, not } => (word(entity, *attr)? == *wanted) != *not,
            Filter::Bound { attr, above, milli } => {
                let own = self.value(entity, *attr).and_then(Known::number).ok_or(UNKNOWN)?;
                if *above { own > *milli } else { own < *milli }
            }
            Filter::Versus { left, above, right } => {
                ahead(self.quotient(entity, left)?, self.quotient(entity, right)?, *above)
            }
            Filter::Same { attr, .. } => {
                let other = other.ok_or(UNKNOWN)?;
                entity != other && word(entity, *attr)? == word(other, *attr)?
            }
            Filter::Relative { measure, above, .. } => {
                let other = other.ok_or(UNKNOWN)?;
                ahead(self.quotient(entity, measure)?, self.quotient(other, measure)?, *above)
            }
        })
    }

    fn mode(&self, filters: &[Filter], attr: usize) -> Result<Said, Undefined> {
        let mut words = Vec::new();
        for entity in self.passing(filters)? {
            match self.value(entity, attr) {
                Some(Known::Word(word)) => words.push(word),
                _ => return Err(UNKNOWN),
            }
        }
        words.sort_unstable();
        let mut runs: Vec<(usize, usize)> = words
            .chunk_by(|a, b| a == b)
            .filter_map(|run| Some((run.len(), *run.first()?)))
            .collect();
        runs.sort_unstable();
        match runs.as_slice() {
            [] => Err(NOBODY),
            [.., (1, _)] => Err(TIE),
            [.., (a, _), (b, _)] if a == b => Err(TIE),
            [.., (_, word)] => Ok(Said::Word(attr, *word)),
        }
    }

    /// The one at this rank, by how many are strictly ahead of it and how many are level.
    fn best(
        &self,
        set: &[usize],
        measure: &Measure,
        high: bool,
        rank: usize,
    ) -> Result<usize, Undefined> {
        let all: Vec<(usize, Quotient)> = set
            .iter()
            .map(|entity| Ok((*entity, self.quotient(*entity, measure)?)))
            .collect::<Result<_, Undefined>>()?;
        for (entity, own) in &all {
            let before = all.iter().filter(|(_, other)| ahead(*other, *own, high)).count();
            let level = all.iter().filter(|(_, other)| level(*other, *own)).count();
            if before < rank && rank <= before + level {
                return if level > 1 { Err(TIE) } else { Ok(*entity) };
            }
        }
        Err(NOBODY)
    }

    fn sum(&self, entity: usize, attrs: &[usize]) -> Result<i128, Undefined> {
        let mut total = 0;
        for attr in attrs {
            let part = self.value(entity, *attr).and_then(Known::number).ok_or(UNKNOWN)?;
            total += i128::from(part);
        }
        Ok(total)
    }

    fn whole(&self, entity: usize, measure: &Measure) -> Result<i128, Undefined> {
        match measure {
            Measure::Sum(attrs) => self.sum(entity, attrs),
            Measure::Diff(a, b) => Ok(self.sum(entity, &[*a])? - self.sum(entity, &[*b])?),
            Measure::Ratio(..) => Err("a ratio is no whole"),
        }
    }

    fn quotient(&self, entity: usize, measure: &Measure) -> Result<Quotient, Undefined> {
        match measure {
            Measure::Ratio(over, under) => {
                let under = self.sum(entity, under)?;
                if under <= 0 {
                    return Err("a ratio over nothing");
                }
                Ok((self.sum(entity, over)?, under))
            }
            whole => Ok((self.whole(entity, whole)?, 1)),
        }
    }
}

fn ahead(a: Quotient, b: Quotient, high: bool) -> bool {
    let (left, right) = (a.0 * b.1, b.0 * a.1);
    if high { left > right } else { left < right }
}

fn level(a: Quotient, b: Quotient) -> bool {
    a.0 * b.1 == b.0 * a.1
}

fn number(milli: i128) -> Result<Said, Undefined> {
    i64::try_from(milli).map(Said::Number).map_err(|_| "a number beyond all bounds")
}
