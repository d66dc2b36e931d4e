//! The shell around [`crate::book`] and [`crate::check`]: network, disk, and pulled bundles.

mod co_sign;

use std::{path::Path, sync::Arc, time::Duration};

use lode_node::{
    keystore::{KeyKind, Keystore},
    killpoint,
    log::{Batch, DurableLog, LogError, SledLog},
    rpc::{Caller, Client, Retry},
    sequence::Sequence,
    stop::Stop,
    transport::{Multiaddr, Protocol, Target, Transport, TransportConfig},
};
use lode_proto::{
    codec,
    envelope::Envelope,
    epoch::{BeaconCommit, BeaconReveal, EpochOpen},
    genesis::Genesis,
    id::{Hash, JobId, NetworkId},
    key::PublicKey,
    limits::{MAX_ENCODED_BYTES, MAX_TEXT_BYTES},
    refusal::Refusal,
    seed,
    verify::{GradeJob, VerdictCommit, VerdictReveal, VerifyReply, VerifyRequest},
};
use lode_tasks::family::Library;

pub use crate::report::{Event, EventSink, VerifierError};
use crate::{
    book::{Book, Record},
    check,
    config::VerifierConfig,
};
use co_sign::FromCoordinator;

struct Verifier {
    config: VerifierConfig,
    library: Arc<Library>,
    client: Client<VerifyRequest>,
    source: FromCoordinator,
    network: NetworkId,
    coordinator: PublicKey,
    log: SledLog,
    book: Book,
    events: EventSink,
}

/// Runs a verifier until `stop` is set, or the campaign is over and the configuration says so.
///
/// # Errors
/// [`VerifierError`] for what no waiting could mend. A coordinator that is away is waited for.
pub async fn run(
    config: VerifierConfig,
    stop: Stop,
    events: EventSink,
) -> Result<(), VerifierError> {
    let bad = |text: String| VerifierError::Config(text);
    let network: NetworkId =
        config.network.parse().map_err(|error| bad(format!("network: {error}")))?;
    let addresses = config
        .coordinator
        .iter()
        .map(|text| text.parse().map_err(|error| bad(format!("coordinator: {text:?}: {error}"))))
        .collect::<Result<Vec<Multiaddr>, _>>()?;
    if addresses.is_empty() {
        return Err(bad("coordinator: name at least one address".into()));
    }
    let mut library = Library::builtin()?;
    for path in &config.domains {
        library.add_read(path, std::fs::read(path))?;
    }
    let (key, _made) = Keystore::open(&config.data)?.get_or_create(KeyKind::Node)?;
    let (log, book) = open_book(&config.data.join("book"))?;
    let sequence = Sequence::open(&config.data, network)?;
    let protocols = vec![Protocol::Verify, Protocol::Bundle];
    let (handle, _incoming) =
        Transport::start(TransportConfig::caller(key.clone(), protocols)).await?;
    let target = Target::at(addresses);
    let client =
        Client::new(handle.clone(), target.clone(), Caller::new(key, sequence), Retry::FOREVER);
    let mut verifier = Verifier {
        coordinator: client.caller().public(),
        config,
        library: Arc::new(library),
        client,
        source: FromCoordinator { handle: handle.clone(), target },
        network,
        log,
        book,
        events,
    };
    // Whatever is cut short here was kept before it was said, and is said again after a restart.
    let result = tokio::select! {
        result = verifier.work() => result,
        () = stop.stopped() => Ok(()),
    };
    handle.shutdown().await;
    (verifier.events)(Event::Stopped);
    result
}

fn open_book(folder: &Path) -> Result<(SledLog, Book), LogError> {
    let log = SledLog::open(folder)?;
    let mut book = Book::default();
    for entry in log.replay(log.first()) {
        let (index, bytes) = entry?;
        let record: Record =
            codec::decode(&bytes, MAX_ENCODED_BYTES).map_err(|error| LogError::Corrupt {
                path: folder.to_owned(),
                what: format!("record {index} cannot be read: {error}"),
            })?;
        book.apply(&record);
    }
    Ok((log, book))
}

/// A reason within the limit of texts in messages: no character takes more than four bytes.
fn shorten(text: &str) -> String {
    text.chars().take(MAX_TEXT_BYTES / 4).collect()
}

fn random() -> Result<Hash, VerifierError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| VerifierError::Random(error.to_string()))?;
    Ok(Hash(bytes))
}

impl Verifier {
    async fn work(&mut self) -> Result<(), VerifierError> {
        self.join().await?;
        loop {
            match self.client.call(&VerifyRequest::Next).await? {
                VerifyReply::Idle { finished: true, .. } if self.config.stop_when_finished => {
                    return Ok(());
                }
                VerifyReply::Idle { retry_after_ms, .. } => {
                    tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
                }
                VerifyReply::CommitBeacon { epoch_open } => self.commit_nonce(&epoch_open).await?,
                VerifyReply::RevealBeacon { epoch } => self.reveal_nonce(epoch).await?,
                VerifyReply::Grade(job) => self.grade(*job).await?,
                VerifyReply::Reveal { job } => self.reveal(job).await?,
                VerifyReply::CoSign(job) => self.co_sign(&job).await?,
                VerifyReply::Refused(Refusal::NotJoined) => self.join().await?,
                VerifyReply::Refused(refusal) => return Err(VerifierError::Refused(refusal)),
                VerifyReply::Accepted | VerifyReply::Joined { .. } => {
                    return Err(VerifierError::Protocol("next"));
                }
            }
        }
    }

