//! Epochs: the operator's commands, and what moves an epoch from stage to stage.

use lode_bundle::record::FaultKind;
use lode_proto::{
    epoch::{BeaconFixed, EpochOpen},
    id::Hash,
    key::PublicKey,
    limits,
    manifest::BundleSignature,
    seed,
    task::Place,
};

use super::{
    attempt::attempt_bytes,
    context::{EpochPlan, Now},
    event::Event,
    input::{BuiltBundle, Command, CommandError, Effect, Generated, Reply},
    state::{Epoch, Stage},
    step::{Core, CoreError, Handled, Todo},
};

/// Least bytes that a campaign must leave for one completion.
const LEAST_ATTEMPT_BYTES: usize = 4 * 1024;
/// Shortest lease, milliseconds.
const LEAST_LEASE_MS: u64 = 1_000;
/// Longest lease, milliseconds: a week.
const MOST_LEASE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

fn within(what: &'static str, got: u64, low: u64, high: u64) -> Result<(), CommandError> {
    if (low..=high).contains(&got) {
        Ok(())
    } else {
        Err(CommandError::OutOfRange { what, got, low, high })
    }
}

impl EpochPlan {
    /// Whether every number in it can work.
    ///
    /// # Errors
    /// The first that cannot, with its bounds.
    pub fn check(&self) -> Result<(), CommandError> {
        let campaign = &self.campaign;
        let most = (1..=limits::MAX_GROUP_SIZE)
            .rev()
            .find(|size| attempt_bytes(*size) >= LEAST_ATTEMPT_BYTES)
            .unwrap_or(1);
        within("group size", u64::from(campaign.group_size), 1, u64::from(most))?;
        let (profiles, start) = (&campaign.profiles, campaign.template.profile);
        let listed = profiles.is_empty() || profiles.contains(&start);
        if !listed || !profiles.is_sorted_by(|a, b| a < b) {
            return Err(CommandError::Profiles(start));
        }
        // Pairs of the default config and profiles rest on groups, of which there would be none.
        let of_groups =
            self.target.pairs > 0 || self.target.paired_tasks > 0 || campaign.profiles.len() > 1;
        if campaign.revision_every == 1 && of_groups {
            return Err(CommandError::SessionsOnly);
        }
        let tokens = u64::from(campaign.max_completion_tokens);
        within("limit of tokens", tokens, 1, u64::from(limits::MAX_COMPLETION_TOKENS))?;
        within("lease time in milliseconds", campaign.lease_ms, LEAST_LEASE_MS, MOST_LEASE_MS)?;
        within("budget of tasks", self.target.max_tasks, 1, limits::MAX_EPOCH_TASKS)?;
        within("time budget in milliseconds", self.target.max_ms, 1, u64::MAX / 4)
    }
}

impl Core {
    pub(super) fn command(&mut self, command: Command, now: Now) -> Result<Handled, CoreError> {
        let done = Reply::Command(Ok(()));
        let refuse = |error| Ok(Handled::reply(Reply::Command(Err(error))));
        match command {
            Command::OpenEpoch { plan, secret } => {
                if let Some(epoch) = &self.state.epoch
                    && !epoch.stage.at_rest()
                {
                    return refuse(CommandError::EpochOpen(epoch.number));
                }
                if let Err(error) = plan.check() {
                    return refuse(error);
                }
                let (have, want) = (self.state.verifiers.len(), self.context.quorum());
                if have < want {
                    return refuse(CommandError::TooFewVerifiers { have, want });
                }
                let schedule = self.state.epoch.as_ref().map(|epoch| &epoch.schedule);
                let levels = schedule.map(|schedule| schedule.levels(&plan.campaign));
                let open = EpochOpen {
                    levels: levels.unwrap_or_default(),
                    epoch: self.state.next_epoch(),
                    commit: seed::epoch_commit(secret.as_bytes()),
                    campaign: plan.campaign,
                    ledger_head: self.state.ledger_head,
                };
                let deadline_ms = now.ms.saturating_add(self.context.timing.beacon_ms);
                let target = plan.target;
                let open = self.seal(&open, 0)?;
                self.volatile.generated.clear();
                self.volatile.generating.clear();
                self.volatile.grading.clear();
                self.volatile.named.clear();
                self.volatile.bundling = false;
                Ok(Handled::event(Event::EpochOpened { target, secret, open, deadline_ms }, done))
            }
            Command::CloseEpoch { reason } => match &self.state.epoch {
                Some(Epoch { stage: Stage::Open { .. }, .. }) => {
                    Ok(Handled::event(self.drain(reason, now), done))
                }
                Some(Epoch {
                    stage: Stage::NonceCommits { .. } | Stage::NonceReveals { .. },
                    ..
                }) => Ok(Handled::event(Event::EpochVoided { reason }, done)),
                _ => refuse(CommandError::NoEpoch),
            },
            Command::RetryBundle => match self.state.epoch.as_ref().map(|epoch| &epoch.stage) {
                Some(Stage::BundleFailed { .. } | Stage::NotSigned { .. }) => {
                    let deadline_ms = now.ms.saturating_add(self.context.timing.bundle_ms);
                    self.volatile.bundling = false;
                    Ok(Handled::event(Event::BundleRetried { deadline_ms }, done))
                }
                Some(stage) => refuse(CommandError::NothingToRetry(stage.name())),
                None => refuse(CommandError::NoEpoch),
            },
            Command::Pause(paused) if paused != self.state.paused => {
                Ok(Handled::event(Event::Paused(paused), done))
            }
            Command::Finish(finished) if finished != self.state.finished => {
                Ok(Handled::event(Event::CampaignFinished(finished), done))
            }
            Command::Pause(_) | Command::Finish(_) => Ok(Handled::reply(done)),
        }
    }

