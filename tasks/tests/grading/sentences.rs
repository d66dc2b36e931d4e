//! Which trace sentence a line is, and whom it is about.

use std::sync::Arc;

use lode_tasks::{
    parse::{Claim, Named, Said, StepBody, parse},
    types::{AttrId, AttributeSchema, EntityId, RosterEntry, Task, ValueKind},
};

use crate::fixture::{ALTA, NERO, VOLT, small};

/// The claim of a one-line trace, with the text that its places point into.
fn claim(task: &Task, line: &str) -> Option<(Claim, String)> {
    let text = format!("e1: {line}\n</trace>\nArtifact: calm\n");
    let mut parsed = parse(task, text.as_bytes()).expect("the frame holds");
    match parsed.steps.remove(0).body {
        StepBody::Extract(claim) => Some((claim, parsed.text)),
        _ => None,
    }
}

/// The small task with these sentences instead of its own.
fn saying(sentences: &[(&str, &[&str])]) -> Task {
    let mut task = small();
    task.attributes = sentences
        .iter()
        .map(|(sentence, words)| AttributeSchema {
            kind: if words.is_empty() { ValueKind::Integer } else { ValueKind::Category },
            trace: (*sentence).into(),
            vocabulary: words.iter().map(|word| (*word).to_owned()).collect(),
            trace_more: None,
            trace_less: None,
            ..task.attributes[1].clone()
        })
        .collect();
    task
}

fn entity(task: &Task, line: &str) -> Named {
    claim(task, line).unwrap_or_else(|| panic!("{line}")).0.entity
}

#[test]
fn of_several_sentences_the_one_with_a_known_value_is_meant() {
    let trade = ("{entity} is {value}", &["based abroad", "idle"][..]);
    let city = ("{entity} is based in {value}", &["Falkridge", "Marrow Bay"][..]);
    for (sentences, at) in [([trade, city], 1), ([city, trade], 0)] {
        let task = saying(&sentences);
        for line in ["Alta Flow is based in Falkridge", "Alta Flow is based in marrow-bay"] {
            let (found, _) = claim(&task, line).expect(line);
            assert_eq!(found.attr, AttrId(at), "{line}");
            assert!(matches!(found.value, Said::Word(..)), "{line}");
        }
        let (found, _) = claim(&task, "Alta Flow is idle").expect("is one");
        assert_eq!(found.attr, AttrId(1 - at));
    }
    // Where no value is known, the first sentence that fits.
    for sentences in [[trade, city], [city, trade]] {
        let (found, text) = claim(&saying(&sentences), "Alta Flow is based in --").expect("is one");
        assert_eq!(found.attr, AttrId(0));
        let Said::Text(place) = found.value else { panic!("other words") };
        assert!(text[place].ends_with("--"));
    }
}

#[test]
fn the_longest_name_of_the_roster_is_meant() {
    let mut task = small();
    for names in [["Volt", "Volt Link", "Volta"], ["Volta", "Volt Link", "Volt"]] {
        task.roster = names.map(|name| RosterEntry { name: name.into() }).to_vec();
        let place = |name: &str| {
            let place = names.iter().position(|known| *known == name).expect("is one of them");
            Named::Roster(EntityId(u16::try_from(place).expect("three")))
        };
        for name in names {
            let upper = name.to_uppercase();
            assert_eq!(entity(&task, &format!("{upper} employs 12 people")), place(name));
            let line = format!("Volt employs 12 more people than {name}");
            let (found, _) = claim(&task, &line).expect("is one");
            assert_eq!(found.relative.map(|relative| relative.reference), Some(place(name)));
        }
        // A longer word that only begins with a name is another name.
        let found = entity(&task, "Voltage employs 12 people");
        assert!(matches!(found, Named::Other(_)), "{found:?}");
    }
}

#[test]
fn names_stand_anywhere_in_a_sentence() {
    let task = saying(&[
        ("{entity}'s staff is {value}", &[]),
        ("in all {value} people work for {entity}", &[]),
        ("a staff of {value} serves {entity} now", &[]),
        ("{value}: staff of {entity}", &[]),
    ]);
    for (place, line) in (0..).zip([
        "Volt Link's staff is 2,800",
        "In all 2,800 people work for Volt Link",
        "A staff of\t2,800 serves  Volt Link now",
        "2,800: staff of Volt Link",
    ]) {
        let (found, text) = claim(&task, line).expect(line);
        assert_eq!((found.attr, found.entity), (AttrId(place), Named::Roster(VOLT)), "{line}");
        let Said::Number(number) = found.value else { panic!("{line}") };
        assert_eq!(&text[number.start..number.end], "2,800");
    }
    for line in ["A staff of 2,800 serves Volt Link", "A staff of 2,800 serves Volt Link now, too"]
    {
        assert!(claim(&task, line).is_none(), "{line}");
    }
}

