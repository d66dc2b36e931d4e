//! Words and turns of phrase that artifacts are filled with.

use crate::draw::Draw;

/// Words to fill with, several for each initial and for each length from 2 to 8.
pub(in crate::longdoc) const FILLER: [&str; 112] = [
    "able", "about", "acorn", "air", "also", "apple", "autumn", "bird", "blue", "book", "bread",
    "brook", "calm", "candle", "chair", "clear", "cloud", "coast", "dawn", "deep", "door", "dry",
    "dune", "early", "earth", "east", "evening", "fair", "farm", "fern", "field", "fire", "garden",
    "gentle", "glow", "gold", "grass", "green", "hall", "hill", "hope", "horn", "idea", "inner",
    "ink", "jolly", "journey", "jug", "keen", "kind", "kite", "lake", "lamp", "leaf", "light",
    "linen", "map", "market", "mild", "moon", "moss", "near", "nest", "night", "noon", "oak",
    "open", "orchard", "outer", "paper", "path", "pebble", "pine", "quiet", "quilt", "rain", "red",
    "ridge", "road", "roof", "sand", "sea", "shore", "sky", "soft", "stone", "tall", "tea", "tent",
    "tide", "tree", "under", "upon", "urban", "vale", "vast", "velvet", "violin", "warm", "water",
    "wide", "wind", "wood", "xenon", "xylem", "yard", "yarn", "young", "zebra", "zinc", "zone",
    "we",
];
const FILLER_MASKS: [u32; FILLER.len()] = masks(&FILLER);

/// Words that a line may begin with, before a name.
pub(super) const OPENERS: Words<8> =
    Words::new(["near", "past", "beside", "beyond", "from", "toward", "around", "behind"]);
/// Words that join two terms.
pub(super) const JOINTS: Words<8> =
    Words::new(["and", "with", "near", "beside", "by", "for", "past", "toward"]);
/// What a number may count.
pub(super) const NOUNS: Words<8> =
    Words::new(["lamps", "boats", "stones", "birds", "kites", "trees", "doors", "maps"]);
/// Turns of phrase of two, three and four words.
pub(super) const TURNS: [Words<8>; 3] = [
    Words::new([
        "at dawn",
        "by night",
        "in spring",
        "after rain",
        "before noon",
        "once more",
        "on foot",
        "for fun",
    ]),
    Words::new([
        "under open skies",
        "along the coast",
        "beside old roads",
        "over calm water",
        "through green hills",
        "behind a door",
        "in soft rain",
        "with good luck",
    ]),
    Words::new([
        "while warm winds blow",
        "where the river bends",
        "as the tide turns",
        "near the old mill",
        "until the moon rises",
        "on a quiet road",
        "in a bright hall",
        "from hill to hill",
    ]),
];

const fn letters(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut mask = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_lowercase() {
            mask |= 1 << (bytes[at] - b'a');
        }
        at += 1;
    }
    mask
}

const fn masks<const N: usize>(words: &[&str; N]) -> [u32; N] {
    let mut masks = [0; N];
    let mut at = 0;
    while at < N {
        masks[at] = letters(words[at]);
        at += 1;
    }
    masks
}

/// The bit of a letter; 0 for what is no letter from a to z.
pub(super) fn bit(letter: char) -> u32 {
    match u8::try_from(letter) {
        Ok(byte) if byte.is_ascii_alphabetic() => 1 << (byte.to_ascii_lowercase() - b'a'),
        _ => 0,
    }
}

