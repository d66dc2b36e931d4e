//! How often a guess satisfies a constraint.
//!
//! The guesser reads the task but not the document: it knows the roster, the vocabularies and the
//! range of every number, and writes what is likeliest under them. [`guess_ppb`] bounds its chance
//! from above; [`guess`] draws what it may find, for a benchmark to count. What a constraint's
//! text gives away (a word count, a letter) is taken as given and counts as no guess.
//!
//! A number comes from n = `times` x + y, with x and y spread evenly and independently over their
//! ranges (they belong to different entities). Multiples of `times` keep a distance from each
//! other modulo the modulus ([`spacing`]), so that only so many x fall into the residues that lead
//! to one result: one residue, or those between two neighbouring primes.

use crate::{
    number,
    types::{
        Check, Constraint, ConstraintKey, FactRef, NumberRange, NumberSource, Task, ValueKind,
    },
};

/// Largest chance that a guess satisfies a constraint on a derived number, parts per billion: one
/// in a thousand.
pub const MAX_DERIVED_PPB: u64 = 1_000_000;
const CERTAIN: u64 = 1_000_000_000;
/// From this number on (up to the next entry), no two neighbouring primes are further apart.
const PRIME_GAPS: [(i64, u64); 17] = [
    (1, 8),
    (113, 14),
    (523, 18),
    (887, 20),
    (1_129, 22),
    (1_327, 34),
    (9_551, 36),
    (15_683, 44),
    (19_609, 52),
    (31_397, 72),
    (155_921, 86),
    (360_653, 96),
    (370_261, 112),
    (492_113, 114),
    (1_349_533, 118),
    (1_357_201, 132),
    (2_010_733, 148),
];
/// Where the table of gaps ends: beyond it every bound is certainty.
const PRIMES_KNOWN: i64 = 4_652_353;

/// Upper bound on the chance that a guess satisfies a constraint, parts per billion, rounded up;
/// 1,000,000,000 where the constraint's own text says all that is needed.
#[must_use]
pub fn guess_ppb(task: &Task, key: &ConstraintKey) -> u64 {
    let roster = task.roster.len() as u64;
    match &key.constraint {
        Constraint::NextPrime { source, modulus, .. } => prime_ppb(source, *modulus),
        Constraint::Modular { source, modulus, .. } | Constraint::Json { source, modulus, .. } => {
            number_ppb(source, *modulus)
        }
        Constraint::Equation { a, b, modulus, .. } => equation_ppb(a, b, *modulus),
        Constraint::Answer { .. }
        | Constraint::Category { .. }
        | Constraint::Fact(_)
        | Constraint::FirstWordOf { .. }
        | Constraint::LastWordOf { .. } => share(1, choices(task, key).max(1)),
        Constraint::Acrostic { questions } | Constraint::Order { questions } => {
            // Names in a row, no two the same.
            let mut out_of = 1_u64;
            for left in (0..roster).rev().take(questions.len()) {
                out_of = out_of.saturating_mul(left + 1);
            }
            match key.constraint {
                // Several names may share their initials.
                Constraint::Acrostic { .. } => share(alike(task, &key.check), out_of.max(1)),
                _ => share(1, out_of.max(1)),
            }
        }
        _ => CERTAIN,
    }
}

/// What a constraint comes to for somebody who draws every hidden value out of its range: equal to
/// the key's check if the guess is right. `below(n)` is a uniform draw from `0..n`; `None` where
/// the constraint hides nothing.
pub fn guess(
    task: &Task,
    key: &ConstraintKey,
    below: &mut impl FnMut(u64) -> u64,
) -> Option<Check> {
    let mut n = |source: &NumberSource, modulus: i64, plus: i64| {
        let first = drawn(source.range, below)?;
        let second = match &source.and {
            Some(term) => Some(drawn(term.range, below)?),
            None => None,
        };
        source.combine(first, second)?.checked_rem_euclid(modulus)?.checked_add(plus)
    };
    match &key.constraint {
        Constraint::NextPrime { source, modulus, plus } => {
            Some(Check::ContainsNumber(number::next_prime(n(source, *modulus, *plus)?)))
        }
        Constraint::Modular { source, modulus, plus } => {
            Some(Check::ContainsNumber(n(source, *modulus, *plus)?))
        }
        Constraint::Equation { a, b, modulus, plus } => {
            Some(Check::Equation { a: n(a, *modulus, *plus)?, b: n(b, *modulus, *plus)? })
        }
        Constraint::Json { source, modulus, plus, .. } => {
            let Check::Json { answer, .. } = &key.check else { return None };
            // The answer is taken as known: the number alone has to hold.
            Some(Check::Json { answer: answer.clone(), n: n(source, *modulus, *plus)? })
        }
        Constraint::Category { attr, .. } | Constraint::Fact(FactRef { attr, .. }) => {
            let words = &task.attributes.get(attr.at())?.vocabulary;
            let at = usize::try_from(below(words.len() as u64)).ok()?;
            words.get(at).map(|word| Check::Contains(vec![word.clone()]))
        }
        Constraint::Answer { .. } => {
            let at = usize::try_from(below(task.roster.len() as u64)).ok()?;
            task.roster.get(at).map(|entry| Check::Contains(vec![entry.name.clone()]))
        }
        _ => None,
    }
}

