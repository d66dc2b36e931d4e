//! Verdict hashes that must not change without a new engine version.

use crate::fixture::{TRAPPED, WITNESS, graded, task, with};

#[test]
fn verdict_hashes() {
    let cases: [(String, &str); 5] = [
        (WITNESS.into(), "9e8f60d305cd854e3412d0b954b0d754cefedcfaed8a976708665da05399095d"),
        (TRAPPED.into(), "b0dc60ce50283966801da143740e4e8c50e1bf124057655438b8bb4dbb63cd57"),
        (
            with("people [paragraph_5]", "people [paragraph_6]"),
            "9563265b345905fed28ebad51953abc3e0bea8aa7aa9c98e2d80174b05c7df80",
        ),
        (
            with("Q4: 2.1", "Q4: 2.2"),
            "76114f2a09401871bb2aab01cbde08169cfdcb9d38c0ea60e939b8ba47c9776c",
        ),
        ("no".into(), "707a567549bb975f65bcaf68326a20e3f1bf891a8551e7d3891de86c16dbae00"),
    ];
    let found =
        cases.each_ref().map(|(text, _)| graded(&task(), text).hash().expect("hashes").to_string());
    assert_eq!(found.each_ref().map(String::as_str), cases.each_ref().map(|(_, hash)| *hash));
}