#[test]
fn blanks_of_any_kind_and_number_stand_between_the_words() {
    for line in [
        "Nero Data employs\t310\tmore people than\tAlta Flow",
        "Nero\tData employs 310\t more  people than Alta \t Flow",
        "NERO DATA EMPLOYS 310 MORE PEOPLE THAN ALTA FLOW",
    ] {
        let (found, _) = claim(&small(), line).expect(line);
        let relative = found.relative.expect("against another");
        assert_eq!((found.entity, relative.reference), (Named::Roster(NERO), Named::Roster(ALTA)));
        assert!(!relative.less);
    }
    let (found, _) =
        claim(&small(), "Nero Data employs 310 fewer people than Alta Flow").expect("one");
    assert!(found.relative.is_some_and(|relative| relative.less));
}

#[test]
fn a_number_and_a_name_more_are_understood() {
    // Other words with a number in them, and a number.
    let has = [("{entity} has {value}", &["none"][..]), ("{entity} has {value} desks", &[][..])];
    let (found, _) = claim(&saying(&has), "Alta Flow has 12 desks").expect("is one");
    assert_eq!(found.attr, AttrId(1));
    // Two comparisons, one of which knows both names.
    let mut task =
        saying(&[("{entity} has {value} desks", &[]), ("{entity} has {value} doors", &[])]);
    let schemas = Arc::get_mut(&mut task.attributes).expect("has one owner");
    schemas[0].trace_more = Some("{entity} is {value} ahead of {reference}".into());
    schemas[1].trace_more = Some("{entity} is {value} ahead of the {reference}".into());
    let (found, _) = claim(&task, "Nero Data is 12 ahead of the Alta Flow").expect("is one");
    assert_eq!(found.attr, AttrId(1));
}

#[test]
fn the_sentence_with_a_known_name_is_meant() {
    // Either fits, and neither value is known.
    let task = saying(&[
        ("{value} lies beside {entity}", &["the sea"]),
        ("{entity} lies beside {value}", &["the moor"]),
    ]);
    let (found, text) = claim(&task, "Alta Flow lies beside a lake").expect("is one");
    assert_eq!((found.attr, found.entity), (AttrId(1), Named::Roster(ALTA)));
    let Said::Text(place) = found.value else { panic!("other words") };
    assert_eq!(&text[place], "a lake");
}

#[test]
fn a_name_that_only_begins_with_a_known_one_is_another() {
    let line = "Nero Data employs 310 more people than Alta Flow Group";
    let (found, text) = claim(&small(), line).expect("is one");
    assert_eq!(found.entity, Named::Roster(NERO));
    let Some(Named::Other(place)) = found.relative.map(|relative| relative.reference) else {
        panic!("another name")
    };
    assert_eq!(&text[place], "Alta Flow Group");
}

#[test]
fn names_and_values_have_80_bytes_at_most() {
    let task = saying(&[("{entity} lies beside {value}", &["the sea"])]);
    for (length, read) in [(1, true), (79, true), (80, true), (81, false), (200, false)] {
        let long = "x".repeat(length);
        for line in [format!("Volt Link lies beside {long}"), format!("{long} lies beside the sea")]
        {
            assert_eq!(claim(&task, &line).is_some(), read, "{length}");
        }
        let line = format!("Nero Data employs 310 more people than {long}");
        assert_eq!(claim(&small(), &line).is_some(), read, "{length}");
    }
    // A hard space is no part of what stands in a slot, and nothing is not a value.
    let (found, text) = claim(&task, "Volt Link lies beside \u{a0}a lake").expect("is one");
    let Said::Text(place) = found.value else { panic!("other words") };
    assert_eq!(&text[place], "a lake");
    let task = saying(&[("{entity} lies beside {value} today", &["the sea"])]);
    assert!(claim(&task, "Volt Link lies beside \u{a0} today").is_none());
}
