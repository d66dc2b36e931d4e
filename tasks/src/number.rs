//! Number formats: one way to write a number, and one way to find numbers in text.
//!
//! Everything is an integer number of thousandths ("milli"): 4.5 is 4,500. Writing gives the
//! canonical form (`4,210`, `4.5`); finding accepts every format that a document or a model may
//! use: `4,210`, `4210`, `$4,210`, `4,210M`, `4.21 billion`, `-7`.

use crate::work;

/// Most bytes of a number with commas: 19 digits, six commas and a sign.
const MAX_GROUPED_BYTES: usize = 26;

/// `n` with a comma between groups of three digits.
#[must_use]
pub fn grouped(n: i64) -> String {
    let mut text = String::with_capacity(MAX_GROUPED_BYTES);
    push_grouped(&mut text, n);
    text
}

/// Appends `n` without commas.
pub(crate) fn push_plain(text: &mut String, n: u32) {
    let mut unit = 10_u32.pow(n.checked_ilog10().unwrap_or(0));
    while unit > 0 {
        text.push(char::from(b'0' + u8::try_from(n / unit % 10).unwrap_or(0)));
        unit /= 10;
    }
}

/// Appends `n` with commas.
pub(crate) fn push_grouped(text: &mut String, n: i64) {
    if n < 0 {
        text.push('-');
    }
    let mut left = n.unsigned_abs();
    let mut digits = [0_u8; MAX_GROUPED_BYTES];
    let mut at = digits.len();
    let mut written = 0;
    loop {
        if written > 0 && written % 3 == 0 {
            at -= 1;
            digits[at] = b',';
        }
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        written += 1;
        if left == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Thousandths as a decimal with as many digits as needed, at least one: 4,500 is `4.5`.
#[must_use]
pub fn decimal(milli: i64) -> String {
    let mut text = String::with_capacity(MAX_GROUPED_BYTES);
    push_decimal(&mut text, milli);
    text
}

/// Appends what [`decimal`] gives.
pub(crate) fn push_decimal(text: &mut String, milli: i64) {
    let magnitude = milli.unsigned_abs();
    if milli < 0 {
        text.push('-');
    }
    push_grouped(text, i64::try_from(magnitude / 1000).unwrap_or(i64::MAX));
    text.push('.');
    let fraction = magnitude % 1000;
    let digits = [fraction / 100, fraction / 10 % 10, fraction % 10];
    let written = 1 + digits.iter().skip(1).rposition(|digit| *digit != 0).map_or(0, |at| at + 1);
    let digit = |digit: &u64| char::from(b'0' + u8::try_from(*digit).unwrap_or(0));
    text.extend(digits.iter().take(written).map(digit));
}

/// A number found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Byte offset of its first character (sign included, currency sign not).
    pub start: usize,
    /// Byte offset after its last digit (scale word not included).
    pub end: usize,
    /// The digits as written, thousandths.
    pub milli: i64,
    /// What its scale word multiplies by: `thousand` or `k` 1,000, `million` or `M` 1,000,000,
    /// `billion` or `B` 1,000,000,000; 1 without one.
    pub scale: i64,
}

impl Found {
    /// Whether this number states `milli` thousandths of a unit that is `unit_scale` base units:
    /// either bare, or with a scale word that makes the products agree.
    #[must_use]
    pub fn states(&self, milli: i64, unit_scale: i64) -> bool {
        if self.scale == 1 {
            return self.milli == milli;
        }
        match (self.milli.checked_mul(self.scale), milli.checked_mul(unit_scale)) {
            (Some(said), Some(meant)) => said == meant,
            _ => false,
        }
    }
}

/// Every whole number in `text`, from left to right. A digit run that touches a letter or an
/// underscore on its left (`Q1`, `paragraph_12`), or a letter on its right that is not a scale
/// word (`3rd`), is no number; neither is one with more than 15 digits or four decimals.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    numbers(text).collect()
}

/// As [`find`], one by one.
pub fn numbers(text: &str) -> impl Iterator<Item = Found> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
            let (end, milli) = read_digits(bytes, start);
            at = end;
            if let Some(found) = milli.and_then(|milli| bounded(text, start, end, milli)) {
                return Some(found);
            }
        }
    })
}

/// The one number of a text that has exactly one.
#[must_use]
pub fn only(text: &str) -> Option<Found> {
    let mut found = numbers(text);
    let one = found.next()?;
    found.next().is_none().then_some(one)
}

