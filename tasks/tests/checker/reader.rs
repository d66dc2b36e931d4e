//! What a document says, from its text alone.

use std::collections::BTreeMap;

use super::words::{Attribute, Captures, Words, captures, number, slot};

/// A value: thousandths, or a word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    Number(i64),
    Word(String),
}

#[derive(Debug, Clone)]
struct Claim {
    value: Known,
    reference: Option<String>,
    source: Option<String>,
}

/// Facts by entity name and attribute key.
pub(crate) type Facts = BTreeMap<(String, String), Known>;

/// Reads a document.
pub(crate) struct Reader<'a> {
    words: &'a Words,
    roster: &'a [String],
    aliases: BTreeMap<String, String>,
    /// Strong over weak; `None` is a statement without a source.
    rules: Vec<(Option<String>, Option<String>)>,
    claims: BTreeMap<(String, String), Vec<Claim>>,
}

/// The facts that follow from the paragraphs, or what is wrong with them.
pub(crate) fn read(
    words: &Words,
    roster: &[String],
    paragraphs: &[String],
) -> Result<Facts, String> {
    let mut reader = Reader {
        words,
        roster,
        aliases: BTreeMap::new(),
        rules: Vec::new(),
        claims: BTreeMap::new(),
    };
    let rest: Vec<&String> =
        paragraphs.iter().filter(|text| !reader.rule(text) && !reader.alias(text)).collect();
    for text in rest {
        if !reader.statement(text) && !reader.idle(text) {
            return Err(format!("no wording of the domain reads {text:?}"));
        }
    }
    reader.settle()
}

