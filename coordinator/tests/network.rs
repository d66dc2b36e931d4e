//! The daemon over real sockets: from the first join to a published bundle that an auditor accepts,
//! with a restart in the middle.

mod common;

use std::{path::PathBuf, sync::Arc};

use common::{Spy, check_chain, client, config, events, everybody, wait_for};
use lode_bundle::audit::{AuditOptions, audit};
use lode_coordinator::{
    Notice, RunError,
    core::Target,
    shell::{self, TrainingConfig},
};
use lode_node::transport::Protocol;
use lode_proto::{
    adapt::Why,
    envelope::Envelope,
    key::SecretKey,
    mine::{MineReply, MineRequest},
    refusal::Refusal,
    task::Profile,
};

fn port_of(addresses: &[String]) -> u16 {
    let port = addresses.iter().find_map(|address| address.split('/').nth(4)?.parse().ok());
    port.expect("a port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_becomes_a_published_bundle_in_spite_of_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("coordinator");
    let spy = Spy::default();
    let target = Target { pairs: 6, paired_tasks: 4, max_tasks: 60, ..Target::default() };
    let mut settings = config(&data, 0, target);
    let mark = folder.path().join("trained");
    settings.training = TrainingConfig {
        command: ["sh", "-c", "echo '{\"step\": 3}'; cp -r \"$0\" \"$1\"", "{bundle}"]
            .map(str::to_owned)
            .into_iter()
            .chain([mark.display().to_string()])
            .collect(),
        steps: 3,
    };
    let (sink, mut notices) = events();
    let engine = Arc::new(spy.clone());
    let running =
        shell::start_with(settings.clone(), engine.clone(), sink.clone()).await.expect("starts");
    let (network, addresses) = (running.network, running.addresses.clone());

    let (verifiers, miners) =
        everybody(folder.path(), network, &addresses, &spy.witnesses, |_| 1).await;

    // Down in the middle of the work, and up again at the same place.
    let graded = |notice: &Notice| match notice {
        Notice::Progress { graded, .. } if *graded >= 2 => Some(()),
        _ => None,
    };
    wait_for(&mut notices, graded).await;
    running.stop().await.expect("stops in order");
    settings.listen = vec![format!("/ip4/127.0.0.1/tcp/{}", port_of(&addresses))];
    settings.stop_when_finished = true;
    let mut running = shell::start_with(settings, engine, sink).await.expect("starts again");
    assert_eq!(running.network, network, "the network is founded once");

    let mut settled = 0;
    let mut steps = Vec::new();
    let (path, pairs, tasks): (PathBuf, u64, u64) = wait_for(&mut notices, |notice| {
        settled += u64::from(matches!(notice, Notice::Settled { .. }));
        match notice {
            Notice::BundlePublished { path, pairs, tasks_with_pairs, .. } => {
                Some((path.clone(), *pairs, *tasks_with_pairs))
            }
            Notice::BundleFailed { reason } | Notice::NotSigned { reason } => panic!("{reason}"),
            Notice::Fault { note, .. } => panic!("nobody did wrong, but: {note}"),
            _ => None,
        }
    })
    .await;
    assert!(pairs >= 6 && tasks >= 4 && settled > 0, "{pairs} pairs over {tasks} tasks");
    let trained = wait_for(&mut notices, |notice| match notice {
        Notice::TrainingProgress { step, steps: of } => {
            steps.push((*step, *of));
            None
        }
        Notice::TrainingEnded { ok, detail, .. } => Some((*ok, detail.clone())),
        _ => None,
    })
    .await;
    assert!(trained.0, "{}", trained.1);
    assert_eq!(steps, [(3, 3)]);
    assert!(mark.join("manifest.json").is_file(), "the command saw the bundle");

    let mut credits = 0;
    for miner in miners {
        credits += check_chain(&miner.await.expect("mines"));
    }
    let mut graded = 0;
    for verifier in verifiers {
        graded += verifier.await.expect("verifies");
    }
    running.finished().await.expect("ends by itself");
    let status = running.status().borrow().clone();
    assert_eq!(status.credits_milli, credits, "what miners recount is what the coordinator gave");
    assert!(graded as u64 >= 2 * status.graded, "two verdicts for each group");

    let options = AuditOptions { anchor: Some(network), threads: 2, ..AuditOptions::default() };
    let report = audit(&path, &lode_bundle::engine::BuiltinEngine, &options);
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.pairs, report.pairs_that_hold());
    assert_eq!(report.counters, status.tasks);
    assert_eq!(report.signatures, 3, "the coordinator and two verifiers");
}

