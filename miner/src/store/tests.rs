use std::{
    fs,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lode_proto::{
    attempt::{Attempt, Finish, Receipt},
    credit,
    envelope::Envelope,
    genesis::{Admission, Genesis},
    id::{Hash, LeaseId, NetworkId, PolicyId, TaskId},
    key::SecretKey,
    mine::Lease,
    policy::{Policy, PolicyCard, Sampling, Tier},
    session::Session,
};

use super::*;
use crate::{
    queue::{Job, Step},
    receipts::{
        Joined, Recount,
        file::read,
        recount::{Anchor, Counter},
        recount_file,
    },
};

const PARAMETERS: u64 = 134_515_008;
/// Leases of the story; every third is dropped, the others are delivered with two attempts each.
const LEASES: u64 = 24;
/// One test at a time: one of them starts processes, and until such a process is its own program it
/// has the locks of this one.
static ALONE: Mutex<()> = Mutex::new(());
/// Where a child of this test keeps its queue.
const FOLDER: &str = "LODE_STORE_TEST";

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key() -> SecretKey {
    SecretKey::from_bytes(&[5; 32])
}

fn joined() -> (NetworkId, Joined) {
    let genesis = Genesis {
        name: "n".into(),
        version: 1,
        coordinator: key().public(),
        quorum: 1,
        verifiers: 1,
        verifier_admission: Admission::Open,
        open_to_miners: true,
        nonce: Hash::default(),
    };
    let policy = Policy {
        weights: Hash::of(b"w"),
        quantisation: "Q8_0".into(),
        adapter: None,
        template: "raw/1".into(),
        sampling: Sampling { temperature_milli: 700, sampler: "gumbel/1".into() },
        grammar: None,
    };
    let id = policy.id().expect("id");
    let text = String::from("x");
    let card = PolicyCard {
        policy,
        model: text.clone(),
        parameters: PARAMETERS,
        licence: text.clone(),
        output_licence: text.clone(),
        engine: text,
    };
    let (network, genesis) = genesis.seal(&key()).expect("seals");
    let miner = SecretKey::from_bytes(&[6; 32]).public();
    (network, Joined { genesis, miner, policy: id, card })
}

fn lease(number: u64) -> Lease {
    Lease {
        id: LeaseId::of(&number.to_le_bytes()),
        epoch: 1,
        task_id: TaskId::of(&number.to_le_bytes()),
        task: vec![7; 20_000],
        session: Session::Group,
        attempt_seeds: vec![[0; 32], [1; 32]],
        max_completion_tokens: 10,
        remaining_ms: 1000,
    }
}

fn attempts(lease: &Lease, policy: PolicyId) -> Vec<Attempt> {
    (0..2)
        .map(|index| Attempt {
            lease: lease.id,
            index,
            policy,
            completion: vec![b'a'; 9_000],
            finish: Finish::Stop,
            prompt_tokens: 5,
            completion_tokens: 3,
            evidence: None,
        })
        .collect()
}

/// The receipt for an attempt of a lease, as the coordinator gives it however often it is asked.
fn receipt(number: u64, index: u32) -> Envelope {
    let (network, joined) = joined();
    let mut previous = Hash::default();
    let mut chain = 0;
    loop {
        let before = chain / 2;
        let lease = lease(before + before / 2);
        let attempt = &attempts(&lease, joined.policy)[(chain % 2) as usize];
        let receipt = Receipt {
            miner: joined.miner,
            index: chain,
            previous,
            epoch: 1,
            lease: lease.id,
            attempt_index: attempt.index,
            attempt: attempt.id().expect("id"),
            tokens: 3,
            parameters: PARAMETERS,
            tier: Tier::T0,
            credit_version: credit::CREDIT_VERSION,
            credits_milli: credit::credits_milli(3, PARAMETERS, Tier::T0),
            unix_ms: 0,
        };
        if before + before / 2 == number && attempt.index == index {
            return Envelope::seal(&receipt, network, &key(), chain).expect("seals");
        }
        previous = receipt.hash().expect("hash");
        chain += 1;
    }
}

/// Takes the story one record further; false at its end. What comes next is said by the queue alone,
/// as it is for the daemon.
fn go_on(store: &mut Store) -> bool {
    let (_, joined) = joined();
    let policy = joined.policy;
    if store.queue().joined().is_none() {
        store.append(&Record::Joined(Box::new(joined))).expect("kept");
        return true;
    }
    let totals = store.queue().totals();
    let number = totals.groups + totals.dropped;
    if number == LEASES {
        return false;
    }
    let lease = lease(number);
    let id = lease.id;
    let record = match store.queue().job(&id).map(Job::next) {
        None => Record::Leased(Box::new(lease)),
        Some(Some(Step::Generate)) => {
            Record::Generated { lease: id, attempts: attempts(&lease, policy) }
        }
        Some(Some(Step::Commit)) if number % 3 == 2 => {
            Record::Dropped { lease: id, reason: "cancelled".into() }
        }
        Some(Some(Step::Commit)) => Record::Committed { lease: id },
        Some(Some(Step::Submit(index))) => {
            Record::Receipted { lease: id, index, receipt: receipt(number, index) }
        }
        Some(Some(Step::Feedback(_))) => panic!("a group gets no feedback"),
        Some(None) => panic!("a job without a next step stays"),
    };
    store.append(&record).expect("kept");
    let after = store.queue().totals();
    if after.groups + after.dropped != number && number % 4 == 1 {
        store.compact().expect("compacted");
    }
    true
}

fn recount(folder: &Path) -> Recount {
    let counted = recount_file(&folder.join(FILE_NAME), Anchor::default()).expect("reads");
    let (extent, found) = counted.expect("by the genesis");
    assert_eq!(extent.fault(), None);
    found
}

/// What must hold whenever the store is open: the file has what the queue counts, and it holds.
fn check(store: &Store, folder: &Path) {
    let found = recount(folder);
    assert!(found.holds(), "{:?}", found.problems);
    let totals = store.queue().totals();
    assert_eq!(found.total.receipts, totals.receipts);
    assert_eq!(found.total.credits_milli, totals.credits_milli);
}

fn whole(folder: &Path) -> Queue {
    let mut store = Store::open(folder).expect("opens");
    while go_on(&mut store) {}
    check(&store, folder);
    assert_eq!(store.queue().totals().groups, LEASES - LEASES / 3);
    store.queue().clone()
}

#[test]
fn a_start_after_each_record_finds_the_same_queue() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("folder");
    let mut store = Store::open(folder.path()).expect("opens");
    while go_on(&mut store) {
        let before = store.queue().clone();
        drop(store);
        store = Store::open(folder.path()).expect("opens");
        assert_eq!(*store.queue(), before);
        check(&store, folder.path());
    }
    assert!(store.log.first() > 40, "the log forgot {} records only", store.log.first());
}