    fn drain(&self, reason: String, now: Now) -> Event {
        let deadline_ms = now.ms.saturating_add(self.context.timing.drain_ms);
        Event::DrainStarted { reason, deadline_ms }
    }

    pub(super) fn generated(&mut self, number: u64, place: Place, generated: Generated) {
        let current = self.state.epoch.as_ref().is_some_and(|epoch| epoch.number == number);
        if current {
            self.volatile.generating.remove(&place);
            self.volatile.generated.insert(place, generated);
        }
    }

    pub(super) fn bundle_built(
        &mut self,
        number: u64,
        bundle: Result<BuiltBundle, String>,
        now: Now,
    ) -> Result<Handled, CoreError> {
        self.volatile.bundling = false;
        let waits = self.state.epoch.as_ref().is_some_and(|epoch| {
            epoch.number == number && matches!(epoch.stage, Stage::Bundling { .. })
        });
        if !waits {
            return Ok(Handled::none());
        }
        let event = match bundle {
            Err(reason) => Event::BundleFailed { reason },
            Ok(bundle) => {
                let content = BundleSignature { manifest: bundle.manifest, epoch: number };
                Event::BundleBuilt {
                    signature: self.seal(&content, 0)?,
                    bundle,
                    deadline_ms: now.ms.saturating_add(self.context.timing.cosign_ms),
                }
            }
        };
        Ok(Handled::event(event, Reply::None))
    }

    pub(super) fn signatures_written(
        &mut self,
        number: u64,
        result: Result<(), String>,
    ) -> Handled {
        self.volatile.bundling = false;
        let waits = self.state.epoch.as_ref().is_some_and(|epoch| {
            epoch.number == number && matches!(epoch.stage, Stage::Signing { .. })
        });
        if !waits {
            return Handled::none();
        }
        let event = match result {
            Ok(()) => Event::Published,
            Err(reason) => Event::NotSigned { reason },
        };
        Handled::event(event, Reply::None)
    }

    /// Moves the epoch on where it is time.
    pub(super) fn advance_epoch(&mut self, now: Now) -> Result<Todo, CoreError> {
        let Some(epoch) = &self.state.epoch else {
            return Ok(Todo::default());
        };
        let over = epoch.stage.deadline_ms().is_some_and(|deadline| now.ms >= deadline);
        match &epoch.stage {
            Stage::NonceCommits { .. } => Ok(self.close_commits(epoch, over, now).into()),
            Stage::NonceReveals { .. } => Ok(self.fix_beacon(epoch, over)?.into()),
            Stage::Open { .. } => Ok(self.run(now)),
            Stage::Draining { .. } if epoch.unsettled == 0 => {
                let deadline_ms = now.ms.saturating_add(self.context.timing.bundle_ms);
                Ok(Todo::event(Event::EpochClosed { deadline_ms }))
            }
            Stage::Bundling { .. } if over => Ok(Todo::event(Event::BundleFailed {
                reason: "the bundle was not finished in time".into(),
            })),
            Stage::Bundling { .. } if !self.volatile.bundling => {
                let number = epoch.number;
                self.volatile.bundling = true;
                let effects = vec![Effect::BuildBundle { epoch: number }];
                Ok(Todo { events: Vec::new(), effects })
            }
            Stage::CoSigning { .. } => Ok(self.count_signatures(epoch, over, now).into()),
            Stage::Signing { .. } if over => Ok(Todo::event(Event::NotSigned {
                reason: "the signatures were not written in time".into(),
            })),
            Stage::Signing { .. } if !self.volatile.bundling => {
                let Some(bundle) = &epoch.bundle else {
                    return Ok(Todo::default());
                };
                let mut envelopes = vec![bundle.signature.clone()];
                envelopes.extend(bundle.cosigned.values().cloned());
                let effect = Effect::WriteSignatures {
                    epoch: epoch.number,
                    name: bundle.built.name.clone(),
                    envelopes,
                };
                self.volatile.bundling = true;
                Ok(Todo { events: Vec::new(), effects: vec![effect] })
            }
            _ => Ok(Todo::default()),
        }
    }

