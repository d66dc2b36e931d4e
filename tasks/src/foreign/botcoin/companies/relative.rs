//! Sentences that compare two companies: which figure, by how much, and who is ahead.

use super::{
    Ahead, Document, Quantity, Said, Statement, lower_words, numbers, quarters, sentences, unread,
    working,
};

/// Words by which the subject has more.
const MORE: [&str; 32] = [
    "more",
    "beyond",
    "larger",
    "ahead",
    "exceeds",
    "exceeded",
    "exceeding",
    "above",
    "outpaced",
    "outpaces",
    "outearned",
    "outgrew",
    "outstripped",
    "outscores",
    "outscored",
    "outperformed",
    "led",
    "leads",
    "beat",
    "beats",
    "north",
    "surpassed",
    "surpasses",
    "higher",
    "stronger",
    "faster",
    "additional",
    "extra",
    "bigger",
    "greater",
    "topped",
    "outdid",
];
/// Words by which it has less.
const LESS: [&str; 26] = [
    "fewer",
    "trails",
    "trailed",
    "trailing",
    "below",
    "behind",
    "short",
    "shortfall",
    "lower",
    "less",
    "lighter",
    "under",
    "lagged",
    "lags",
    "lagging",
    "weaker",
    "smaller",
    "leaner",
    "slower",
    "underperformed",
    "south",
    "shy",
    "worse",
    "lesser",
    "deficit",
    "thinner",
];
/// Words of a difference that leave open who is ahead.
const OPEN: [&str; 16] = [
    "separated",
    "separating",
    "separates",
    "within",
    "identical",
    "near-identical",
    "comparable",
    "matched",
    "matches",
    "closely",
    "similar",
    "differing",
    "differ",
    "apart",
    "gap",
    "difference",
];
/// Hedges that hold such a word and mean nothing: the figure is exact.
const HEDGES: [&str; 2] = ["just under ", "just over "];

/// Words of growth; without one, quarters are about revenue.
const GROWTH: [&str; 12] = [
    "growth",
    "grew",
    "grow",
    "growing",
    "expansion",
    "expanded",
    "momentum",
    "outgrew",
    "percentage",
    "points",
    "percent",
    "pace",
];

/// A paragraph about two companies: three sentences on their working, or four on two quarters.
/// One sentence alone is an aside.
pub(super) fn paragraph(document: &mut Document, number: usize, text: &str, entities: &[usize]) {
    let all: Vec<&str> = sentences(text).collect();
    if all.len() < 2 {
        return;
    }
    for (place, sentence) in all.iter().enumerate() {
        let by_place = match (all.len(), place) {
            (3, 0) => Some(Quantity::Employees),
            (3, 1) => Some(Quantity::Debt),
            (3, 2) => Some(Quantity::Satisfaction),
            _ => None,
        };
        match read(document, sentence, by_place) {
            Ok((quantity, said)) => {
                document.statements.push(Statement { quantity, said, paragraph: number });
            }
            Err(why) => unread(document, number, entities, &why),
        }
    }
}

fn read(
    document: &Document,
    sentence: &str,
    by_place: Option<Quantity>,
) -> Result<(Quantity, Said), String> {
    let mentions = document.roster.mentions(sentence);
    let mut order: Vec<usize> = Vec::new();
    for mention in &mentions {
        if !order.contains(&mention.entity) {
            order.push(mention.entity);
        }
    }
    let [first, second] = order.as_slice() else {
        return Err(format!("{sentence:?} does not name two companies"));
    };
    let found = numbers(sentence);
    let [figure] = found.as_slice() else {
        return Err(format!("{sentence:?} has {} figures, one was expected", found.len()));
    };
    // Names could hold any word; they must not be read as words.
    let mut rest = String::with_capacity(sentence.len());
    let mut from = 0;
    for mention in &mentions {
        rest.push_str(sentence.get(from..mention.start).unwrap_or(""));
        rest.push('\u{1}');
        from = mention.end;
    }
    rest.push_str(sentence.get(from..).unwrap_or(""));
    let mut rest = rest.to_lowercase();
    for hedge in HEDGES {
        rest = rest.replace(hedge, "");
    }
    let words = lower_words(&rest);
    let quantity = quantity(&rest, &words, by_place)
        .ok_or_else(|| format!("{sentence:?} does not say which figure it compares"))?;
    let ahead = ahead(document, sentence, &rest, &words, *first, quantity)
        .ok_or_else(|| format!("{sentence:?} does not say in known words who is ahead"))?;
    let milli = figure.milli.saturating_abs();
    Ok((quantity, Said::Differs { first: *first, second: *second, milli, ahead }))
}

fn quantity(rest: &str, words: &[String], by_place: Option<Quantity>) -> Option<Quantity> {
    let named: Vec<u8> = quarters(rest).into_iter().collect();
    match named.as_slice() {
        [] => working(rest).or(by_place),
        [quarter] => {
            let growth = words.iter().any(|word| GROWTH.contains(&word.as_str()));
            let money = rest.contains('$') || words.iter().any(|word| word.contains("million"));
            Some(if growth && !money {
                Quantity::Growth(*quarter)
            } else {
                Quantity::Revenue(*quarter)
            })
        }
        _ => None,
    }
}

/// Who is ahead, from a named winner, else from the words about the subject.
fn ahead(
    document: &Document,
    sentence: &str,
    rest: &str,
    words: &[String],
    first: usize,
    quantity: Quantity,
) -> Option<Ahead> {
    let of = |entity: usize| if entity == first { Ahead::First } else { Ahead::Second };
    let other = |ahead: Ahead| match ahead {
        Ahead::First => Ahead::Second,
        Ahead::Second => Ahead::First,
        Ahead::Unsaid => Ahead::Unsaid,
    };
    // The named winner stands right after one of these, or before "'s favor".
    let after = |cue: &str| {
        let at = sentence.find(cue)? + cue.len();
        let mentions = document.roster.mentions(sentence);
        mentions.iter().find(|mention| mention.start == at).map(|mention| mention.entity)
    };
    let favoured = ["favoring ", "favouring ", "favors ", "favours ", " in favor of "]
        .into_iter()
        .find_map(after)
        .or_else(|| {
            ["'s favor", "'s favour"].into_iter().find_map(|cue| {
                let at = sentence.find(cue)?;
                let mentions = document.roster.mentions(sentence);
                mentions.iter().find(|mention| mention.end == at).map(|mention| mention.entity)
            })
        });
    if let Some(winner) = favoured {
        // Less debt is what a gap in debt favours.
        let ahead = of(winner);
        return Some(if quantity == Quantity::Debt { other(ahead) } else { ahead });
    }
    if let Some(at) = sentence.find(" leading") {
        let mentions = document.roster.mentions(sentence);
        if let Some(winner) = mentions.iter().find(|mention| mention.end == at) {
            return Some(of(winner.entity));
        }
    }
    let holds = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let said = match (holds(&MORE), holds(&LESS)) {
        (true, false) => Ahead::First,
        (false, true) => Ahead::Second,
        (true, true) => return None,
        (false, false) => return holds(&OPEN).then_some(Ahead::Unsaid),
    };
    // "Compared to Y, X has more": the subject comes second.
    let turned =
        ["compared to ", "compared with ", "relative to ", "against ", "versus ", "next to "]
            .iter()
            .any(|cue| rest.starts_with(cue));
    Some(if turned { other(said) } else { said })
}
