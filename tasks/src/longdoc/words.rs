//! Words of long documents that belong to no subject: dates, conditions, and how a statement shows
//! its standing. Each list is symmetric: which entry holds is drawn per document, so none is a cue.

use crate::domain::Domain;

/// Dates that figures may bear.
pub(crate) const DATES: [&str; 8] = [
    "31 January",
    "28 February",
    "31 March",
    "30 April",
    "31 May",
    "30 June",
    "31 July",
    "31 August",
];

/// A condition: as a clause, as having come about, as not having come about.
pub(crate) struct Condition {
    pub(crate) clause: &'static str,
    pub(crate) came: &'static str,
    pub(crate) failed: &'static str,
}

const fn condition(clause: &'static str, came: &'static str, failed: &'static str) -> Condition {
    Condition { clause, came, failed }
}

/// Conditions that a correction may hang on.
pub(crate) const CONDITIONS: [Condition; 12] = [
    condition(
        "the recount is confirmed",
        "The recount was confirmed.",
        "The recount was not confirmed.",
    ),
    condition("the appeal is upheld", "The appeal was upheld.", "The appeal was not upheld."),
    condition(
        "the second review is passed",
        "The second review was passed.",
        "The second review was not passed.",
    ),
    condition(
        "the objection is withdrawn",
        "The objection was withdrawn.",
        "The objection was not withdrawn.",
    ),
    condition(
        "the amendment is adopted",
        "The amendment was adopted.",
        "The amendment was not adopted.",
    ),
    condition("the protocol is signed", "The protocol was signed.", "The protocol was not signed."),
    condition(
        "the inspection is repeated",
        "The inspection was repeated.",
        "The inspection was not repeated.",
    ),
    condition(
        "the settlement is accepted",
        "The settlement was accepted.",
        "The settlement was not accepted.",
    ),
    condition(
        "the missing page is found",
        "The missing page was found.",
        "The missing page was not found.",
    ),
    condition("the committee agrees", "The committee agreed.", "The committee did not agree."),
    condition(
        "the second witness is heard",
        "The second witness was heard.",
        "The second witness was not heard.",
    ),
    condition("the deadline is kept", "The deadline was kept.", "The deadline was not kept."),
];

/// How a sentence is attributed: `{}` is the source, capitalised where it begins, then the sentence.
pub(crate) const BY_SOURCE: [(&str, &str, bool); 4] = [
    ("", ": {}", true),
    ("According to the ", ": {}", false),
    ("Entry of the ", ": {}", false),
    ("As the ", " has it: {}", false),
];

/// How a sentence bears a date, before and after the date; the sentence follows.
pub(crate) const BY_DATE: [(&str, &str); 3] =
    [("As of ", ": "), ("Position on ", ": "), ("State of affairs on ", ": ")];

/// How a sentence hangs on a condition, before and after its clause; the sentence follows.
pub(crate) const BY_CONDITION: [(&str, &str); 3] =
    [("In case ", ": "), ("Provided that ", ": "), ("To be read, if ", ", as follows: ")];

/// The rule that one source holds, before and after its name.
pub(crate) const SOURCE_RULES: [(&str, &str); 3] = [
    ("Where statements about one matter differ, the ", " holds over every other source."),
    ("The ", " is right wherever another source differs from it."),
    ("Whatever other sources say, the ", " decides where it speaks."),
];

/// The rule that one date holds, before and after it.
pub(crate) const DATE_RULES: [(&str, &str); 3] = [
    ("Where statements bear different dates, those of ", " are meant."),
    ("Of statements with different dates, only those of ", " count here."),
    ("Everything asked about this file refers to ", " where several dates are given."),
];

/// How a figure is rounded.
pub(crate) const HEDGES: [&str; 5] = ["about", "roughly", "around", "nearly", "close to"];

/// Initials that read as words: no aliases.
pub(crate) const SMALL_WORDS: [&str; 14] =
    ["AM", "AN", "AS", "AT", "BE", "BY", "DO", "HE", "IF", "IN", "IS", "IT", "OF", "ON"];

/// The heading of a section of a group; `at` tells sections of one group apart.
pub(crate) fn heading(domain: &Domain, group: usize, at: usize) -> Option<String> {
    let headings = &domain.groups.get(group)?.headings;
    headings.get(at % headings.len().max(1)).cloned().or_else(|| Some("Further notes".to_owned()))
}