impl Reader<'_> {
    fn entity(&self, name: &str) -> Option<String> {
        if self.roster.iter().any(|known| known == name) {
            return Some(name.to_owned());
        }
        self.aliases.get(name).cloned()
    }

    fn alias(&mut self, text: &str) -> bool {
        for wording in self.words.list("aliases", "wordings") {
            for found in captures(&wording, text) {
                let (name, alias) = (slot(&found, "entity"), slot(&found, "alias"));
                let short = alias.len() <= 4 && alias.chars().all(|c| c.is_ascii_uppercase());
                if self.roster.iter().any(|known| known == name) && short {
                    self.aliases.insert(alias.to_owned(), name.to_owned());
                    return true;
                }
            }
        }
        false
    }

    fn rule(&mut self, text: &str) -> bool {
        let names = self.words.list("sources", "names");
        for wording in self.words.list("sources", "rules") {
            for found in captures(&wording, text) {
                let (strong, weak) = (slot(&found, "strong"), slot(&found, "weak"));
                if names.iter().any(|n| n == strong) && names.iter().any(|n| n == weak) {
                    self.rules.push((Some(strong.to_owned()), Some(weak.to_owned())));
                    return true;
                }
            }
        }
        for mark in self.words.tables(&["sources", "marks"]) {
            if super::words::strings(mark.get("rules")).iter().any(|rule| rule == text) {
                let label = mark["label"].as_str().map(str::to_owned);
                let holds = mark["holds"].as_bool() == Some(true);
                self.rules.push(if holds { (label, None) } else { (None, label) });
                return true;
            }
        }
        false
    }

    /// Text that states nothing.
    fn idle(&self, text: &str) -> bool {
        let words = self.words;
        let exact = [words.list("scope", "rules"), words.list("noise", "general")];
        let titles = super::words::strings(words.table.get("titles"));
        let known = |found: &Captures<'_>| {
            found.iter().all(|(_, name)| self.roster.iter().any(|known| known == name))
        };
        exact.iter().flatten().chain(&titles).any(|line| line == text)
            || [words.list("noise", "entity"), words.list("noise", "pair")]
                .iter()
                .flatten()
                .any(|wording| captures(wording, text).iter().any(known))
            || words.list("instructions", "wordings").iter().any(|wording| {
                captures(wording, text).iter().any(|found| {
                    words.attributes.iter().any(|attribute| {
                        captures(attribute.text("trace"), slot(found, "sentence"))
                            .iter()
                            .any(|inner| self.entity(slot(inner, "entity")).is_some())
                    })
                })
            })
    }

    fn statement(&mut self, text: &str) -> bool {
        let mut source = None;
        let mut body = text;
        let labels: Vec<String> = self
            .words
            .list("sources", "names")
            .into_iter()
            .chain(
                self.words
                    .tables(&["sources", "marks"])
                    .iter()
                    .filter_map(|mark| mark["label"].as_str().map(str::to_owned)),
            )
            .collect();
        for label in labels {
            let head = format!("{}{}: ", label[..1].to_uppercase(), &label[1..]);
            if let Some(rest) = text.strip_prefix(&head) {
                body = rest;
                source = Some(label);
            }
        }
        self.group(body, source.as_ref())
            || self.single(body, source.as_ref())
            || self.wider(body)
            || self.relative(body)
    }

    fn add(&mut self, entity: &str, key: &str, claim: Claim) {
        self.claims.entry((entity.to_owned(), key.to_owned())).or_default().push(claim);
    }

    fn group(&mut self, body: &str, source: Option<&String>) -> bool {
        for group in self.words.tables(&["groups"]) {
            let keys = super::words::strings(group.get("attributes"));
            for wording in super::words::strings(group.get("wordings")) {
                for found in captures(&wording, body) {
                    let Some(entity) = self.entity(slot(&found, "entity")) else { continue };
                    let mut values = Vec::new();
                    for key in &keys {
                        let attribute =
                            self.words.attributes.iter().find(|a| a.key == *key).expect("key");
                        let text = match slot(&found, key) {
                            "" => without_article(slot(&found, &format!("a:{key}"))),
                            text => Some(text),
                        };
                        values.push(text.and_then(|text| value(attribute, text, "forms")));
                    }
                    if values.iter().all(Option::is_some) {
                        for (key, value) in keys.iter().zip(values.into_iter().flatten()) {
                            let source = source.cloned();
                            self.add(&entity, key, Claim { value, reference: None, source });
                        }
                        return true;
                    }
                }
            }
        }
        false
    }

    fn single(&mut self, body: &str, source: Option<&String>) -> bool {
        for attribute in self.words.attributes.clone() {
            for wording in attribute.list("plain") {
                for found in captures(wording, body) {
                    let text = match slot(&found, "amount") {
                        "" => slot(&found, "value"),
                        text => text,
                    };
                    let entity = self.entity(slot(&found, "entity"));
                    if let (Some(entity), Some(value)) = (entity, value(&attribute, text, "forms"))
                    {
                        let source = source.cloned();
                        self.add(&entity, &attribute.key, Claim { value, reference: None, source });
                        return true;
                    }
                }
            }
        }
        false
    }

    /// A figure of a wider scope: read, and left out.
    fn wider(&self, body: &str) -> bool {
        self.words.attributes.iter().any(|attribute| {
            attribute.list("wider").iter().any(|wording| {
                captures(wording, body).iter().any(|found| {
                    self.entity(slot(found, "entity")).is_some()
                        && value(attribute, slot(found, "amount"), "forms").is_some()
                })
            })
        })
    }

    fn relative(&mut self, body: &str) -> bool {
        let mut subject: Option<String> = None;
        let mut claims = Vec::new();
        let pieces: Vec<&str> = body.split(". ").collect();
        for (at, piece) in pieces.iter().enumerate() {
            let sentence =
                if at + 1 < pieces.len() { format!("{piece}.") } else { (*piece).to_owned() };
            let Some((entity, key, claim)) = self.difference(&sentence, subject.is_some()) else {
                return false;
            };
            subject = subject.or(entity);
            claims.push((key, claim));
        }
        let Some(subject) = subject else { return false };
        for (key, claim) in claims {
            self.add(&subject, &key, claim);
        }
        true
    }

    fn difference(&self, sentence: &str, next: bool) -> Option<(Option<String>, String, Claim)> {
        let lists =
            if next { [("more_next", 1), ("less_next", -1)] } else { [("more", 1), ("less", -1)] };
        for attribute in &self.words.attributes {
            for (list, sign) in lists {
                for wording in attribute.list(list) {
                    for found in captures(wording, sentence) {
                        let entity = self.entity(slot(&found, "entity"));
                        let reference = self.entity(slot(&found, "reference"));
                        let gap = value(attribute, slot(&found, "amount"), "gap_forms");
                        if let (Some(reference), Some(Known::Number(gap))) = (reference, gap)
                            && (next || entity.is_some())
                        {
                            let claim = Claim {
                                value: Known::Number(sign * gap),
                                reference: Some(reference),
                                source: None,
                            };
                            return Some((entity, attribute.key.clone(), claim));
                        }
                    }
                }
            }
        }
        None
    }

    fn settle(self) -> Result<Facts, String> {
        let mut open: BTreeMap<(String, String), Claim> = BTreeMap::new();
        for (fact, claims) in &self.claims {
            let beaten = |claim: &Claim| {
                claims.iter().any(|other| {
                    self.rules.iter().any(|(s, w)| *s == other.source && *w == claim.source)
                })
            };
            let standing: Vec<&Claim> = claims.iter().filter(|claim| !beaten(claim)).collect();
            let Some(first) = standing.first() else {
                return Err(format!("every statement of {fact:?} is overruled"));
            };
            let same = |c: &&&Claim| c.value == first.value && c.reference == first.reference;
            if standing.iter().filter(same).count() < standing.len() {
                return Err(format!("{fact:?} is stated in two ways"));
            }
            open.insert(fact.clone(), (*first).clone());
        }
        let mut facts = Facts::new();
        while !open.is_empty() {
            let ready: Vec<((String, String), Known)> = open
                .iter()
                .filter_map(|(fact, claim)| match (&claim.reference, &claim.value) {
                    (None, value) => Some((fact.clone(), value.clone())),
                    (Some(reference), Known::Number(gap)) => {
                        let base = facts.get(&(reference.clone(), fact.1.clone()))?;
                        let Known::Number(base) = base else { return None };
                        Some((fact.clone(), Known::Number(base + gap)))
                    }
                    _ => None,
                })
                .collect();
            if ready.is_empty() {
                return Err(format!("nothing settles {:?}", open.keys().next()));
            }
            for (fact, value) in ready {
                open.remove(&fact);
                facts.insert(fact, value);
            }
        }
        Ok(facts)
    }
}

fn without_article(text: &str) -> Option<&str> {
    let (article, word) = text.split_once(' ')?;
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u']);
    (article == if vowel { "an" } else { "a" }).then_some(word)
}

/// A printed value of an attribute: a word of its vocabulary, or a number in one of its forms.
pub(crate) fn value(attribute: &Attribute, text: &str, forms: &str) -> Option<Known> {
    if attribute.kind == "category" {
        let known = attribute.vocabulary.iter().any(|word| word == text);
        return known.then(|| Known::Word(text.to_owned()));
    }
    let own = attribute.list(forms).iter().map(|form| (form.as_str(), 1));
    let units = attribute.unit_forms.iter().map(|(form, factor)| (form.as_str(), *factor));
    own.chain(units).find_map(|(form, factor)| {
        captures(form, text).iter().find_map(|found| {
            let printed = number(slot(found, "n"), &attribute.kind)?;
            (printed % factor == 0).then_some(Known::Number(printed / factor))
        })
    })
}
