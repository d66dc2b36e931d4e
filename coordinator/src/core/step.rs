//! One step: handle the input, apply what was decided, then do what has become due.

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    codec::CodecError,
    envelope::{Envelope, EnvelopeError, Payload},
    id::{Hash, LeaseId, PolicyId},
    key::PublicKey,
    refusal::Refusal,
    task::Place,
};

use super::{
    apply::apply,
    context::{Context, Now},
    event::{Event, Record},
    input::{Decision, Effect, Generated, Input, Reply},
    state::State,
};

/// Why the state machine stopped. Each is a defect or a damaged log, never an input's doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// A record that does not follow from those before it.
    #[error("the log does not hold together: it has {0}; restore it from a backup")]
    BrokenLog(&'static str),
    /// A value beyond the codec's limit.
    #[error("a record could not be encoded or read: {0}")]
    Codec(#[from] CodecError),
    /// As above, while signing.
    #[error("a record could not be signed: {0}")]
    Sign(#[from] EnvelopeError),
}

/// A part of the state that may have something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A policy's profile: first of all, so that a decision stands in the ledger right behind the
    /// outcome that it rests on.
    Policy(PolicyId),
    /// The epoch's stage.
    Epoch,
    /// A task, by counter.
    Task(u64),
}

/// What is forgotten in a restart, and may be: caches, and what was asked of the shell.
#[derive(Debug, Default)]
pub(super) struct Volatile {
    /// Highest sequence of each key since the start, where no record holds it.
    pub(super) seen: BTreeMap<PublicKey, u64>,
    /// Tasks that were generated and may be leased.
    pub(super) generated: BTreeMap<Place, Generated>,
    /// Places whose task the shell is generating.
    pub(super) generating: BTreeSet<Place>,
    /// Tasks that the shell is grading.
    pub(super) grading: BTreeSet<u64>,
    /// Whether the shell is building the bundle or writing its signatures.
    pub(super) bundling: bool,
    /// Leases that their miner has named, so their reply arrived.
    pub(super) named: BTreeSet<LeaseId>,
    /// When to look at which part again.
    timers: BTreeSet<(u64, Due)>,
    /// Parts to look at now.
    due: BTreeSet<Due>,
}

impl Volatile {
    fn touched(&mut self, state: &State, due: Due) {
        self.due.insert(due);
        let deadline = state.epoch.as_ref().and_then(|epoch| match due {
            Due::Policy(_) => None,
            Due::Epoch => epoch.stage.deadline_ms(),
            Due::Task(counter) => epoch.slot(counter)?.deadline_ms(),
        });
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, due));
        }
    }

    fn next_due(&mut self, now: u64) -> Option<Due> {
        while let Some(&(deadline, due)) = self.timers.first() {
            if deadline > now {
                break;
            }
            self.timers.pop_first();
            self.due.insert(due);
        }
        self.due.pop_first()
    }
}

/// Events and effects that a decision consists of, before they are applied.
#[derive(Debug, Default)]
pub(super) struct Todo {
    pub(super) events: Vec<Event>,
    pub(super) effects: Vec<Effect>,
}

impl Todo {
    pub(super) fn event(event: Event) -> Self {
        Self { events: vec![event], effects: Vec::new() }
    }
}

impl From<Vec<Event>> for Todo {
    fn from(events: Vec<Event>) -> Self {
        Self { events, effects: Vec::new() }
    }
}

/// What handling an input gives, before it is applied.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) events: Vec<Event>,
    pub(super) blobs: Vec<(Hash, Vec<u8>)>,
    pub(super) reply: Reply,
}

impl Handled {
    pub(super) fn reply(reply: Reply) -> Self {
        Self { events: Vec::new(), blobs: Vec::new(), reply }
    }

    pub(super) fn event(event: Event, reply: Reply) -> Self {
        Self { events: vec![event], blobs: Vec::new(), reply }
    }

    pub(super) fn none() -> Self {
        Self::reply(Reply::None)
    }
}

/// The state machine with its state.
#[derive(Debug)]
pub struct Core {
    pub(super) context: Context,
    pub(super) state: State,
    pub(super) volatile: Volatile,
}