/// A model that finds `nano` too easy is moved to `mini` within the epoch; the bundle holds tasks of both,
/// and auditors (each verifier before it signs, and this test) find every choice as the rule gives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_moved_to_a_harder_profile_and_the_audit_holds() {
    let folder = tempfile::tempdir().expect("folder");
    let spy = Spy::default();
    let target = Target { pairs: 3, max_tasks: 80, ..Target::default() };
    let mut settings = config(&folder.path().join("coordinator"), 0, target);
    settings.campaign.profiles = vec![Profile::Nano, Profile::Mini];
    settings.stop_when_finished = true;
    let (sink, mut notices) = events();
    let mut running =
        shell::start_with(settings, Arc::new(spy.clone()), sink).await.expect("starts");
    let (network, addresses) = (running.network, running.addresses.clone());
    let strength = |profile| if profile == Profile::Nano { 4 } else { 2 };
    let (verifiers, miners) =
        everybody(folder.path(), network, &addresses, &spy.witnesses, strength).await;
    let mut moves = Vec::new();
    let path = wait_for(&mut notices, |notice| match notice {
        Notice::ProfileMoved { step, .. } => {
            moves.push(*step);
            None
        }
        Notice::BundlePublished { path, .. } => Some(path.clone()),
        Notice::BundleFailed { reason } | Notice::NotSigned { reason } => panic!("{reason}"),
        _ => None,
    })
    .await;
    for handle in miners {
        handle.await.expect("mines");
    }
    for handle in verifiers {
        handle.await.expect("verifies");
    }
    running.finished().await.expect("ends by itself");
    let status = running.status().borrow().clone();
    let [step] = moves.as_slice() else { panic!("one move, not {moves:?}") };
    assert_eq!((step.from, step.to, step.why), (Profile::Nano, Profile::Mini, Why::TooEasy));
    assert_eq!(status.moves, moves);
    assert_eq!(
        status.levels.iter().map(|level| level.profile).collect::<Vec<_>>(),
        [Profile::Mini]
    );

    let options = AuditOptions { anchor: Some(network), threads: 2, ..AuditOptions::default() };
    let report = audit(&path, &lode_bundle::engine::BuiltinEngine, &options);
    assert!(report.holds(), "{:?}", report.findings);
    let seen = lode_bundle::inspect::inspect(&path).expect("reads");
    let profiles: Vec<Profile> = seen.profiles.into_keys().collect();
    assert_eq!(profiles, [Profile::Nano, Profile::Mini]);
    let card = std::fs::read_to_string(path.join("README.md")).expect("a card");
    assert!(card.contains("`nano` (") && card.contains("`mini` ("), "{card}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_settings_are_one_clear_line() {
    let folder = tempfile::tempdir().expect("folder");
    let good = || config(&folder.path().join("a"), 0, Target::default());
    let (sink, _notices) = events();
    let start = |config| shell::start(config, sink.clone());
    let explain = |error: RunError| {
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };

    let mut bad = good();
    bad.campaign.domain = "nowhere".into();
    let text = explain(start(bad).await.expect_err("unknown domain"));
    assert!(text.contains("nowhere") && text.contains("companies"), "{text}");

    let corrupt = folder.path().join("corrupt.toml");
    std::fs::write(&corrupt, "name = 3\n[").expect("written");
    let mut bad = good();
    bad.campaign.domain = corrupt.display().to_string();
    let text = explain(start(bad).await.expect_err("corrupt domain"));
    assert!(text.contains("corrupt"), "{text}");

    let mut bad = good();
    bad.campaign.profiles = vec![Profile::Mini, Profile::Standard];
    let text = explain(start(bad).await.expect_err("where do new models begin?"));
    assert!(text.contains("profiles") && text.contains("nano"), "{text}");

    let mut bad = good();
    bad.listen = vec!["127.0.0.1:80".into()];
    let text = explain(start(bad).await.expect_err("no multiaddress"));
    assert!(text.contains("multiaddress"), "{text}");

    let mut bad = good();
    bad.network.quorum = 4;
    let text = explain(start(bad).await.expect_err("quorum"));
    assert!(text.contains("quorum"), "{text}");

    let running = start(good()).await.expect("starts");
    let text = explain(start(good()).await.expect_err("the folder is taken"));
    assert!(text.contains("in use"), "{text}");
    let port = port_of(&running.addresses);
    let busy = config(&folder.path().join("b"), port, Target::default());
    let text = explain(start(busy).await.expect_err("the port is taken"));
    assert!(text.contains(&port.to_string()), "{text}");
    running.stop().await.expect("stops");

    let mut other = good();
    other.network.quorum = 1;
    let text = explain(start(other).await.expect_err("another network"));
    assert!(text.contains("genesis"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_get_a_typed_refusal() {
    let folder = tempfile::tempdir().expect("folder");
    let (sink, _notices) = events();
    let running = shell::start(config(&folder.path().join("c"), 0, Target::default()), sink)
        .await
        .expect("starts");
    let network = running.network;
    let (miner, handle, target) = client::<MineRequest>(
        &folder.path().join("m"),
        1,
        network,
        &running.addresses,
        vec![Protocol::Mine],
    )
    .await;
    let not_joined = miner.call(&MineRequest::Status).await.expect("answers");
    assert_eq!(not_joined, MineReply::Refused(Refusal::NotJoined));

    let raw = async |bytes: Vec<u8>| -> MineReply {
        let reply = handle.call(&target, Protocol::Mine, bytes).await.expect("answers");
        lode_proto::codec::decode(&reply, 1 << 20).expect("a reply")
    };
    let encode = |envelope: &Envelope| lode_proto::codec::encode(envelope).expect("encodes");
    let garbage = raw(vec![0xff; 40]).await;
    assert!(matches!(garbage, MineReply::Refused(Refusal::Malformed(_))), "{garbage:?}");
    let foreign = raw(encode(&common::stranger(network, &MineRequest::Status))).await;
    assert_eq!(foreign, MineReply::Refused(Refusal::NotYourConnection));
    let key = SecretKey::from_bytes(&[1; 32]);
    let other = lode_proto::id::NetworkId::of(b"other");
    let elsewhere = Envelope::seal(&MineRequest::Status, other, &key, 9_000).expect("seals");
    let elsewhere = raw(encode(&elsewhere)).await;
    assert!(
        matches!(&elsewhere, MineReply::Refused(Refusal::Malformed(text)) if text.contains(&network.to_string())),
        "{elsewhere:?}"
    );
    let mut forged = Envelope::seal(&MineRequest::Status, network, &key, 9_001).expect("seals");
    forged.signature.0[3] ^= 1;
    let forged = raw(encode(&forged)).await;
    assert!(matches!(forged, MineReply::Refused(Refusal::Malformed(_))), "{forged:?}");
    let oversized = handle.call(&target, Protocol::Mine, vec![0; 5 << 20]).await;
    assert!(oversized.is_err(), "a message over the limit is not even sent");

    let join = MineRequest::Join {
        account: None,
        card: Box::new(common::card()),
        software: "script".into(),
    };
    assert!(matches!(miner.call(&join).await, Ok(MineReply::Joined { .. })));
    let used = Envelope::seal(&MineRequest::Status, network, &key, 1).expect("seals");
    let replayed = raw(encode(&used)).await;
    assert!(matches!(replayed, MineReply::Refused(Refusal::Replayed { got: 1, .. })));
    running.stop().await.expect("stops");
}
