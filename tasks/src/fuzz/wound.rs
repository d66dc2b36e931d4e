//! Wounds to a witness, each told by five bytes: what, where (two bytes), and two of detail. Most keep
//! the lines readable, so that a fuzzer gets past the parser.

/// Most lines of a wounded text: copies of lines add up.
const MAX_LINES: usize = 600;

/// What is put into lines that are otherwise sound.
const FOREIGN: [&str; 18] = [
    "\u{202e}",
    "\u{200f}",
    "\u{301}",
    "\u{200b}",
    "\u{ff14}\u{ff12}",
    "\u{664}",
    "\u{7}",
    "\r",
    "\t",
    "\u{feff}",
    "9999999999999999999999",
    "-1",
    "0",
    "e1",
    "f1",
    "m1",
    ", c1",
    "; highest",
];

/// Words that take each other's place.
const WORDS: [&str; 20] = [
    "add",
    "sub",
    "mul",
    "mod",
    "max",
    "min",
    "abs_diff",
    "count",
    "next_prime",
    "resolve",
    "ratio",
    "filter",
    "compare",
    "above",
    "below",
    "highest",
    "lowest",
    "second highest",
    "more",
    "less",
];

/// A text after wounds; `donor` gives lines that are not its own.
pub(super) fn wounded(text: &str, donor: &str, wounds: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    let donors: Vec<&str> = donor.lines().collect();
    let mut raw = Vec::new();
    for wound in wounds.chunks_exact(5) {
        let &[what, low, high, first, second] = wound else { continue };
        let place = usize::from(u16::from_le_bytes([low, high]));
        let count = lines.len();
        let Some(at) = place.checked_rem(count) else { break };
        let other = usize::from(first) % count;
        match what % 12 {
            0 => {
                lines.remove(at);
            }
            1 => lines.swap(at, other),
            2 if count < MAX_LINES => {
                let line = lines[at].clone();
                lines.insert(other, line);
            }
            3 if count < MAX_LINES => {
                if let Some(line) = donors.get(usize::from(first) % donors.len().max(1)) {
                    lines.insert(at, line.as_bytes().to_vec());
                }
            }
            4 => digits(&mut lines[at], first, second),
            5 => words(&mut lines[at], first, second),
            6 => insert(
                &mut lines[at],
                first,
                FOREIGN[usize::from(second) % FOREIGN.len()].as_bytes(),
            ),
            7 => insert(&mut lines[at], first, &[second]),
            8 => {
                let line = &mut lines[at];
                let end = usize::from(first).min(line.len());
                line.truncate(end);
            }
            9 => {
                if let Some(byte) = lines[at].get_mut(usize::from(first)) {
                    *byte = second;
                }
            }
            10 => {
                // A tail of one line behind the head of another.
                let tail = lines[other].get(usize::from(second)..).unwrap_or(&[]).to_vec();
                let line = &mut lines[at];
                line.truncate(usize::from(second).min(line.len()));
                line.extend(tail);
            }
            _ => raw.push((place, first)),
        }
    }
    let mut bytes = lines.join(&b'\n');
    bytes.push(b'\n');
    for (place, byte) in raw {
        if byte & 1 == 0 {
            bytes.truncate(bytes.len().saturating_sub(place % 64));
        } else {
            bytes.insert(place % (bytes.len() + 1), byte);
        }
    }
    bytes
}

fn insert(line: &mut Vec<u8>, at: u8, what: &[u8]) {
    let at = usize::from(at).min(line.len());
    line.splice(at..at, what.iter().copied());
}

/// Changes one digit of the line.
fn digits(line: &mut [u8], which: u8, to: u8) {
    let count = line.iter().filter(|byte| byte.is_ascii_digit()).count();
    let which = usize::from(which).checked_rem(count);
    let digit = which.and_then(|n| line.iter_mut().filter(|byte| byte.is_ascii_digit()).nth(n));
    if let Some(digit) = digit {
        *digit = b'0' + to % 10;
    }
}

/// Puts one word of the format in the place of another.
fn words(line: &mut Vec<u8>, which: u8, to: u8) {
    let Ok(text) = std::str::from_utf8(line) else { return };
    let start = usize::from(which) % WORDS.len();
    let found = (0..WORDS.len())
        .filter_map(|step| WORDS.get((start + step) % WORDS.len()))
        .find_map(|word| text.find(word).map(|at| (at, word.len())));
    if let Some((at, length)) = found {
        let word = WORDS[usize::from(to) % WORDS.len()];
        line.splice(at..at + length, word.bytes());
    }
}
