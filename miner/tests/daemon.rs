//! The daemon against a coordinator and an engine that do what a test tells them: several groups at
//! once, several networks, and everything that goes wrong around a group.

mod common;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::Ordering},
};

use common::{Chief, GROUP, Scripted, settings};
use lode_engine::{Engine, EngineError, ServerError};
use lode_miner::{Event, MinerConfig, MinerError, queue::Totals};
use lode_node::stop::Stop;
use lode_proto::{id::Hash, mine::NoWork};
use tokio::{sync::Semaphore, task::JoinHandle};

type Ended = Result<Totals, MinerError>;

fn start(config: MinerConfig, engine: &Arc<Scripted>) -> (Stop, JoinHandle<Ended>) {
    let stop = Stop::default();
    let engine: Arc<dyn Engine> = Arc::clone(engine) as Arc<dyn Engine>;
    let run = lode_miner::run(config, engine, stop.clone(), Arc::new(|_: Event| {}));
    (stop, tokio::spawn(run))
}

fn free(groups: usize) -> Arc<Scripted> {
    let engine = Scripted::new(groups, |_, _| Ok(()));
    engine.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    engine
}

/// A miner that generates one group while its coordinator is away, and is stopped then.
async fn generate_while_away(config: MinerConfig, chief: &Chief, engine: &Arc<Scripted>) -> Totals {
    let (stop, run) = start(config, engine);
    engine.until_inside(1).await;
    chief.set(|book| book.away = true);
    engine.gate.add_permits(1);
    engine.until_inside(0).await;
    stop.stop();
    run.await.expect("no crash").expect("ends though nobody answers")
}

