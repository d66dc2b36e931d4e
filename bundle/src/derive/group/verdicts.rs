//! Verdicts on a group: the coordinator's and the verifiers', compared with what the rules give.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    id::{AttemptId, Hash, JobId, LeaseId},
    key::PublicKey,
    seed,
    verify::{VerdictCommit, VerdictReveal},
};

use super::OneGroup;
use crate::{
    derive::{Agreement, GradedAttempt, SeededTask},
    finding::Check,
};

impl OneGroup<'_> {
    /// Compares the coordinator's and the verifiers' verdicts with ours.
    pub(super) fn verdicts(
        &mut self,
        task: &SeededTask,
        job: JobId,
        commit_hash: &Hash,
        graded: &[GradedAttempt],
        miner_account: PublicKey,
    ) -> Vec<Agreement> {
        let (epoch, group) = (self.epoch, self.group);
        let network = epoch.network;
        let ours: Vec<(AttemptId, Hash)> =
            graded.iter().map(|attempt| (attempt.id, attempt.verdict_hash)).collect();
        let mismatch = task.basis.or_inconclusive(Check::Verdict);
        match group
            .own
            .as_ref()
            .map(|own| own.open_from::<VerdictReveal>(network, &epoch.genesis.coordinator))
        {
            None => self.fail(Check::Verdict, "the coordinator's own grade is missing"),
            Some(Err(error)) => {
                self.fail(Check::Verdict, format!("the coordinator's grade: {error}"))
            }
            Some(Ok(own)) => {
                if let Some(what) = differs(&own, job, task, &ours) {
                    self.fail(mismatch, format!("the coordinator's grade {what}"));
                }
            }
        }
        let mut agreements: BTreeMap<PublicKey, Agreement> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        for verdict in &group.verdicts {
            let verifier = verdict.commit.sender;
            let who = verifier.short();
            let Some(account) = epoch.verifiers.get(&verifier) else {
                self.fail(Check::Verdict, format!("{who} graded, but is no verifier of the epoch"));
                continue;
            };
            if !asked.insert(verifier) {
                self.fail(Check::Verdict, format!("verifier {who} graded twice"));
                continue;
            }
            if *account == miner_account {
                self.fail(Check::Verdict, format!("verifier {who} graded its own account's work"));
                continue;
            }
            let on_record = [Some(self.lease()), None]
                .iter()
                .any(|lease| epoch.faults.contains(&(verifier, *lease)));
            let commit = match verdict.commit.open::<VerdictCommit>(network) {
                Ok(commit) if commit.job == job => commit,
                Ok(_) => {
                    self.fail(Check::Verdict, format!("verifier {who} committed to another job"));
                    continue;
                }
                Err(error) => {
                    self.fail(Check::Verdict, format!("the commitment of verifier {who}: {error}"));
                    continue;
                }
            };
            let Some(envelope) = &verdict.reveal else { continue };
            let reveal = match envelope.open_from::<VerdictReveal>(network, &verifier) {
                Ok(reveal) => reveal,
                Err(error) => {
                    self.fail(Check::Verdict, format!("the verdict of verifier {who}: {error}"));
                    continue;
                }
            };
            if reveal.commitment(&verifier).ok() != Some(commit.commit) {
                if !on_record {
                    let what =
                        format!("the verdict of verifier {who} does not open its commitment");
                    self.fail(Check::Verdict, what);
                }
                continue;
            }
            match differs(&reveal, job, task, &ours) {
                None => {
                    let (sequence, signature) = (envelope.sequence, envelope.signature);
                    agreements.insert(verifier, Agreement { verifier, sequence, signature });
                }
                Some(_) if on_record => {}
                Some(what) => {
                    self.fail(mismatch, format!("the verdict of verifier {who} {what}"));
                }
            }
        }
        let quorum = epoch.genesis.quorum as usize;
        if agreements.len() < quorum {
            let got = agreements.len();
            let what = format!(
                "{got} verifiers revealed the verdict that the rules give, the quorum is {quorum}"
            );
            self.fail(mismatch, what);
        }
        let mut ranked: Vec<PublicKey> = epoch
            .verifiers
            .iter()
            .filter(|(_, account)| **account != miner_account)
            .map(|(key, _)| *key)
            .collect();
        ranked.sort_by_cached_key(|key| seed::draw_rank(&epoch.beacon, commit_hash, key));
        self.result.substituted |=
            ranked.iter().take(quorum).any(|drawn| !agreements.contains_key(drawn));
        agreements.into_values().collect()
    }

    fn lease(&self) -> LeaseId {
        seed::lease_id(
            &self.epoch.network.0,
            self.epoch.open.epoch,
            self.record.counter,
            self.group.lease_number,
            &self.group.miner,
        )
    }
}

/// How a revealed verdict differs from ours, or `None` where it does not.
fn differs(
    reveal: &VerdictReveal,
    job: JobId,
    task: &SeededTask,
    ours: &[(AttemptId, Hash)],
) -> Option<String> {
    let theirs = &reveal.verdict;
    if theirs.job != job || theirs.task_id != task.id {
        return Some("is of another job or task".into());
    }
    if theirs.verdicts.len() != ours.len() {
        return Some(format!("is of {} attempts instead of {}", theirs.verdicts.len(), ours.len()));
    }
    let place = theirs.verdicts.iter().zip(ours).position(|(theirs, ours)| theirs != ours)?;
    let got = theirs.verdicts.get(place)?.1.short();
    let want = ours.get(place)?.1.short();
    Some(format!("on attempt {place} is {got}, the rules give {want}"))
}
