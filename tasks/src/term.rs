//! Terms as they are compared: runs of letters and digits, in any case.

/// Words of a text: runs of letters and digits.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Runs of letters and digits in lower case, one space between them.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_normal(&mut out, text);
    out
}

/// Whether [`normal`] of `text` is `wanted`.
pub(crate) fn is_normal(text: &str, wanted: &str) -> bool {
    let mut rest = wanted;
    for word in words(text) {
        if rest.len() < wanted.len() {
            match rest.strip_prefix(' ') {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        for c in word.chars().flat_map(char::to_lowercase) {
            match rest.strip_prefix(c) {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
    }
    rest.is_empty()
}

/// As [`normal`], with a space at either end, so that a search finds whole words only.
pub(crate) fn padded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    push_normal(&mut out, text);
    out.push(' ');
    out
}

fn push_normal(out: &mut String, text: &str) {
    let start = out.len();
    if text.is_ascii() {
        // Whole runs at once.
        let mut rest = text;
        loop {
            let gap = rest.bytes().position(|byte| byte.is_ascii_alphanumeric());
            let Some(tail) = gap.and_then(|gap| rest.get(gap..)) else { break };
            let run = tail.bytes().position(|byte| !byte.is_ascii_alphanumeric());
            let (word, next) = tail.split_at(run.unwrap_or(tail.len()));
            if out.len() > start {
                out.push(' ');
            }
            out.push_str(word);
            rest = next;
        }
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        return;
    }
    let mut gap = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // A run of ASCII letters and digits at once, anything else by character.
        let run = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        if run == 0 && !c.is_alphanumeric() {
            gap = true;
            rest = rest.get(c.len_utf8()..).unwrap_or("");
            continue;
        }
        if std::mem::take(&mut gap) && out.len() > start {
            out.push(' ');
        }
        let from = out.len();
        if run == 0 {
            out.extend(c.to_lowercase());
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        } else {
            let (head, tail) = rest.split_at(run);
            out.push_str(head);
            if let Some(added) = out.get_mut(from..) {
                added.make_ascii_lowercase();
            }
            rest = tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terms_are_words_in_lower_case() {
        assert_eq!(normal("  The Volt-Link, Inc. "), "the volt link inc");
        assert_eq!(normal("Ärger 4.5"), "ärger 4 5");
        assert_eq!(normal("naïve É2e"), "naïve é2e");
        assert_eq!(normal("…"), "");
        assert_eq!(padded("a-B"), " a b ");
        assert!(is_normal("The Volt-Link", "the volt link"));
        for other in ["the volt", "the voltlink", "the volt linkage", "the  volt link", ""] {
            assert!(!is_normal("The Volt-Link", other), "{other}");
        }
        assert!(!is_normal("thevolt link", "the volt link"));
        assert_eq!(words("a-B, c").collect::<Vec<_>>(), ["a", "B", "c"]);
    }

    proptest! {
        #[test]
        fn a_term_is_its_words(text: String) {
            let lower: Vec<String> = words(&text).map(str::to_lowercase).collect();
            // Single characters lower alike alone and in a word, but for the final sigma.
            prop_assume!(!text.contains('Σ'));
            prop_assert_eq!(normal(&text), lower.join(" "));
        }

        #[test]
        fn comparing_is_as_good_as_making(text: String, other: String) {
            prop_assert!(is_normal(&text, &normal(&text)));
            prop_assert_eq!(is_normal(&text, &normal(&other)), normal(&text) == normal(&other));
            let longer = normal(&text) + "x";
            prop_assert!(!is_normal(&text, &longer));
        }
    }
}
