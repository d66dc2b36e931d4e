//! Bundles by a coordinator that lies, signed again with the right keys: each lie is found.

use std::path::{Path, PathBuf};

use lode_proto::{
    attempt::Finish,
    epoch::{BeaconFixed, Outcome},
    id::Hash,
    ledger::LedgerEntry,
    manifest::SignatureFile,
    mine::MineRequest,
    session::{Feedback, Session, TurnCommit},
    task::TaskSpec,
    verify::{VerdictCommit, VerdictReveal},
};

use lode_tasks::{
    family::{Family, GenerateError, Library},
    types::{AnswerKey, Task, Verdict},
};

use super::{AuditOptions, Report, Trust, audit};
use crate::{
    common::{EPOCH, World, outcome_of},
    derive::{self, StoredTasks},
    engine::{BuiltinEngine, Engine},
    finding::Check,
    layout, pairs,
    record::{EpochRecord, FaultKind, FaultRecord},
    render::{self, SOFTWARE},
};

const COUNTERS: u64 = 14;

/// Writes whatever the record gives, as a coordinator would whose writer does not refuse, and signs
/// it with the right keys.
fn forge(world: &World, record: &EpochRecord, root: &Path) -> PathBuf {
    forge_with(world, record, root, |_, bytes| bytes)
}

fn forge_with(
    world: &World,
    record: &EpochRecord,
    root: &Path,
    change: impl Fn(&str, Vec<u8>) -> Vec<u8>,
) -> PathBuf {
    let derived = derive::derive(record, &BuiltinEngine, &StoredTasks::new(), 2);
    let epoch = derived.epoch.as_ref().expect("an epoch");
    let set = pairs::build(&derived.groups, &record.earlier.iter().copied().collect());
    let dir = root.join(layout::bundle_name(EPOCH));
    let mut files = Vec::new();
    let mut put = |path: &str, bytes: Vec<u8>| {
        let bytes = change(path, bytes);
        files.push((path.to_owned(), bytes.len() as u64, Hash::of(&bytes)));
        crate::fsio::write_new(&dir.join(path), &bytes)
    };
    let (mut manifest, _) =
        render::render(record, &derived, epoch, &set, SOFTWARE, &mut put).expect("renders");
    for file in &mut manifest.files {
        let (_, bytes, hash) = files.iter().find(|(path, ..)| *path == file.path).expect("listed");
        (file.bytes, file.blake3) = (*bytes, *hash);
    }
    let bytes = change(layout::MANIFEST, render::manifest_bytes(&manifest).expect("encodes"));
    crate::fsio::write_new(&dir.join(layout::MANIFEST), &bytes).expect("writes");
    resign(world, &dir);
    dir
}

/// Signs whatever manifest lies there.
fn resign(world: &World, dir: &Path) {
    let bytes = std::fs::read(dir.join(layout::MANIFEST)).expect("manifest");
    let mut file = SignatureFile { envelopes: world.signatures(Hash::of(&bytes)) };
    let coordinator = world.genesis.coordinator;
    file.envelopes.sort_by_key(|one| (one.sender != coordinator, one.sender));
    let encoded = lode_proto::codec::encode(&file).expect("encodes");
    std::fs::write(dir.join(layout::SIGNATURES), encoded).expect("writes");
}

fn check(dir: &Path) -> Report {
    audit(dir, &BuiltinEngine, &AuditOptions { threads: 2, ..AuditOptions::default() })
}

/// Forges, audits, and expects a finding of that kind with that text.
#[track_caller]
fn found(world: &World, kind: Check, text: &str) -> Report {
    let root = tempfile::tempdir().expect("a folder");
    let dir = forge(world, &world.record, root.path());
    let report = check(&dir);
    assert_eq!(report.exit_code(), 1, "{report}");
    assert!(
        report.findings.iter().any(|one| one.check == kind && one.to_string().contains(text)),
        "no finding of {kind:?} with {text:?}:\n{report}"
    );
    report
}

fn graded(world: &World) -> Vec<usize> {
    let is = |at: &usize| matches!(world.record.counters[*at].outcome, Outcome::Graded { .. });
    (0..world.record.counters.len()).filter(is).collect()
}