#[test]
fn a_snapshot_is_the_queue() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("folder");
    let mut store = Store::open(folder.path()).expect("opens");
    loop {
        let bytes = store.queue().to_snapshot().expect("bytes");
        assert_eq!(Queue::from_snapshot(&bytes).as_ref(), Ok(store.queue()));
        for cut in [0, 1, 5, bytes.len() / 2, bytes.len() - 1] {
            let read = Queue::from_snapshot(&bytes[..cut]);
            assert!(read.as_ref() != Ok(store.queue()), "cut at {cut}");
        }
        if !go_on(&mut store) {
            break;
        }
    }
}

#[test]
fn a_log_from_before_gets_its_file() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("folder");
    let policy = joined().1.policy;
    {
        // As earlier versions wrote it: no join, no file.
        let mut log = SledLog::open(folder.path()).expect("opens");
        for number in [0, 1] {
            let lease = lease(number);
            let id = lease.id;
            let attempts = attempts(&lease, policy);
            let mut records = vec![
                Record::Leased(Box::new(lease)),
                Record::Generated { lease: id, attempts },
                Record::Committed { lease: id },
            ];
            records.extend((0..2).map(|index| Record::Receipted {
                lease: id,
                index,
                receipt: receipt(number, index),
            }));
            for record in &records {
                let bytes = codec::encode(record).expect("encodes");
                log.append(&Batch::record(bytes)).expect("kept");
            }
        }
    }
    let store = Store::open(folder.path()).expect("opens");
    assert_eq!(store.queue().totals().receipts, 4);
    let path = folder.path().join(FILE_NAME);
    assert_eq!(recount_file(&path, Anchor::default()).expect("reads"), None, "by whose key?");
    let anchor = Anchor { coordinator: Some(key().public()), network: None };
    let (_, found) = recount_file(&path, anchor).expect("reads").expect("by this key");
    assert!(found.holds(), "{:?}", found.problems);
    assert_eq!(found.total.receipts, 4);
}

