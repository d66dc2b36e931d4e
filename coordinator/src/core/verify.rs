//! What verifiers ask: join, what to do next, and what they hand in.
//!
//! What a verifier signs for the record is an envelope of its own inside the request. Handing in
//! the same again is accepted again; signing something else in its place is a fault, and both
//! envelopes are the evidence.

use lode_bundle::record::FaultKind;
use lode_proto::{
    envelope::{Envelope, Payload},
    epoch::{BeaconCommit, BeaconReveal},
    genesis::Admission,
    id::{Hash, JobId, LeaseId},
    key::PublicKey,
    manifest::BundleSignature,
    refusal::Refusal,
    seed,
    verify::{CoSignJob, VerdictCommit, VerdictReveal, VerifyReply, VerifyRequest},
};

use super::{
    apply::read,
    context::Now,
    event::Event,
    input::{Reply, Verified},
    mine::{Answer, account_of, check_text},
    state::{Epoch, Stage},
    step::{Core, CoreError, Handled},
    task::{AssignmentState, Grading},
};

fn accepted() -> Reply {
    Reply::Verify(VerifyReply::Accepted)
}

fn not_expected(what: &str) -> Refusal {
    Refusal::NotExpected(what.into())
}

fn refused(refusal: Refusal) -> Handled {
    Handled::reply(Reply::Verify(VerifyReply::Refused(refusal)))
}

impl Core {
    pub(super) fn verify(
        &mut self,
        request: Verified<VerifyRequest>,
        _now: Now,
    ) -> Result<Handled, CoreError> {
        let (envelope, request) = request.into_parts();
        if let Err(refusal) = self.sequence(&envelope) {
            return Ok(refused(refusal));
        }
        let sender = envelope.sender;
        if let VerifyRequest::Join { account, software } = &request {
            let answer = self.join_verifier(&envelope, account.as_ref(), software);
            return Ok(answer.unwrap_or_else(refused));
        }
        if !self.state.verifiers.contains_key(&sender) {
            return Ok(refused(Refusal::NotJoined));
        }
        let answer = match request {
            VerifyRequest::Join { .. } => Err(Refusal::NotJoined),
            VerifyRequest::Next => Ok(Handled::reply(self.next_for(&sender))),
            VerifyRequest::BeaconCommit(inner) => self.beacon_commit(sender, inner),
            VerifyRequest::BeaconReveal(inner) => self.beacon_reveal(sender, inner),
            VerifyRequest::VerdictCommit(inner) => self.verdict_commit(sender, inner)?,
            VerifyRequest::VerdictReveal(inner) => self.verdict_reveal(sender, inner)?,
            VerifyRequest::CoSign(inner) => self.co_sign(sender, inner),
            VerifyRequest::Inconclusive { job, reason } => {
                self.inconclusive(sender, job, reason, envelope.sequence)
            }
            VerifyRequest::RefuseCoSign { manifest, reason } => {
                self.refuse_co_sign(sender, manifest, reason, envelope.sequence)
            }
        };
        Ok(answer.unwrap_or_else(refused))
    }

    fn join_verifier(
        &self,
        envelope: &Envelope,
        binding: Option<&Envelope>,
        software: &str,
    ) -> Answer {
        check_text("the software's name", software)?;
        let sender = envelope.sender;
        let account = account_of(&self.context, &sender, binding)?;
        let reply = Reply::Verify(VerifyReply::Joined {
            genesis: self.context.genesis_envelope.clone(),
            last_sequence: envelope.sequence,
        });
        if let Some(known) = self.state.verifiers.get(&sender) {
            if known.account != account {
                return Err(Refusal::NotAdmitted(
                    "this key joined under another account before; use another node key".into(),
                ));
            }
            return Ok(Handled::reply(reply));
        }
        match &self.context.genesis.verifier_admission {
            Admission::Open => {
                let limit = self.context.genesis.verifiers as usize;
                if self.state.verifiers.len() >= limit {
                    return Err(Refusal::NotAdmitted(format!(
                        "the network has its {limit} verifiers already"
                    )));
                }
            }
            Admission::Listed(keys) => {
                if !keys.contains(&sender) {
                    return Err(Refusal::NotAdmitted(
                        "the genesis lists the network's verifiers, and this key is not among them"
                            .into(),
                    ));
                }
            }
        }
        // One account with two verifiers would be a quorum with itself.
        if self.state.verifiers.values().any(|other| other.account == account) {
            return Err(Refusal::NotAdmitted("this account runs a verifier already".into()));
        }
        Ok(Handled::event(Event::VerifierJoined { request: envelope.clone() }, reply))
    }