#[test]
fn an_honest_forge_holds() {
    let world = World::new(COUNTERS);
    let root = tempfile::tempdir().expect("a folder");
    let report = check(&forge(&world, &world.record, root.path()));
    assert!(report.holds(), "{report}");
    assert_eq!((report.exit_code(), report.trust), (0, Trust::Consistent));
    assert!(report.pairs > 5 && report.pairs_that_hold() == report.pairs, "{report}");
    assert_eq!((report.regenerated, report.regraded), (COUNTERS, 0));
}

#[test]
fn a_skipped_counter_is_found() {
    let mut world = World::new(COUNTERS);
    world.record.counters.remove(4);
    world.record.groups.retain(|group| group.counter != 4);
    world.settle();
    found(&world, Check::Counter, "was skipped");
}

#[test]
fn a_skipped_counter_is_found_when_the_others_move_up() {
    let mut world = World::new(COUNTERS);
    world.record.counters.remove(4);
    world.record.groups.retain(|group| group.counter != 4);
    for counter in world.record.counters.iter_mut().skip(4) {
        counter.counter -= 1;
    }
    for group in world.record.groups.iter_mut().filter(|group| group.counter > 4) {
        group.counter -= 1;
    }
    world.settle();
    found(&world, Check::Task, "was not made from its seed");
}

#[test]
fn reordered_counters_are_found() {
    let mut world = World::new(COUNTERS);
    world.record.counters.swap(2, 3);
    world.settle();
    found(&world, Check::Counter, "stands where counter");

    let mut world = World::new(COUNTERS);
    let (two, three) = (world.record.counters[2].clone(), world.record.counters[3].clone());
    (world.record.counters[2].task, world.record.counters[2].outcome) = (three.task, three.outcome);
    (world.record.counters[3].task, world.record.counters[3].outcome) = (two.task, two.outcome);
    world.settle();
    found(&world, Check::Task, "was not made from its seed");
}

#[test]
fn a_hand_picked_task_is_found() {
    let mut world = World::new(COUNTERS);
    let at = graded(&world)[0];
    let library = lode_tasks::family::Library::builtin().expect("library");
    let (task, key) =
        lode_tasks::longdoc::generate(&world.template().spec([77; 32]), &library).expect("a task");
    let texts: Vec<_> = crate::common::likes(at as u64)
        .into_iter()
        .map(|like| crate::common::completion(like, &task, &key))
        .collect();
    let group = world.group(at as u64, Session::Group, &task, &key, &texts, texts.len());
    world.record.counters[at].task = Some(task.id().expect("id"));
    world.record.counters[at].outcome = outcome_of(&group, world.keys.network, true);
    let place = world.record.groups.iter().position(|one| one.counter == at as u64).expect("there");
    world.record.groups[place] = group;
    world.settle();
    found(&world, Check::Task, "was not made from its seed");
}

#[test]
fn an_epoch_of_two_profiles_holds() {
    let world = World::of_two_profiles();
    let profiles: std::collections::BTreeSet<_> =
        world.record.counters.iter().map(|counter| counter.profile).collect();
    assert_eq!(profiles.len(), 2, "the fixture must use both");
    assert_eq!(world.moves.len(), 1, "{:?}", world.moves);
    let root = tempfile::tempdir().expect("a folder");
    let report = check(&forge(&world, &world.record, root.path()));
    assert!(report.holds(), "{report}");
    assert!(report.pairs > 0);
}

#[test]
fn a_move_that_the_rule_does_not_give_is_found() {
    let mut world = World::of_two_profiles();
    let moves = std::mem::take(&mut world.moves);
    world.settle();
    found(&world, Check::Profile, "but the ledger does not");

    let mut world = World::of_two_profiles();
    world.moves = moves.iter().map(|(counter, steps)| (counter - 1, steps.clone())).collect();
    world.settle();
    found(&world, Check::Profile, "but the rule gives none");

    let mut world = World::of_two_profiles();
    for step in world.moves.values_mut().flatten() {
        step.found.passed -= 1;
    }
    world.settle();
    found(&world, Check::Profile, "the ledger moves");
}

