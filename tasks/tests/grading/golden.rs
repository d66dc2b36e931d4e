//! Verdict hashes that must not change without a new engine version.

use crate::fixture::{TRAPPED, WITNESS, graded, task, with};

#[test]
fn verdict_hashes() {
    let hash = |text: &str| graded(&task(), text).hash().expect("hashes").to_string();
    assert_eq!(hash(WITNESS), "");
    assert_eq!(hash(TRAPPED), "");
    assert_eq!(hash(&with("people [paragraph_5]", "people [paragraph_6]")), "");
    assert_eq!(hash("no"), "");
}