/// A run of digits as a number, unless it is part of a word or of a longer number.
fn bounded(text: &str, start: usize, end: usize, milli: i64) -> Option<Found> {
    let bytes = text.as_bytes();
    if start > 0 && !free_on_the_left(text, start) {
        return None;
    }
    let scale = scale_after(text.get(end..)?)?;
    let signed = start > 0
        && bytes[start - 1] == b'-'
        && !text[..start - 1].chars().next_back().is_some_and(char::is_alphanumeric);
    Some(if signed {
        Found { start: start - 1, end, milli: -milli, scale }
    } else {
        Found { start, end, milli, scale }
    })
}

/// Whether the digits at `start`, which is not the beginning, begin a number.
fn free_on_the_left(text: &str, start: usize) -> bool {
    let bytes = text.as_bytes();
    match bytes[start - 1] {
        b'_' => false,
        b'.' | b',' => left_is_boundary(bytes, start),
        byte if byte.is_ascii() => !byte.is_ascii_alphanumeric(),
        _ => !text[..start].chars().next_back().is_some_and(char::is_alphanumeric),
    }
}

/// A full stop or comma to the left belongs to the sentence, not to a number, unless a digit
/// precedes it.
fn left_is_boundary(bytes: &[u8], start: usize) -> bool {
    matches!(bytes[start - 1], b'.' | b',') && !(start >= 2 && bytes[start - 2].is_ascii_digit())
}

/// Digits with comma groups and an optional fraction: the end and the value in thousandths.
fn read_digits(bytes: &[u8], start: usize) -> (usize, Option<i64>) {
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut at = start;
    let mut whole = 0_i64;
    let mut digits = 0_usize;
    let take = |at: usize, whole: &mut i64, digits: &mut usize| {
        *digits += 1;
        if *digits <= 15 {
            *whole = *whole * 10 + i64::from(bytes[at] - b'0');
        }
    };
    while digit(at) {
        take(at, &mut whole, &mut digits);
        at += 1;
    }
    if digits <= 3 {
        while bytes.get(at) == Some(&b',') && (1..=3).all(|i| digit(at + i)) && !digit(at + 4) {
            for i in 1..=3 {
                take(at + i, &mut whole, &mut digits);
            }
            at += 4;
        }
    }
    let mut milli = if digits <= 15 { whole.checked_mul(1000) } else { None };
    if bytes.get(at) == Some(&b'.') && digit(at + 1) {
        at += 1;
        let mut unit = 100;
        while digit(at) {
            milli = match milli {
                Some(value) if unit > 0 => Some(value + i64::from(bytes[at] - b'0') * unit),
                _ => None,
            };
            unit /= 10;
            at += 1;
        }
    }
    (at, milli)
}

/// The scale word right after a number; `None` where other letters are glued to it.
fn scale_after(rest: &str) -> Option<i64> {
    const WORDS: [(&str, i64); 3] =
        [("thousand", 1_000), ("million", 1_000_000), ("billion", 1_000_000_000)];
    let glued: &str = &rest[..rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())];
    if !glued.is_empty() {
        return match glued {
            "k" | "K" => Some(1_000),
            "m" | "M" => Some(1_000_000),
            "b" | "B" | "bn" => Some(1_000_000_000),
            _ => None,
        };
    }
    let next = rest.strip_prefix(' ').or_else(|| rest.strip_prefix('-')).unwrap_or("");
    for (word, scale) in WORDS {
        if let Some(head) = next.get(..word.len())
            && head.eq_ignore_ascii_case(word)
            && !next[word.len()..].starts_with(char::is_alphanumeric)
        {
            return Some(scale);
        }
    }
    Some(1)
}

/// The smallest prime that is at least `n` (and at least 2).
#[must_use]
pub fn next_prime(n: i64) -> i64 {
    let mut candidate = n.max(2);
    while !is_prime(candidate) {
        candidate += 1;
    }
    candidate
}

fn is_prime(n: i64) -> bool {
    if n < 2 {
        return false;
    }
    for divisor in SMALL_PRIMES.iter().copied().map(i64::from) {
        if divisor * divisor > n {
            return true;
        }
        work::count();
        if remainder(n, divisor) == 0 {
            return false;
        }
    }
    let mut divisor = SMALL_PRIMES_BELOW + 1;
    while divisor <= n / divisor {
        work::count();
        if n % divisor == 0 {
            return false;
        }
        divisor += 2;
    }
    true
}