/// An easier task than the policy's profile has: the choice that would make pairs to order.
#[test]
fn a_task_of_another_profile_than_the_policys_is_found() {
    let mut world = World::of_two_profiles();
    let at = graded(&world).into_iter().next().expect("graded");
    world.record.counters[at].profile = lode_proto::task::Profile::Mini;
    world.settle();
    found(&world, Check::Profile, "had not stood there");
    found(&world, Check::Task, "was not made from its seed");
}

/// Leaving a task of one sequence out moves all after it to other seeds.
#[test]
fn a_task_left_out_of_one_profiles_sequence_is_found() {
    let mut world = World::of_two_profiles();
    let mini = |counter: &lode_proto::manifest::CounterRecord| {
        counter.profile == lode_proto::task::Profile::Mini
    };
    let at = world.record.counters.iter().position(mini).expect("mini tasks") as u64;
    world.record.counters.remove(at as usize);
    world.record.groups.retain(|group| group.counter != at);
    for counter in world.record.counters.iter_mut().skip(at as usize) {
        counter.counter -= 1;
    }
    for group in world.record.groups.iter_mut().filter(|group| group.counter > at) {
        group.counter -= 1;
    }
    world.settle();
    found(&world, Check::Task, "was not made from its seed");
}

#[test]
fn a_profile_that_the_epoch_does_not_allow_is_found() {
    let mut world = World::new(COUNTERS);
    world.record.counters[3].profile = lode_proto::task::Profile::Mini;
    world.settle();
    found(&world, Check::Profile, "does not allow");
}

/// Changes what the coordinator and the verifiers found about one attempt, and signs it again.
fn forge_verdict(world: &mut World, everybody: bool) -> u64 {
    let group = world.record.groups[0].clone();
    let network = world.keys.network;
    let own: VerdictReveal = group.own.as_ref().expect("graded").open(network).expect("opens");
    let mut verdict = own.verdict.clone();
    let passing = verdict.verdicts[0].1;
    verdict.verdicts[4].1 = passing;
    let MineRequest::Commit(commit) = group.commit.open(network).expect("opens") else { panic!() };
    let mut forged = world.verdicts(&verdict, &commit.hash().expect("hashes"));
    let target = &mut world.record.groups[0];
    if everybody {
        let coordinator = world.keys.coordinator.clone();
        target.own = Some(world.keys.seal(&coordinator, &VerdictReveal { verdict, ..own }));
        target.verdicts = forged;
    } else {
        target.verdicts[0] = forged.remove(0);
    }
    target.counter
}

/// A session's place in the record.
fn session(world: &World) -> usize {
    let groups = &world.record.groups;
    let at = (0..groups.len()).max_by_key(|at| groups[*at].turns.len()).expect("a session");
    assert_eq!((groups[at].turns.len(), groups[at].feedback.len()), (2, 2));
    at
}

#[test]
fn an_epoch_of_sessions_holds() {
    let world = World::of_sessions(12);
    let root = tempfile::tempdir().unwrap();
    let report = check(&forge(&world, &world.record, root.path()));
    assert!(report.holds(), "{report}");
    let at = session(&world);
    assert_eq!(world.record.groups[at].attempts.len(), 5);
}

#[test]
fn feedback_that_the_grade_does_not_give_is_found() {
    let mut world = World::of_sessions(12);
    let at = session(&world);
    let network = world.keys.network;
    let right: Feedback = world.record.groups[at].feedback[1].open(network).unwrap();
    let coordinator = world.keys.coordinator.clone();
    let mut counts = right.counts;
    counts.steps_right += 1;
    for wrong in [Feedback { counts, ..right.clone() }, Feedback { next: None, ..right.clone() }] {
        let mut world = world.clone();
        world.record.groups[at].feedback[1] = world.keys.seal(&coordinator, &wrong);
        found(&world, Check::Verdict, "feedback on turn 1 is not what the attempt gives");
    }
    world.record.groups[at].feedback.truncate(1);
    found(&world, Check::Evidence, "turn 1 was followed without feedback");
}

