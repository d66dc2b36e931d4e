//! The other published shapes: attempts of domains whose documents have no reader here, and bare texts.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use lode_tasks::foreign::{
    botcoin::{
        self,
        check::{Report, Tally, Verdict},
        record::{Kind, Row},
        trace::Step,
    },
    import,
    json::Json,
};

/// An attempt as they publish it (version 2): ids of questions are not positions.
const ATTEMPT: &str = r#"{
 "quality_schema_version": 2, "storage_schema_version": 2, "record_id": "r", "attempt_index": 1,
 "challenge_id": "0x01", "challenge_domain": "quantum_physics", "pass": true,
 "acceptance_path": "B", "trap_classification": "PATH_B", "credit_eligible": true,
 "constraint_pass_count": 8, "constraint_fail_count": 0,
 "submission": {
  "model": "m", "artifact": "Lime Sand Toric Erasure Stone 71 22+18=40 end",
  "reasoning_trace": [
   {"step_id": "e1", "action": "extract_fact", "targetEntity": "Lepton Scaffold",
    "attribute": "physical_qubits_n", "valueExtracted": 1060, "source": "paragraph_2"},
   {"step_id": "c1", "action": "compute_logic", "operation": "mod", "inputs": ["e1", 100],
    "result": 60},
   {"step_id": "rev1", "action": "revision", "note": "again", "revisedStep": "c1"}
  ]
 },
 "submitted_answers": {"q09": {"value": "Lepton Scaffold", "expected": "Lepton Scaffold",
   "correct": true, "source": "submitted"}},
 "answer_verification": {"correct": 2, "total": 2, "required": 1, "passed_threshold": true,
  "per_question": {"q17": {"submitted": "x", "expected": "Majorana Blueprint", "correct": true,
    "answer_type": "entity_name"}}},
 "trap_metadata": {"trap_count": 1, "traps": [{"attribute": "physical_qubits_n",
   "target_entity": "Majorana Blueprint", "derivation_role": "prime", "wrong_value": 1090,
   "correct_value": 1060, "wrong_paragraphs": [3], "correct_paragraph": 1,
   "path_a_derived": 101, "path_b_derived": 71}]},
 "trace_stats": {"total_steps": 3, "extract_fact_steps": 1, "compute_logic_steps": 1,
  "reasoning_steps": 1},
 "trace_quality": {"verified_steps": 2, "verified_step_ratio": 0.667, "paragraph_coverage": 0.125,
  "reasoning_step_ratio": 0.333, "trap_engagement": 0, "revision_signal": 0,
  "reasoning_trace_quality_score": 0.475},
 "reasoning_depth": {"score": 0.467},
 "challenge_context": {
  "document": "[paragraph_1]\nSurvey.\n\n[paragraph_2]\nLepton Scaffold uses 1,060 qubits.",
  "paragraph_count": 2,
  "questions": ["Which code has the most rounds?", "Which has the lowest overhead?"],
  "constraints": [
   "Write EXACTLY 8 words. Single line.",
   "Must include the code family of the code that answers Question 1.",
   "Must include the noise model used by the code that answers Question 1.",
   "Must include the lead researcher's last name on the code that answers Question 1.",
   "Must include a prime number equal to nextPrime((physical qubit count of the answer to Question 2 mod 100) + 11), as digits.",
   "Must include the equation \"A+B=C\" (digits, no spaces) where A=((measurement rounds of the answer to Question 2 mod 10)+10) and B=((ancilla qubits of the answer to Question 1 mod 10)+10) and C=A+B.",
   "Acrostic: the first letters of the first 2 words must spell the first 2 letters of (initials(Q1)+initials(Q2)), uppercased.",
   "Must NOT contain the letter \"j\" (case-insensitive).",
   "Tip: words."
  ],
  "question_metadata": [{"id": "q09", "requires_derived_value": false},
   {"id": "q17", "requires_derived_value": false}]
 },
 "challenge_modifiers": null, "shiny_new_field": {"deep": 1.50}
}"#;

fn read(text: &str) -> (Row, Report) {
    let file = import::read(text.as_bytes()).unwrap();
    let row = botcoin::read_row(&file.records[0]).unwrap();
    let report = botcoin::check(&row);
    (row, report)
}

fn tally(report: &Report) -> String {
    let mut tally = Tally::default();
    tally.add(report);
    tally.to_string()
}

#[test]
fn an_attempt_is_checked_as_far_as_its_own_data_allows() {
    let (row, report) = read(ATTEMPT);
    assert_eq!(row.kind, Kind::Attempt);
    // Gold stands under the question's id, which is not its position.
    let gold: Vec<_> = row.challenge.gold.iter().flatten().map(String::as_str).collect();
    assert_eq!(gold, ["Lepton Scaffold", "Majorana Blueprint"]);
    assert_eq!(row.sides[0].steps.len(), 3);
    assert_eq!(row.sides[0].steps[2], Step::Other("revision".into()));
    assert_eq!(row.sides[0].meta.model.as_deref(), Some("m"));
    // What nobody knows is kept, and named.
    assert_eq!(row.unknown, ["shiny_new_field"]);
    // Words, prime (the trap's right value), acrostic, letter; the rest needs the document.
    assert_eq!(tally(&report), "agree 4, disagree 0, not checkable 5");
    for place in [0, 4, 6, 7] {
        assert_eq!(report.checked[place].verdict, Verdict::Agree, "{place}");
    }
    for place in [1, 2, 3, 5] {
        match &report.checked[place].verdict {
            Verdict::NotCheckable(why) => assert!(why.contains("quantum_physics"), "{why}"),
            other => panic!("{place}: {other:?}"),
        }
    }
    // Its counts and scores are what its trace gives.
    assert_eq!(report.differences, Vec::<String>::new());
    let wrong =
        ATTEMPT.replace("0.475", "0.476").replace("\"total_steps\": 3", "\"total_steps\": 4");
    assert_eq!(read(&wrong).1.differences.len(), 2);
    // A prime that follows from the wrong value only is found.
    let trapped = ATTEMPT.replace("Stone 71 ", "Stone 101 ");
    assert_eq!(tally(&read(&trapped).1), "agree 3, disagree 1, not checkable 5");
}

