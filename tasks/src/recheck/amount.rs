//! Printed values: words of a vocabulary, and numbers in every form that documents may use.

use super::{pattern::Pattern, wordings::Attribute};
use crate::longdoc::words;

/// A value: thousandths, or the place of a word in its attribute's vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    Number(i64),
    Word(usize),
}

impl Known {
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Number(milli) => Some(milli),
            Self::Word(_) => None,
        }
    }
}

/// What values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Category,
    Integer,
    Year,
    Decimal,
}

impl Kind {
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "category" => Self::Category,
            "integer" => Self::Integer,
            "year" => Self::Year,
            "decimal" => Self::Decimal,
            _ => return Err(format!("no kind of attribute {name:?}")),
        })
    }
}

/// A value as printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) value: Known,
    /// The number on paper, thousandths, where it stands in another unit.
    pub(super) printed: Option<i64>,
    /// Whether it is only a rounded figure.
    pub(super) rounded: bool,
}

/// A number exactly as documents write it, in thousandths: `4,210`, `4.5`, and years as `1987`.
pub(super) fn number(text: &str, kind: Kind) -> Option<i64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match kind {
        Kind::Category => None,
        Kind::Year => (digits(text) && text.len() == 4)
            .then(|| text.parse::<i64>().ok()?.checked_mul(1000))
            .flatten(),
        Kind::Integer => whole(text)?.checked_mul(1000),
        Kind::Decimal => {
            let (left, right) = text.split_once('.')?;
            if !digits(right) || right.len() > 3 || (right.len() > 1 && right.ends_with('0')) {
                return None;
            }
            let milli = format!("{right:0<3}").parse::<i64>().ok()?;
            whole(left)?.checked_mul(1000)?.checked_add(milli)
        }
    }
}

/// Digits in groups of three, with commas.
fn whole(text: &str) -> Option<i64> {
    let mut parts = text.split(',');
    let first = parts.next()?;
    let good = |part: &str, length: std::ops::RangeInclusive<usize>| {
        length.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let leading = first.len() > 1 && first.starts_with('0');
    if leading || !good(first, 1..=3) || !parts.all(|part| good(part, 3..=3)) {
        return None;
    }
    text.replace(',', "").parse().ok()
}

/// Every value that a printed text can be.
pub(super) fn amounts(attribute: &Attribute, text: &str) -> Vec<Amount> {
    let mut all = Vec::new();
    let plain = |value| Amount { value, printed: None, rounded: false };
    if attribute.kind == Kind::Category {
        all.extend(attribute.word(text).map(|word| plain(Known::Word(word))));
        return all;
    }
    let mut add = |amount: Amount| {
        if !all.contains(&amount) {
            all.push(amount);
        }
    };
    for milli in numbers(attribute, attribute.list("forms"), text) {
        add(plain(Known::Number(milli)));
    }
    for (form, factor) in &attribute.unit_forms {
        form.each(text, |caught| {
            if let Some(printed) = number(caught.get("n"), attribute.kind)
                && printed % factor == 0
            {
                let value = Known::Number(printed / factor);
                add(Amount { value, printed: Some(printed), rounded: false });
            }
        });
    }
    for hedge in words::HEDGES {
        if let Some(rest) = text.strip_prefix(hedge).and_then(|rest| rest.strip_prefix(' ')) {
            let kind = Kind::Integer;
            for milli in bare(attribute.list("forms"), rest, kind) {
                add(Amount { value: Known::Number(milli), printed: None, rounded: true });
            }
        }
    }
    all
}

/// A value as a trace writes it.
pub(super) fn traced(attribute: &Attribute, text: &str) -> Option<Known> {
    match attribute.kind {
        Kind::Category => attribute.word(text).map(Known::Word),
        kind => number(text, kind).map(Known::Number),
    }
}

/// A difference as printed.
pub(super) fn gaps(attribute: &Attribute, text: &str) -> Vec<i64> {
    bare(attribute.list("gap_forms"), text, attribute.kind)
}

fn bare(forms: &[Pattern], text: &str, kind: Kind) -> Vec<i64> {
    let mut all = Vec::new();
    for form in forms {
        form.each(text, |caught| {
            if let Some(milli) = number(caught.get("n"), kind)
                && !all.contains(&milli)
            {
                all.push(milli);
            }
        });
    }
    all
}

/// Numbers in their own unit, in digits or in thousands.
fn numbers(attribute: &Attribute, forms: &[Pattern], text: &str) -> Vec<i64> {
    let mut all = bare(forms, text, attribute.kind);
    if attribute.kind == Kind::Integer && attribute.scale == 1 {
        for form in forms {
            form.each(text, |caught| {
                let n = caught.get("n");
                let n = n.strip_suffix(" thousand").or_else(|| n.strip_suffix('k'));
                let milli = n.and_then(|n| number(n, Kind::Decimal)?.checked_mul(1000));
                if let Some(milli) = milli
                    && !all.contains(&milli)
                {
                    all.push(milli);
                }
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documents_own_formats_are_numbers() {
        for (text, kind, milli) in [
            ("4,210", Kind::Integer, Some(4_210_000)),
            ("4210", Kind::Integer, None),
            ("4,21", Kind::Integer, None),
            ("007", Kind::Integer, None),
            ("1987", Kind::Year, Some(1_987_000)),
            ("1,987", Kind::Year, None),
            ("4.5", Kind::Decimal, Some(4_500)),
            ("4.50", Kind::Decimal, None),
            ("1,204.25", Kind::Decimal, Some(1_204_250)),
            ("4", Kind::Decimal, None),
        ] {
            assert_eq!(number(text, kind), milli, "{text}");
        }
    }
}
