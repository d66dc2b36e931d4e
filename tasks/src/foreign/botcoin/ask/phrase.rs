//! From a question's words to a query.
//!
//! What a pattern ([`Words`]) matches is taken out; at the end only words without a meaning of their
//! own may be left.

use super::{Filter, Measure, Pick, Query, Share, words::Words};
use crate::foreign::botcoin::companies::{Profile, Quantity};

/// Most words of a question.
pub(super) const MAX_WORDS: usize = 200;

/// What may be left over.
const FILLERS: &[&str] = &[
    "a",
    "all",
    "among",
    "an",
    "and",
    "are",
    "as",
    "at",
    "businesses",
    "business",
    "by",
    "carries",
    "company",
    "companies",
    "did",
    "enterprise",
    "enterprises",
    "experienced",
    "find",
    "firm",
    "firms",
    "for",
    "from",
    "had",
    "has",
    "have",
    "having",
    "headquartered",
    "based",
    "located",
    "identify",
    "in",
    "is",
    "it",
    "its",
    "name",
    "of",
    "on",
    "one",
    "ones",
    "only",
    "out",
    "overall",
    "posted",
    "posts",
    "recorded",
    "reported",
    "reports",
    "saw",
    "shows",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "those",
    "to",
    "was",
    "were",
    "what",
    "where",
    "which",
    "who",
    "whose",
    "with",
    "now",
    "consider",
    "considering",
    "looking",
    "take",
    "organization",
    "organizations",
    "same",
    "matches",
    "match",
    "ceo",
    "ceo's",
    "first",
    "initial",
    "initials",
    "country",
    "city",
    "operating",
    "company's",
    "firm's",
    "share",
    "shares",
    "pick",
    "determine",
];

/// Words that pick: the word, whether it is the largest.
const SUPERLATIVES: &[(&str, bool)] = &[
    ("highest", true),
    ("largest", true),
    ("most", true),
    ("best", true),
    ("greatest", true),
    ("biggest", true),
    ("top", true),
    ("lowest", false),
    ("smallest", false),
    ("fewest", false),
    ("least", false),
    ("worst", false),
    ("poorest", false),
];

/// What a phrase about a number means. `Q` stands for its quarter.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Is(Measure),
    Revenue,
    Growth,
}

const MEASURES: &[(&str, Meaning)] = &[
    (
        "number? of? employees per million|$ dollars? of? total|annual? annual? revenue",
        Meaning::Is(Measure::EmployeesPerRevenue),
    ),
    (
        "ratio of employees to total|annual annual? revenue",
        Meaning::Is(Measure::EmployeesPerRevenue),
    ),
    (
        "employees|employee-to-revenue ratio|per total|annual? revenue?",
        Meaning::Is(Measure::EmployeesPerRevenue),
    ),
    (
        "revenue increase|jump|gain|rise from|between Q to|and Q",
        Meaning::Is(Measure::RevenueIncrease),
    ),
    (
        "increase|rise|gain in revenue from|between Q to|and Q",
        Meaning::Is(Measure::RevenueIncrease),
    ),
    (
        "total|combined|full-year|overall annual? revenue across the entire|full|whole year",
        Meaning::Is(Measure::TotalRevenue),
    ),
    ("total|combined|full-year|overall annual? revenue", Meaning::Is(Measure::TotalRevenue)),
    ("annual revenue", Meaning::Is(Measure::TotalRevenue)),
    ("Q revenue", Meaning::Revenue),
    ("revenue in Q", Meaning::Revenue),
    ("Q revenue? growth rate?", Meaning::Growth),
    ("revenue? growth rate? in Q", Meaning::Growth),
    (
        "employee? workforce? satisfaction score|rating|level?",
        Meaning::Is(Measure::One(Quantity::Satisfaction)),
    ),
    ("debt-to-equity ratio?", Meaning::Is(Measure::One(Quantity::Debt))),
    ("d/e ratio?", Meaning::Is(Measure::One(Quantity::Debt))),
    ("debt to equity ratio?", Meaning::Is(Measure::One(Quantity::Debt))),
    ("number of employees", Meaning::Is(Measure::One(Quantity::Employees))),
    ("employee count|headcount", Meaning::Is(Measure::One(Quantity::Employees))),
    ("employees|headcount|workforce|staff", Meaning::Is(Measure::One(Quantity::Employees))),
];

impl Words {
    /// The longest measure that begins at `at`: its end and what it is.
    fn measure(&mut self, at: usize) -> Option<(usize, Measure)> {
        let mut best: Option<(usize, Measure)> = None;
        for (pattern, meaning) in MEASURES {
            let Some(end) = self.fits(at, pattern) else { continue };
            if best.is_some_and(|(longest, _)| longest >= end) {
                continue;
            }
            let quarter = self.numbers.first().and_then(|q| u8::try_from(*q).ok());
            let measure = match (meaning, quarter) {
                // Only the increase over the whole year has a name of its own.
                (Meaning::Is(Measure::RevenueIncrease), _) if self.numbers != [0, 3] => continue,
                (Meaning::Is(measure), _) => *measure,
                (Meaning::Revenue, Some(quarter)) => Measure::One(Quantity::Revenue(quarter)),
                (Meaning::Growth, Some(quarter)) => Measure::One(Quantity::Growth(quarter)),
                _ => continue,
            };
            best = Some((end, measure));
        }
        best
    }
}

