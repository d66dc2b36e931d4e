//! What leaves the coordinator, in the order of the log and never before the log has it: replies,
//! notices, effects.

use lode_node::{
    killpoint, transport,
    writer::{Pending, Writer, WriterError},
};
use lode_proto::{
    attempt::Attempt,
    codec,
    envelope::Envelope,
    id::{AttemptId, JobId, NetworkId, TaskId},
    limits::MAX_ENCODED_BYTES,
    mine::MineRequest,
    refusal::Refusal,
    task::TaskSpec,
    verify::{GradeJob, VerifyReply},
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{CommandReply, EventSink, Notice, intake::send, machine::Job, work::Effects};
use crate::core::{Effect, Reply, blob_key};

/// To whom an answer goes.
#[derive(Debug)]
pub(super) enum Asker {
    Peer(transport::Reply),
    Operator(CommandReply),
    Nobody,
}

/// What waits for a sync.
#[derive(Debug)]
pub(super) struct Release {
    /// The sync; `None` where nothing was written, which still waits for those before it.
    pub(super) pending: Option<Pending>,
    /// Names of the records, for kill points.
    pub(super) names: Vec<&'static str>,
    pub(super) notices: Vec<Notice>,
    pub(super) reply: Reply,
    pub(super) asker: Asker,
    pub(super) effects: Vec<Effect>,
    /// For the machine itself, once it is durable.
    pub(super) jobs: Vec<Job>,
}

/// Releases until the machine is gone.
///
/// # Errors
/// Where a sync failed: nothing after it is released.
pub(super) async fn run(
    mut releases: mpsc::Receiver<Release>,
    network: NetworkId,
    writer: Writer,
    effects: Effects,
    events: EventSink,
) -> Result<(), WriterError> {
    while let Some(release) = releases.recv().await {
        if let Some(pending) = release.pending {
            pending.durable().await?;
        }
        for name in &release.names {
            killpoint::reach(&format!("coordinator:{name}:synced"));
        }
        for notice in release.notices {
            events(notice);
        }
        match (release.asker, release.reply) {
            (Asker::Peer(reply), Reply::Mine(answer)) => send(reply, &answer),
            (Asker::Peer(reply), Reply::Verify(answer)) => send(reply, &answer),
            (Asker::Peer(reply), Reply::Grade { job, spec, task, attempts }) => {
                let writer = writer.clone();
                tokio::spawn(async move {
                    let answer = grade_job(&writer, network, job, spec, task, attempts).await;
                    send(reply, &answer);
                });
            }
            (Asker::Operator(reply), Reply::Command(answer)) => {
                let _ = reply.send(answer);
            }
            _ => {}
        }
        for name in &release.names {
            killpoint::reach(&format!("coordinator:{name}:replied"));
        }
        for effect in release.effects {
            effects.perform(effect);
        }
        for job in release.jobs {
            // Never waiting here: the machine may itself be waiting for room in our queue.
            if let Err(TrySendError::Full(job)) = effects.machine.try_send(job) {
                let machine = effects.machine.clone();
                tokio::spawn(async move { machine.send(job).await });
            }
        }
    }
    Ok(())
}

/// The bodies of attempts, from the blob store.
///
/// # Errors
/// Which one is not there, for people.
pub(super) async fn attempts(
    writer: &Writer,
    network: NetworkId,
    ids: Vec<AttemptId>,
) -> Result<Vec<Attempt>, String> {
    let envelopes = writer
        .with_log(move |log| -> Result<Vec<(AttemptId, Envelope)>, String> {
            ids.into_iter()
                .map(|id| {
                    let bytes = log
                        .get_blob(&blob_key(id))
                        .map_err(|error| error.to_string())?
                        .ok_or_else(|| format!("attempt {id} is not in the blob store"))?;
                    let envelope = codec::decode(&bytes, MAX_ENCODED_BYTES)
                        .map_err(|error| format!("attempt {id} in the blob store: {error}"))?;
                    Ok((id, envelope))
                })
                .collect()
        })
        .await
        .map_err(|error| error.to_string())??;
    let open = |(id, envelope): (AttemptId, Envelope)| match envelope.open(network) {
        Ok(MineRequest::Submit(attempt)) => Ok(attempt),
        Ok(_) => Err(format!("the blob of attempt {id} holds another message")),
        Err(error) => Err(format!("attempt {id} in the blob store: {error}")),
    };
    envelopes.into_iter().map(open).collect()
}

async fn grade_job(
    writer: &Writer,
    network: NetworkId,
    id: JobId,
    spec: TaskSpec,
    task_id: TaskId,
    ids: Vec<AttemptId>,
) -> VerifyReply {
    match attempts(writer, network, ids).await {
        Ok(attempts) => VerifyReply::Grade(Box::new(GradeJob { id, spec, task_id, attempts })),
        Err(reason) => {
            tracing::error!(%reason, "a grading job could not be put together");
            VerifyReply::Refused(Refusal::Unavailable(reason))
        }
    }
}