#[test]
fn a_turn_of_another_conversation_is_found() {
    let mut world = World::of_sessions(12);
    let at = session(&world);
    let network = world.keys.network;
    let MineRequest::CommitTurn(right) = world.record.groups[at].turns[0].open(network).unwrap()
    else {
        panic!("not a turn")
    };
    let miner = world.record.groups[at].miner;
    let miner = world.keys.miners.iter().find(|key| key.public() == miner).unwrap().clone();
    let wrong = TurnCommit { prompt: Hash::of(b"another"), ..right };
    world.record.groups[at].turns[0] = world.keys.seal(&miner, &MineRequest::CommitTurn(wrong));
    found(&world, Check::Attempt, "turn 1 answers another conversation");
    // A turn more or less than was committed to changes the job that was graded.
    let mut world = World::of_sessions(12);
    let turn = world.record.groups[at].turns[1].clone();
    world.record.groups[at].turns.push(turn);
    found(&world, Check::Attempt, "turn 3 stands out of order or is one too many");
}

#[test]
fn a_session_where_there_is_none_is_found() {
    let mut world = World::of_sessions(12);
    let at = session(&world);
    let feedback = world.record.groups[at].feedback.clone();
    let group = world.record.groups.iter().position(|group| group.turns.is_empty()).unwrap();
    world.record.groups[group].feedback = feedback;
    found(&world, Check::Attempt, "is a group, but has turns or feedback");
}

#[test]
fn a_forged_verdict_is_found() {
    let mut world = World::new(COUNTERS);
    let counter = forge_verdict(&mut world, true);
    let report = found(&world, Check::Verdict, "the coordinator's grade on attempt 4");
    let quorum = format!("counter {counter}: 0 verifiers revealed");
    assert!(report.to_string().contains(&quorum), "{report}");
    // Only that counter's pairs fall.
    assert!(!report.bad_pairs.is_empty());
    assert_eq!(report.pairs_that_hold(), report.pairs - report.bad_pairs.len() as u64);
    assert!(report.pairs_that_hold() > 0, "{report}");

    let mut world = World::new(COUNTERS);
    forge_verdict(&mut world, false);
    found(&world, Check::Verdict, "on attempt 4 is");
}

#[test]
fn a_wrong_verdict_on_record_as_a_fault_is_no_mismatch() {
    let mut world = World::new(COUNTERS);
    let honest = world.record.groups[0].verdicts.clone();
    forge_verdict(&mut world, false);
    let group = &world.record.groups[0];
    let liar = group.verdicts[0].commit.sender;
    let evidence = vec![group.verdicts[0].reveal.clone().expect("revealed")];
    // The third verifier was asked instead.
    let third = world.keys.verifiers.clone();
    let third = third
        .iter()
        .find(|key| honest.iter().all(|one| one.commit.sender != key.public()))
        .expect("a third");
    let own: VerdictReveal =
        group.own.as_ref().expect("graded").open(world.keys.network).expect("opens");
    let commit = VerdictCommit {
        job: own.verdict.job,
        commit: own.commitment(&third.public()).expect("encodes"),
    };
    let commit = world.keys.seal(third, &commit);
    let reveal = Some(world.keys.seal(third, &own));
    world.record.groups[0].verdicts.push(crate::record::VerdictRecord { commit, reveal });
    world.record.faults.push(FaultRecord {
        accused: liar,
        kind: FaultKind::WrongVerdict,
        lease: None,
        evidence,
        note: "attempt 4".into(),
    });
    let root = tempfile::tempdir().expect("a folder");
    let report = check(&forge(&world, &world.record, root.path()));
    assert!(report.holds(), "{report}");
    assert_eq!((report.faults, report.substituted), (1, 1));
}