/// Of positive numbers; what fits in 32 bits divides twice as fast.
fn remainder(n: i64, divisor: i64) -> i64 {
    match (u32::try_from(n), u32::try_from(divisor)) {
        (Ok(n), Ok(divisor)) => i64::from(n % divisor),
        _ => n % divisor,
    }
}

/// Even, so that the next number is odd.
const SMALL_PRIMES_BELOW: i64 = 1_000;

const SMALL_PRIMES: [u16; 168] = {
    let mut primes = [0; 168];
    let (mut found, mut candidate) = (0, 2);
    while found < primes.len() {
        let mut at = 0;
        while at < found && candidate % primes[at] != 0 {
            at += 1;
        }
        if at == found {
            primes[found] = candidate;
            found += 1;
        }
        candidate += 1;
    }
    assert!(primes[167] < SMALL_PRIMES_BELOW as u16);
    primes
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn milli(text: &str) -> Vec<(i64, i64)> {
        find(text).iter().map(|f| (f.milli, f.scale)).collect()
    }

    #[test]
    fn formats_are_found() {
        assert_eq!(milli("employs 4,210 people."), [(4_210_000, 1)]);
        assert_eq!(
            milli("about $412M, 412 million, $0.412 billion"),
            [(412_000, 1_000_000), (412_000, 1_000_000), (412, 1_000_000_000)]
        );
        assert_eq!(milli("-7 and 4.5, then 3."), [(-7_000, 1), (4_500, 1), (3_000, 1)]);
        assert_eq!(milli("43+36=79"), [(43_000, 1), (36_000, 1), (79_000, 1)]);
        assert_eq!(milli("1,2,345"), [(1_000, 1)]);
        assert_eq!(milli("10-20"), [(10_000, 1), (20_000, 1)]);
    }

    #[test]
    fn numbers_have_their_places() {
        let places = |text: &str| -> Vec<(usize, usize)> {
            find(text).iter().map(|found| (found.start, found.end)).collect()
        };
        assert_eq!(places("-7 and 4.5, 3."), [(0, 2), (7, 10), (12, 13)]);
        assert_eq!(places("é 1,234 million"), [(3, 8)]);
        assert_eq!(only("so 12 it is").map(|found| (found.start, found.end)), Some((3, 5)));
        assert_eq!(only("12 and 13"), None);
        assert_eq!(only("none"), None);
    }

    #[test]
    fn signs_belong_to_what_they_touch() {
        assert_eq!(milli("-5"), [(-5_000, 1)]);
        assert_eq!(milli("(-5.5)"), [(-5_500, 1)]);
        assert_eq!(milli("a-5"), [(5_000, 1)]);
        assert_eq!(milli("é-5"), [(5_000, 1)]);
        assert_eq!(milli("--5"), [(-5_000, 1)]);
        assert_eq!(milli("- 5"), [(5_000, 1)]);
        assert_eq!(milli("+5 $6"), [(5_000, 1), (6_000, 1)]);
    }

    #[test]
    fn groups_and_fractions() {
        for (text, found) in [
            ("1,234,567", vec![1_234_567_000]),
            ("12,345", vec![12_345_000]),
            ("123,456", vec![123_456_000]),
            ("1234,567", vec![1_234_000]),
            ("1,2345", vec![1_000]),
            ("1,234,5678", vec![1_234_000]),
            ("1,23", vec![1_000]),
            ("1,234.5", vec![1_234_500]),
            ("0.001", vec![1]),
            ("0.012", vec![12]),
            ("0.123", vec![123]),
            ("0.1234", vec![]),
            ("3.5.7", vec![3_500]),
            ("1. 2", vec![1_000, 2_000]),
            (".5", vec![5_000]),
            ("x.5", vec![5_000]),
            (",5", vec![5_000]),
            ("2.,5", vec![2_000, 5_000]),
            ("999999999999999", vec![999_999_999_999_999_000]),
            ("1000000000000000", vec![]),
            ("999,999,999,999,999", vec![999_999_999_999_999_000]),
            ("1,999,999,999,999,999", vec![]),
            ("999999999999999.999", vec![999_999_999_999_999_999]),
            ("007", vec![7_000]),
        ] {
            let all: Vec<i64> = find(text).iter().map(|found| found.milli).collect();
            assert_eq!(all, found, "{text}");
        }
    }

    #[test]
    fn scale_words() {
        for (text, scale) in [
            ("5k", 1_000),
            ("5K", 1_000),
            ("5m", 1_000_000),
            ("5M", 1_000_000),
            ("5b", 1_000_000_000),
            ("5B", 1_000_000_000),
            ("5bn", 1_000_000_000),
            ("5 thousand", 1_000),
            ("5 Million.", 1_000_000),
            ("5-billion", 1_000_000_000),
            ("5 thousands", 1),
            ("5  thousand", 1),
            ("5 thousan", 1),
            ("5 thousandé", 1),
            ("5 k", 1),
            ("5", 1),
        ] {
            assert_eq!(milli(text), [(5_000, scale)], "{text}");
        }
        for text in ["5bN", "5kg", "5thousand", "5é", "é5", "x5", "_5", "5th"] {
            assert_eq!(milli(text), [], "{text}");
        }
        assert_eq!(milli("\u{2014}5\u{2014}"), [(5_000, 1)]);
    }

    #[test]
    fn written_at_the_ends_of_the_range() {
        for (n, text) in [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (-1_000, "-1,000"),
            (-999, "-999"),
            (1_234_567, "1,234,567"),
            (i64::MAX, "9,223,372,036,854,775,807"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(grouped(n), text);
        }
        for (n, text) in [
            (0, "0.0"),
            (1, "0.001"),
            (10, "0.01"),
            (-500, "-0.5"),
            (4_500, "4.5"),
            (1_234_560, "1,234.56"),
            (i64::MIN, "-9,223,372,036,854,775.808"),
        ] {
            assert_eq!(decimal(n), text);
        }
    }

    #[test]
    fn parts_of_words_are_not_numbers() {
        assert_eq!(milli("Q1 paragraph_12 3rd 4x"), []);
        assert_eq!(milli("99999999999999999999"), []);
        assert_eq!(milli("1.23456"), []);
    }

    #[test]
    fn scales_agree_only_as_products() {
        let found = find("412,000 thousand dollars")[0];
        assert!(found.states(412_000, 1_000_000));
        assert!(!found.states(412_000_000, 1_000_000));
        assert!(find("412")[0].states(412_000, 1_000_000));
        assert!(!find("413")[0].states(412_000, 1_000_000));
        assert!(!find("413 million")[0].states(412_000, 1_000_000));
        // Products that do not fit agree with nothing.
        let huge = find("999,999,999,999,999 billion")[0];
        assert!(!huge.states(999_999_999_999_999_000, 1_000_000_000));
        assert!(!find("1 thousand")[0].states(i64::MAX, 1_000));
    }

    #[test]
    fn primes() {
        assert_eq!([0, 23, 24, 90, 102].map(next_prime), [2, 23, 29, 97, 103]);
        assert_eq!(
            [-5, 1, 2, 3, 4, 8, 25, 48, 49].map(next_prime),
            [2, 2, 2, 3, 5, 11, 29, 53, 53]
        );
        let prime = |n: i64| (2..).take_while(|d| d * d <= n).all(|divisor| n % divisor != 0);
        // The squares of the last small prime and of the first that is none of them, and 32 bits.
        let around = |n: i64| n - 30..n + 30;
        let beyond = [997 * 997, 1_009 * 1_009, i64::from(u32::MAX)].into_iter().flat_map(around);
        for n in (2..400).chain(beyond) {
            assert_eq!(next_prime(n), (n..).find(|n| prime(*n)).expect("there is one"), "{n}");
        }
    }

    #[test]
    fn plain_numbers_have_no_commas() {
        let mut text = String::new();
        for n in [0, 7, 10, 1_234, u32::MAX] {
            push_plain(&mut text, n);
            text.push(' ');
        }
        assert_eq!(text, "0 7 10 1234 4294967295 ");
        let ends = [grouped(i64::MIN), grouped(i64::MAX), grouped(0), grouped(-1_000)];
        assert_eq!(ends[0], "-9,223,372,036,854,775,808");
        assert_eq!(ends[1..], ["9,223,372,036,854,775,807", "0", "-1,000"]);
        assert_eq!(
            [decimal(4_500), decimal(-5), decimal(1_234_050)],
            ["4.5", "-0.005", "1,234.05"]
        );
        assert_eq!(decimal(i64::MIN), "-9,223,372,036,854,775.808");
    }

    proptest! {
        #[test]
        fn written_numbers_are_found_again(n in -999_999_999_i64..999_999_999) {
            prop_assert_eq!(milli(&format!("x {} y", grouped(n))), vec![(n * 1000, 1)]);
            prop_assert_eq!(milli(&format!("x {} y", decimal(n))), vec![(n, 1)]);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            for found in find(&text) {
                prop_assert!(text.get(found.start..found.end).is_some());
            }
        }
    }
}