impl Core {
    /// A network's beginning.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, state: State::default(), volatile: Volatile::default() }
    }

    /// A state from a snapshot, to be followed by the records after it.
    #[must_use]
    pub fn from_state(context: Context, state: State) -> Self {
        Self { context, state, volatile: Volatile::default() }
    }

    /// Applies a record of the log. After the last one call [`Core::resume`].
    ///
    /// # Errors
    /// A record that does not follow from those before it.
    pub fn replay(&mut self, record: &Record) -> Result<(), CoreError> {
        apply(&mut self.state, record).map(drop)
    }

    /// After a restart: does what became due, and asks for everything that is outstanding.
    ///
    /// # Errors
    /// As [`Core::step`].
    pub fn resume(&mut self, now: Now) -> Result<Decision, CoreError> {
        self.volatile = Volatile::default();
        let tasks = self.state.epoch.as_ref().map_or(0, |epoch| epoch.next_counter());
        for counter in 0..tasks {
            self.volatile.touched(&self.state, Due::Task(counter));
        }
        self.volatile.touched(&self.state, Due::Epoch);
        for (policy, _) in self.state.epoch.iter().flat_map(|epoch| epoch.schedule.tracks()) {
            self.volatile.touched(&self.state, Due::Policy(*policy));
        }
        self.step(Input::Tick, now)
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Who the coordinator is.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Tasks held in memory to be leased.
    #[must_use]
    pub fn cached_tasks(&self) -> usize {
        self.volatile.generated.len()
    }

    /// When time alone next changes something, on the log's clock.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.volatile.timers.first().map(|(deadline, _)| *deadline)
    }

    /// One step.
    ///
    /// # Errors
    /// Only a defect of the state machine; the daemon then stops, and the log is its witness.
    pub fn step(&mut self, input: Input, now: Now) -> Result<Decision, CoreError> {
        let now = Now { ms: now.ms.max(self.state.clock_ms), ..now };
        let handled = match input {
            Input::Mine(request) => self.mine(request, now)?,
            Input::Verify(request) => self.verify(request, now)?,
            Input::Tick => Handled::none(),
            Input::Command(command) => self.command(command, now)?,
            Input::Generated { epoch, place, generated } => {
                self.generated(epoch, place, generated);
                Handled::none()
            }
            Input::Graded { lease, grade } => self.graded(lease, grade)?,
            Input::TurnGraded { lease, turn, grade } => {
                self.turn_graded(lease, turn, grade, now)?
            }
            Input::BundleBuilt { epoch, bundle } => self.bundle_built(epoch, bundle, now)?,
            Input::SignaturesWritten { epoch, result } => self.signatures_written(epoch, result),
        };
        let mut decision = Decision {
            records: Vec::new(),
            blobs: handled.blobs,
            reply: handled.reply,
            effects: Vec::new(),
        };
        self.record(handled.events, now, &mut decision)?;
        while let Some(due) = self.volatile.next_due(now.ms) {
            let todo = self.advance(due, now)?;
            self.record(todo.events, now, &mut decision)?;
            decision.effects.extend(todo.effects);
        }
        Ok(decision)
    }

    fn record(
        &mut self,
        events: Vec<Event>,
        now: Now,
        decision: &mut Decision,
    ) -> Result<(), CoreError> {
        for event in events {
            let record = Record { at_ms: now.ms, event };
            for due in apply(&mut self.state, &record)? {
                self.volatile.touched(&self.state, due);
            }
            decision.records.push(record);
        }
        Ok(())
    }

    /// Refuses a sequence that was used before; remembers it otherwise.
    pub(super) fn sequence(&mut self, envelope: &Envelope) -> Result<(), Refusal> {
        let last = self.last_sequence(&envelope.sender);
        if last.is_some_and(|last| envelope.sequence <= last) {
            return Err(Refusal::Replayed { got: envelope.sequence, last: last.unwrap_or(0) });
        }
        // Strangers take no memory: their first admitted request is on record.
        if self.state.miners.contains_key(&envelope.sender)
            || self.state.verifiers.contains_key(&envelope.sender)
        {
            self.volatile.seen.insert(envelope.sender, envelope.sequence);
        }
        Ok(())
    }

    pub(super) fn last_sequence(&self, key: &PublicKey) -> Option<u64> {
        let on_record = self.state.sequences.get(key).copied();
        on_record.max(self.volatile.seen.get(key).copied())
    }

    /// Signs with the coordinator's next sequence.
    pub(super) fn seal<T: Payload>(&self, value: &T, offset: u64) -> Result<Envelope, CoreError> {
        Ok(Envelope::seal(
            value,
            self.context.network,
            &self.context.key,
            self.state.next_sequence + offset,
        )?)
    }
}