#[test]
fn a_file_cut_anywhere_is_written_again_or_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("folder");
    let want = whole(folder.path());
    let path = folder.path().join(FILE_NAME);
    let bytes = fs::read(&path).expect("read");
    let mut store = Store::open(folder.path()).expect("opens");
    let kept_by_snapshot = {
        let snapshot = store.log.last_snapshot().expect("reads").expect("one");
        Queue::from_snapshot(&snapshot.state).expect("one").kept()
    };
    assert!(kept_by_snapshot < want.kept() && kept_by_snapshot > 8);
    let (mut mended, mut refused) = (0, 0);
    for cut in (0..bytes.len()).step_by(97) {
        drop(store);
        fs::write(&path, &bytes[..cut]).expect("written");
        let entries = read(&path, |_, _| ()).expect("reads").entries;
        match Store::open(folder.path()) {
            Ok(opened) => {
                assert!(entries >= kept_by_snapshot, "{entries} entries");
                assert_eq!(fs::read(&path).expect("read"), bytes, "cut at {cut}");
                assert_eq!(*opened.queue(), want);
                mended += 1;
            }
            Err(error) => {
                assert!(entries < kept_by_snapshot, "{error}");
                let said = error.to_string();
                assert!(said.contains("entries were kept in it, but only"), "{said}");
                assert_eq!(fs::read(&path).expect("read"), bytes[..cut], "left as it was");
                refused += 1;
            }
        }
        fs::write(&path, &bytes).expect("written");
        store = Store::open(folder.path()).expect("opens");
    }
    assert!(mended > 5 && refused > 5, "{mended} mended, {refused} refused");
    // One bit anywhere is found by whoever reads it.
    for at in (0..bytes.len()).step_by(61) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        fs::write(&path, &changed).expect("written");
        let mut counter = Counter::new(Anchor::default());
        let faulty = match read(&path, |number, kept| counter.add(number, &kept)) {
            Err(_) => true,
            Ok(extent) => extent.fault().is_some() || extent.announced.is_none(),
        };
        assert!(faulty, "byte {at}");
    }
}

/// Not a test of its own: what the next one starts again and again, and kills.
#[test]
#[ignore = "a part of kills_anywhere_lose_and_double_nothing"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    whole(Path::new(&folder));
}

#[test]
fn kills_anywhere_lose_and_double_nothing() {
    let _alone = alone();
    let plain = tempfile::tempdir().expect("folder");
    let want = whole(plain.path());
    let folder = tempfile::tempdir().expect("folder");
    let program = std::env::current_exe().expect("this program");
    // Each about where the one before stopped: a point of another kind, or further on.
    let points = [
        "miner:receipt-logged:1",
        "miner:receipts-synced:1",
        "miner:snapshot:1",
        "log:flushed:7",
        "miner:receipt-logged:3",
        "miner:compacted:1",
        "log:written:5",
        "miner:snapshot:1",
        "log:synced:9",
        "log:before-write:11",
        "miner:receipt-logged:2",
        "miner:receipts-synced:1",
    ];
    let mut kills = 0;
    for point in points.into_iter().chain(["never"]) {
        let ran = Command::new(&program)
            .args(["store::tests::child", "--exact", "--ignored", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .env(killpoint::VARIABLE, point)
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        if ran.status.success() {
            assert!(said.contains("1 passed"), "{said}");
        } else {
            use std::os::unix::process::ExitStatusExt;
            let errors = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.signal(), Some(9), "{point}: {said} {errors}");
            kills += 1;
        }
        let store = Store::open(folder.path()).expect("opens");
        check(&store, folder.path());
    }
    assert!(kills >= 9, "only {kills} kills");
    let store = Store::open(folder.path()).expect("opens");
    assert_eq!(*store.queue(), want);
}

/// The log's room on disk does not grow with what is delivered.
#[test]
fn what_is_over_takes_no_room() {
    let _alone = alone();
    fn size(folder: &Path) -> u64 {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| match entry.metadata() {
                Ok(about) if about.is_dir() => size(&entry.path()),
                Ok(about) => about.len(),
                Err(_) => 0,
            })
            .sum()
    }
    let folder = tempfile::tempdir().expect("folder");
    let mut store = Store::open(folder.path()).expect("opens");
    let mut sizes = Vec::new();
    for number in 0..1_000 {
        let mut lease = lease(number);
        lease.task = vec![7; 64 * 1024];
        let id = lease.id;
        store.append(&Record::Leased(Box::new(lease))).expect("kept");
        store.append(&Record::Dropped { lease: id, reason: "over".into() }).expect("kept");
        if number % 250 == 249 {
            sizes.push(size(folder.path()));
        }
    }
    assert!(store.log.first() > 1_500);
    // Of 64 MiB that were written.
    assert!(sizes[3] < 6 * COMPACT_BYTES, "{sizes:?}");
}