fn drawn(range: NumberRange, below: &mut impl FnMut(u64) -> u64) -> Option<i64> {
    let at = i64::try_from(below(u64::from(range.count))).ok()?;
    (range.count > 0).then(|| range.low.checked_add(at.checked_mul(range.step)?))?
}

/// `part` out of `whole` in parts per billion, rounded up, at most certainty.
fn share(part: u64, whole: u64) -> u64 {
    let ppb = (u128::from(part) * u128::from(CERTAIN)).div_ceil(u128::from(whole.max(1)));
    u64::try_from(ppb).unwrap_or(CERTAIN).min(CERTAIN)
}

/// How many things the hidden term may be, all alike likely.
fn choices(task: &Task, key: &ConstraintKey) -> u64 {
    let vocabulary = |text: &String| {
        let fitting = task.attributes.iter().filter(|schema| schema.vocabulary.contains(text));
        fitting.map(|schema| schema.vocabulary.len() as u64).min()
    };
    let roster = task.roster.len() as u64;
    match (&key.constraint, &key.check) {
        // A number has as many forms as its digits allow, at least ten for each.
        (_, Check::ContainsNumber(n)) => digits(n.unsigned_abs()),
        (_, Check::ContainsDecimal(milli)) => digits(milli.unsigned_abs() / 100),
        (
            Constraint::Category { attr, .. } | Constraint::Fact(FactRef { attr, .. }),
            Check::Contains(_),
        ) => task.attributes.get(attr.at()).map_or(1, |schema| schema.vocabulary.len() as u64),
        (Constraint::Answer { .. }, Check::Contains(forms)) => {
            let word = forms.first();
            let name = word.is_some_and(|word| task.roster.iter().any(|e| e.name == *word));
            if name { roster } else { word.and_then(vocabulary).unwrap_or(1) }
        }
        // The word may be shared: as many terms as begin (or end) with it are right.
        (_, Check::StartsWith(forms)) => {
            forms.first().map_or(1, |word| rare(task, word, |text| text.split(' ').next()))
        }
        (_, Check::EndsWith(word)) => rare(task, word, |text| text.split(' ').next_back()),
        _ => 1,
    }
}

/// One in how many names or words of a kind has this part, at least.
fn rare(task: &Task, part: &str, of: impl Fn(&str) -> Option<&str>) -> u64 {
    let has = |text: &str| of(text).is_some_and(|own| own.eq_ignore_ascii_case(part));
    let names = task.roster.iter().map(|entry| entry.name.as_str());
    let mut least = u64::MAX;
    let mut weigh = |all: u64, fitting: u64| {
        least = least.min(all.checked_div(fitting).unwrap_or(u64::MAX));
    };
    weigh(task.roster.len() as u64, names.filter(|name| has(name)).count() as u64);
    for schema in task.attributes.iter().filter(|schema| schema.kind == ValueKind::Category) {
        let fitting = schema.vocabulary.iter().filter(|word| has(word)).count() as u64;
        weigh(schema.vocabulary.len() as u64, fitting);
    }
    if least == u64::MAX { 1 } else { least.max(1) }
}

fn digits(n: u64) -> u64 {
    10_u64.saturating_pow(n.max(1).ilog10() + 1)
}