    async fn join(&mut self) -> Result<(), VerifierError> {
        let software = concat!("lode/", env!("CARGO_PKG_VERSION")).into();
        match self.client.call(&VerifyRequest::Join { account: None, software }).await? {
            VerifyReply::Joined { genesis, last_sequence } => {
                let (network, genesis) = Genesis::open(&genesis)?;
                if network != self.network {
                    return Err(VerifierError::OtherNetwork { got: network, want: self.network });
                }
                self.coordinator = genesis.coordinator;
                self.client.raise_sequence(last_sequence).await?;
                let verifier = self.client.caller().public();
                (self.events)(Event::Joined { network, verifier });
                Ok(())
            }
            VerifyReply::Refused(refusal) => Err(VerifierError::Refused(refusal)),
            _ => Err(VerifierError::Protocol("join")),
        }
    }

    /// Hands something in. A refusal is told and lived with: the coordinator will ask for what it
    /// wants next.
    async fn hand_in(
        &self,
        what: &'static str,
        request: VerifyRequest,
    ) -> Result<(), VerifierError> {
        match self.client.call(&request).await? {
            VerifyReply::Accepted => Ok(()),
            VerifyReply::Refused(refusal) => {
                tracing::warn!(what, %refusal, "not taken");
                // Never in a tight circle, whatever the other side does.
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(())
            }
            _ => Err(VerifierError::Protocol(what)),
        }
    }

    async fn commit_nonce(&mut self, epoch_open: &Envelope) -> Result<(), VerifierError> {
        let opened = epoch_open.open_from::<EpochOpen>(self.network, &self.coordinator);
        let open = match opened {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "the epoch is not the coordinator's; no nonce for it");
                tokio::time::sleep(Duration::from_secs(1)).await;
                return Ok(());
            }
        };
        let opened = Hash::of(&epoch_open.bytes);
        if self.book.opened(open.epoch).is_some_and(|before| before != opened) {
            tracing::error!(
                epoch = open.epoch,
                "the coordinator opened this epoch before in another way; no nonce for a history \
                 that is rewritten"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Ok(());
        }
        if self.book.nonce(open.epoch).is_none() {
            let nonce = random()?;
            let me = self.client.caller().public();
            let commit = seed::nonce_commit(&me, open.epoch, nonce.as_bytes());
            let commit = BeaconCommit { epoch: open.epoch, commit };
            let commit = self.client.caller().seal(&commit).await?;
            self.keep(Record::Nonce { epoch: open.epoch, opened, nonce, commit })?;
            killpoint::reach("verifier:nonce-kept");
        }
        let Some((_, commit)) = self.book.nonce(open.epoch).cloned() else { return Ok(()) };
        self.hand_in("nonce commitment", VerifyRequest::BeaconCommit(commit)).await
    }

    async fn reveal_nonce(&mut self, epoch: u64) -> Result<(), VerifierError> {
        let Some((nonce, _)) = self.book.nonce(epoch).cloned() else {
            return Err(VerifierError::Protocol("the reveal of a nonce that was never drawn"));
        };
        let reveal = self.client.caller().seal(&BeaconReveal { epoch, nonce }).await?;
        killpoint::reach("verifier:nonce-reveal");
        self.hand_in("nonce", VerifyRequest::BeaconReveal(reveal)).await
    }

    async fn grade(&mut self, job: GradeJob) -> Result<(), VerifierError> {
        let id = job.id;
        if self.book.verdict(&id).is_none() {
            let library = Arc::clone(&self.library);
            let attempts = job.attempts.len();
            let checked = tokio::task::spawn_blocking(move || check::check(&job, &library))
                .await
                .map_err(|error| VerifierError::Task(error.to_string()))?;
            let verdict = match checked {
                Ok(verdict) => verdict,
                Err(error) => {
                    let reason = shorten(&error.to_string());
                    (self.events)(Event::Inconclusive { job: id, reason: reason.clone() });
                    let request = VerifyRequest::Inconclusive { job: id, reason };
                    return self.hand_in("inconclusive", request).await;
                }
            };
            let reveal = VerdictReveal { verdict, nonce: random()? };
            let me = self.client.caller().public();
            let commit = reveal
                .commitment(&me)
                .map_err(|error| VerifierError::Config(format!("verdict: {error}")))?;
            let commit = self.client.caller().seal(&VerdictCommit { job: id, commit }).await?;
            let reveal = self.client.caller().seal(&reveal).await?;
            killpoint::reach("verifier:graded");
            self.keep(Record::Verdict { job: id, commit, reveal })?;
            killpoint::reach("verifier:verdict-kept");
            (self.events)(Event::Graded { job: id, attempts });
        }
        let Some(verdict) = self.book.verdict(&id).cloned() else { return Ok(()) };
        self.hand_in("verdict commitment", VerifyRequest::VerdictCommit(verdict.commit)).await
    }

    async fn reveal(&mut self, job: JobId) -> Result<(), VerifierError> {
        let Some(verdict) = self.book.verdict(&job).cloned() else {
            return Err(VerifierError::Protocol("the reveal of a verdict that was never given"));
        };
        killpoint::reach("verifier:reveal");
        self.hand_in("verdict", VerifyRequest::VerdictReveal(verdict.reveal)).await
    }

    /// Makes a record durable, then applies it.
    fn keep(&mut self, record: Record) -> Result<(), VerifierError> {
        let bytes = codec::encode(&record).map_err(|e| LogError::Misuse(e.to_string()))?;
        tokio::task::block_in_place(|| self.log.append(&Batch::record(bytes)))?;
        self.book.apply(&record);
        Ok(())
    }
}