/// A miner that is stopped with one turn of a session handed in, while its feedback is waited for; then
/// there is feedback, and no further work.
async fn leave_between_turns(config: MinerConfig, chief: &Chief, engine: &Arc<Scripted>) {
    chief.set(|book| {
        book.tasks.push_back(0);
        book.revision = true;
        book.slow = usize::MAX;
    });
    let (stop, run) = start(config, engine);
    chief.until(|book| book.slow < usize::MAX - 2).await;
    stop.stop();
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((totals.groups, totals.receipts, totals.dropped), (0, 1, 0));
    chief.set(|book| {
        book.slow = 0;
        book.none = Some(NoWork::Finished);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_leased_is_handed_in_once_and_counted() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| {
        book.tasks.extend(0..5);
        book.none = Some(NoWork::Finished);
    });
    let engine = free(1);
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    let book = chief.book();
    assert_eq!((totals.groups, totals.receipts, totals.dropped), (5, 5 * GROUP as u64, 0));
    assert_eq!(book.receipts.len(), 5 * GROUP);
    assert!(book.commits.values().all(|commit| commit.attempts.len() == GROUP));
    // Every attempt is what its own seed made.
    assert!(book.attempts.iter().all(|((_, at), a)| a.completion == [*at as u8 + 1; 3]));
}

/// A program in the place of `nvidia-smi` that tells of one GPU as hot as a file says.
fn thermometer(folder: &Path) -> (PathBuf, impl Fn(u32)) {
    let (program, heat) = (folder.join("nvidia-smi"), folder.join("celsius"));
    let script = format!("#!/bin/sh\necho \"0, 60.5, 450.00, $(cat {})\"\n", heat.display());
    std::fs::write(&program, script).expect("written");
    let run = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, run).expect("made to run");
    (program, move |celsius: u32| {
        let next = heat.with_extension("next");
        std::fs::write(&next, celsius.to_string()).expect("written");
        std::fs::rename(next, &heat).expect("renamed");
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gpu_that_is_too_hot_gets_no_work_until_it_is_cooler() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| {
        book.tasks.extend(0..2);
        book.none = Some(NoWork::Finished);
    });
    let (program, set) = thermometer(data.path());
    let mut config = settings(data.path(), &[&chief]);
    (config.power.max_celsius, config.power.nvidia_smi) = (80, program);
    set(80);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let events = Arc::new(move |event: Event| drop(tell.send(event)));
    let engine: Arc<dyn Engine> = free(1);
    let run = tokio::spawn(lode_miner::run(config, engine, Stop::default(), events));
    let mut held = Vec::new();
    while let Some(event) = told.recv().await {
        if let Event::Held { reason } = event {
            if reason.is_some() {
                assert_eq!(chief.book().leased.len(), 0);
                set(60);
            }
            held.push(reason.is_some());
        }
    }
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((held, totals.groups), (vec![true, false], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_nobody_can_watch_keep_a_miner_from_starting() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    let mut config = settings(data.path(), &[&chief]);
    (config.power.mean_watts, config.power.nvidia_smi) = (300, data.path().join("none"));
    let (_stop, run) = start(config, &free(1));
    let error = run.await.expect("no crash").expect_err("refused");
    assert!(matches!(&error, MinerError::Power(_)), "{error}");
    assert!(error.to_string().contains("power.nvidia_smi"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_session_goes_on_from_what_was_said() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| {
        book.tasks.extend(0..2);
        book.none = Some(NoWork::Finished);
        (book.revision, book.slow) = (true, 3);
    });
    let prompts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&prompts);
    let engine = Scripted::new(1, move |_, request| {
        let asked = (request.prompt.clone(), request.attempt_seeds.clone());
        seen.lock().expect("not poisoned").push(asked);
        Ok(())
    });
    engine.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    // One attempt, then two continuations each of two conversations, for either task.
    assert_eq!((totals.groups, totals.receipts, totals.dropped), (2, 10, 0));
    let book = chief.book();
    assert!(book.commits.values().all(|commit| commit.attempts.len() == 1));
    assert_eq!(book.turns.len(), 4);
    assert!(book.turns.iter().all(|turn| turn.attempts.len() == 2));
    assert!(book.attempts.iter().all(|((_, at), a)| a.completion == [*at as u8 + 1; 3]));
    let prompts = prompts.lock().expect("not poisoned");
    assert_eq!(prompts.len(), 6);
    for turn in &book.turns {
        let hash = |(prompt, _): &&(String, Vec<[u8; 32]>)| Hash::of(prompt.as_bytes());
        let (_, seeds) = prompts.iter().find(|asked| hash(asked) == turn.prompt).expect("asked so");
        let first = turn.turn as u8 * 2;
        assert_eq!(*seeds, [[first; 32], [first + 1; 32]]);
    }
}

/// Stopped between two turns, it goes on with the session when it is started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_session_survives_a_restart() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    let engine = free(1);
    leave_between_turns(settings(data.path(), &[&chief]), &chief, &engine).await;
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((totals.groups, totals.receipts, totals.dropped), (1, 5, 0));
    assert_eq!(engine.calls.load(Ordering::SeqCst), 3);
}

/// A session that was begun under one policy is given back by a miner that runs another.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_policy_is_given_back() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    let engine = free(1);
    leave_between_turns(settings(data.path(), &[&chief]), &chief, &engine).await;
    let mut other = settings(data.path(), &[&chief]);
    other.engine.temperature_milli += 1;
    let (_stop, run) = start(other, &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((totals.groups, totals.receipts, totals.dropped), (1, 1, 0));
    let book = chief.book();
    assert!(book.turns.is_empty() && book.handed_back[0].contains("another policy"));
    assert_eq!(engine.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_run_at_once_within_the_memory() {
    for (memory_mib, at_once) in [(0, 3), (100, 2), (10, 1)] {
        let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
        chief.set(|book| book.tasks.extend(0..6));
        let mut engine = Scripted::new(3, |_, _| Ok(()));
        Arc::get_mut(&mut engine).expect("alone").bytes = 50 * 1024 * 1024;
        let mut config = settings(data.path(), &[&chief]);
        config.memory_mib = memory_mib;
        let (_stop, run) = start(config, &engine);
        engine.until_inside(at_once).await;
        chief.set(|book| book.none = Some(NoWork::Finished));
        engine.gate.add_permits(6);
        let totals = run.await.expect("no crash").expect("ends in order");
        assert_eq!(totals.groups, 6, "{memory_mib} MiB");
        assert_eq!(engine.most.load(Ordering::SeqCst), at_once, "{memory_mib} MiB");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_network_is_asked_while_the_first_has_nothing() {
    let data = tempfile::tempdir().expect("a folder");
    let (first, second) = (Chief::start(1).await, Chief::start(2).await);
    second.set(|book| book.tasks.extend(0..3));
    let engine = Scripted::new(1, |_, _| Ok(()));
    let (_stop, run) = start(settings(data.path(), &[&first, &second]), &engine);
    engine.until_inside(1).await;
    assert_eq!((first.book().leased.len(), second.book().leased.len()), (0, 1));
    // Work comes up at the preferred one. The other is away, so that it cannot be the faster to ask.
    first.set(|book| book.tasks.extend(10..12));
    second.set(|book| book.away = true);
    engine.gate.add_permits(1);
    first.until(|book| book.leased.len() == 1).await;
    second.set(|book| book.away = false);
    engine.gate.add_permits(2);
    first.until(|book| book.leased.len() == 2).await;
    first.set(|book| book.none = Some(NoWork::Finished));
    second.set(|book| book.none = Some(NoWork::Finished));
    engine.gate.add_permits(100);
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!(totals.groups, 5);
    let receipts = |chief: &Chief| chief.book().receipts.len();
    assert_eq!((receipts(&first), receipts(&second)), (2 * GROUP, 3 * GROUP));
    let folders = std::fs::read_dir(data.path().join("networks")).expect("folders").count();
    assert_eq!(folders, 2, "each has its own queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_network_fills_the_engine_before_the_next_is_asked() {
    let data = tempfile::tempdir().expect("a folder");
    let (first, second) = (Chief::start(1).await, Chief::start(2).await);
    first.set(|book| book.tasks.extend(0..9));
    second.set(|book| book.tasks.extend(0..9));
    let engine = Scripted::new(2, |_, _| Ok(()));
    let (stop, run) = start(settings(data.path(), &[&first, &second]), &engine);
    engine.until_inside(2).await;
    assert_eq!((first.book().leased.len(), second.book().asked), (2, 0));
    stop.stop();
    run.await.expect("no crash").expect("ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_generated_while_the_coordinator_was_away_is_kept() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| book.tasks.push_back(7));
    let engine = Scripted::new(1, |_, _| Ok(()));
    let totals = generate_while_away(settings(data.path(), &[&chief]), &chief, &engine).await;
    assert_eq!((totals.receipts, totals.dropped), (0, 0));
    // Another process, some day later.
    chief.set(|book| {
        book.away = false;
        book.none = Some(NoWork::Finished);
        book.heartbeats.clear();
    });
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((totals.groups, totals.receipts), (1, GROUP as u64));
    assert_eq!(engine.calls.load(Ordering::SeqCst), 1, "nothing was generated twice");
    // A coordinator that was restarted, too, would take what nobody names for lost.
    let book = chief.book();
    assert_eq!(
        book.heartbeats.first(),
        Some(&book.leased),
        "what is made is named, not yet committed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_device_gets_smaller_batches_and_the_same_texts() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| {
        book.tasks.extend(0..2);
        book.none = Some(NoWork::Finished);
    });
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let engine = Scripted::new(1, move |_, request| {
        let size = request.attempt_seeds.len();
        seen.lock().expect("not poisoned").push(size);
        match size {
            3.. => Err(EngineError::backend("scripted", "CUDA_ERROR_OUT_OF_MEMORY".into())),
            _ => Ok(()),
        }
    });
    engine.gate.add_permits(100);
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((totals.groups, totals.dropped), (2, 0));
    assert_eq!(*sizes.lock().expect("not poisoned"), [4, 2, 2, 2, 2], "it remembers");
    let book = chief.book();
    assert!(book.attempts.iter().all(|((_, at), a)| a.completion == [*at as u8 + 1; 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_gets_its_leases_back_and_another_chance() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| {
        book.tasks.extend(0..2);
        book.none = Some(NoWork::Finished);
    });
    let engine = Scripted::new(1, |call, _| match call {
        0 => Err(EngineError::Server {
            url: "http://127.0.0.1:1/v1".into(),
            problem: ServerError::EarlyEnd("a scripted end".into()),
        }),
        _ => Ok(()),
    });
    engine.gate.add_permits(100);
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let totals = run.await.expect("no crash").expect("ends in order");
    assert_eq!((totals.groups, totals.dropped), (1, 1));
    let book = chief.book();
    assert!(book.handed_back[0].contains("a scripted end"), "{:?}", book.handed_back);
    assert_eq!(book.receipts.len(), GROUP, "no empty attempts were handed in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_never_works_ends_the_miner_with_its_words() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| book.tasks.extend(0..20));
    let engine = Scripted::new(1, |_, _| {
        Err(EngineError::backend("scripted", "the tensor is on fire".into()))
    });
    let (_stop, run) = start(settings(data.path(), &[&chief]), &engine);
    let error = run.await.expect("no crash").expect_err("it cannot work");
    assert!(error.to_string().contains("on fire"), "{error}");
    assert_eq!(engine.calls.load(Ordering::SeqCst), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_in_maintenance_finishes_what_it_holds_and_asks_for_nothing() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| book.tasks.extend(0..9));
    let engine = Scripted::new(1, |_, _| Ok(()));
    generate_while_away(settings(data.path(), &[&chief]), &chief, &engine).await;
    let counts = |chief: &Chief| {
        let book = chief.book();
        (book.leased.len(), book.asked)
    };
    let before = counts(&chief);
    chief.set(|book| book.away = false);
    let mut config = settings(data.path(), &[&chief]);
    config.maintenance = true;
    let (stop, run) = start(config, &engine);
    chief.until(|book| book.receipts.len() == GROUP).await;
    stop.stop();
    run.await.expect("no crash").expect("ends in order");
    assert_eq!(counts(&chief), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_that_is_stopped_gives_back_what_it_cannot_finish() {
    let (data, chief) = (tempfile::tempdir().expect("a folder"), Chief::start(1).await);
    chief.set(|book| book.tasks.extend(0..9));
    let engine = Scripted::new(1, |_, _| Ok(()));
    let (stop, run) = start(settings(data.path(), &[&chief]), &engine);
    engine.until_inside(1).await;
    stop.stop();
    let totals = run.await.expect("no crash").expect("ends in order");
    let book = chief.book();
    assert_eq!(totals.dropped as usize, book.leased.len());
    assert_eq!(book.handed_back.len(), book.leased.len());
    assert_eq!(*engine.inside.borrow(), 0, "the engine was stopped");
}