/// How many rows of names have the initials that an acrostic asks for.
fn alike(task: &Task, check: &Check) -> u64 {
    let Check::Acrostic(letters) = check else { return u64::MAX };
    let initials =
        |name: &str| -> String { name.split(' ').filter_map(|word| word.chars().next()).collect() };
    let all: Vec<String> = task.roster.iter().map(|entry| initials(&entry.name)).collect();
    let mut rows = 1_u64;
    let mut rest = letters.as_str();
    // Each part of the row is one of those names whose initials come next.
    while !rest.is_empty() {
        let fitting: Vec<&String> =
            all.iter().filter(|own| !own.is_empty() && rest.starts_with(own.as_str())).collect();
        let longest = fitting.iter().map(|own| own.len()).max();
        let Some(longest) = longest else { return rows };
        rows = rows.saturating_mul(fitting.len() as u64);
        rest = rest.get(longest..).unwrap_or_default();
    }
    rows
}

/// Most that is added to a residue before the search for a prime.
const MAX_PLUS: i64 = 100;

/// Upper bound on the chance to hit the smallest prime that is at least `(n mod modulus) + plus`,
/// for any `plus` up to 100.
pub(crate) fn prime_ppb(source: &NumberSource, modulus: i64) -> u64 {
    let largest = modulus.saturating_add(MAX_PLUS);
    if largest >= PRIMES_KNOWN {
        return CERTAIN;
    }
    let gap = PRIME_GAPS.iter().rev().find(|(from, _)| *from <= largest).map_or(8, |(_, gap)| *gap);
    residue_ppb(source, modulus, gap)
}

/// Upper bound on the chance to hit `n mod modulus`.
pub(crate) fn number_ppb(source: &NumberSource, modulus: i64) -> u64 {
    residue_ppb(source, modulus, 1)
}

/// Upper bound on the chance to hit both sides of an equation. Two numbers of one entity may hang
/// together, so that only the rarer one counts.
pub(crate) fn equation_ppb(a: &NumberSource, b: &NumberSource, modulus: i64) -> u64 {
    let (left, right) = (number_ppb(a, modulus), number_ppb(b, modulus));
    if a.question == b.question {
        return left.min(right);
    }
    let both = (u128::from(left) * u128::from(right)).div_ceil(u128::from(CERTAIN));
    u64::try_from(both).unwrap_or(CERTAIN)
}

/// Upper bound on the chance that n mod `modulus` lies in a given run of `width` residues.
fn residue_ppb(source: &NumberSource, modulus: i64, width: u64) -> u64 {
    let (Ok(modulus), Ok(times)) = (u64::try_from(modulus), u64::try_from(source.times)) else {
        return CERTAIN;
    };
    if modulus < 2 {
        return CERTAIN;
    }
    let x = Multiples::new(source.range, times, modulus);
    let Some(term) = &source.and else { return share(x.within(width), x.count) };
    let y = Multiples::new(term.range, 1, modulus);
    // For each x that comes near enough, as many y as fit; or either one taken as known.
    let near = x.within(y.span().saturating_add(width));
    let both = share(near.saturating_mul(y.within(width)), x.count.saturating_mul(y.count));
    both.min(share(x.within(width), x.count)).min(share(y.within(width), y.count))
}

/// The residues of `count` multiples in a row.
struct Multiples {
    count: u64,
    step: u64,
    modulus: u64,
    /// Least distance of two of them around the circle; 0 where two may coincide.
    apart: u64,
}

impl Multiples {
    fn new(range: NumberRange, times: u64, modulus: u64) -> Self {
        let count = u64::from(range.count).max(1);
        let step = u64::try_from(range.step).unwrap_or(0) % modulus * (times % modulus) % modulus;
        Self { count, step, modulus, apart: spacing(step, modulus, count) }
    }

    /// At most so many of them lie in a run of `width` residues.
    fn within(&self, width: u64) -> u64 {
        match self.apart {
            // They wrap around: as many as wraps on each residue, where they are neighbours.
            0 if self.modulus.is_multiple_of(self.step) => {
                let round = self.modulus / self.step;
                self.count.div_ceil(round).saturating_mul(width.div_ceil(self.step)).min(self.count)
            }
            // A whole round of a step that meets every residue hits each once.
            0 if gcd(self.step, self.modulus) == 1 => {
                self.count.div_ceil(self.modulus).saturating_mul(width).min(self.count)
            }
            0 => self.count,
            apart => (width.saturating_sub(1) / apart + 1).min(self.count),
        }
    }

