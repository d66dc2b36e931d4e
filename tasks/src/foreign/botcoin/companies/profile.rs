//! Who there is: profiles, and every spelling of a name that a document may use.
//!
//! One adjacent pair of letters of a name may be swapped, also where it is first introduced. So each
//! spelling is counted over the whole document, and the most frequent one counts as right; where two
//! are equally frequent, both remain possible.

use std::collections::HashMap;

use super::MAX_ENTITIES;

/// Longest name of a company, place or person, bytes.
const MAX_NAME_BYTES: usize = 64;

/// What a profile says. Where several spellings are possible a list has more than one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The company's name.
    pub name: String,
    /// Sector and industry, as written together.
    pub business: String,
    /// City, by possible spelling.
    pub city: Vec<String>,
    /// Country, by possible spelling.
    pub country: Vec<String>,
    /// First name of who leads it.
    pub ceo_first: String,
    /// Last name, by possible spelling.
    pub ceo_last: Vec<String>,
    /// Year of founding.
    pub founded: i64,
    /// Year in which it went public; `None` where it is private.
    pub public: Option<i64>,
    /// Paragraph, from 1.
    pub paragraph: usize,
}

/// Text between literals, in order. The first literal begins the text, the last ends it.
pub(crate) fn capture<'a>(text: &'a str, literals: &[&str]) -> Option<Vec<&'a str>> {
    let (first, rest) = literals.split_first()?;
    let mut text = text.strip_prefix(first)?;
    let mut parts = Vec::with_capacity(rest.len());
    for (place, literal) in rest.iter().enumerate() {
        let at = if place + 1 == rest.len() {
            text.ends_with(literal).then(|| text.len() - literal.len())?
        } else {
            text.find(literal)?
        };
        parts.push(&text[..at]);
        text = &text[at + literal.len()..];
    }
    parts.iter().all(|part| !part.trim().is_empty()).then_some(parts)
}

/// `went public in 2013`, `remains privately held`.
fn status(text: &str) -> Option<Option<i64>> {
    if text == "remains privately held" {
        return Some(None);
    }
    text.strip_prefix("went public in ")?.parse().ok().map(Some)
}

/// The last two words, and what stands before them.
fn person(text: &str) -> Option<(&str, &str)> {
    let (rest, last) = text.trim().rsplit_once(' ')?;
    Some((rest.rsplit_once(' ').map_or(rest, |(_, first)| first), last))
}

/// A profile, in one of its three wordings.
pub(super) fn parse(text: &str) -> Option<Profile> {
    let (name, business, city, country, founded, held, person_text);
    let a = |article| {
        capture(
            text,
            &[
                "",
                article,
                " company based in ",
                ", ",
                ", was founded in ",
                " and ",
                ". The company is led by ",
                ", serving as ",
                ".",
            ],
        )
    };
    if let Some(parts) = a(", a ").or_else(|| a(", an ")) {
        [name, business, city, country, founded, held, person_text] = parts[..7].try_into().ok()?;
    } else if let Some(parts) = capture(
        text,
        &["Under ", ", ", " operates in ", " from ", ", ", ". Established in ", ", the firm ", "."],
    ) {
        [person_text, name, business, city, country, founded, held] = parts.try_into().ok()?;
    } else {
        let parts = capture(
            text,
            &[
                "",
                " traces its origins to ",
                " and ",
                ". Active in ",
                ", it is headquartered in ",
                ", ",
                ", and run by ",
                " (",
                ").",
            ],
        )?;
        [name, founded, held, business, city, country, person_text] = parts[..7].try_into().ok()?;
    }
    let (first, last) = person(person_text)?;
    // Every spelling of a name is kept, so a long one would cost its length squared.
    let parts = [name, business, city, country, first, last];
    if parts.iter().any(|part| part.len() > MAX_NAME_BYTES) {
        return None;
    }
    let one = |text: &str| vec![text.trim().to_owned()];
    Some(Profile {
        name: name.trim().to_owned(),
        business: business.trim().to_owned(),
        city: one(city),
        country: one(country),
        ceo_first: first.to_owned(),
        ceo_last: one(last),
        founded: founded.trim().parse().ok()?,
        public: status(held.trim())?,
        paragraph: 0,
    })
}

/// Every spelling with one adjacent pair of letters swapped.
fn swapped(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut all = Vec::new();
    for place in 1..letters.len() {
        let (a, b) = (letters[place - 1], letters[place]);
        if a != b && a.is_alphabetic() && b.is_alphabetic() {
            let mut other = letters.clone();
            other.swap(place - 1, place);
            all.push(other.into_iter().collect());
        }
    }
    all
}

/// Words with their places; an apostrophe ends one.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// Where an entity is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Its place in the roster.
    pub(crate) entity: usize,
    /// Byte offset.
    pub(crate) start: usize,
    /// Byte offset after it.
    pub(crate) end: usize,
}

