//! A reader that is trained on single sentences must not learn which of them hold.

use lode_proto::task::Profile;
use lode_tasks::{
    family::Library,
    leak::{Sentence, held_out_domains, held_out_wordings, sentences, telling},
};

use super::{make, subjects};

/// Most that the reader may reach; 0.5 is a guess.
const MAX_AUC: f64 = 0.60;
/// Tasks of each domain.
const TASKS: u64 = 24;

#[test]
fn single_sentences_give_no_trap_away() {
    let library = Library::builtin().expect("built-in domains are sound");
    let mut all: Vec<Sentence> = Vec::new();
    for subject in subjects(&library) {
        for n in 0..TASKS {
            let (task, key) =
                make(&library, &subject.domain, Profile::Standard, n).expect("generates");
            all.extend(sentences(&task, &key));
        }
    }
    assert!(all.len() > 2_000, "{} sentences", all.len());
    let found = [held_out_wordings(&all), held_out_domains(&all)];
    println!("{} sentences, by wordings and by domains: {found:?}", all.len());
    for auc in found.into_iter().flatten() {
        assert!(auc.value <= MAX_AUC, "{auc:?}: {:?}", telling(&all, 12));
    }
}
