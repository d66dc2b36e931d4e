//! Adaptive difficulty, simulated: models of known strength find their profile and stay there.

use lode_proto::{
    adapt::{Graded, MIN_GROUPS, REVISIT_GROUPS, Schedule, Step, WINDOW_GROUPS, Why},
    epoch::{Campaign, Level},
    id::{Hash, PolicyId},
    key::PublicKey,
    seed::Noise,
    task::{DomainRef, Profile, TaskTemplate},
};

/// Attempts in a group.
const GROUP: u32 = 8;
/// Groups leased before the oldest of them is graded.
const IN_FLIGHT: usize = 6;

fn campaign(start: Profile, profiles: &[Profile]) -> Campaign {
    Campaign {
        template: TaskTemplate {
            family: "longdoc".into(),
            engine_version: 0,
            domain: DomainRef { name: "companies".into(), hash: Hash::of(b"domain") },
            profile: start,
            inputs: Vec::new(),
        },
        group_size: GROUP,
        max_completion_tokens: 100,
        lease_ms: 60_000,
        revision_every: 0,
        profiles: profiles.to_vec(),
    }
}

fn policy(n: u8) -> PolicyId {
    PolicyId(Hash::of(&[n]))
}

fn account(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

/// Draws below a bound, the same in every run.
struct Dice {
    noise: [u8; 32],
    at: u32,
}

impl Dice {
    fn new(seed: u64) -> Self {
        Self { noise: Hash::derive("test/dice", &seed.to_le_bytes()).0, at: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        let mut bits = [0];
        Noise::at(&self.noise, self.at).bits(0, &mut bits);
        self.at += 1;
        bits[0] % bound
    }

    /// Passes of a group at a task: tasks of one profile differ in difficulty, around its rate.
    fn passes(&mut self, milli: u64) -> u32 {
        let spread = milli.min(1000 - milli).min(250);
        let of_task = milli - spread + self.below(2 * spread + 1);
        (0..GROUP).map(|_| u32::from(self.below(1000) < of_task)).sum()
    }
}

struct Run {
    schedule: Schedule,
    /// Number of the group after which each decision was made.
    steps: Vec<(usize, Step)>,
    /// Groups leased at each profile.
    spent: [usize; 4],
}

/// A model with these pass rates (thousandths, by profile) over so many groups of three miners.
fn run(rates: [u64; 4], start: Profile, rungs: &[Profile], groups: usize, seed: u64) -> Run {
    let (mut dice, model) = (Dice::new(seed), policy(1));
    let mut schedule = Schedule::new(&campaign(start, rungs), &[]);
    let (mut steps, mut spent, mut flight) = (Vec::new(), [0; 4], Vec::new());
    for number in 0..groups {
        let profile = schedule.profile(&model);
        spent[profile as usize] += 1;
        flight.push(profile);
        if flight.len() <= IN_FLIGHT {
            continue;
        }
        let profile = flight.remove(dice.below(flight.len() as u64) as usize);
        schedule.observe(&Graded {
            policy: model,
            account: account(dice.below(3) as u8),
            profile,
            passed: dice.passes(rates[profile as usize]),
            attempts: GROUP,
        });
        if let Some(step) = schedule.due(&model) {
            schedule.apply(&step);
            steps.push((number, step));
        }
    }
    Run { schedule, steps, spent }
}

fn pairing(milli: u64) -> u64 {
    milli * (1000 - milli)
}

/// Models of known strength: over all their groups, the way there included, they make pairs at three
/// quarters of the rate of their best profile or more, and they do not flap.
#[test]
fn models_of_known_strength_converge_and_do_not_flap() {
    let models: [(&str, [u64; 4]); 8] = [
        ("weak", [310, 20, 0, 0]),
        ("hopeless", [5, 0, 0, 0]),
        ("small", [850, 450, 60, 0]),
        ("between two", [950, 90, 10, 0]),
        ("middle", [990, 880, 520, 60]),
        ("strong", [1000, 990, 900, 480]),
        ("perfect", [1000, 1000, 1000, 990]),
        ("at the edge of the band", [740, 300, 100, 0]),
    ];
    for start in [Profile::Nano, Profile::Standard] {
        for (name, rates) in models {
            for seed in 0..40 {
                let groups = 2_000;
                let run = run(rates, start, &Profile::ALL, groups, seed);
                let best = rates.iter().map(|rate| pairing(*rate)).max().unwrap_or(0);
                // Where every profile gives next to nothing there is nothing to find.
                if best > 20_000 {
                    let got: u64 = Profile::ALL
                        .into_iter()
                        .map(|p| pairing(rates[p as usize]) * run.spent[p as usize] as u64)
                        .sum();
                    let most = best * groups as u64;
                    assert!(got * 4 >= most * 3, "{name} {seed}: {:?} {:?}", run.spent, run.steps);
                }
                // The way there takes three moves; each look at a neighbour two.
                let looks = groups as u64 / REVISIT_GROUPS + 1;
                assert!(run.steps.len() as u64 <= 3 + 2 * looks, "{name} {seed}: {:?}", run.steps);
            }
        }
    }
}

#[test]
fn a_model_near_one_half_never_moves() {
    for rate in [400, 500, 600] {
        for seed in 0..50 {
            let run = run([1000, rate, 0, 0], Profile::Mini, &Profile::ALL, 2_000, seed);
            assert_eq!(run.steps, [], "rate {rate}, seed {seed}");
        }
    }
}

#[test]
fn only_profiles_of_the_campaign_are_used() {
    let rungs = [Profile::Nano, Profile::Standard];
    let run = run([1000, 500, 1000, 500], Profile::Nano, &rungs, 500, 1);
    assert_eq!((run.spent[1], run.spent[3]), (0, 0));
    assert_eq!(run.schedule.profile(&policy(1)), Profile::Standard);
    for rungs in [&[][..], &[Profile::Nano][..]] {
        let fixed = self::run([1000; 4], Profile::Nano, rungs, 500, 1);
        assert_eq!((fixed.steps.len(), fixed.spent[0]), (0, 500), "nothing moves");
        assert_eq!(fixed.schedule.tracks().count(), 0, "and nothing is remembered");
    }
}

fn observe(schedule: &mut Schedule, account_of: u8, groups: usize, passed: u32) {
    for _ in 0..groups {
        let group = Graded {
            policy: policy(1),
            account: account(account_of),
            profile: schedule.profile(&policy(1)),
            passed,
            attempts: GROUP,
        };
        schedule.observe(&group);
    }
}

#[test]
fn little_evidence_decides_nothing() {
    let mut schedule = Schedule::new(&campaign(Profile::Mini, &Profile::ALL), &[]);
    observe(&mut schedule, 1, MIN_GROUPS as usize - 1, 0);
    assert_eq!(schedule.due(&policy(1)), None);
    observe(&mut schedule, 1, 1, 0);
    let step = schedule.due(&policy(1)).expect("enough");
    assert_eq!((step.to, step.why, step.found.groups), (Profile::Nano, Why::TooHard, MIN_GROUPS));
    // Seven of eight is far from one half, but not so far that eight groups would show it.
    let mut schedule = Schedule::new(&campaign(Profile::Mini, &Profile::ALL), &[]);
    observe(&mut schedule, 1, MIN_GROUPS as usize, 7);
    assert_eq!(schedule.due(&policy(1)), None);
    observe(&mut schedule, 1, WINDOW_GROUPS / 2 - MIN_GROUPS as usize, 7);
    assert_eq!(schedule.due(&policy(1)).map(|step| step.why), Some(Why::TooEasy));
}

/// One miner that fails on purpose does not drag down the model of all: it fills at most half of the
/// window, however many groups it hands in.
#[test]
fn a_sandbagging_miner_does_not_move_the_model() {
    let mut schedule = Schedule::new(&campaign(Profile::Mini, &Profile::ALL), &[]);
    for _ in 0..WINDOW_GROUPS {
        observe(&mut schedule, 1, 1, 5);
        observe(&mut schedule, 2, 10, 0);
        assert_eq!(schedule.due(&policy(1)), None);
    }
    assert_eq!(schedule.profile(&policy(1)), Profile::Mini);
}

#[test]
fn the_next_epoch_begins_where_the_last_one_ended() {
    let first = campaign(Profile::Nano, &Profile::ALL);
    let end = run([1000, 1000, 500, 0], Profile::Nano, &Profile::ALL, 400, 3).schedule;
    let levels = end.levels(&first);
    assert_eq!(levels, [Level { policy: policy(1), profile: Profile::Standard }]);
    assert_eq!(Schedule::new(&first, &levels).profile(&policy(1)), Profile::Standard);
    let smaller = campaign(Profile::Nano, &[Profile::Nano, Profile::Mini]);
    let levels = end.levels(&smaller);
    assert_eq!(
        levels,
        [Level { policy: policy(1), profile: Profile::Mini }],
        "the nearest allowed"
    );
    assert_eq!(end.levels(&campaign(Profile::Nano, &[])), []);
}