#[test]
fn a_record_that_does_not_say_which_constraints_failed_is_not_guessed_at() {
    let text = ATTEMPT
        .replace("\"constraint_pass_count\": 8", "\"constraint_pass_count\": 7")
        .replace("\"constraint_fail_count\": 0", "\"constraint_fail_count\": 1");
    let (_, report) = read(&text);
    assert_eq!(tally(&report), "agree 0, disagree 0, not checkable 9");
    let results = "\"constraint_results\": [true, true, {\"passed\": true}, true, true, true, true, \
                   {\"passed\": false}], \"pass\": true";
    let (_, report) = read(&text.replacen("\"pass\": true", results, 1));
    assert_eq!(report.checked[0].verdict, Verdict::Agree);
    assert_eq!(report.checked[7].verdict, Verdict::Disagree { theirs: false });
}

#[test]
fn bare_texts_are_read_from_their_prompt() {
    let prompt = "You are solving …\\n\\n=== DOCUMENT ===\\n[paragraph_1]\\nNotes.\\n\\n=== QUESTIONS \
                  ===\\nQ1: Which?\\nQ2: Who?\\n\\n=== CONSTRAINTS ===\\n1. Write EXACTLY 2 words. \
                  Single line.\\n2. Tip: words.\\n";
    let text =
        "<think>\\n> compute: add | inputs=[1,2] | result=3\\n</think>\\nArtifact: \\\"a b\\\"";
    let response = format!(
        "{{\"challenge_id\": \"0x1\", \"prompt\": \"{prompt}\", \"response\": \"{text}\", \
         \"reward\": 0.8250}}"
    );
    let (row, report) = read(&response);
    assert_eq!((row.kind, row.reward.as_deref()), (Kind::Response, Some("0.8250")));
    assert_eq!(row.challenge.questions, ["Which?", "Who?"]);
    assert_eq!(row.challenge.constraints.len(), 2);
    assert_eq!(row.sides[0].artifact.as_deref(), Some("a b"));
    assert_eq!(row.sides[0].steps.len(), 1);
    match &report.checked[0].verdict {
        Verdict::NotCheckable(why) => assert!(why.contains("it holds, but the record"), "{why}"),
        other => panic!("{other:?}"),
    }
    let pair =
        format!("{{\"prompt\": \"{prompt}\", \"chosen\": \"{text}\", \"rejected\": \"no\"}}");
    let (row, report) = read(&pair);
    assert_eq!(row.kind, Kind::PairTexts);
    assert_eq!(row.sides[1].artifact, None);
    assert_eq!(tally(&report), "agree 0, disagree 0, not checkable 4");
}

#[test]
fn what_is_wrong_is_named_with_its_record_and_field() {
    let refused = |text: &str| {
        let file = import::read(text.as_bytes()).unwrap();
        let errors = file.records.iter().map(|record| botcoin::read_row(record).unwrap_err());
        errors.map(|error| error.to_string()).collect::<Vec<_>>().join("; ")
    };
    for (from, to, said) in [
        ("\"pass\": true", "\"pass\": 1", "pass: is a number, expected true or false"),
        ("\"action\": \"revision\"", "\"act\": 1", "reasoning_trace.2: the field \"action\""),
        ("[paragraph_1]", "[paragraph_2]", "expected [paragraph_1]"),
        ("\"total_steps\": 3", "\"total_steps\": -3", "expected a count"),
        ("\"attempt_index\": 1", "\"attempt_index\": 1.5", "expected a whole number"),
    ] {
        let changed = ATTEMPT.replacen(from, to, 1);
        assert_ne!(changed, ATTEMPT);
        let error = refused(&changed);
        assert!(error.contains(said) && error.contains("record 1 (line 1)"), "{error}");
    }
    assert!(refused("{\"a\": 1}\n{\"b\": 2}").contains("record 2 (line 2): the record: has no"));
    let long = format!("[paragraph_1]\\n{}", "x".repeat(100_000));
    assert!(refused(&ATTEMPT.replace("[paragraph_1]\\nSurvey.", &long)).contains("100000 bytes"));
}

#[test]
fn nothing_is_lost_on_the_way_out() {
    let list = format!("[{ATTEMPT},\n{{\"n\": 1.0e5, \"big\": 123456789012345678901234567890}}]");
    let file = import::read(list.as_bytes()).unwrap();
    assert_eq!(Json::parse(file.text().as_bytes()), Json::parse(list.as_bytes()));
    assert!(file.text().contains("1.50") && file.text().contains("1.0e5"));
}
