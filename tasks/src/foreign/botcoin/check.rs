//! Every constraint of a published record again, against answers derived from its document.
//!
//! A verdict is compared with what the record says. Where the document allows several answers or
//! values, the check is made with each: only if all agree is there a verdict.

use std::fmt;

use super::{
    ask, companies,
    constraint::{self, Attribute, Constraint, Figure, Term},
    facts::{Facts, Known},
    record::{Challenge, Row, Side},
    trace,
};
use crate::foreign::scores;

/// Longest artifact that is checked, bytes; theirs have a hundred.
const MAX_ARTIFACT_BYTES: usize = 16 * 1024;
/// Most possible values, or pairs of values, that a constraint is checked with.
const MAX_POSSIBLE: usize = 256;

/// What came of one constraint of one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As the record says.
    Agree,
    /// The record says `theirs`; the check says the opposite.
    Disagree {
        /// What the record says.
        theirs: bool,
    },
    /// No verdict: why.
    NotCheckable(String),
}

/// One constraint of one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// `chosen`, `rejected`, …
    pub side: &'static str,
    /// From 0, as published.
    pub index: usize,
    /// What came of it.
    pub verdict: Verdict,
}

/// What was found in one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Every constraint of every side.
    pub checked: Vec<Checked>,
    /// The derived answer of each question: names, or why there is none.
    pub answers: Vec<Result<Vec<String>, String>>,
    /// Recorded answers, scores and counts that differ from what the record's own data gives.
    pub differences: Vec<String>,
    /// Paragraphs that could not be read.
    pub unread: Vec<String>,
}

/// How many constraints came to which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As recorded.
    pub agree: usize,
    /// Not as recorded.
    pub disagree: usize,
    /// Without a verdict.
    pub not_checkable: usize,
}

impl Tally {
    /// Adds a record's.
    pub fn add(&mut self, report: &Report) {
        for checked in &report.checked {
            match checked.verdict {
                Verdict::Agree => self.agree += 1,
                Verdict::Disagree { .. } => self.disagree += 1,
                Verdict::NotCheckable(_) => self.not_checkable += 1,
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agree, disagree, not_checkable } = self;
        write!(f, "agree {agree}, disagree {disagree}, not checkable {not_checkable}")
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} constraint {}: ", self.side, self.index)?;
        match &self.verdict {
            Verdict::Agree => f.write_str("agree"),
            Verdict::Disagree { theirs } => {
                let (theirs, ours) =
                    if *theirs { ("holds", "does not") } else { ("does not hold", "does") };
                write!(f, "disagree: the record says it {theirs}, by its own data it {ours}")
            }
            Verdict::NotCheckable(why) => write!(f, "not checkable: {why}"),
        }
    }
}

/// What a challenge's own data gives.
struct Solved<'a> {
    challenge: &'a Challenge,
    facts: Option<Facts>,
    /// By question: who may be the answer, by name.
    answers: Vec<Result<Vec<String>, String>>,
}

/// Checks every constraint of every side of a record.
#[must_use]
pub fn check(row: &Row) -> Report {
    let challenge = &row.challenge;
    let mut report = Report::default();
    let solved = solve(challenge, &mut report);
    for side in &row.sides {
        for (index, text) in challenge.constraints.iter().enumerate() {
            let verdict = verdict(&solved, side, index, text);
            report.checked.push(Checked { side: side.name, index, verdict });
        }
        rescore(challenge, side, &mut report.differences);
    }
    report.answers = solved.answers;
    report
}

fn solve<'a>(challenge: &'a Challenge, report: &mut Report) -> Solved<'a> {
    let facts = (challenge.domain == "companies" || challenge.domain.is_empty()).then(|| {
        let document = companies::read(&challenge.paragraphs, &challenge.questions);
        Facts::of(&document)
    });
    if let Some(facts) = &facts {
        report.unread.clone_from(&facts.unread);
    }
    let mut answers = Vec::with_capacity(challenge.questions.len());
    for (place, question) in challenge.questions.iter().enumerate() {
        let recorded = challenge.gold.get(place).and_then(Option::as_ref);
        let derived = match &facts {
            Some(facts) => ask::read(question, &facts.profiles)
                .and_then(|query| ask::solve(facts, &query))
                .map(|found| {
                    found.iter().map(|entity| facts.profiles[*entity].name.clone()).collect()
                }),
            None => Err(format!(
                "documents of the domain {:.40?} have no reader here",
                challenge.domain
            )),
        };
        let answer = match (derived, recorded) {
            (Ok(names), Some(gold)) => {
                let names: Vec<String> = names;
                if names.iter().any(|name| name.eq_ignore_ascii_case(gold)) {
                    // What the document leaves open, the record may decide.
                    Ok(vec![gold.clone()])
                } else {
                    report.differences.push(format!(
                        "question {}: the record says {gold:?}, the document {:?}",
                        place + 1,
                        names.join(" or ")
                    ));
                    Ok(names)
                }
            }
            (Ok(names), None) => Ok(names),
            (Err(_), Some(gold)) => Ok(vec![gold.clone()]),
            (Err(why), None) => Err(format!("question {}: {why}", place + 1)),
        };
        answers.push(answer);
    }
    Solved { challenge, facts, answers }
}

