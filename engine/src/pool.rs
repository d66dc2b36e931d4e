//! Several engines with one model as one, a worker a GPU: each group goes to the one with the most room.
//!
//! ```text
//! group ─► least busy member that is not resting ─► its texts
//!             └─ its server fails: it rests (1 s, doubling, to 5 minutes), the group goes to the next
//! ```
//!
//! Attempts have their own seeds, so a group that begins again elsewhere is the same request. What is
//! wrong with a request is wrong everywhere and is not tried again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lode_proto::policy::PolicyCard;

use crate::types::{Completion, Control, Engine, EngineError, GroupRequest, ServerError};

/// Rest after the first failure; doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// Doublings after which the longest rest is reached.
const MOST_DOUBLINGS: u32 = 9;

/// What an engine gives for a group.
type Texts = Result<Vec<Result<Completion, EngineError>>, EngineError>;

/// How a member is doing.
#[derive(Debug, Clone, Copy, Default)]
struct Member {
    /// Groups in it.
    running: usize,
    /// Failures in a row.
    failures: u32,
    rests_until: Option<Instant>,
}

/// The engine.
pub struct Pool {
    engines: Vec<Arc<dyn Engine>>,
    members: Mutex<Vec<Member>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({:?})", self.members())
    }
}

impl Pool {
    /// One engine of several that run the same policy.
    ///
    /// # Errors
    /// None at all, or two that are not alike: their texts would go out under one policy.
    pub fn new(engines: Vec<Arc<dyn Engine>>) -> Result<Self, EngineError> {
        let load = |reason: &str| EngineError::Load {
            model: "several engines".into(),
            reason: reason.to_owned(),
        };
        let first = engines.first().ok_or_else(|| load("there is none"))?;
        let card = |engine: &Arc<dyn Engine>| {
            let grammar = engine.supports_grammar();
            (engine.policy_card(0, None).policy, engine.context_tokens(), grammar)
        };
        if engines.iter().any(|engine| card(engine) != card(first)) {
            return Err(load("they run different policies; give each a miner of its own"));
        }
        let members = Mutex::new(vec![Member::default(); engines.len()]);
        Ok(Self { engines, members })
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the member with the most room among those not tried yet: of those that do not
    /// rest, else the one that rests the shortest.
    fn take(&self, tried: &[bool], now: Instant) -> Option<Place<'_>> {
        let mut members = self.members();
        let open = members.iter().zip(tried).zip(&self.engines).enumerate();
        let open = open.filter(|(_, ((_, tried), _))| !**tried);
        let at = open
            .min_by_key(|(_, ((member, _), engine))| {
                let rest = member.rests_until.filter(|until| *until > now);
                let places = engine.concurrent_groups().max(1);
                // Thousandths of its places that are taken.
                (rest, member.running * 1000 / places)
            })
            .map(|(at, _)| at)?;
        members.get_mut(at)?.running += 1;
        Some(Place { pool: self, at })
    }

    /// Notes how a group ended in a member.
    fn done(&self, at: usize, well: bool, now: Instant) {
        let mut members = self.members();
        let Some(member) = members.get_mut(at) else { return };
        if well {
            (member.failures, member.rests_until) = (0, None);
            return;
        }
        let rest = FIRST_REST * 2_u32.pow(member.failures.min(MOST_DOUBLINGS));
        member.failures += 1;
        member.rests_until = Some(now + rest.min(LONGEST_REST));
    }
}

/// A group's place in a member; given back when it is dropped, also where the group is cancelled.
struct Place<'p> {
    pool: &'p Pool,
    at: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(member) = self.pool.members().get_mut(self.at) {
            member.running -= 1;
        }
    }
}

/// Whether the server is to blame, and not what it was asked.
fn is_the_servers(problem: &ServerError) -> bool {
    match problem {
        ServerError::Unreachable(_)
        | ServerError::Hang(_)
        | ServerError::EarlyEnd(_)
        | ServerError::Garbage(_) => true,
        // Not admitted, not there, too slow, too busy, or broken.
        ServerError::Status { status, .. } => {
            matches!(status, 401 | 403 | 404 | 408 | 429 | 500..)
        }
        ServerError::Empty(_)
        | ServerError::Ungrammatical(_)
        | ServerError::Overrun { .. }
        | ServerError::TooLarge { .. } => false,
    }
}

