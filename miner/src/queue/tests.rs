use super::*;
use lode_proto::{
    attempt::Finish,
    id::{PolicyId, TaskId},
    key::SecretKey,
    policy::Tier,
    session::{Counts, Session},
};

fn lease(byte: u8) -> Lease {
    Lease {
        id: LeaseId::of(&[byte]),
        epoch: 1,
        task_id: TaskId::of(&[byte]),
        task: vec![byte],
        session: Session::Group,
        attempt_seeds: vec![[0; 32], [1; 32]],
        max_completion_tokens: 10,
        remaining_ms: 1000,
    }
}

fn attempts(lease: &Lease) -> Vec<Attempt> {
    made(lease, 0..2)
}

fn made(lease: &Lease, indices: std::ops::Range<u32>) -> Vec<Attempt> {
    indices
        .map(|index| Attempt {
            lease: lease.id,
            index,
            policy: PolicyId::of(b"p"),
            completion: vec![b'a'; 3 + index as usize],
            finish: Finish::Stop,
            prompt_tokens: 5,
            completion_tokens: 3,
            evidence: None,
        })
        .collect()
}

struct Coordinator {
    key: SecretKey,
    network: NetworkId,
    index: u64,
    previous: Hash,
}

impl Coordinator {
    fn receipt(&mut self, miner: PublicKey, attempt: &Attempt) -> Envelope {
        let tokens =
            credit::credited_tokens(attempt.completion_tokens, attempt.completion.len(), 10);
        let receipt = Receipt {
            miner,
            index: self.index,
            previous: self.previous,
            epoch: 1,
            lease: attempt.lease,
            attempt_index: attempt.index,
            attempt: attempt.id().expect("id"),
            tokens,
            parameters: 134_515_008,
            tier: Tier::T0,
            credit_version: credit::CREDIT_VERSION,
            credits_milli: credit::credits_milli(tokens, 134_515_008, Tier::T0),
            unix_ms: 0,
        };
        self.index += 1;
        self.previous = receipt.hash().expect("hash");
        Envelope::seal(&receipt, self.network, &self.key, self.index).expect("seals")
    }
}

fn coordinator() -> Coordinator {
    Coordinator {
        key: SecretKey::from_bytes(&[5; 32]),
        network: NetworkId::of(b"n"),
        index: 0,
        previous: Hash::default(),
    }
}

#[test]
fn a_job_walks_through_its_steps_and_counts_once() {
    let me = SecretKey::from_bytes(&[6; 32]).public();
    let mut chief = coordinator();
    let mut queue = Queue::default();
    let lease = lease(1);
    queue.apply(&Record::Leased(Box::new(lease.clone())));
    assert_eq!(queue.job(&lease.id).and_then(Job::next), Some(Step::Generate));
    let made = attempts(&lease);
    queue.apply(&Record::Generated { lease: lease.id, attempts: made.clone() });
    assert_eq!(queue.job(&lease.id).and_then(Job::next), Some(Step::Commit));
    queue.apply(&Record::Committed { lease: lease.id });
    assert_eq!(queue.job(&lease.id).and_then(Job::next), Some(Step::Submit(0)));
    for attempt in &made {
        let receipt = chief.receipt(me, attempt);
        let checked =
            queue.check_receipt(&receipt, chief.network, &chief.key.public(), &me, attempt);
        assert!(checked.is_ok(), "{checked:?}");
        let record = Record::Receipted { lease: lease.id, index: attempt.index, receipt };
        queue.apply(&record);
        queue.apply(&record);
    }
    assert_eq!(queue.jobs().count(), 0);
    // Three tokens each, at 0.1 class and 0.5 tier weight: 150 thousandths.
    let want = Totals { receipts: 2, credits_milli: 300, groups: 1, dropped: 0 };
    assert_eq!(queue.totals(), want);
}

