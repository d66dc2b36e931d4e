//! The published pair: read without loss, every constraint checked again from its document.

use std::path::PathBuf;

use lode_tasks::foreign::{
    botcoin::{
        self, LEAKED_FIELDS,
        check::{Tally, Verdict},
        companies,
        facts::{Facts, Resolved},
        record::Kind,
    },
    import,
    json::Json,
};

/// A file of the shared data; `None` (said aloud) where there is none, which is a failure where the
/// folder was promised.
fn shared(name: &str) -> Option<Vec<u8>> {
    let promised = std::env::var_os("LODE_SHARED");
    let root = promised.as_ref().map_or_else(|| PathBuf::from("../../shared"), PathBuf::from);
    match std::fs::read(root.join("data").join(name)) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            assert!(promised.is_none(), "LODE_SHARED has no data/{name}: {error}");
            eprintln!("skipped: no data/{name} ({error}); set LODE_SHARED");
            None
        }
    }
}

fn pair() -> Option<Vec<u8>> {
    shared("botcoin/pair-example.json")
}

#[test]
fn every_constraint_of_the_pair_is_derived_again() {
    let Some(bytes) = pair() else { return };
    let file = import::read(&bytes).unwrap();
    let row = botcoin::read_row(&file.records[0]).unwrap();
    assert_eq!(row.kind, Kind::Pair);
    assert_eq!(row.unknown, Vec::<String>::new());
    let report = botcoin::check(&row);
    for checked in &report.checked {
        println!("{checked}");
    }
    println!("{:#?}", report.answers);
    println!("{:#?}", report.differences);
    println!("{:#?}", report.unread);
    let mut tally = Tally::default();
    tally.add(&report);
    assert_eq!(tally.to_string(), "agree 16, disagree 0, not checkable 2");
    assert!(report.unread.is_empty() && report.differences.is_empty());
}

#[test]
fn every_figure_of_the_document_is_resolved() {
    let Some(bytes) = pair() else { return };
    let file = import::read(&bytes).unwrap();
    let row = botcoin::read_row(&file.records[0]).unwrap();
    let document = companies::read(&row.challenge.paragraphs, &row.challenge.questions);
    let facts = Facts::of(&document);
    assert_eq!(facts.profiles.len(), 20);
    println!("{:?}", facts.resolved());
    let Resolved { exact, ambiguous, unknown } = facts.resolved();
    assert_eq!((exact + ambiguous, unknown), (220, 0));
    // The reference counts 11 to 18 of 220 values that get an ambiguous sign.
    assert!((11..=18).contains(&ambiguous), "{ambiguous}");
}

#[test]
fn verbatim_is_deep_equal_and_the_default_export_differs_by_the_leaked_labels() {
    let Some(bytes) = pair() else { return };
    let file = import::read(&bytes).unwrap();
    let theirs: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&file.text()).unwrap();
    assert_eq!(ours, theirs);
    let original = Json::parse(&bytes).unwrap();
    assert_eq!(Json::parse(file.text().as_bytes()).unwrap(), original);
    let exported = botcoin::without_labels(&original);
    let differences = original.differences(&exported);
    println!("the default export differs in {differences:?}");
    assert_eq!(differences, LEAKED_FIELDS);
    let text = exported.line();
    assert!(!text.contains("zone:") && !text.contains("| exact"));
}

/// Changes one text of the pair and says how the constraints come out then.
fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<Verdict> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from}");
    let file = import::read(text.replace(from, to).as_bytes()).unwrap();
    let row = botcoin::read_row(&file.records[0]).unwrap();
    botcoin::check(&row).checked.into_iter().map(|checked| checked.verdict).collect()
}

#[test]
fn answers_follow_the_document() {
    let Some(bytes) = pair() else { return };
    // The final record gives another headcount: the prime no longer follows, on both sides.
    let verdicts = changed(&bytes, "88,092", "88,093");
    assert_eq!(verdicts[4], Verdict::Disagree { theirs: true });
    assert_eq!(verdicts[13], Verdict::Disagree { theirs: true });
    // Another headquarters: the chosen artifact no longer includes the city, the rejected one
    // still does not.
    let verdicts = changed(&bytes, "Oakvale, Alderia", "Surion, Alderia");
    assert_eq!(verdicts[1], Verdict::Disagree { theirs: true });
    assert_eq!(verdicts[10], Verdict::Agree);
    // A wording that is not known leaves the answer open, and says so.
    let verdicts = changed(&bytes, "Which private company has the largest headcount?", "Who wins?");
    assert!(matches!(&verdicts[4], Verdict::NotCheckable(why) if why.contains("Who wins?")));
    // A final record in other words, and with it nothing: the wrong value remains.
    let verdicts = changed(&bytes, "final fil", "later not");
    assert_eq!(verdicts[4], Verdict::Disagree { theirs: true });
    // Contradicting records.
    let verdicts = changed(&bytes, "retained 88,092", "retained 88,192");
    assert!(matches!(&verdicts[4], Verdict::NotCheckable(why) if why.contains("contradict")));
}

#[test]
fn artifacts_are_checked_by_every_rule() {
    let Some(bytes) = pair() else { return };
    let good = "Jade Drift Oakvale Jorvik Wolfe 103 11+58=69 Juno Aero Volt Zyra Luma Nero";
    for (place, bad) in [
        "Jade Drift Oakvale Jorvik Wolfe 103 11+58=69 Juno Aero Volt Zyra Luma",
        "Jade Drift Oakvael Jorvik Wolfe 103 11+58=69 Juno Aero Volt Zyra Luma Nero",
        "Jade Drift Oakvale Jorvik Wofle 103 11+58=69 Juno Aero Volt Zyra Luma Nero",
        "Jade Drift Oakvale Jovrik Wolfe 103 11+58=69 Juno Aero Volt Zyra Luma Nero",
        "Jade Drift Oakvale Jorvik Wolfe 1031 11+58=69 Juno Aero Volt Zyra Luma Nero",
        "Jade Drift Oakvale Jorvik Wolfe 103 11+58=70 Juno Aero Volt Zyra Luma Nero",
        "Jade Grift Oakvale Jorvik Wolfe 103 11+58=69 Juno Aero Volt Zyra Luma Nero",
        "Jade Drift Oakvale Jorvik Wolfe 103 11+58=69 Juno Aero Volt Zyra Luma Xero",
    ]
    .iter()
    .enumerate()
    {
        let verdicts = changed(&bytes, good, bad);
        for (index, verdict) in verdicts.iter().take(8).enumerate() {
            let expected =
                if index == place { Verdict::Disagree { theirs: true } } else { Verdict::Agree };
            assert_eq!(*verdict, expected, "{bad}: constraint {index}");
        }
    }
}