/// The failure of a server that gave nothing for the whole group; `None` where it gave something, or
/// where the request is to blame.
fn failure(texts: &Texts) -> Option<String> {
    let server = |error: &EngineError| match error {
        EngineError::Server { problem, .. } if is_the_servers(problem) => Some(error.to_string()),
        _ => None,
    };
    match texts {
        Err(error) => server(error),
        Ok(texts) => {
            let mut errors = texts.iter().map(|text| server(text.as_ref().err()?));
            let first = errors.next()??;
            errors.all(|error| error.is_some()).then_some(first)
        }
    }
}

#[async_trait]
impl Engine for Pool {
    fn policy_card(&self, temperature_milli: u32, grammar: Option<u32>) -> PolicyCard {
        self.engines[0].policy_card(temperature_milli, grammar)
    }

    fn context_tokens(&self) -> Option<u32> {
        self.engines[0].context_tokens()
    }

    fn prompt_tokens(&self, prompt: &str) -> Option<usize> {
        self.engines[0].prompt_tokens(prompt)
    }

    fn supports_grammar(&self) -> bool {
        self.engines[0].supports_grammar()
    }

    fn concurrent_groups(&self) -> usize {
        self.engines.iter().map(|engine| engine.concurrent_groups()).sum()
    }

    fn group_bytes(&self, prompt: usize, attempts: usize, most: u32) -> u64 {
        self.engines[0].group_bytes(prompt, attempts, most)
    }

