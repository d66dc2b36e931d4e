//! Joint ranges: attributes whose values hang on other attributes of the same entity.
//!
//! Some are drawn within bounds that another value sets (a listing some years after the founding, a
//! share of those enrolled); others are computed and must agree with their inputs wherever both are
//! stated. All numbers are in thousandths and all arithmetic is in integers: computed values are
//! rounded half up to the attribute's step.

use super::{Attribute, finding::Stop, raw::RawFrom, reader::Reader};
use crate::types::ValueKind;

/// Largest number of a domain, in the attribute's unit; for decimals in thousandths of it.
pub(super) const LARGEST: i64 = 1_000_000_000;
/// Most inputs of a rule, and largest factor.
const MAX_INPUTS: usize = 8;
pub(super) const MAX_FACTOR: i64 = 1_000_000;

/// How a value hangs on others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `base` and between `min` and `max` more, within the attribute's own range.
    Plus { base: u16, min: i64, max: i64 },
    /// Between `min` and `max` thousandths of `base`, within the attribute's own range.
    Share { base: u16, min: i64, max: i64 },
    /// All of them together.
    Sum(Vec<u16>),
    /// All of them multiplied, times `times`, divided by `per`.
    Product { of: Vec<u16>, times: i64, per: i64 },
    /// `over` divided by `under`, times `times`, divided by `per`.
    Ratio { over: u16, under: u16, times: i64, per: i64 },
}

impl Rule {
    /// Whether the inputs leave no choice.
    pub(crate) fn exact(&self) -> bool {
        !matches!(self, Self::Plus { .. } | Self::Share { .. })
    }

    /// The attributes that it reads.
    pub(crate) fn inputs(&self) -> Vec<u16> {
        match self {
            Self::Plus { base, .. } | Self::Share { base, .. } => vec![*base],
            Self::Sum(of) | Self::Product { of, .. } => of.clone(),
            Self::Ratio { over, under, .. } => vec![*over, *under],
        }
    }

    /// The lowest and the highest value that the inputs leave, on the attribute's step and within
    /// its own range where the rule leaves a choice; lowest above highest where there is none.
    pub(crate) fn range(
        &self,
        own: (i64, i64),
        step: i64,
        mut input: impl FnMut(u16) -> i64,
    ) -> (i64, i64) {
        let (low, high) = match self {
            Self::Plus { base, min, max } => {
                let base = input(*base);
                (base.saturating_add(*min), base.saturating_add(*max))
            }
            Self::Share { base, min, max } => {
                let base = i128::from(input(*base));
                (
                    rounded(base * i128::from(*min), 1000, step),
                    rounded(base * i128::from(*max), 1000, step),
                )
            }
            Self::Sum(_) | Self::Product { .. } | Self::Ratio { .. } => {
                let value = self.value(step, input);
                return (value, value);
            }
        };
        // Inwards onto the step.
        let low = low.max(own.0).saturating_add(step - 1).div_euclid(step) * step;
        let high = high.min(own.1).div_euclid(step) * step;
        (low, high)
    }

    /// The computed value of an exact rule.
    fn value(&self, step: i64, mut input: impl FnMut(u16) -> i64) -> i64 {
        let mut wide = |place: &u16| i128::from(input(*place));
        match self {
            Self::Sum(of) => rounded(of.iter().map(wide).sum(), 1, step),
            Self::Product { of, times, per } => {
                let mut top = i128::from(*times);
                let mut under = i128::from(*per);
                for (at, place) in of.iter().enumerate() {
                    top = top.saturating_mul(wide(place));
                    under = under.saturating_mul(if at == 0 { 1 } else { 1000 });
                }
                rounded(top, under, step)
            }
            Self::Ratio { over, under, times, per } => rounded(
                wide(over).saturating_mul(1000 * i128::from(*times)),
                wide(under).saturating_mul(i128::from(*per)),
                step,
            ),
            Self::Plus { .. } | Self::Share { .. } => 0,
        }
    }

    /// The range over all inputs in theirs.
    fn limits(&self, own: (i64, i64), step: i64, of: impl Fn(u16) -> (i64, i64)) -> (i64, i64) {
        if let Self::Ratio { over, under, .. } = self {
            let (top, bottom) = (of(*over), of(*under));
            let at = |o: i64, u: i64| {
                let value = |place| if place == *over { o } else { u };
                self.range(own, step, value).0
            };
            return (at(top.0, bottom.1), at(top.1, bottom.0));
        }
        (self.range(own, step, |place| of(place).0).0, self.range(own, step, |place| of(place).1).1)
    }
}

/// `top / under`, rounded half up to a multiple of `step`. Saturates.
fn rounded(top: i128, under: i128, step: i64) -> i64 {
    let unit = under.saturating_mul(i128::from(step));
    if unit <= 0 {
        return 0;
    }
    let steps = top.saturating_mul(2).saturating_add(unit).div_euclid(unit.saturating_mul(2));
    i64::try_from(steps.saturating_mul(i128::from(step))).unwrap_or(i64::MAX)
}

