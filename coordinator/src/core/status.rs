//! Figures for people and programs: a projection of the state. No grades of tasks that are not
//! settled, no secrets.

use lode_proto::{
    adapt::{Evidence, Step},
    id::{Hash, PolicyId},
    key::PublicKey,
    task::Profile,
};
use serde::{Deserialize, Serialize};

use super::{
    context::Target,
    state::{Stage, State},
    task::Phase,
};

/// Policies whose place is shown.
const LEVELS_SHOWN: usize = 100;

/// A stage with what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStatus {
    /// [`Stage::name`].
    pub name: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// When it ends by itself, milliseconds from now.
    pub remaining_ms: Option<u64>,
    /// Whether nothing will happen any more without an operator.
    pub at_rest: bool,
}

/// A verifier's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierStatus {
    /// Its key.
    pub key: PublicKey,
    /// Verdicts revealed.
    pub revealed: u64,
    /// Times it let its time run out.
    pub lagged: u64,
    /// Jobs it could not check.
    pub inconclusive: u64,
    /// Faults with evidence.
    pub faults: u64,
}

/// Where a policy stands among the campaign's profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelStatus {
    /// The policy.
    pub policy: PolicyId,
    /// Profile of its next task.
    pub profile: Profile,
    /// What was found there so far.
    pub found: Evidence,
}

/// The coordinator at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The epoch; 0 before the first.
    pub epoch: u64,
    /// Where it stands.
    pub stage: Option<StageStatus>,
    /// When it closes.
    pub target: Option<Target>,
    /// Tasks issued, exhausted ones included.
    pub tasks: u64,
    /// Of these: without an outcome.
    pub unsettled: u64,
    /// Leased now.
    pub leased: u64,
    /// Committed and being uploaded now.
    pub uploading: u64,
    /// Sealed and being graded now.
    pub grading: u64,
    /// Graded with a quorum.
    pub graded: u64,
    /// Settled without a grade, exhausted ones included.
    pub dropped: u64,
    /// Attempts in graded groups that pass.
    pub passed: u64,
    /// Attempts in graded groups.
    pub attempts: u64,
    /// Pairs in graded groups.
    pub pairs: u64,
    /// Graded groups with at least one pair.
    pub paired_tasks: u64,
    /// Where policies stand, for a campaign of several profiles.
    pub levels: Vec<LevelStatus>,
    /// The newest decisions to move one, oldest first, each with its reason.
    pub moves: Vec<Step>,
    /// Miners that have joined.
    pub miners: u64,
    /// Receipts given.
    pub receipts: u64,
    /// Credits given, thousandths.
    pub credits_milli: u64,
    /// Verifiers.
    pub verifiers: Vec<VerifierStatus>,
    /// Faults of this epoch.
    pub faults: u64,
    /// The bundle's name, once built.
    pub bundle: Option<String>,
    /// Hash of its manifest.
    pub manifest: Option<Hash>,
    /// Verifiers that signed it.
    pub signatures: u64,
    /// Head of the ledger.
    pub ledger_head: Hash,
    /// Entries of the ledger.
    pub ledger_length: u64,
    /// Whether the campaign is over.
    pub finished: bool,
}

impl Status {
    /// The figures of a state at a time on the log's clock.
    #[must_use]
    pub fn of(state: &State, now_ms: u64) -> Self {
        let epoch = state.epoch.as_ref();
        let count = |want: fn(&Phase) -> bool| {
            epoch.map_or(0, |epoch| {
                epoch.slots.iter().filter(|slot| want(&slot.phase)).count() as u64
            })
        };
        let settled = count(|phase| matches!(phase, Phase::Settled(..)));
        let graded = epoch.map_or(0, |epoch| epoch.graded);
        let bundle = epoch.and_then(|epoch| epoch.bundle.as_ref());
        Self {
            epoch: epoch.map_or(0, |epoch| epoch.number),
            stage: epoch.map(|epoch| StageStatus {
                name: epoch.stage.name().into(),
                reason: match &epoch.stage {
                    Stage::Draining { reason }
                    | Stage::BundleFailed { reason }
                    | Stage::NotSigned { reason }
                    | Stage::Void { reason } => Some(reason.clone()),
                    _ => None,
                },
                remaining_ms: epoch.stage.deadline_ms().map(|ms| ms.saturating_sub(now_ms)),
                at_rest: epoch.stage.at_rest(),
            }),
            target: epoch.map(|epoch| epoch.target),
            tasks: epoch.map_or(0, |epoch| epoch.next_counter()),
            unsettled: epoch.map_or(0, |epoch| epoch.unsettled),
            leased: count(|phase| matches!(phase, Phase::Leased(_))),
            uploading: count(|phase| matches!(phase, Phase::Committed(_))),
            grading: count(|phase| matches!(phase, Phase::Grading(_))),
            graded,
            dropped: settled - graded,
            passed: epoch.map_or(0, |epoch| epoch.passed),
            attempts: epoch.map_or(0, |epoch| epoch.attempts),
            pairs: epoch.map_or(0, |epoch| epoch.pairs),
            paired_tasks: epoch.map_or(0, |epoch| epoch.paired_tasks),
            levels: epoch
                .iter()
                .flat_map(|epoch| epoch.schedule.tracks())
                .take(LEVELS_SHOWN)
                .map(|(policy, track)| LevelStatus {
                    policy: *policy,
                    profile: track.profile(),
                    found: track.found(),
                })
                .collect(),
            moves: epoch.iter().flat_map(|epoch| &epoch.moves).copied().collect(),
            miners: state.miners.len() as u64,
            receipts: state.miners.values().map(|miner| miner.receipts).sum(),
            credits_milli: state.miners.values().map(|miner| miner.credits_milli).sum(),
            verifiers: state
                .verifiers
                .iter()
                .map(|(key, verifier)| VerifierStatus {
                    key: *key,
                    revealed: verifier.revealed,
                    lagged: verifier.lagged,
                    inconclusive: verifier.inconclusive,
                    faults: verifier.faults,
                })
                .collect(),
            faults: epoch.map_or(0, |epoch| epoch.faults.len() as u64),
            bundle: bundle.map(|bundle| bundle.built.name.clone()),
            manifest: bundle.map(|bundle| bundle.built.manifest),
            signatures: bundle.map_or(0, |bundle| bundle.cosigned.len() as u64),
            ledger_head: state.ledger_head,
            ledger_length: state.ledger_length,
            finished: state.finished,
        }
    }
}