    /// The next thing for a verifier to do, what others wait for first.
    fn next_for(&self, verifier: &PublicKey) -> Reply {
        let idle = Reply::Verify(VerifyReply::Idle {
            retry_after_ms: self.context.timing.retry_after_ms,
            finished: self.state.finished
                && self.state.epoch.as_ref().is_none_or(|epoch| epoch.stage.at_rest()),
        });
        let Some(epoch) = &self.state.epoch else {
            return idle;
        };
        match &epoch.stage {
            Stage::NonceCommits { .. } => {
                if epoch.nonces.contains_key(verifier) {
                    return idle;
                }
                return Reply::Verify(VerifyReply::CommitBeacon { epoch_open: epoch.open.clone() });
            }
            Stage::NonceReveals { .. } => {
                let hidden =
                    epoch.nonces.get(verifier).is_some_and(|nonce| nonce.revealed.is_none());
                if !hidden {
                    return idle;
                }
                return Reply::Verify(VerifyReply::RevealBeacon { epoch: epoch.number });
            }
            Stage::CoSigning { .. } => {
                let Some(bundle) = &epoch.bundle else {
                    return idle;
                };
                let done = bundle.cosigned.contains_key(verifier)
                    || bundle.refused.contains_key(verifier)
                    || !epoch.verifiers.contains(verifier);
                if done {
                    return idle;
                }
                return Reply::Verify(VerifyReply::CoSign(CoSignJob {
                    epoch: epoch.number,
                    name: bundle.built.name.clone(),
                    manifest: bundle.built.manifest,
                }));
            }
            _ => {}
        }
        let todo = epoch.todo.get(verifier).into_iter().flatten();
        let mut to_grade = None;
        for counter in todo {
            let Some(grading) = epoch.slot(*counter).and_then(|slot| slot.grading()) else {
                continue;
            };
            match grading.assignments.get(verifier).map(|a| a.state) {
                Some(AssignmentState::Committed) if grading.revealing => {
                    return Reply::Verify(VerifyReply::Reveal { job: grading.job });
                }
                Some(AssignmentState::Pending) if to_grade.is_none() => {
                    to_grade = Some((*counter, grading));
                }
                _ => {}
            }
        }
        if let Some((counter, grading)) = to_grade
            && let Some(spec) = epoch.spec(counter)
            && let Some(task) = epoch.slot(counter).and_then(|slot| slot.task)
        {
            return Reply::Grade {
                job: grading.job,
                spec,
                task,
                attempts: grading.group.attempts.clone(),
            };
        }
        idle
    }

    /// Opens what a verifier signed for the record.
    fn inner<T: Payload>(&self, sender: &PublicKey, envelope: &Envelope) -> Result<T, Refusal> {
        envelope
            .open_from(self.context.network, sender)
            .map_err(|error| Refusal::Malformed(error.to_string()))
    }

    fn fault(
        &self,
        epoch: &Epoch,
        accused: PublicKey,
        kind: FaultKind,
        lease: Option<LeaseId>,
        evidence: Vec<Envelope>,
        note: &str,
    ) -> Vec<Event> {
        if epoch.faults.contains(&(accused, kind, lease)) {
            return Vec::new();
        }
        vec![Event::FaultFound { accused, kind, lease, evidence, note: note.into() }]
    }