#[test]
fn a_copied_commitment_or_a_missing_quorum_is_found() {
    let mut world = World::new(COUNTERS);
    let group = &mut world.record.groups[0];
    group.verdicts[0].reveal = None;
    found(&world, Check::Verdict, "1 verifiers revealed");

    let mut world = World::new(COUNTERS);
    let other = world.record.groups[1].verdicts[0].commit.clone();
    world.record.groups[0].verdicts[0].commit = other;
    found(&world, Check::Verdict, "committed to another job");

    let mut world = World::new(COUNTERS);
    world.record.groups[0].own = None;
    found(&world, Check::Verdict, "own grade is missing");
}

#[test]
fn a_verifier_that_is_the_miner_is_found() {
    let mut world = World::new(COUNTERS);
    let account = crate::common::key(99);
    let network = world.keys.network;
    let binding = |node| {
        let binding = lode_proto::mine::AccountBinding { node };
        Some(lode_proto::envelope::Envelope::seal(&binding, network, &account, 1).expect("seals"))
    };
    let miner = world.keys.miners[0].clone();
    let sender = world.record.groups[0].verdicts[0].commit.sender;
    let verifier =
        world.keys.verifiers.iter().find(|key| key.public() == sender).expect("there").clone();
    let card = Box::new(world.card.clone());
    let join = MineRequest::Join { account: binding(miner.public()), card, software: "t".into() };
    world.record.joins[0] = world.keys.seal(&miner, &join);
    let join = lode_proto::verify::VerifyRequest::Join {
        account: binding(verifier.public()),
        software: "t".into(),
    };
    let place =
        world.record.verifier_joins.iter().position(|one| one.sender == sender).expect("in");
    world.record.verifier_joins[place] = world.keys.seal(&verifier, &join);
    found(&world, Check::Verdict, "its own account's work");
}

#[test]
fn one_account_with_two_verifiers_is_found() {
    let mut world = World::new(2);
    let (network, account) = (world.keys.network, crate::common::key(99));
    for place in 0..2 {
        let verifier = world.keys.verifiers[place].clone();
        let binding = lode_proto::mine::AccountBinding { node: verifier.public() };
        let account = Some(
            lode_proto::envelope::Envelope::seal(&binding, network, &account, 1).expect("seals"),
        );
        let join = lode_proto::verify::VerifyRequest::Join { account, software: "t".into() };
        let sender = verifier.public();
        let joins = &world.record.verifier_joins;
        let at = joins.iter().position(|one| one.sender == sender).expect("there");
        world.record.verifier_joins[at] = world.keys.seal(&verifier, &join);
    }
    found(&world, Check::Verifier, "one account runs two verifiers");
}

#[test]
fn a_ground_secret_or_beacon_is_found() {
    let mut world = World::new(2);
    world.record.secret = Hash::of(b"another secret");
    world.settle();
    found(&world, Check::Beacon, "does not open its commitment");

    let mut world = World::new(2);
    let network = world.keys.network;
    let fixed: BeaconFixed = world.record.beacon_fixed.open(network).expect("opens");
    let fixed = BeaconFixed { beacon: Hash::of(b"picked"), ..fixed };
    let coordinator = world.keys.coordinator.clone();
    world.record.beacon_fixed = world.keys.seal(&coordinator, &fixed);
    world.settle();
    found(&world, Check::Beacon, "the nonces give");

    let mut world = World::new(2);
    world.record.beacon_reveals.pop();
    found(&world, Check::Beacon, "names other verifiers");
}

#[test]
fn receipts_are_recounted_and_chained() {
    let mut world = World::new(COUNTERS);
    let network = world.keys.network;
    let coordinator = world.keys.coordinator.clone();
    let envelope = &mut world.record.groups[0].attempts[0].receipt;
    let mut receipt: lode_proto::attempt::Receipt = envelope.open(network).expect("opens");
    receipt.credits_milli *= 2;
    *envelope =
        lode_proto::envelope::Envelope::seal(&receipt, network, &coordinator, 9).expect("seals");
    let report = found(&world, Check::Receipt, "the formula gives");
    // What comes after it names the receipt that was issued.
    assert!(report.to_string().contains("does not follow receipt 0"), "{report}");
}