/// Texts of one kind with the letters that each has.
pub(super) struct Words<const N: usize> {
    words: [&'static str; N],
    masks: [u32; N],
}

impl<const N: usize> Words<N> {
    const fn new(words: [&'static str; N]) -> Self {
        let masks = masks(&words);
        Self { words, masks }
    }

    /// One of them without the barred letters; `None` where each has one.
    pub(super) fn pick(&self, barred: u32, draw: &mut Draw) -> Option<&'static str> {
        let start = draw.index(N);
        (0..N)
            .map(|at| (start + at) % N)
            .find(|at| self.masks[*at] & barred == 0)
            .map(|at| self.words[at])
    }
}

/// The filler words in an order of their own, each used once before any is used again.
pub(super) struct Lexicon {
    order: [u8; FILLER.len()],
    /// By place in [`FILLER`].
    used: u128,
    /// Letters that no word may have.
    barred: u32,
    next: usize,
}

impl Lexicon {
    /// In random order.
    pub(super) fn shuffled(barred: u32, draw: &mut Draw) -> Self {
        let mut lexicon = Self::at(barred, 0, 1);
        let mut order: Vec<u8> = lexicon.order.to_vec();
        order.retain(|at| FILLER_MASKS[usize::from(*at)] & barred == 0);
        draw.shuffle(&mut order);
        for (to, from) in lexicon.order.iter_mut().zip(order) {
            *to = from;
        }
        lexicon
    }

    /// From a random place in random strides: two draws where [`Self::shuffled`] takes a hundred.
    pub(super) fn strided(barred: u32, draw: &mut Draw) -> Self {
        // Strides that share no divisor with the number of words.
        const STRIDES: [usize; 8] = [11, 17, 25, 31, 37, 43, 51, 67];
        let stride = STRIDES[draw.index(STRIDES.len())];
        Self::at(barred, draw.index(FILLER.len()), stride)
    }

    fn at(barred: u32, start: usize, stride: usize) -> Self {
        let mut order = [0; FILLER.len()];
        let mut at = start;
        for place in &mut order {
            *place = u8::try_from(at).unwrap_or(0);
            at = (at + stride) % FILLER.len();
        }
        Self { order, used: 0, barred, next: 0 }
    }

    /// The next word that `wanted` takes; one that was used before only where no other is left.
    pub(super) fn word(&mut self, wanted: impl Fn(&str) -> bool) -> Option<&'static str> {
        for again in [false, true] {
            for step in 0..FILLER.len() {
                let at = usize::from(self.order[(self.next + step) % FILLER.len()]);
                let fresh = self.used & (1 << at) == 0;
                if (fresh || again) && FILLER_MASKS[at] & self.barred == 0 && wanted(FILLER[at]) {
                    self.used |= 1 << at;
                    return Some(FILLER[at]);
                }
            }
        }
        None
    }

    /// The next word of all.
    pub(super) fn any(&mut self, wanted: impl Fn(&str) -> bool) -> Option<&'static str> {
        let word = self.word(wanted)?;
        self.next = (self.next + 1) % FILLER.len();
        Some(word)
    }

    /// A word that holds a letter exactly once and no other barred letter, used or not.
    pub(super) fn holding(
        &mut self,
        letter: char,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<&'static str> {
        let own = bit(letter);
        let barred = self.barred;
        self.barred &= !own;
        let word =
            self.word(|word| word.chars().filter(|c| *c == letter).count() == 1 && wanted(word));
        self.barred = barred;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_meet_every_word_and_barred_letters_none() {
        for n in 0..40 {
            let draw = &mut Draw::new([n; 32]);
            for mut lexicon in [Lexicon::strided(0, draw), Lexicon::shuffled(0, draw)] {
                let mut seen: Vec<&str> =
                    (0..FILLER.len()).filter_map(|_| lexicon.word(|_| true)).collect();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), FILLER.len());
            }
            let mut lexicon = Lexicon::strided(bit('e') | bit('A'), draw);
            for _ in 0..50 {
                let word = lexicon.any(|_| true).expect("some have neither");
                assert!(!word.contains(['a', 'e']), "{word}");
            }
            assert_eq!(TURNS[0].pick(u32::MAX, draw), None);
            assert!(lexicon.holding('a', |_| true).is_some_and(|word| word.contains('a')));
        }
    }
}
