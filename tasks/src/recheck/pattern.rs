//! Wordings as patterns: every way in which a text is a wording with its slots filled.

/// Most slots of one wording; one with more is read by nothing.
const MAX_SLOTS: usize = 12;
/// The one slot that may come out empty.
const OPTIONAL: &str = "unit";

/// A wording, cut at its slots.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    head: String,
    /// Each slot with the literal text behind it.
    parts: Vec<(String, String)>,
    /// Bytes of literal text.
    literal: usize,
    /// How many sentences it has.
    sentences: usize,
}

/// One way to fill the slots of a pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caught<'p, 't> {
    pattern: &'p Pattern,
    texts: [&'t str; MAX_SLOTS],
}

impl<'t> Caught<'_, 't> {
    /// What fills a slot; nothing where the wording has no such slot.
    pub(super) fn get(&self, slot: &str) -> &'t str {
        let place = self.pattern.parts.iter().position(|(name, _)| name == slot);
        place.and_then(|at| self.texts.get(at)).copied().unwrap_or_default()
    }
}

impl Pattern {
    /// Cuts a wording at its braces.
    pub(super) fn new(text: &str) -> Self {
        let mut rest = text;
        let mut head = None;
        let mut parts: Vec<(String, String)> = Vec::new();
        while let Some((before, tail)) = rest.split_once('{') {
            let Some((name, after)) = tail.split_once('}') else { break };
            match parts.last_mut() {
                Some((_, literal)) => before.clone_into(literal),
                None => head = Some(before.to_owned()),
            }
            parts.push((name.to_owned(), String::new()));
            rest = after;
        }
        match parts.last_mut() {
            Some((_, literal)) => rest.clone_into(literal),
            None => head = Some(rest.to_owned()),
        }
        let head = head.unwrap_or_default();
        let literal = head.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>();
        // A small letter behind a full stop goes on with the sentence.
        let ends = text.match_indices(". ").filter(|(at, _)| {
            !text.get(at + 2..).is_some_and(|rest| rest.starts_with(char::is_lowercase))
        });
        let sentences = 1 + ends.count();
        Self { head, parts, literal, sentences }
    }

    /// How many sentences the wording has.
    pub(super) fn sentences(&self) -> usize {
        self.sentences
    }

    /// Whether the wording has a slot.
    pub(super) fn has(&self, slot: &str) -> bool {
        self.parts.iter().any(|(name, _)| name == slot)
    }

    /// Calls `found` with every way in which `text` is this wording.
    pub(super) fn each<'t>(&self, text: &'t str, mut found: impl FnMut(Caught<'_, 't>)) {
        self.walk(text, &mut found);
    }

    fn walk<'t>(&self, text: &'t str, found: &mut dyn FnMut(Caught<'_, 't>)) {
        let tail = self.parts.last().map_or("", |(_, literal)| literal.as_str());
        if text.len() < self.literal || self.parts.len() > MAX_SLOTS || !text.ends_with(tail) {
            return;
        }
        let Some(rest) = text.strip_prefix(self.head.as_str()) else { return };
        let mut caught = Caught { pattern: self, texts: [""; MAX_SLOTS] };
        if self.parts.is_empty() {
            if rest.is_empty() {
                found(caught);
            }
            return;
        }
        self.step(0, rest, &mut caught, found);
    }

    fn step<'p, 't>(
        &'p self,
        at: usize,
        rest: &'t str,
        caught: &mut Caught<'p, 't>,
        found: &mut dyn FnMut(Caught<'_, 't>),
    ) {
        let Some((_, literal)) = self.parts.get(at) else { return };
        if at + 1 == self.parts.len() {
            if let Some(text) = rest.strip_suffix(literal.as_str())
                && self.fits(at, text, caught)
            {
                found(*caught);
            }
            return;
        }
        if literal.is_empty() {
            let ends = rest.char_indices().map(|(end, _)| end).chain([rest.len()]);
            for end in ends {
                let (text, tail) = rest.split_at(end);
                if self.fits(at, text, caught) {
                    self.step(at + 1, tail, caught, found);
                }
            }
            return;
        }
        for (end, _) in rest.match_indices(literal.as_str()) {
            let tail = rest.get(end + literal.len()..).unwrap_or_default();
            if self.fits(at, rest.get(..end).unwrap_or_default(), caught) {
                self.step(at + 1, tail, caught, found);
            }
        }
    }

    /// Fills a slot, where that is possible: a slot that stands twice is filled alike.
    fn fits<'t>(&self, at: usize, text: &'t str, caught: &mut Caught<'_, 't>) -> bool {
        let Some((name, _)) = self.parts.get(at) else { return false };
        if text.is_empty() && name != OPTIONAL {
            return false;
        }
        let before = self.parts.iter().take(at).position(|(other, _)| other == name);
        if before.is_some_and(|at| caught.texts.get(at) != Some(&text)) {
            return false;
        }
        if let Some(place) = caught.texts.get_mut(at) {
            *place = text;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pattern: &str, text: &str) -> Vec<Vec<String>> {
        let pattern = Pattern::new(pattern);
        let mut found = Vec::new();
        pattern.each(text, |caught| {
            found.push(pattern.parts.iter().map(|(name, _)| caught.get(name).to_owned()).collect());
        });
        found
    }

    #[test]
    fn every_way_to_fill_the_slots_is_found() {
        assert_eq!(all("{a} and {b}.", "x and y and z."), [["x", "y and z"], ["x and y", "z"]]);
        assert_eq!(all("no slot", "no slot"), [Vec::<String>::new()]);
        assert_eq!(all("{a}{unit}?", "x (m)?").len(), 5);
        assert_eq!(all("{n} or {n}", "2 or 2"), [["2", "2"]]);
        assert!(all("{n} or {n}", "2 or 3").is_empty());
        assert!(all("{a}.", ".").is_empty());
        assert!(all("open {a", "open x").is_empty());
    }
}