#[test]
fn a_rewritten_ledger_is_found() {
    let mut world = World::new(COUNTERS);
    world.record.ledger.remove(5);
    found(&world, Check::Ledger, "counters were settled");

    let mut world = World::new(COUNTERS);
    if let Some(LedgerEntry::Sealed { outcome, .. }) = world.record.ledger.get_mut(5) {
        *outcome = Outcome::Unanswered { leases: 1 };
    }
    found(&world, Check::Ledger, "is not what the manifest lists");
}

#[test]
fn an_attempt_that_was_not_committed_or_was_dropped_is_found() {
    let mut world = World::new(COUNTERS);
    let (first, second) = (0, 1);
    let other = world.record.groups[second].attempts[0].clone();
    world.record.groups[first].attempts[0] = other;
    found(&world, Check::Attempt, "");

    let mut world = World::new(COUNTERS);
    world.record.groups[0].attempts.pop();
    found(&world, Check::Attempt, "of 8 committed attempts are there");
}

#[test]
fn forged_rows_are_found_one_by_one() {
    let world = World::new(COUNTERS);
    let root = tempfile::tempdir().expect("a folder");
    let derived = derive::derive(&world.record, &BuiltinEngine, &StoredTasks::new(), 1);
    let epoch = derived.epoch.as_ref().expect("an epoch");
    let set = pairs::build(&derived.groups, &Default::default());
    let path = layout::data_file(pairs::Config::Pairs, pairs::Split::Train, 0);
    let in_train =
        |pair: &&pairs::Pair| set.split(&derived.groups[pair.group].task.id) == pairs::Split::Train;
    let rows: Vec<_> = set.of(pairs::Config::Pairs).filter(in_train).collect();
    let dir = forge_with(&world, &world.record, root.path(), |at, bytes| {
        if at != path {
            return bytes;
        }
        let schema = crate::schema::schema(pairs::Config::Pairs);
        let mut writer = crate::table::TableWriter::new(at, schema).expect("a table");
        for (place, pair) in rows.iter().enumerate() {
            let mut row = crate::rows::pair(epoch, &derived.groups, &set, pair).expect("a row");
            if place == 1 {
                row.insert("chosen".into(), "something better".into());
            }
            writer.push(row).expect("pushes");
        }
        writer.finish().expect("finishes")
    });
    let report = check(&dir);
    assert_eq!(report.exit_code(), 1);
    assert_eq!(report.bad_pairs.len(), 1, "{report}");
    assert_eq!(report.bad_pairs[0].id, rows[1].id);
    assert_eq!(report.pairs_that_hold(), report.pairs - 1, "{report}");
    assert!(report.to_string().contains(&path), "{report}");
}

#[test]
fn a_bomb_for_a_parquet_file_is_refused_unread() {
    let world = World::new(COUNTERS);
    let root = tempfile::tempdir().expect("a folder");
    let path = layout::data_file(pairs::Config::Pairs, pairs::Split::Train, 0);
    let bomb = || {
        // 160 MB of one letter: a few kilobytes once packed.
        let schema = crate::schema::schema(pairs::Config::Pairs);
        let mut writer = crate::table::TableWriter::new("bomb", schema).expect("a table");
        let big = "a".repeat(20 << 20);
        for place in 0..8 {
            let row = serde_json::json!({ "pair_id": place.to_string(), "prompt": format!("{place}{big}") });
            let serde_json::Value::Object(row) = row else { unreachable!() };
            writer.push(row).expect("pushes");
        }
        writer.finish().expect("finishes")
    };
    let dir =
        forge_with(
            &world,
            &world.record,
            root.path(),
            |at, bytes| {
                if at == path { bomb() } else { bytes }
            },
        );
    let size = std::fs::metadata(dir.join(&path)).expect("there").len();
    assert!(size < 1 << 20, "{size}");
    let report = check(&dir);
    assert_eq!(report.exit_code(), 1);
    assert!(report.to_string().contains("refused unread"), "{report}");
}