    fn beacon_commit(&self, sender: PublicKey, inner: Envelope) -> Answer {
        let content: BeaconCommit = self.inner(&sender, &inner)?;
        let epoch = self.current(content.epoch)?;
        if let Some(nonce) = epoch.nonces.get(&sender) {
            if nonce.commit == content.commit {
                return Ok(Handled::reply(accepted()));
            }
            let evidence = vec![nonce.envelope.clone(), inner];
            let kind = FaultKind::Equivocation;
            let note = "two commitments to a nonce of one epoch";
            return Ok(Handled {
                events: self.fault(epoch, sender, kind, None, evidence, note),
                ..refused(not_expected("another nonce was committed to before"))
            });
        }
        if !matches!(epoch.stage, Stage::NonceCommits { .. }) {
            return Err(not_expected("the time to commit to nonces is over"));
        }
        Ok(Handled::event(Event::NonceCommitted { commit: inner }, accepted()))
    }

    fn beacon_reveal(&self, sender: PublicKey, inner: Envelope) -> Answer {
        let content: BeaconReveal = self.inner(&sender, &inner)?;
        let epoch = self.current(content.epoch)?;
        let nonce = epoch.nonces.get(&sender).ok_or(not_expected("no nonce was committed to"))?;
        let opened = seed::nonce_commit(&sender, content.epoch, content.nonce.as_bytes());
        if opened != nonce.commit {
            return Err(Refusal::BadReveal);
        }
        if nonce.revealed.is_some() {
            return Ok(Handled::reply(accepted()));
        }
        if !matches!(epoch.stage, Stage::NonceReveals { .. }) {
            return Err(not_expected("this is not the time to reveal nonces"));
        }
        Ok(Handled::event(Event::NonceRevealed { reveal: inner }, accepted()))
    }

    fn current(&self, number: u64) -> Result<&Epoch, Refusal> {
        self.state
            .epoch
            .as_ref()
            .filter(|epoch| epoch.number == number)
            .ok_or(not_expected("this is not the current epoch"))
    }

    fn job(&self, job: JobId) -> Result<(&Epoch, u64, &Grading), Refusal> {
        let epoch = self.state.epoch.as_ref().ok_or(not_expected("no epoch is open"))?;
        let counter = *epoch.jobs.get(&job).ok_or(not_expected("there is no such job"))?;
        let grading = epoch
            .slot(counter)
            .and_then(|slot| slot.grading())
            .ok_or(not_expected("the job is settled"))?;
        Ok((epoch, counter, grading))
    }