    fn close_commits(&self, epoch: &Epoch, over: bool, now: Now) -> Vec<Event> {
        let (have, want) = (epoch.nonces.len(), self.context.quorum());
        let all = have == self.context.genesis.verifiers as usize;
        if all || (over && have >= want) {
            let deadline_ms = now.ms.saturating_add(self.context.timing.beacon_ms);
            return vec![Event::NonceRevealsOpened { deadline_ms }];
        }
        if over {
            let reason = format!("{have} verifiers committed to a nonce, {want} are needed");
            return vec![Event::EpochVoided { reason }];
        }
        Vec::new()
    }

    fn fix_beacon(&self, epoch: &Epoch, over: bool) -> Result<Vec<Event>, CoreError> {
        let revealed: Vec<(PublicKey, [u8; 32])> = epoch
            .nonces
            .iter()
            .filter_map(|(key, nonce)| Some((*key, nonce.revealed?.0)))
            .collect();
        let withheld: Vec<_> =
            epoch.nonces.iter().filter(|(_, nonce)| nonce.revealed.is_none()).collect();
        if !over && !withheld.is_empty() {
            return Ok(Vec::new());
        }
        let mut events: Vec<Event> = withheld
            .iter()
            .map(|(key, nonce)| Event::FaultFound {
                accused: **key,
                kind: FaultKind::NonceWithheld,
                lease: None,
                evidence: vec![nonce.envelope.clone()],
                note: "the nonce was not revealed in time".into(),
            })
            .collect();
        let (have, want) = (revealed.len(), self.context.quorum());
        if have < want {
            let reason = format!("{have} verifiers revealed their nonce, {want} are needed");
            events.push(Event::EpochVoided { reason });
            return Ok(events);
        }
        let commit: Hash = seed::epoch_commit(epoch.secret.as_bytes());
        let fixed = BeaconFixed {
            epoch: epoch.number,
            beacon: seed::beacon(&commit, epoch.number, &revealed),
            revealed: revealed.iter().map(|(key, _)| *key).collect(),
            withheld: withheld.iter().map(|(key, _)| **key).collect(),
        };
        events.push(Event::BeaconFixed { fixed: self.seal(&fixed, 0)? });
        Ok(events)
    }

    /// An open epoch: is it enough? Else keep some tasks ready.
    fn run(&mut self, now: Now) -> Todo {
        if let Some(reason) = self.enough(now) {
            return Todo::event(self.drain(reason, now));
        }
        let mut effects = Vec::new();
        let Some(epoch) = &self.state.epoch else {
            return Todo::default();
        };
        let left = epoch.target.max_tasks.saturating_sub(epoch.next_counter());
        for profile in epoch.profiles_in_use() {
            let next = epoch.next_place(profile).index;
            for index in next..next + limits::GENERATE_AHEAD.min(left) {
                let place = Place { profile, index };
                let asked = self.volatile.generated.contains_key(&place)
                    || self.volatile.generating.contains(&place);
                if !asked && let Some(spec) = epoch.spec_at(place) {
                    self.volatile.generating.insert(place);
                    effects.push(Effect::Generate { epoch: epoch.number, place, spec });
                }
            }
        }
        Todo { events: Vec::new(), effects }
    }

    fn enough(&self, now: Now) -> Option<String> {
        let epoch = self.state.epoch.as_ref()?;
        let target = &epoch.target;
        let asked = [
            (target.pairs, epoch.pairs),
            (target.paired_tasks, epoch.paired_tasks),
            (target.graded, epoch.graded),
        ];
        let wants = asked.iter().any(|(want, _)| *want > 0);
        if wants && asked.iter().all(|(want, have)| have >= want) {
            return Some(format!(
                "the target is reached: {} pairs over {} tasks, {} groups graded",
                epoch.pairs, epoch.paired_tasks, epoch.graded
            ));
        }
        if epoch.next_counter() >= target.max_tasks && epoch.out == 0 {
            return Some(format!("the budget of {} tasks is spent", target.max_tasks));
        }
        if epoch.stage.deadline_ms().is_some_and(|deadline| now.ms >= deadline) {
            return Some(format!("the time budget of {} s is spent", target.max_ms / 1000));
        }
        None
    }

    fn count_signatures(&self, epoch: &Epoch, over: bool, now: Now) -> Vec<Event> {
        let Some(bundle) = &epoch.bundle else {
            return Vec::new();
        };
        let (have, want) = (bundle.cosigned.len(), self.context.quorum());
        if have >= want {
            let deadline_ms = now.ms.saturating_add(self.context.timing.bundle_ms);
            return vec![Event::SignaturesComplete { deadline_ms }];
        }
        let hopeless = epoch.verifiers.len() - bundle.refused.len() < want;
        if over || hopeless {
            let found = bundle.refused.values().next();
            let found = found.map(|text| format!("; one of them says: {text}")).unwrap_or_default();
            let refused = bundle.refused.len();
            return vec![Event::NotSigned {
                reason: format!(
                    "{have} verifiers signed the bundle, {want} are needed, {refused} refused{found}"
                ),
            }];
        }
        Vec::new()
    }
}