fn year(numbers: &[i64]) -> i64 {
    numbers.first().map_or(0, |milli| milli / 1000)
}

fn filters(words: &mut Words, filters: &mut Vec<Filter>) {
    let quarter = |numbers: &[i64], at: usize| {
        numbers.get(at).and_then(|quarter| u8::try_from(*quarter).ok()).unwrap_or(0)
    };
    for pattern in [
        "at least one quarter of|with negative|declining growth",
        "at least one negative|declining quarter",
        "at least one quarter in which|where growth was negative",
        "negative growth in at least one quarter",
        "any quarter of|with negative growth",
    ] {
        if words.take(pattern).is_some() {
            filters.push(Filter::AnyNegative);
        }
    }
    for pattern in [
        "revenue? decline|drop in Q",
        "revenue? declined|fell|shrank in Q",
        "negative Q revenue? growth",
        "negative revenue? growth in Q",
        "Q revenue? growth was|is negative",
        "Q revenue? decline",
    ] {
        while let Some((_, numbers)) = words.take(pattern) {
            filters.push(Filter::NegativeQuarter(quarter(&numbers, 0)));
        }
    }
    for pattern in [
        "Q revenue exceeds|exceeded|surpasses|surpassed|beats|beat their? its? Q revenue?",
        "higher|greater|more|larger Q revenue than Q revenue?",
        "Q revenue was|is? higher|greater|larger than Q revenue?",
    ] {
        while let Some((_, numbers)) = words.take(pattern) {
            filters.push(Filter::Exceeds(quarter(&numbers, 0), quarter(&numbers, 1)));
        }
    }
    for (pattern, by, above) in [
        ("more than|over # employees|staff", Measure::One(Quantity::Employees), true),
        ("over|above|exceeding # employees|staff", Measure::One(Quantity::Employees), true),
        ("fewer|less than # employees|staff", Measure::One(Quantity::Employees), false),
        ("over|above|exceeding $ in|of total|annual annual? revenue", Measure::TotalRevenue, true),
        ("more|greater than $ in|of total|annual annual? revenue", Measure::TotalRevenue, true),
        (
            "total|annual annual? revenue over|above|exceeding|exceeds $",
            Measure::TotalRevenue,
            true,
        ),
        ("total|annual annual? revenue of? more|greater than $", Measure::TotalRevenue, true),
        ("less than $ in|of total|annual annual? revenue", Measure::TotalRevenue, false),
        ("under|below $ in|of total|annual annual? revenue", Measure::TotalRevenue, false),
        ("founded|established before #", Measure::Founded, false),
        ("founded|established earlier than #", Measure::Founded, false),
        ("founded|established prior to #", Measure::Founded, false),
        ("founded|established after #", Measure::Founded, true),
        ("founded|established later than #", Measure::Founded, true),
    ] {
        while let Some((_, numbers)) = words.take(pattern) {
            filters.push(Filter::Bound(by, above, numbers.first().copied().unwrap_or(0)));
        }
    }
    while let Some((_, numbers)) = words.take("founded|established in|during the? D") {
        filters.push(Filter::Decade(year(&numbers.iter().map(|y| y * 1000).collect::<Vec<_>>())));
    }
    for (pattern, private) in [
        ("remain|remained|remains|stayed private", true),
        ("privately held", true),
        ("private", true),
        ("publicly traded|held|listed", false),
        ("gone|went public", false),
        ("public", false),
    ] {
        while words.take(pattern).is_some() {
            filters.push(Filter::Private(private));
        }
    }
}

/// Places and businesses that the document names.
fn named(words: &mut Words, profiles: &[Profile], filters: &mut Vec<Filter>) {
    for at in 0..words.words.len() {
        let Some(word) = words.word(at).map(str::to_owned) else { continue };
        let place = profiles.iter().any(|profile| {
            let mut names = profile.city.iter().chain(&profile.country);
            names.any(|name| name.to_lowercase() == word)
        });
        if place {
            filters.push(Filter::Place(word));
            words.clear(at, at + 1);
            continue;
        }
        let business = profiles
            .iter()
            .any(|profile| profile.business.split(' ').any(|part| part.to_lowercase() == word));
        if business && matches!(words.word(at + 1), Some("sector" | "industry" | "business")) {
            filters.push(Filter::Business(word));
            words.clear(at, at + 2);
        }
    }
}