#[test]
fn a_manifest_that_lies_about_counts_is_found() {
    let world = World::new(COUNTERS);
    let root = tempfile::tempdir().expect("a folder");
    let dir = forge_with(&world, &world.record, root.path(), |at, bytes| {
        if at != layout::MANIFEST {
            return bytes;
        }
        let mut manifest: lode_proto::manifest::Manifest =
            serde_json::from_slice(&bytes).expect("reads");
        manifest.dropped.clear();
        manifest.pairs_root = Hash::of(b"root");
        render::manifest_bytes(&manifest).expect("encodes")
    });
    let report = check(&dir);
    let text = report.to_string();
    assert!(
        text.contains("its dropped is not") && text.contains("its pairs_root is not"),
        "{text}"
    );
    assert_eq!(report.exit_code(), 1);
}

/// An engine that no longer makes tasks of the version asked for, or has another set of families.
struct Newer {
    families: bool,
}

impl Family for Newer {
    fn name(&self) -> &'static str {
        "longdoc"
    }

    fn generate(&self, spec: &TaskSpec, _: &Library) -> Result<(Task, AnswerKey), GenerateError> {
        Err(GenerateError::EngineVersion { asked: spec.engine_version, have: 9 })
    }

    fn grade(&self, task: &Task, key: &AnswerKey, text: &[u8], finish: Finish) -> Verdict {
        let mut rules = lode_tasks::grade::grade(task, key, text, finish);
        rules.engine_version = 9;
        Verdict { rules, judge: None }
    }
}

impl Engine for Newer {
    fn family(&self, _: &str) -> Option<&dyn Family> {
        self.families.then_some(self as &dyn Family)
    }

    fn library(
        &self,
        template: &lode_proto::task::TaskTemplate,
        blobs: &std::collections::BTreeMap<Hash, Vec<u8>>,
    ) -> Result<Library, lode_tasks::family::LibraryError> {
        BuiltinEngine.library(template, blobs)
    }

    fn prompt(&self, task: &Task) -> String {
        task.prompt()
    }
}

#[test]
fn stored_tasks_are_graded_where_the_engine_is_gone() {
    let world = World::new(COUNTERS);
    let root = tempfile::tempdir().expect("a folder");
    let dir = forge(&world, &world.record, root.path());
    let options = AuditOptions { threads: 2, ..AuditOptions::default() };
    let report = audit(&dir, &Newer { families: true }, &options);
    assert!(report.holds(), "{report}");
    assert_eq!((report.regenerated, report.regraded), (0, COUNTERS));
    assert_eq!(report.pairs_that_hold(), report.pairs);
    // Nothing to check with is no verdict against the bundle.
    let report = audit(&dir, &Newer { families: false }, &options);
    assert_eq!(report.exit_code(), 2, "{report}");
    assert_eq!(report.pairs_that_hold(), 0);
}

#[test]
fn a_replayed_message_or_a_tier_without_proof_is_found() {
    let mut world = World::new(COUNTERS);
    let join = world.record.joins[0].clone();
    world.record.joins.push(join);
    found(&world, Check::Evidence, "was replayed");

    let mut world = World::new(COUNTERS);
    let network = world.keys.network;
    let coordinator = world.keys.coordinator.clone();
    let envelope = &mut world.record.groups[0].attempts[7].receipt;
    let mut receipt: lode_proto::attempt::Receipt = envelope.open(network).expect("opens");
    receipt.tier = lode_proto::policy::Tier::T2;
    *envelope =
        lode_proto::envelope::Envelope::seal(&receipt, network, &coordinator, 9).expect("seals");
    found(&world, Check::Receipt, "proves no more than T0");
}

#[test]
fn an_anchor_tells_networks_apart() {
    let world = World::new(2);
    let root = tempfile::tempdir().expect("a folder");
    let dir = forge(&world, &world.record, root.path());
    let with =
        |anchor| AuditOptions { anchor: Some(anchor), threads: 1, ..AuditOptions::default() };
    let report = audit(&dir, &BuiltinEngine, &with(world.keys.network));
    assert!(report.holds() && report.trust == Trust::Anchored, "{report}");
    let report = audit(&dir, &BuiltinEngine, &with(lode_proto::id::NetworkId::of(b"other")));
    assert!(!report.holds() && report.trust == Trust::Consistent);
    assert_eq!(report.pairs_that_hold(), 0);
}