impl Reader {
    /// Reads one rule; the keys it names are looked up, the numbers checked by themselves.
    pub(super) fn rule(&self, place: &str, kind: ValueKind, from: &RawFrom) -> Result<Rule, Stop> {
        let place = &format!("{place}.from");
        if !kind.is_number() {
            return self.fault(place, "only numbers can hang on other attributes");
        }
        let unit = if kind == ValueKind::Decimal { 1 } else { 1000 };
        let bounds = |unit: i64| match (from.min, from.max) {
            (Some(min), Some(max)) if min <= max && min >= -LARGEST && max <= LARGEST => {
                Ok((min * unit, max * unit))
            }
            _ => self.fault(place, "needs `min` and `max`, `min` not above `max`"),
        };
        let factors = || {
            let (times, per) = (from.times.unwrap_or(1), from.per.unwrap_or(1));
            if (1..=MAX_FACTOR).contains(&times) && (1..=MAX_FACTOR).contains(&per) {
                Ok((times, per))
            } else {
                self.fault(place, format!("`times` and `per` must be from 1 to {MAX_FACTOR}"))
            }
        };
        let several = |keys: &[String]| {
            if (2..=MAX_INPUTS).contains(&keys.len()) {
                self.attrs(place, keys)
            } else {
                self.fault(place, format!("needs from 2 to {MAX_INPUTS} attributes"))
            }
        };
        match (&from.plus, &from.share, &from.sum, &from.product, &from.ratio) {
            (Some(base), None, None, None, None) => {
                let (min, max) = bounds(unit)?;
                Ok(Rule::Plus { base: self.attr(place, base)?, min, max })
            }
            (None, Some(base), None, None, None) => {
                let (min, max) = bounds(1)?;
                if min < 0 {
                    return self.fault(place, "a share is in thousandths, from 0 upwards");
                }
                Ok(Rule::Share { base: self.attr(place, base)?, min, max })
            }
            (None, None, Some(of), None, None) => Ok(Rule::Sum(several(of)?)),
            (None, None, None, Some(of), None) => {
                let (times, per) = factors()?;
                Ok(Rule::Product { of: several(of)?, times, per })
            }
            (None, None, None, None, Some([over, under])) => {
                let (times, per) = factors()?;
                let (over, under) = (self.attr(place, over)?, self.attr(place, under)?);
                Ok(Rule::Ratio { over, under, times, per })
            }
            _ => self.fault(place, "needs one of `plus`, `share`, `sum`, `product`, `ratio`"),
        }
    }

    /// Checks the rules against each other, fills in computed ranges and who feeds whom, and says
    /// which attributes hang together, each list in an order in which it can be filled.
    pub(super) fn derive(&self, attributes: &mut [Attribute]) -> Result<Vec<Vec<u16>>, Stop> {
        let count = attributes.len();
        let inputs: Vec<Vec<u16>> = attributes
            .iter()
            .map(|attribute| attribute.rule.as_ref().map(Rule::inputs).unwrap_or_default())
            .collect();
        let mut order: Vec<u16> = Vec::with_capacity(count);
        let mut done = vec![false; count];
        while order.len() < count {
            let before = order.len();
            for (at, needs) in (0_u16..).zip(&inputs) {
                let ready = needs.iter().all(|input| done[usize::from(*input)]);
                if ready && !done[usize::from(at)] {
                    done[usize::from(at)] = true;
                    order.push(at);
                }
            }
            if order.len() == before {
                let open: Vec<&str> =
                    (0..count).filter(|at| !done[*at]).map(|at| self.keys[at].as_str()).collect();
                let first = open.first().copied().unwrap_or_default();
                return self.fault(
                    &format!("attributes.{first}.from"),
                    format!("goes round in a circle: {}", open.join(", ")),
                );
            }
        }
        let mut root: Vec<u16> = (0..).take(count).collect();
        for at in &order {
            let place = usize::from(*at);
            for input in &inputs[place] {
                let number = attributes[usize::from(*input)].schema.kind.is_number();
                if !number {
                    return self.fault(
                        &format!("attributes.{}.from", self.keys[place]),
                        format!("{:?} is no number", self.keys[usize::from(*input)]),
                    );
                }
                attributes[usize::from(*input)].feeds.push(*at);
                let (old, new) = (root[usize::from(*input)], root[place]);
                for known in &mut root {
                    if *known == old {
                        *known = new;
                    }
                }
            }
            self.ranged(place, attributes)?;
        }
        let mut joint: Vec<Vec<u16>> = Vec::new();
        let mut roots: Vec<u16> = Vec::new();
        for at in order {
            let of = root[usize::from(at)];
            match roots.iter().position(|known| *known == of) {
                Some(list) => joint[list].push(at),
                None => {
                    roots.push(of);
                    joint.push(vec![at]);
                }
            }
        }
        Ok(joint)
    }

    /// Sets the range of a computed attribute; checks that every input leaves a choice otherwise.
    fn ranged(&self, at: usize, attributes: &mut [Attribute]) -> Result<(), Stop> {
        let Some(rule) = attributes[at].rule.clone() else { return Ok(()) };
        let place = format!("attributes.{}.from", self.keys[at]);
        let (own, step) = ((attributes[at].min, attributes[at].max), attributes[at].step);
        let of = |input: u16| {
            let input = &attributes[usize::from(input)];
            (input.min, input.max)
        };
        if rule.exact() {
            let (low, high) = rule.limits(own, step, of);
            if low <= 0 || high > LARGEST * 1000 {
                return self.fault(
                    &place,
                    format!(
                        "gives values from {} to {}; they must be above 0 and at most {LARGEST}",
                        crate::number::decimal(low),
                        crate::number::decimal(high)
                    ),
                );
            }
            (attributes[at].min, attributes[at].max) = (low, high);
            return Ok(());
        }
        for end in [|r: (i64, i64)| r.0, |r: (i64, i64)| r.1] {
            let (low, high) = rule.range(own, step, |input| end(of(input)));
            if low > high {
                let base = rule.inputs().first().copied().map_or(0, |input| end(of(input)));
                return self.fault(
                    &place,
                    format!(
                        "leaves no value within `min` and `max` where {} is {}",
                        rule.inputs().first().map_or("", |i| self.keys[usize::from(*i)].as_str()),
                        crate::number::decimal(base)
                    ),
                );
            }
        }
        Ok(())
    }
}