fn verdict(solved: &Solved<'_>, side: &Side, index: usize, text: &str) -> Verdict {
    let none = |why: &str| Verdict::NotCheckable(why.to_owned());
    let Some(constraint) = constraint::read(text) else {
        return Verdict::NotCheckable(format!("no known constraint is worded {text:.80?}"));
    };
    if constraint == Constraint::Tip {
        return none("a tip is not checked");
    }
    let Some(artifact) = &side.artifact else { return none("there is no artifact") };
    if artifact.len() > MAX_ARTIFACT_BYTES {
        return Verdict::NotCheckable(format!(
            "the artifact has {} bytes, at most {MAX_ARTIFACT_BYTES} are checked",
            artifact.len()
        ));
    }
    let ours = match holds(solved, artifact, &constraint) {
        Ok(ours) => ours,
        Err(why) => return Verdict::NotCheckable(why),
    };
    match side.meta.constraints.get(index).copied().flatten() {
        Some(theirs) if theirs == ours => Verdict::Agree,
        Some(theirs) => Verdict::Disagree { theirs },
        None => Verdict::NotCheckable(format!(
            "by the document it {}, but the record does not say whether it does",
            if ours { "holds" } else { "does not hold" }
        )),
    }
}

/// One verdict of several possible ones, if they are all the same.
fn settle(verdicts: impl IntoIterator<Item = bool>, what: &str) -> Result<bool, String> {
    let mut verdicts = verdicts.into_iter();
    if verdicts.size_hint().0 > MAX_POSSIBLE {
        return Err(format!("{what}: more than {MAX_POSSIBLE} values are possible"));
    }
    let first = verdicts.next().ok_or_else(|| format!("{what}: nothing is known"))?;
    if verdicts.all(|other| other == first) {
        Ok(first)
    } else {
        Err(format!("{what}: the document allows several values, and they differ in this"))
    }
}

impl Solved<'_> {
    fn names(&self, question: usize) -> Result<&[String], String> {
        match self.answers.get(question.wrapping_sub(1)) {
            Some(Ok(names)) => Ok(names),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("there is no question {question}")),
        }
    }

    fn no_reader(&self) -> String {
        format!("documents of the domain {:.40?} have no reader here", self.challenge.domain)
    }

    fn texts(&self, attribute: &Attribute, question: usize) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        for name in self.names(question)? {
            let facts = self.facts.as_ref().ok_or_else(|| self.no_reader())?;
            let profile = facts
                .profiles
                .iter()
                .find(|profile| profile.name.eq_ignore_ascii_case(name))
                .ok_or_else(|| format!("no profile of {name} was read"))?;
            match attribute {
                Attribute::City => texts.extend(profile.city.iter().cloned()),
                Attribute::Country => texts.extend(profile.country.iter().cloned()),
                Attribute::CeoLast => texts.extend(profile.ceo_last.iter().cloned()),
                Attribute::Other(what) => return Err(format!("companies have no {what:.40}")),
            }
        }
        Ok(texts)
    }

    /// Every whole value that a figure of a question's answer may have.
    fn values(&self, term: &Term, role: &str) -> Result<Vec<i64>, String> {
        let names = self.names(term.question)?;
        let (Some(facts), Figure::Company(quantity)) = (&self.facts, &term.figure) else {
            // The trap's right value is the figure that its role names.
            let trapped =
                self.challenge.traps.iter().find(|trap| {
                    trap.role.as_deref() == Some(role) && names == [trap.entity.as_str()]
                });
            let value = trapped.and_then(|trap| trap.correct.parse().ok());
            return value.map(|value| vec![value]).ok_or_else(|| self.no_reader());
        };
        let mut values = Vec::new();
        for name in names {
            let entity = facts
                .profiles
                .iter()
                .position(|profile| profile.name.eq_ignore_ascii_case(name))
                .ok_or_else(|| format!("no profile of {name} was read"))?;
            match facts.known(entity, *quantity) {
                Known::Values(known) => {
                    if known.iter().any(|milli| milli % 1000 != 0) {
                        return Err(format!("{} of {name} is no whole number", quantity.name()));
                    }
                    values.extend(known.iter().map(|milli| milli / 1000));
                }
                Known::Unknown(why) => return Err(why),
            }
        }
        Ok(values)
    }
}