/// Every pick, with the place of its superlative.
fn picks(words: &mut Words, question: &str) -> Result<Vec<(usize, Pick)>, String> {
    let mut found = Vec::new();
    for (pattern, measure, most, rank) in [
        ("second-oldest|second oldest?", Measure::Founded, false, 1),
        ("second-newest|second newest|youngest?", Measure::Founded, true, 1),
        ("oldest", Measure::Founded, false, 0),
        ("youngest|newest", Measure::Founded, true, 0),
        ("founded|established earliest|first", Measure::Founded, false, 0),
        ("most recent|recently ipo", Measure::Public, true, 0),
        ("latest|newest ipo", Measure::Public, true, 0),
        ("ipo|ipo'd most recently", Measure::Public, true, 0),
        ("went|go|gone public most recently", Measure::Public, true, 0),
        ("most recently went|gone public", Measure::Public, true, 0),
        ("earliest|oldest ipo", Measure::Public, false, 0),
    ] {
        if let Some((at, _)) = words.take(pattern) {
            found.push((at, Pick { measure, most, rank }));
        }
    }
    for at in 0..words.words.len() {
        let superlative = SUPERLATIVES.iter().find(|(name, _)| words.word(at) == Some(name));
        let Some((word, most)) = superlative.copied() else { continue };
        // "highest X", else the nearest "X … is highest" before it.
        let mut next = at + 1;
        while matches!(words.word(next), Some("the" | "of" | "total"))
            && words.measure(next).is_none()
        {
            next += 1;
        }
        let (from, end, measure) = match words.measure(next) {
            Some((end, measure)) => (next, end, measure),
            None => (0..at)
                .rev()
                .find_map(|from| words.measure(from).map(|(end, measure)| (from, end, measure)))
                .filter(|(_, end, _)| *end <= at)
                .map(|(_, end, measure)| longest_before(words, end, measure))
                .ok_or_else(|| format!("{question:?}: {word:?} of what is not known"))?,
        };
        words.clear(from, end);
        words.clear(at, at + 1);
        found.push((at, Pick { measure, most, rank: 0 }));
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found)
}

/// Of the measures that end at `end` the longest: `ratio of employees to total annual revenue` ends
/// with `annual revenue`.
fn longest_before(words: &mut Words, end: usize, measure: Measure) -> (usize, usize, Measure) {
    for from in end.saturating_sub(12)..end {
        if let Some((other, longer)) = words.measure(from)
            && other == end
        {
            return (from, end, longer);
        }
    }
    (end, end, measure)
}

/// Reads a question. `profiles` say which words are places or businesses.
///
/// # Errors
/// Which word or phrase is not known.
pub fn read(question: &str, profiles: &[Profile]) -> Result<Query, String> {
    let mut words = Words::of(question);
    if words.words.len() > MAX_WORDS {
        return Err(format!("the question has more than {MAX_WORDS} words"));
    }
    // Explanations of the total say nothing more.
    for pattern in [
        "sum of all four quarters",
        "all four quarters added together",
        "across all four quarters",
        "all four quarters combined",
    ] {
        while words.take(pattern).is_some() {}
    }
    let share = [
        ("same country", Share::Country),
        ("same city", Share::City),
        ("ceo|ceo's first initial", Share::CeoInitial),
        ("ceo|ceo's first name? initial", Share::CeoInitial),
    ]
    .into_iter()
    .find_map(|(pattern, share)| {
        (0..words.words.len()).find(|at| words.fits(*at, pattern).is_some()).map(|at| (at, share))
    });
    let mut found_filters = Vec::new();
    let went_public = words.words.iter().flatten().any(|w| w == "ipo" || w.starts_with("recent"));
    let picks = if went_public {
        // "Went public most recently" is a pick, not a restriction.
        let picks = picks(&mut words, question)?;
        filters(&mut words, &mut found_filters);
        picks
    } else {
        filters(&mut words, &mut found_filters);
        picks(&mut words, question)?
    };
    named(&mut words, profiles, &mut found_filters);
    let left: Vec<&str> =
        words.words.iter().flatten().map(String::as_str).filter(|w| !FILLERS.contains(w)).collect();
    if !left.is_empty() {
        return Err(format!("{question:?}: no known meaning of {:?}", left.join(" ")));
    }
    match (share, picks.as_slice()) {
        (None, [(_, pick)]) => Ok(Query { like: None, filters: found_filters, pick: *pick }),
        (Some((at, share)), [first, second]) => {
            // "Same country as the one with the highest …": the first pick after it leads. "Take the
            // one with the highest …, then those with the same …": the one before it does.
            let turned = at > first.0 && at < second.0 && !question_takes(question);
            let (leader, pick) = if turned { (second, first) } else { (first, second) };
            Ok(Query { like: Some((leader.1, share)), filters: found_filters, pick: pick.1 })
        }
        (_, picks) => Err(format!("{question:?} picks {} times", picks.len())),
    }
}

/// Whether a question begins with the company that leads.
fn question_takes(question: &str) -> bool {
    let lower = question.to_lowercase();
    ["take ", "start ", "begin ", "consider ", "find ", "identify ", "starting "]
        .iter()
        .any(|cue| lower.starts_with(cue))
}
