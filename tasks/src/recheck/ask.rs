//! What a question asks, from its text alone: every way in which the wordings of the domain read it.

use super::{
    amount::{Kind, number},
    measure::{Ask, Filter, Measure, Pick},
    names::{By, Name, Names},
    pattern::{Caught, Pattern},
    wordings::{Attribute, Wordings},
};

/// Deepest nesting of selections in one question.
const MAX_DEPTH: usize = 6;

/// Ranks as questions write them, from the second.
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

/// Reads questions of one task.
pub(super) struct Asker<'a> {
    pub(super) words: &'a Wordings,
    /// Attributes of the domain, by attribute of the task.
    pub(super) active: &'a [usize],
    pub(super) names: &'a Names<'a>,
}

/// Entities that sentences before the question have taken.
type Taken = [Pick];

impl Asker<'_> {
    /// All readings of a question.
    pub(super) fn readings(&self, text: &str) -> Vec<Ask> {
        let mut all = Vec::new();
        self.question(text, &mut Vec::new(), &mut all);
        all.sort();
        all.dedup();
        all
    }

    fn question(&self, text: &str, taken: &mut Vec<Pick>, all: &mut Vec<Ask>) {
        self.asked(text, taken, all);
        let leads = if taken.is_empty() { "take" } else { "then_take" };
        for lead in self.list(leads) {
            for (at, _) in text.match_indices(". ") {
                let (sentence, rest) = text.split_at(at + 1);
                lead.each(sentence, |caught| {
                    for pick in self.picks(caught.get("entity"), taken, 0) {
                        taken.push(pick);
                        self.question(rest.trim_start_matches(' '), taken, all);
                        taken.pop();
                    }
                });
            }
        }
    }

    fn list(&self, key: &str) -> &[Pattern] {
        self.words.list("questions", key)
    }

    fn phrase(&self, key: &str) -> &[Pattern] {
        self.words.list("phrases", key)
    }

    fn attribute(&self, attr: usize) -> Option<&Attribute> {
        self.words.attributes.get(*self.active.get(attr)?)
    }

    fn attributes(&self) -> impl Iterator<Item = (usize, &Attribute)> {
        (0..self.active.len()).filter_map(|attr| Some((attr, self.attribute(attr)?)))
    }

    fn asked(&self, text: &str, taken: &Taken, all: &mut Vec<Ask>) {
        for key in [
            "which",
            "which_filtered",
            "which_measure",
            "which_measure_filtered",
            "which_rank",
            "which_rank_filtered",
        ] {
            for wording in self.list(key) {
                wording.each(text, |caught| {
                    all.extend(self.ranked(&caught, taken, 0).into_iter().map(Ask::Which));
                });
            }
        }
        for wording in self.list("which_only") {
            wording.each(text, |caught| {
                let filters = self.filters(caught.get("filters"), taken, 0);
                all.extend(filters.into_iter().map(|filters| Ask::Which(Pick::Only(filters))));
            });
        }
        for wording in self.list("which_nearest") {
            wording.each(text, |caught| {
                all.extend(self.nearest(&caught, taken, 0).into_iter().map(Ask::Which));
            });
        }
        for wording in self.list("which_next") {
            wording.each(text, |caught| {
                let Some(above) = side(caught.get("end")) else { return };
                for measure in self.measures(caught.get("measure")) {
                    for of in self.picks(caught.get("entity"), taken, 0) {
                        let of = Box::new(of);
                        let filters =
                            vec![Filter::Relative { measure: measure.clone(), above, of }];
                        let measure = measure.clone();
                        let next = Pick::Ranked { filters, measure, high: !above, rank: 1 };
                        all.push(Ask::Which(next));
                    }
                }
            });
        }
        for (attr, attribute) in self.attributes() {
            for wording in attribute.list("ask") {
                wording.each(text, |caught| {
                    let picks = self.picks(caught.get("entity"), taken, 0);
                    all.extend(picks.into_iter().map(|of| Ask::Value { attr, of }));
                });
            }
        }
        for (key, category) in [("value", false), ("category", true)] {
            for wording in self.list(key) {
                wording.each(text, |caught| {
                    for attr in self.labelled(caught.get("label"), category) {
                        let picks = self.picks(caught.get("entity"), taken, 0);
                        all.extend(picks.into_iter().map(|of| Ask::Value { attr, of }));
                    }
                });
            }
        }
        for wording in self.list("count") {
            wording.each(text, |caught| {
                all.extend(self.set(&caught, taken, 0).into_iter().map(Ask::Count));
            });
        }
        for wording in self.list("mode") {
            wording.each(text, |caught| {
                for attr in self.labelled(caught.get("label"), true) {
                    let sets = self.set(&caught, taken, 0);
                    all.extend(sets.into_iter().map(|filters| Ask::Mode { filters, attr }));
                }
            });
        }
        for wording in self.list("total") {
            wording.each(text, |caught| {
                for measure in self.counted(&caught) {
                    for filters in self.set(&caught, taken, 0) {
                        all.push(Ask::Total { filters, measure: measure.clone() });
                    }
                }
            });
        }
        for wording in self.list("number") {
            wording.each(text, |caught| {
                for measure in self.counted(&caught) {
                    for of in self.picks(caught.get("entity"), taken, 0) {
                        all.push(Ask::Number { measure: measure.clone(), of });
                    }
                }
            });
        }
        for key in ["gap", "sum", "compare"] {
            for wording in self.list(key) {
                wording.each(text, |caught| self.two(key, &caught, taken, all));
            }
        }
    }

    /// A question about two entities.
    fn two(&self, key: &str, caught: &Caught<'_, '_>, taken: &Taken, all: &mut Vec<Ask>) {
        let measures = match key {
            "compare" => self.measures(caught.get("measure")),
            _ => self.counted(caught),
        };
        for measure in measures {
            for a in self.picks(caught.get("a"), taken, 0) {
                for b in self.picks(caught.get("b"), taken, 0) {
                    let (measure, a) = (measure.clone(), a.clone());
                    match key {
                        "gap" => all.push(Ask::Gap { measure, a, b }),
                        "sum" => all.push(Ask::Both { measure, a, b }),
                        _ => {
                            if let Some(high) = side(caught.get("end")) {
                                all.push(Ask::Compare { measure, high, a, b });
                            }
                        }
                    }
                }
            }
        }
    }

    /// Rankings by a superlative, or by an end and a measure, among all or in a set.
    fn ranked(&self, caught: &Caught<'_, '_>, taken: &Taken, depth: usize) -> Vec<Pick> {
        let rank = match caught.get("ordinal") {
            "" => 1,
            text => match ORDINALS.iter().position(|known| *known == text) {
                Some(place) => place + 1,
                None => return Vec::new(),
            },
        };
        let mut orders: Vec<(Measure, bool)> = Vec::new();
        match (caught.get("superlative"), side(caught.get("end"))) {
            ("", Some(high)) => {
                orders.extend(self.measures(caught.get("measure")).into_iter().map(|m| (m, high)));
            }
            ("", None) => {}
            (text, _) => {
                for (attr, attribute) in self.attributes() {
                    for (field, high) in [(&attribute.highest, true), (&attribute.lowest, false)] {
                        if field == text {
                            orders.push((Measure::Sum(vec![attr]), high));
                        }
                    }
                }
            }
        }
        let whole = caught.get("set").is_empty() && caught.get("filters").is_empty();
        let sets = match orders.is_empty() {
            true => Vec::new(),
            false if whole => vec![Vec::new()],
            false => self.set(caught, taken, depth),
        };
        let mut all = Vec::new();
        for filters in sets {
            for (measure, high) in &orders {
                let (filters, measure) = (filters.clone(), measure.clone());
                all.push(Pick::Ranked { filters, measure, high: *high, rank });
            }
        }
        all
    }

    fn nearest(&self, caught: &Caught<'_, '_>, taken: &Taken, depth: usize) -> Vec<Pick> {
        let mut all = Vec::new();
        for measure in self.measures(caught.get("measure")) {
            for to in self.picks(caught.get("entity"), taken, depth) {
                all.push(Pick::Nearest { measure: measure.clone(), to: Box::new(to) });
            }
        }
        all
    }

    /// Attributes by what people call them.
    fn labelled(&self, label: &str, category: bool) -> Vec<usize> {
        self.attributes()
            .filter(|(_, a)| a.label == label && (a.kind == Kind::Category) == category)
            .map(|(attr, _)| attr)
            .collect()
    }

    fn measures(&self, text: &str) -> Vec<Measure> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut all: Vec<Measure> = self
            .attributes()
            .filter(|(_, attribute)| attribute.measure == text)
            .map(|(attr, _)| Measure::Sum(vec![attr]))
            .collect();
        let place = |place: &usize| self.active.iter().position(|known| known == place);
        let places = |list: &[usize]| list.iter().map(place).collect::<Option<Vec<_>>>();
        for (_, measure) in self.words.measures.iter().filter(|(phrase, _)| phrase == text) {
            all.extend(match measure {
                Measure::Sum(attrs) => places(attrs).map(Measure::Sum),
                Measure::Diff(a, b) => place(a).zip(place(b)).map(|(a, b)| Measure::Diff(a, b)),
                Measure::Ratio(over, under) => {
                    places(over).zip(places(under)).map(|(over, under)| Measure::Ratio(over, under))
                }
            });
        }
        all
    }

    /// Measures with the unit that the question names.
    fn counted(&self, caught: &Caught<'_, '_>) -> Vec<Measure> {
        let mut all = self.measures(caught.get("measure"));
        all.retain(|measure| {
            let first = match measure {
                Measure::Sum(attrs) => attrs.first(),
                Measure::Diff(a, _) => Some(a),
                Measure::Ratio(..) => None,
            };
            let attribute = first.and_then(|attr| self.attribute(*attr));
            attribute.is_some_and(|attribute| attribute.unit == caught.get("unit"))
        });
        all
    }

    /// The entities that a noun phrase can mean.
    fn picks(&self, text: &str, taken: &Taken, depth: usize) -> Vec<Pick> {
        if let Name::Entity(entity, By::Name) = self.names.named(text) {
            return vec![Pick::Named(entity)];
        }
        let mut all = Vec::new();
        for (key, place) in [("that", 0), ("that_next", 1)] {
            for phrase in self.phrase(key) {
                phrase.each(text, |_| all.extend(taken.get(place).cloned()));
            }
        }
        if depth >= MAX_DEPTH {
            return all;
        }
        for key in [
            "selected",
            "selected_filtered",
            "selected_measure",
            "selected_measure_filtered",
            "selected_rank",
            "selected_rank_filtered",
        ] {
            for phrase in self.phrase(key) {
                phrase.each(text, |caught| all.extend(self.ranked(&caught, taken, depth + 1)));
            }
        }
        for phrase in self.phrase("selected_only") {
            phrase.each(text, |caught| {
                let filters = self.filters(caught.get("filters"), taken, depth + 1);
                all.extend(filters.into_iter().map(Pick::Only));
            });
        }
        for phrase in self.phrase("selected_nearest") {
            phrase.each(text, |caught| all.extend(self.nearest(&caught, taken, depth + 1)));
        }
        all
    }

    /// The sets that a wording's `{set}` or `{filters}` can mean.
    fn set(&self, caught: &Caught<'_, '_>, taken: &Taken, depth: usize) -> Vec<Vec<Filter>> {
        let text = caught.get("set");
        if text.is_empty() {
            return self.filters(caught.get("filters"), taken, depth);
        }
        let mut all = Vec::new();
        for (key, others) in [("set", false), ("other_set", true)] {
            for phrase in self.phrase(key) {
                phrase.each(text, |caught| {
                    let mut sets = self.filters(caught.get("filters"), taken, depth);
                    let same = |filter: &Filter| matches!(filter, Filter::Same { .. });
                    sets.retain(|filters| filters.iter().any(same) == others);
                    all.extend(sets);
                });
            }
        }
        all
    }

    /// The lists of conditions that a phrase can mean.
    fn filters(&self, text: &str, taken: &Taken, depth: usize) -> Vec<Vec<Filter>> {
        let mut all: Vec<Vec<Filter>> =
            self.single(text, taken, depth).into_iter().map(|filter| vec![filter]).collect();
        for phrase in self.phrase("except") {
            phrase.each(text, |caught| {
                let singles = self.single(caught.get("filters"), taken, depth);
                all.extend(singles.into_iter().filter_map(negated).map(|filter| vec![filter]));
            });
        }
        for (key, not) in [("also", false), ("but_not", true)] {
            for phrase in self.phrase(key) {
                phrase.each(text, |caught| {
                    let mut last = self.single(caught.get("second"), taken, depth);
                    if not {
                        last = last.into_iter().filter_map(negated).collect();
                    }
                    if last.is_empty() {
                        return;
                    }
                    for first in self.filters(caught.get("first"), taken, depth) {
                        for filter in &last {
                            let mut both = first.clone();
                            both.push(filter.clone());
                            all.push(both);
                        }
                    }
                });
            }
        }
        all
    }

    fn single(&self, text: &str, taken: &Taken, depth: usize) -> Vec<Filter> {
        let mut all = Vec::new();
        for (attr, attribute) in self.attributes() {
            for (key, above) in [("above", true), ("below", false)] {
                for phrase in attribute.list(key) {
                    phrase.each(text, |caught| {
                        let milli = number(caught.get("value"), attribute.kind);
                        all.extend(milli.map(|milli| Filter::Bound { attr, above, milli }));
                    });
                }
            }
            for phrase in attribute.list("is") {
                phrase.each(text, |caught| {
                    let word = attribute.word(caught.get("value"));
                    all.extend(word.map(|word| Filter::Is { attr, word, not: false }));
                });
            }
            if depth >= MAX_DEPTH {
                continue;
            }
            for phrase in attribute.list("same") {
                phrase.each(text, |caught| {
                    for of in self.picks(caught.get("entity"), taken, depth + 1) {
                        all.push(Filter::Same { attr, of: Box::new(of) });
                    }
                });
            }
        }
        for phrase in self.phrase("relative") {
            phrase.each(text, |caught| {
                let Some(above) = side(caught.get("end")) else { return };
                for measure in self.measures(caught.get("measure")) {
                    for of in self.picks(caught.get("entity"), taken, depth + 1) {
                        let (measure, of) = (measure.clone(), Box::new(of));
                        all.push(Filter::Relative { measure, above, of });
                    }
                }
            });
        }
        for phrase in self.phrase("versus") {
            phrase.each(text, |caught| {
                let Some(above) = side(caught.get("end")) else { return };
                for left in self.measures(caught.get("measure")) {
                    for right in self.measures(caught.get("other")) {
                        all.push(Filter::Versus { left: left.clone(), above, right });
                    }
                }
            });
        }
        all
    }
}

fn negated(filter: Filter) -> Option<Filter> {
    match filter {
        Filter::Is { attr, word, .. } => Some(Filter::Is { attr, word, not: true }),
        _ => None,
    }
}

/// Which end of an order a word names.
fn side(text: &str) -> Option<bool> {
    match text {
        "highest" | "higher" | "above" => Some(true),
        "lowest" | "lower" | "below" => Some(false),
        _ => None,
    }
}