/// Who there is.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// Profiles in order of their paragraphs, with right spellings.
    pub profiles: Vec<Profile>,
    /// Every spelling of every name; `None` where two could be meant.
    spellings: HashMap<String, Option<usize>>,
}

/// The most frequent of a word and its swapped forms; all of them where it is a tie.
fn spelling(word: &str, counts: &HashMap<String, usize>) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    forms.extend(swapped(word));
    let count = |form: &String| counts.get(form).copied().unwrap_or(0);
    let most = forms.iter().map(count).max().unwrap_or(0);
    forms.retain(|form| count(form) == most);
    // A phrase that is not counted as such stays as it is.
    if most == 0 { vec![word.to_owned()] } else { forms }
}

impl Roster {
    pub(super) fn read(paragraphs: &[String], also: &[String]) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for text in paragraphs.iter().chain(also) {
            let words = words(text);
            for (_, word) in &words {
                *counts.entry((*word).to_owned()).or_default() += 1;
            }
            for pair in words.windows(2) {
                let [(start, first), (next, second)] = pair else { continue };
                if *next == start + first.len() + 1 {
                    *counts.entry(format!("{first} {second}")).or_default() += 1;
                }
            }
        }
        let mut profiles: Vec<Profile> = Vec::new();
        for (place, text) in paragraphs.iter().enumerate() {
            let Some(mut profile) = parse(text) else { continue };
            // Of two equally frequent spellings the one in the profile stands for the company: its
            // name is only compared, never copied.
            let names = spelling(&profile.name, &counts);
            if let Some(name) = names.into_iter().next() {
                profile.name = name;
            }
            for list in [&mut profile.city, &mut profile.country, &mut profile.ceo_last] {
                *list = list.first().map_or_else(Vec::new, |word| spelling(word, &counts));
            }
            profile.paragraph = place + 1;
            if profiles.len() == MAX_ENTITIES {
                break;
            }
            if profiles.iter().all(|other| other.name != profile.name) {
                profiles.push(profile);
            }
        }
        let mut spellings: HashMap<String, Option<usize>> = HashMap::new();
        for (entity, profile) in profiles.iter().enumerate() {
            for form in swapped(&profile.name) {
                let owner = spellings.entry(form).or_insert(Some(entity));
                if *owner != Some(entity) {
                    *owner = None;
                }
            }
        }
        // A right spelling is never somebody else's typo.
        for (entity, profile) in profiles.iter().enumerate() {
            spellings.insert(profile.name.clone(), Some(entity));
        }
        Self { profiles, spellings }
    }

    /// Which company has this name, one swap of letters allowed.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.spellings.get(name.trim()).copied().flatten()
    }

    /// Every mention in a text, in order.
    pub(crate) fn mentions(&self, text: &str) -> Vec<Mention> {
        let words = words(text);
        let mut found = Vec::new();
        for pair in words.windows(2) {
            let [(start, _), (next, second)] = pair else { continue };
            let end = next + second.len();
            let Some(name) = text.get(*start..end) else { continue };
            if let Some(Some(entity)) = self.spellings.get(name) {
                found.push(Mention { entity: *entity, start: *start, end });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_wordings_say_the_same() {
        let texts = [
            "Nano Works, an agri mining company based in Falkridge, Lyndora, was founded in 1990 and \
             went public in 1999. The company is led by Ada Stone, serving as Co-CEO.",
            "Under Co-CEO Ada Stone, Nano Works operates in agri mining from Falkridge, Lyndora. \
             Established in 1990, the firm went public in 1999.",
            "Nano Works traces its origins to 1990 and went public in 1999. Active in agri mining, \
             it is headquartered in Falkridge, Lyndora, and run by Ada Stone (Co-CEO).",
        ];
        let [a, b, c] = texts.map(|text| parse(text).unwrap());
        assert_eq!((&a, &a), (&b, &c));
        assert_eq!(a.ceo_last, ["Stone"]);
        assert_eq!(a.public, Some(1999));
        assert!(parse("Nano Works employs 12 staff.").is_none());
    }

    #[test]
    fn the_more_frequent_spelling_is_right() {
        let texts: Vec<String> = [
            "Nano Wroks traces its origins to 1990 and remains privately held. Active in agri \
             mining, it is headquartered in Flakridge, Lyndora, and run by Ada Stone (CEO).",
            "Nano Works, Falkridge, Lyndora, agri mining.",
            "Nano Works employs 12 staff in Falkridge.",
        ]
        .map(str::to_owned)
        .to_vec();
        let roster = Roster::read(&texts, &[]);
        assert_eq!(roster.profiles[0].name, "Nano Works");
        assert_eq!(roster.profiles[0].city, ["Falkridge"]);
        assert_eq!(roster.find("Nano Wroks"), Some(0));
        let tied = Roster::read(&texts[..2], &[]);
        assert_eq!(tied.profiles[0].city.len(), 2);
    }
}