fn holds(solved: &Solved<'_>, artifact: &str, constraint: &Constraint) -> Result<bool, String> {
    match constraint {
        Constraint::Words(count) => Ok(constraint::has_words(artifact, *count)),
        Constraint::Forbidden(letter) => Ok(constraint::lacks(artifact, *letter)),
        Constraint::Tip => Err("a tip is not checked".into()),
        Constraint::Include(attribute, question) => {
            let texts = solved.texts(attribute, *question)?;
            let what = format!("question {question}");
            settle(texts.iter().map(|text| artifact.contains(text.as_str())), &what)
        }
        Constraint::Prime(term) => {
            let values = solved.values(term, "prime")?;
            let what = format!("the figure of question {}", term.question);
            settle(values.iter().map(|v| constraint::has_prime(artifact, term.of(*v))), &what)
        }
        Constraint::Equation(first, second) => {
            let (a, b) = (solved.values(first, "equation")?, solved.values(second, "")?);
            if a.len() * b.len() > MAX_POSSIBLE {
                return Err(format!("more than {MAX_POSSIBLE} pairs of values are possible"));
            }
            let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (*a, *b)));
            let what = format!("the figures of questions {}, {}", first.question, second.question);
            settle(
                pairs.map(|(a, b)| constraint::has_equation(artifact, first.of(a), second.of(b))),
                &what,
            )
        }
        Constraint::Acrostic(count, questions) => {
            let mut letters = vec![String::new()];
            for question in questions {
                // Names beyond the letters that are asked for do not matter.
                if letters.iter().all(|text| text.chars().count() >= *count) {
                    break;
                }
                let names = solved.names(*question)?;
                letters = letters
                    .iter()
                    .flat_map(|text| {
                        names
                            .iter()
                            .map(move |name| format!("{text}{}", constraint::initials(name)))
                    })
                    .take(companies::MAX_ENTITIES)
                    .collect();
            }
            settle(
                letters.iter().map(|text| constraint::has_acrostic(artifact, *count, text)),
                "the initials",
            )
        }
    }
}

/// Compares recorded counts and scores with what the trace gives.
fn rescore(challenge: &Challenge, side: &Side, differences: &mut Vec<String>) {
    if side.steps.is_empty() {
        return;
    }
    let steps = trace::scored(&side.steps, &challenge.paragraphs, &challenge.traps);
    let ours = scores::scores(&steps, challenge.paragraphs.len());
    let mut compare = |what: &str, theirs: Option<i64>, ours: i64| {
        if let Some(theirs) = theirs.filter(|theirs| *theirs != ours) {
            differences.push(format!(
                "{} {what}: the record says {theirs}, its trace gives {ours}",
                side.name
            ));
        }
    };
    let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let meta = &side.meta;
    if let Some(stats) = meta.stats {
        compare("total_steps", Some(whole(stats.total)), whole(ours.stats.total));
        compare("extract_fact_steps", Some(whole(stats.extract)), whole(ours.stats.extract));
        compare("compute_logic_steps", Some(whole(stats.compute)), whole(ours.stats.compute));
    }
    if let Some(validation) = &meta.validation {
        compare("citation_match_rate ‰", validation.citation_milli, ours.quality.citation_milli);
        compare("programmatic_score", validation.flags, whole(ours.flags.len()));
    }
    if let Some(spatial) = &meta.spatial {
        compare("paragraph_span", spatial.span.map(whole), whole(ours.spatial.span));
        compare("extraction_order_correlation ‰", spatial.order_milli, ours.spatial.order_milli);
        compare("max_forward_jump", spatial.forward.map(whole), whole(ours.spatial.forward));
        compare("max_backward_jump", spatial.backward.map(whole), whole(ours.spatial.backward));
        compare(
            "trap_paragraph_touched",
            spatial.trap_touched.map(i64::from),
            i64::from(ours.spatial.trap_touched),
        );
        compare(
            "truth_paragraph_touched",
            spatial.truth_touched.map(i64::from),
            i64::from(ours.spatial.truth_touched),
        );
    }
    compare("reasoning_trace_quality_score ‰", meta.quality_milli, ours.quality.score_milli);
    compare("reasoning_depth score ‰", meta.depth_milli, ours.depth.score_milli);
    if let Some(spatial) = meta.spatial.as_ref().filter(|s| s.paragraphs != ours.spatial.paragraphs)
    {
        differences.push(format!(
            "{} paragraphs_touched: the record says {:?}, its trace gives {:?}",
            side.name, spatial.paragraphs, ours.spatial.paragraphs
        ));
    }
}
