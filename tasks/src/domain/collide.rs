//! What must not be taken for something else: words for names, one value for another, one
//! attribute's sentence for another's, more for less.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Attribute, Domain,
    finding::quoted,
    reader::Reader,
    template::{Piece, Slot, Template},
};

impl Reader {
    /// Records every collision of a domain whose parts are sound by themselves.
    pub(super) fn collisions(&self, domain: &Domain) {
        self.names_and_words(domain);
        for attribute in &domain.attributes {
            self.words_in_words(attribute);
            self.signs(attribute);
        }
        self.sentences(domain);
    }

    /// A word of a category must be no part of a name.
    fn names_and_words(&self, domain: &Domain) {
        let parts: BTreeMap<String, &String> =
            domain.first.iter().chain(&domain.second).map(|p| (p.to_lowercase(), p)).collect();
        for attribute in &domain.attributes {
            for value in &attribute.schema.vocabulary {
                let taken = words(value).into_iter().find_map(|word| parts.get(&word).copied());
                if let Some(part) = taken {
                    let list = if domain.first.contains(part) { "first" } else { "second" };
                    let _ = self.text_fault::<()>(
                        &format!("names.{list}"),
                        part,
                        format!(
                            "the name part {part:?} is also in {}, a word of {:?}: names and words must differ",
                            quoted(value),
                            attribute.schema.key
                        ),
                    );
                }
            }
        }
    }

    /// No word of a category may stand inside another one: a text with the longer would have both.
    fn words_in_words(&self, attribute: &Attribute) {
        let all: BTreeMap<Vec<String>, &String> =
            attribute.schema.vocabulary.iter().map(|value| (words(value), value)).collect();
        for (long, value) in &all {
            for length in 1..long.len() {
                let inside = long.windows(length).find_map(|part| all.get(part));
                if let Some(short) = inside {
                    let _ = self.text_fault::<()>(
                        &format!("attributes.{}.vocabulary", attribute.schema.key),
                        value,
                        format!(
                            "{} stands inside {}: they cannot be told apart",
                            quoted(short),
                            quoted(value)
                        ),
                    );
                }
            }
        }
    }

    /// A wording says either more or less.
    fn signs(&self, attribute: &Attribute) {
        for (field, more, less) in [
            ("less", &attribute.more, &attribute.less),
            ("less_next", &attribute.more_next, &attribute.less_next),
        ] {
            if let Some(both) = less.iter().find(|wording| more.contains(wording)) {
                let _ = self.fault::<()>(
                    &format!("attributes.{}.{field}", attribute.schema.key),
                    format!("{} says both more and less", quoted(&self.written(both))),
                );
            }
        }
    }

    /// No two attributes may share a sentence.
    fn sentences(&self, domain: &Domain) {
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for attribute in &domain.attributes {
            let key = attribute.schema.key.as_str();
            let lists = [
                ("plain", &attribute.plain),
                ("more", &attribute.more),
                ("less", &attribute.less),
                ("more_next", &attribute.more_next),
                ("less_next", &attribute.less_next),
                ("wider", &attribute.wider),
            ];
            let said = lists
                .into_iter()
                .flat_map(|(field, list)| list.iter().map(move |wording| (field, wording)));
            let mut own: BTreeSet<String> = BTreeSet::new();
            for (field, wording) in said.chain([("trace", &attribute.trace)]) {
                let text = self.written(wording).replace("{value}", "{amount}");
                // Years and words keep to their own slots, so equal texts can be told apart only
                // by luck.
                own.insert(text.clone());
                if let Some(other) = known.get(text.as_str()) {
                    let _ = self.fault::<()>(
                        &format!("attributes.{key}.{field}"),
                        format!("{} is also said of {other:?}", quoted(&text)),
                    );
                }
            }
            known.extend(own.into_iter().map(|text| (text, key)));
        }
    }

    /// A wording as the file has it.
    fn written(&self, wording: &Template) -> String {
        let mut text = String::new();
        for piece in &wording.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Slot(Slot::Attr(at)) => {
                    text.push_str(self.keys.get(usize::from(*at)).map_or("", String::as_str));
                }
                Piece::Slot(slot) => {
                    text.push('{');
                    text.push_str(slot.name());
                    text.push('}');
                }
            }
        }
        text
    }
}

/// The words of a text in small letters.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
