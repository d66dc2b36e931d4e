//! The published pair: read without loss, every constraint checked again from its document.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::path::PathBuf;

use lode_tasks::foreign::{
    botcoin::{
        self, LEAKED_FIELDS, ask,
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

/// A pair whose document, questions and artifact are given; everything else is as small as can be.
fn tiny(document: &str, question: &str, constraint: &str, artifact: &str) -> Vec<u8> {
    let text = |text: &str| Json::text(text);
    let side = || Json::object([("artifact", text(artifact))]);
    let meta = Json::object([
        ("constraint_pass_count", Json::whole(1)),
        ("constraint_fail_count", Json::whole(0)),
    ]);
    Json::object([
        ("challenge_domain", text("companies")),
        ("document", text(document)),
        ("questions", Json::List(vec![text(question)])),
        ("constraints", Json::List(vec![text(constraint)])),
        ("chosen", side()),
        ("rejected", side()),
        ("chosen_metadata", meta),
    ])
    .line()
    .into_bytes()
}

fn first(bytes: &[u8]) -> Verdict {
    let file = import::read(bytes).unwrap();
    let row = botcoin::read_row(&file.records[0]).unwrap();
    botcoin::check(&row).checked.swap_remove(0).verdict
}

const CITY: &str = "Must include the headquarters city of the company that answers Question 1.";

fn company(number: usize, name: &str, city: &str, staff: &str) -> String {
    let next = number + 1;
    format!(
        "[paragraph_{number}]\n{name} traces its origins to 1990 and remains privately held. Active \
         in agri mining, it is headquartered in {city}, Lindera, and run by Ada Stone (CEO).\n\n\
         [paragraph_{next}]\n{staff}\n\n"
    )
}

#[test]
fn what_the_document_leaves_open_is_left_open() {
    let one = "Nano Works employs 4,000 staff, carries a debt-to-equity ratio of 2.1, and holds a \
               satisfaction score of 6.4.";
    let document = |sentence: &str| {
        let other = format!("{sentence} Debt is equal. Satisfaction is equal.");
        company(1, "Nano Works", "Falkmoor", one) + &company(3, "Terra Goods", "Ostwick", &other)
    };
    let ask = "Which company has the most employees?";
    let sure = document("Terra Goods's headcount exceeds Nano Works's by 10 employees.");
    assert_eq!(first(&tiny(&sure, ask, CITY, "in Ostwick")), Verdict::Agree);
    let less = document("Terra Goods's headcount trails Nano Works's by 10 employees.");
    assert_eq!(first(&tiny(&less, ask, CITY, "in Ostwick")), Verdict::Disagree { theirs: true });
    // Nobody says who is ahead: no verdict, unless it is the same either way.
    let open = document("Terra Goods and Nano Works have comparable headcounts, 10 apart.");
    assert!(matches!(first(&tiny(&open, ask, CITY, "in Ostwick")), Verdict::NotCheckable(_)));
    assert_eq!(first(&tiny(&open, ask, CITY, "Ostwick, Falkmoor")), Verdict::Agree);
    // A wording that is not known leads nowhere, and its paragraph is named.
    let odd = document("Terra Goods and Nano Works frobnicate 10 employees.");
    match first(&tiny(&odd, ask, CITY, "in Ostwick")) {
        Verdict::NotCheckable(why) => assert!(why.contains("paragraph 4"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn questions_in_published_wordings_are_understood() {
    let Some(bytes) = pair() else { return };
    let file = import::read(&bytes).unwrap();
    let row = botcoin::read_row(&file.records[0]).unwrap();
    let document = companies::read(&row.challenge.paragraphs, &row.challenge.questions);
    let facts = Facts::of(&document);
    for question in [
        "Identify the firm whose total annual revenue (sum of all four quarters) is highest.",
        "Which company has the largest total revenue across the entire year (all four quarters \
         added together)?",
        "Among companies with a revenue decline in Q3, which carries the highest D/E ratio?",
        "Among companies with negative Q3 growth, which has the highest debt-to-equity ratio?",
        "Among privately held companies, which has the highest satisfaction score?",
        "Among companies whose Q1 revenue exceeds Q4 revenue, which has the most employees?",
        "Among companies with more than 8,542 employees, which has the lowest total annual revenue?",
        "Which company has the highest ratio of employees to total annual revenue?",
        "Take the company with the highest Q1 revenue, then among companies whose CEO first initial \
         matches, which has the lowest debt-to-equity?",
        "Which company has the most recent IPO?",
        "Among public companies, which has the lowest D/E ratio?",
        "What is the second oldest company?",
        "For firms founded before 1995, which had the highest Q4 growth?",
        "Which firm in Jorvik has the most employees?",
        "Which is the oldest company in the marine sector?",
        "Which company saw the largest revenue increase from Q1 to Q4?",
    ] {
        let query = ask::read(question, &facts.profiles).unwrap();
        let found = ask::solve(&facts, &query).unwrap();
        assert!(!found.is_empty() && found.len() <= 2, "{question}: {query:?} {found:?}");
    }
    for question in [
        "Which company is not private and has the most employees?",
        "Which company has the most employees in Atlantis?",
        "Who has the nicest office?",
        "Which company, except the largest, has the most employees?",
        "",
    ] {
        assert!(ask::read(question, &facts.profiles).is_err(), "{question}");
    }
}

#[test]
fn hostile_documents_end_soon() {
    let started = std::time::Instant::now();
    // Names as long as a paragraph, two thousand companies, chains without end, signs never said.
    let long = company(1, &"Ab ".repeat(1_000), &"c".repeat(3_000), "x");
    let mut many = String::new();
    for place in 0..2_000 {
        let name = |n: usize| format!("Co{} Works", n % 150);
        let text = format!(
            "{0} and {1} have comparable headcounts, {2} apart. {0} and {1} are comparable. {0} and \
             {1} are alike.",
            name(place),
            name(place + 1),
            place % 7
        );
        many += &company(2 * place + 1, &name(place), "Falkmoor", &text);
    }
    for document in [long, many] {
        let bytes = tiny(&document, "Which company has the most employees?", CITY, "x");
        assert!(matches!(first(&bytes), Verdict::NotCheckable(_)));
    }
    let wide: String = (0..50_000).map(|n| format!("\"k{n}\":[],")).collect();
    let wide = Json::parse(format!("{{{wide}\"z\":1}}").as_bytes()).unwrap();
    assert!(wide.differences(&botcoin::without_labels(&wide)).is_empty());
    let seconds = started.elapsed().as_secs();
    assert!(seconds < 20, "took {seconds} s");
}