    /// Residues from the first to the last, where they do not wrap; else the whole circle.
    fn span(&self) -> u64 {
        self.step.saturating_mul(self.count - 1).min(self.modulus)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Least distance around a circle of `modulus` places between two of `count` multiples in a row of
/// `step`: of all k below `count`, the one whose multiple comes closest to a whole round is the
/// denominator of a convergent of step / modulus.
fn spacing(step: u64, modulus: u64, count: u64) -> u64 {
    let (mut before, mut rest) = (modulus, step % modulus);
    let (mut k_before, mut k) = (0_u64, 1_u64);
    if count <= 1 {
        return modulus;
    }
    let mut least = rest;
    while rest > 0 {
        let whole = before / rest;
        (before, rest) = (rest, before % rest);
        (k_before, k) = (k, whole.saturating_mul(k).saturating_add(k_before));
        if k >= count {
            break;
        }
        least = least.min(rest);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AttrId, NumberTerm};
    use proptest::prelude::*;

    fn range(low: i64, step: i64, count: u32) -> NumberRange {
        NumberRange { low, step, count }
    }

    fn source(x: NumberRange, times: i64, y: Option<NumberRange>) -> NumberSource {
        let and = y.map(|range| NumberTerm { question: 2, attr: AttrId(0), range });
        NumberSource { question: 1, attr: Some(AttrId(0)), range: x, times, and }
    }

    /// The largest share of all (x, y) that leads to one result, counted.
    fn counted(source: &NumberSource, modulus: i64, result: impl Fn(i64) -> i64) -> (u64, u64) {
        let values = |range: NumberRange| {
            (0..i64::from(range.count)).map(move |at| range.low + at * range.step)
        };
        let mut hits = std::collections::HashMap::new();
        let mut all = 0;
        for x in values(source.range) {
            let seconds: Vec<Option<i64>> = match &source.and {
                Some(term) => values(term.range).map(Some).collect(),
                None => vec![None],
            };
            for y in seconds {
                let n = source.combine(x, y).expect("fits").rem_euclid(modulus);
                *hits.entry(result(n)).or_insert(0_u64) += 1;
                all += 1;
            }
        }
        (hits.values().copied().max().unwrap_or(0), all)
    }

    #[test]
    fn the_table_of_prime_gaps_is_right() {
        let mut widest = 0;
        let mut before = 2;
        let mut found = Vec::new();
        while before < 400_000 {
            let next = number::next_prime(before + 1);
            let gap = u64::try_from(next - before).expect("positive");
            if gap > widest {
                widest = gap;
                found.push((before, gap));
            }
            before = next;
        }
        for known in PRIME_GAPS.iter().filter(|(from, _)| (100..400_000).contains(from)) {
            assert!(found.contains(known), "{known:?}");
        }
        assert!(found.iter().filter(|(from, _)| *from > 100).all(|gap| PRIME_GAPS.contains(gap)));
    }

    #[test]
    fn a_narrow_range_alone_is_no_secret_and_two_together_are() {
        let revenue = range(112, 1, 879);
        let sites = range(102, 1, 889);
        assert!(residue_ppb(&source(revenue, 7_919, None), 99_991, 1) > MAX_DERIVED_PPB);
        let two = source(revenue, 7_919, Some(sites));
        assert!(residue_ppb(&two, 999_983, 1) < MAX_DERIVED_PPB / 10);
        let staff = range(210, 1, 37_791);
        assert!(residue_ppb(&source(staff, 1, None), 50, 1) >= 20_000_000, "a fiftieth");
        assert_eq!(residue_ppb(&source(NumberRange::UNKNOWN, 1, None), 99_991, 1), CERTAIN);
    }

    proptest! {
        #[test]
        fn spacing_is_that_of_brute_force(modulus in 2_u64..400, step in 0_u64..400, count in 2_u64..120) {
            let least = (1..count)
                .map(|k| { let r = k * (step % modulus) % modulus; r.min(modulus - r) })
                .min()
                .expect("some");
            prop_assert_eq!(spacing(step, modulus, count), least);
        }

        #[test]
        fn no_result_is_likelier_than_the_bound(
            x in (0_i64..500, 1_i64..4, 1_u32..160),
            y in proptest::option::of((0_i64..500, 1_i64..4, 1_u32..60)),
            times in 1_i64..300,
            modulus in 2_i64..3_000,
            plus in 0_i64..30,
        ) {
            let y = y.map(|(low, step, count)| range(low, step, count));
            let source = source(range(x.0, x.1, x.2), times, y);
            let (most, all) = counted(&source, modulus, |n| n);
            prop_assert!(share(most, all) <= residue_ppb(&source, modulus, 1));
            let (most, all) = counted(&source, modulus, |n| number::next_prime(n + plus));
            prop_assert!(share(most, all) <= prime_ppb(&source, modulus));
        }
    }
}