/// Every step of a session, each from a snapshot of the one before; it ends after a turn that passes,
/// and after the last.
#[test]
fn a_session_walks_through_its_turns() {
    let me = SecretKey::from_bytes(&[6; 32]).public();
    for passes_after in [0, 1, 2] {
        let mut chief = coordinator();
        let mut queue = Queue::default();
        let mut lease = lease(1);
        (lease.session, lease.attempt_seeds) = (Session::Revision, vec![[0; 32]; 5]);
        let mut steps = Vec::new();
        let mut apply = |record: &Record| {
            let before = Queue::from_snapshot(&queue.to_snapshot().expect("writes"));
            assert_eq!(before.as_ref(), Ok(&queue), "after {steps:?}");
            queue.apply(record);
            queue.apply(record);
            let next = queue.job(&lease.id).and_then(Job::next);
            steps.push(next);
            next
        };
        let mut next = apply(&Record::Leased(Box::new(lease.clone())));
        for turn in 0..=passes_after {
            assert_eq!(next, Some(Step::Generate));
            let made = made(&lease, Session::Revision.turn(turn, 0));
            let first = made[0].clone();
            apply(&Record::Generated { lease: lease.id, attempts: made.clone() });
            assert_eq!(
                apply(&Record::Committed { lease: lease.id }),
                Some(Step::Submit(first.index))
            );
            for attempt in &made {
                let receipt = chief.receipt(me, attempt);
                let (lease, index) = (lease.id, attempt.index);
                next = apply(&Record::Receipted { lease, index, receipt });
            }
            if turn < 2 {
                assert_eq!(next, Some(Step::Feedback(turn)));
                let said = Feedback {
                    lease: lease.id,
                    turn,
                    attempt: first.id().expect("id"),
                    counts: Counts {
                        read: true,
                        answers_right: 0,
                        answers: 1,
                        constraints_held: 1,
                        constraints: 1,
                        steps_right: 0,
                        steps: 0,
                        supported: true,
                    },
                    next: (turn < passes_after).then(|| Hash::of(&[turn as u8])),
                };
                next = apply(&Record::Feedback(said));
            }
        }
        assert_eq!((next, queue.jobs().count()), (None, 0));
        let receipts = [1, 3, 5][passes_after as usize];
        let want = Totals { receipts, credits_milli: 150 * receipts, groups: 1, dropped: 0 };
        assert_eq!(queue.totals(), want);
    }
}

/// What was handed in before a session broke off stays counted as a group; a lease that gave nothing is
/// dropped.
#[test]
fn a_session_that_breaks_off_counts_what_was_handed_in() {
    let me = SecretKey::from_bytes(&[6; 32]).public();
    for handed_in in [false, true] {
        let mut chief = coordinator();
        let mut queue = Queue::default();
        let mut lease = lease(1);
        (lease.session, lease.attempt_seeds) = (Session::Revision, vec![[0; 32]; 5]);
        queue.apply(&Record::Leased(Box::new(lease.clone())));
        let made = made(&lease, 0..1);
        queue.apply(&Record::Generated { lease: lease.id, attempts: made.clone() });
        queue.apply(&Record::Committed { lease: lease.id });
        if handed_in {
            let receipt = chief.receipt(me, &made[0]);
            queue.apply(&Record::Receipted { lease: lease.id, index: 0, receipt });
        }
        queue.apply(&Record::Dropped { lease: lease.id, reason: "over".into() });
        let totals = queue.totals();
        assert_eq!((totals.groups, totals.dropped), if handed_in { (1, 0) } else { (0, 1) });
    }
}

#[test]
fn receipts_that_lie_are_found() {
    let me = SecretKey::from_bytes(&[6; 32]).public();
    let mut chief = coordinator();
    let mut queue = Queue::default();
    let lease = lease(1);
    let made = attempts(&lease);
    queue.apply(&Record::Leased(Box::new(lease.clone())));
    queue.apply(&Record::Generated { lease: lease.id, attempts: made.clone() });
    queue.apply(&Record::Committed { lease: lease.id });
    let key = chief.key.public();
    let network = chief.network;
    let check = |queue: &Queue, receipt: &Envelope, attempt: &Attempt| {
        queue.check_receipt(receipt, network, &key, &me, attempt)
    };

    let first = chief.receipt(me, &made[0]);
    assert!(matches!(check(&queue, &first, &made[1]), Err(ReceiptError::OtherSubject(_))));
    let mut stranger = coordinator();
    stranger.key = SecretKey::from_bytes(&[9; 32]);
    let forged = stranger.receipt(me, &made[0]);
    assert!(matches!(check(&queue, &forged, &made[0]), Err(ReceiptError::Envelope(_))));
    let second = chief.receipt(me, &made[1]);
    assert!(matches!(
        check(&queue, &second, &made[1]),
        Err(ReceiptError::BrokenChain { got: 1, last: None })
    ));
    let mut receipt: Receipt = first.open(network).expect("opens");
    receipt.credits_milli -= 1;
    let short = Envelope::seal(&receipt, network, &chief.key, 9).expect("seals");
    assert!(matches!(
        check(&queue, &short, &made[0]),
        Err(ReceiptError::WrongCredits { got: 149, want: 150, version: 1 })
    ));
}

#[test]
fn replaying_the_records_gives_the_same_state() {
    let lease_a = lease(1);
    let lease_b = lease(2);
    let records = [
        Record::Leased(Box::new(lease_a.clone())),
        Record::Leased(Box::new(lease_b.clone())),
        Record::Generated { lease: lease_a.id, attempts: attempts(&lease_a) },
        Record::Dropped { lease: lease_b.id, reason: "cancelled".into() },
        Record::Committed { lease: lease_b.id },
    ];
    let mut once = Queue::default();
    for record in &records {
        once.apply(record);
    }
    assert_eq!(once.jobs().count(), 1);
    assert_eq!(once.totals().dropped, 1);
    let mut again = Queue::default();
    for record in &records {
        again.apply(record);
    }
    assert_eq!(once, again);
}