    fn verdict_commit(&self, sender: PublicKey, inner: Envelope) -> Result<Answer, CoreError> {
        let look = || -> Result<_, Refusal> {
            let content: VerdictCommit = self.inner(&sender, &inner)?;
            let (epoch, counter, grading) = self.job(content.job)?;
            let assignment = grading
                .assignments
                .get(&sender)
                .ok_or(not_expected("this verifier was not drawn for the job"))?;
            Ok((content, epoch, counter, grading, assignment))
        };
        let (content, epoch, counter, grading, assignment) = match look() {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(first) = &assignment.commit {
            if read::<VerdictCommit>(first)?.commit == content.commit {
                return Ok(Ok(Handled::reply(accepted())));
            }
            let lease = Some(grading.group.lease.id);
            let evidence = vec![first.clone(), inner];
            let kind = FaultKind::Equivocation;
            let note = "two commitments to a verdict on one job";
            return Ok(Ok(Handled {
                events: self.fault(epoch, sender, kind, lease, evidence, note),
                ..refused(not_expected("another verdict was committed to before"))
            }));
        }
        // Once somebody may have revealed, a verdict that was not committed yet comes too late:
        // until it is asked for again, it could be a copy.
        let in_time = match assignment.state {
            AssignmentState::Pending => true,
            AssignmentState::Lagged => !grading.revealing,
            _ => false,
        };
        if !in_time {
            return Ok(Err(not_expected("the time to commit to a verdict on this job is over")));
        }
        Ok(Ok(Handled::event(Event::VerdictCommitted { counter, commit: inner }, accepted())))
    }

    fn verdict_reveal(&self, sender: PublicKey, inner: Envelope) -> Result<Answer, CoreError> {
        let look = || -> Result<_, Refusal> {
            let content: VerdictReveal = self.inner(&sender, &inner)?;
            let (epoch, counter, grading) = self.job(content.verdict.job)?;
            let assignment = grading.assignments.get(&sender);
            let (assignment, commit) = assignment
                .and_then(|a| Some((a, a.commit.clone()?)))
                .ok_or(not_expected("commit to a verdict on the job first"))?;
            Ok((content, epoch, counter, grading, assignment, commit))
        };
        let (content, epoch, counter, grading, assignment, commit) = match look() {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if content.commitment(&sender)? != read::<VerdictCommit>(&commit)?.commit {
            let lease = Some(grading.group.lease.id);
            let kind = FaultKind::BadReveal;
            let note = "a reveal that does not open its commitment";
            return Ok(Ok(Handled {
                events: self.fault(epoch, sender, kind, lease, vec![commit, inner], note),
                ..refused(Refusal::BadReveal)
            }));
        }
        match assignment.state {
            AssignmentState::Revealed => Ok(Ok(Handled::reply(accepted()))),
            AssignmentState::Committed | AssignmentState::Lagged if grading.revealing => Ok(Ok(
                Handled::event(Event::VerdictRevealed { counter, reveal: inner }, accepted()),
            )),
            _ => Ok(Err(not_expected("not all verdicts are committed yet"))),
        }
    }

    fn inconclusive(&self, sender: PublicKey, job: JobId, reason: String, sequence: u64) -> Answer {
        check_text("the reason", &reason)?;
        let (_, counter, grading) = self.job(job)?;
        match grading.assignments.get(&sender).map(|a| a.state) {
            Some(AssignmentState::Pending) => Ok(Handled::event(
                Event::VerifierInconclusive { counter, verifier: sender, reason, sequence },
                accepted(),
            )),
            Some(AssignmentState::Inconclusive) => Ok(Handled::reply(accepted())),
            _ => Err(not_expected("the job does not wait for this verifier")),
        }
    }

    fn co_sign(&self, sender: PublicKey, inner: Envelope) -> Answer {
        let content: BundleSignature = self.inner(&sender, &inner)?;
        let epoch = self.current(content.epoch)?;
        let bundle = epoch.bundle.as_ref().ok_or(not_expected("there is no bundle to sign"))?;
        if !epoch.verifiers.contains(&sender) {
            return Err(not_expected("this verifier has no part in the epoch"));
        }
        if content.manifest != bundle.built.manifest {
            return Err(not_expected("the bundle to sign has another manifest"));
        }
        if bundle.cosigned.contains_key(&sender) {
            return Ok(Handled::reply(accepted()));
        }
        match epoch.stage {
            Stage::CoSigning { .. } => {}
            // One more than was needed: nothing is wrong with it, and nothing is changed by it.
            Stage::Signing { .. } | Stage::Published => return Ok(Handled::reply(accepted())),
            _ => return Err(not_expected("the bundle waits for no signature")),
        }
        Ok(Handled::event(Event::CoSigned { signature: inner }, accepted()))
    }

    fn refuse_co_sign(
        &self,
        sender: PublicKey,
        manifest: Hash,
        reason: String,
        sequence: u64,
    ) -> Answer {
        check_text("the reason", &reason)?;
        let epoch = self.state.epoch.as_ref().ok_or(not_expected("no epoch is open"))?;
        let bundle = epoch
            .bundle
            .as_ref()
            .filter(|bundle| bundle.built.manifest == manifest)
            .ok_or(not_expected("the bundle to sign has another manifest"))?;
        let waits = matches!(epoch.stage, Stage::CoSigning { .. })
            && epoch.verifiers.contains(&sender)
            && !bundle.cosigned.contains_key(&sender)
            && !bundle.refused.contains_key(&sender);
        if !waits {
            return Ok(Handled::reply(accepted()));
        }
        Ok(Handled::event(Event::CoSignRefused { verifier: sender, reason, sequence }, accepted()))
    }
}