    async fn generate(&self, request: GroupRequest, control: &Control) -> Texts {
        let mut tried = vec![false; self.engines.len()];
        let mut last = Err(EngineError::Request { reason: "there is no engine".into() });
        while let Some(place) = self.take(&tried, Instant::now()) {
            let at = place.at;
            let texts = self.engines[at].generate(request.clone(), control).await;
            drop(place);
            let Some(why) = failure(&texts) else {
                self.done(at, true, Instant::now());
                return texts;
            };
            self.done(at, false, Instant::now());
            tried[at] = true;
            if tried.contains(&false) {
                tracing::warn!("{why}; the group goes to another server");
            }
            last = texts;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use lode_proto::{
        attempt::Finish,
        id::Hash,
        policy::{Policy, Sampling},
    };
    use tokio::sync::Semaphore;

    use super::*;

    /// Writes its own name, as often as it is let.
    struct Named {
        name: &'static str,
        weights: &'static str,
        places: usize,
        gate: Semaphore,
        broken: Option<fn() -> ServerError>,
    }

    fn named(name: &'static str, places: usize) -> Named {
        let gate = Semaphore::new(0);
        Named { name, weights: "w", places, gate, broken: None }
    }

    #[async_trait]
    impl Engine for Named {
        fn policy_card(&self, temperature_milli: u32, grammar: Option<u32>) -> PolicyCard {
            let text = String::from("t");
            PolicyCard {
                policy: Policy {
                    weights: Hash::of(self.weights.as_bytes()),
                    quantisation: text.clone(),
                    adapter: None,
                    template: text.clone(),
                    sampling: Sampling { temperature_milli, sampler: text.clone() },
                    grammar,
                },
                model: text.clone(),
                parameters: 1,
                licence: text.clone(),
                output_licence: text.clone(),
                engine: text,
            }
        }

        fn context_tokens(&self) -> Option<u32> {
            None
        }

        fn supports_grammar(&self) -> bool {
            false
        }

        fn concurrent_groups(&self) -> usize {
            self.places
        }

        async fn generate(&self, request: GroupRequest, _: &Control) -> Texts {
            if let Some(problem) = self.broken {
                let server = || EngineError::Server { url: self.name.into(), problem: problem() };
                return Ok(request.attempt_seeds.iter().map(|_| Err(server())).collect());
            }
            self.gate.acquire().await.expect("open").forget();
            let text = |seed: &[u8; 32]| Completion {
                bytes: format!("{}{}", self.name, seed[0]).into_bytes(),
                finish: Finish::Stop,
                prompt_tokens: 1,
                completion_tokens: 1,
                evidence: None,
            };
            Ok(request.attempt_seeds.iter().map(|seed| Ok(text(seed))).collect())
        }
    }

    fn request() -> GroupRequest {
        GroupRequest {
            prompt: "p".into(),
            grammar: None,
            attempt_seeds: vec![[1; 32], [2; 32]],
            temperature_milli: 700,
            max_completion_tokens: 4,
            evidence: false,
        }
    }

    fn pool(engines: Vec<Named>) -> Pool {
        Pool::new(engines.into_iter().map(|one| Arc::new(one) as Arc<dyn Engine>).collect())
            .expect("alike")
    }

    fn texts(found: Texts) -> Vec<String> {
        let texts = found.expect("texts").into_iter();
        texts.map(|one| String::from_utf8(one.expect("a text").bytes).expect("UTF-8")).collect()
    }

    #[test]
    fn groups_go_where_there_is_most_room() {
        let pool = pool(vec![named("a", 2), named("b", 4)]);
        assert_eq!(pool.concurrent_groups(), 6);
        let now = Instant::now();
        let mut places: Vec<_> = (0..6).filter_map(|_| pool.take(&[false; 2], now)).collect();
        let of = |places: &[Place<'_>], at| places.iter().filter(|place| place.at == at).count();
        assert_eq!((of(&places, 0), of(&places, 1)), (2, 4));
        places.retain(|place| place.at == 1);
        assert_eq!(pool.take(&[false; 2], now).expect("room").at, 0, "what was given back");
    }

    #[test]
    fn who_fails_rests_longer_each_time_and_is_asked_last() {
        let pool = pool(vec![named("a", 9), named("b", 1)]);
        let next =
            |after: Duration, now: Instant| pool.take(&[false; 2], now + after).expect("one").at;
        let mut now = Instant::now();
        for rest in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            pool.done(0, false, now);
            assert_eq!(next(Duration::from_millis(rest * 1000 - 1), now), 1);
            assert_eq!(next(Duration::from_secs(rest), now), 0);
            now += Duration::from_secs(rest);
        }
        pool.done(0, true, now);
        assert_eq!(next(Duration::ZERO, now), 0);
        // Where all rest, the one that is ready first.
        pool.done(0, false, now);
        pool.done(0, false, now);
        pool.done(1, false, now);
        assert_eq!(next(Duration::ZERO, now), 1);
    }

    #[tokio::test]
    async fn the_group_of_a_server_that_fails_is_made_by_another() {
        let mut first = named("a", 4);
        first.broken = Some(|| ServerError::EarlyEnd("killed".into()));
        let second = named("b", 1);
        second.gate.add_permits(2);
        let pool = pool(vec![first, second]);
        for _ in 0..2 {
            let found = pool.generate(request(), &Control::default()).await;
            assert_eq!(texts(found), ["b1", "b2"]);
        }
        assert_eq!(pool.members()[0].failures, 1, "it rests, so it is not asked twice");
        assert!(pool.members().iter().all(|member| member.running == 0));
    }

    #[tokio::test]
    async fn what_no_server_can_do_is_tried_once() {
        for (problem, failures) in [
            (
                (|| ServerError::Status { status: 400, body: "too long".into() })
                    as fn() -> ServerError,
                [0, 0],
            ),
            (|| ServerError::Unreachable("gone".into()), [1, 1]),
        ] {
            let mut engines = vec![named("a", 1), named("b", 1)];
            engines.iter_mut().for_each(|one| one.broken = Some(problem));
            let pool = pool(engines);
            let found = pool.generate(request(), &Control::default()).await.expect("a group");
            assert!(found.iter().all(Result::is_err));
            assert_eq!([0, 1].map(|at: usize| pool.members()[at].failures), failures);
        }
    }

    #[test]
    fn engines_that_differ_are_no_pool() {
        let mut other = named("b", 1);
        other.weights = "others";
        let engines = [named("a", 1), other].map(|one| Arc::new(one) as Arc<dyn Engine>);
        let error = Pool::new(engines.to_vec()).expect_err("they differ");
        assert!(error.to_string().contains("different policies"), "{error}");
        assert!(Pool::new(Vec::new()).is_err());
    }
}
