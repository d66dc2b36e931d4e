//! The part of the fold that concerns the turns of revision sessions.

use lode_proto::{attempt::GroupCommit, mine::MineRequest, session::Feedback};

use super::{
    apply::{broken, epoch, heard, ours, read},
    apply_task::slot,
    event::Event,
    state::State,
    step::{CoreError, Due},
    task::{Group, Phase},
};

fn session(state: &mut State, counter: u64) -> Result<&mut Group, CoreError> {
    match &mut slot(epoch(state)?, counter)?.phase {
        Phase::Committed(group) if group.turns.is_some() => Ok(group),
        _ => Err(broken("a turn of a session that is not open")),
    }
}

pub(super) fn apply(state: &mut State, event: &Event) -> Result<Vec<Due>, CoreError> {
    let counter = match event {
        Event::TurnGraded { counter, feedback, deadline_ms } => {
            ours(state, feedback);
            let said: Feedback = read(feedback)?;
            let group = session(state, *counter)?;
            group.lease.deadline_ms = *deadline_ms;
            if let Some(turns) = &mut group.turns {
                turns.feedback.push(feedback.clone());
                turns.next = said.next;
                turns.over = said.next.is_none();
            }
            *counter
        }
        Event::TurnCommitted { counter, request, deadline_ms } => {
            let MineRequest::CommitTurn(commit) = read(request)? else {
                return Err(broken("a turn by another request than CommitTurn"));
            };
            heard(state, request.sender, request.sequence);
            let group = session(state, *counter)?;
            if let Some(turns) = &mut group.turns {
                turns.commits.push(request.clone());
                turns.next = None;
            }
            group.attempts.extend(commit.attempts);
            group.receipts.resize(group.attempts.len(), None);
            let (lease, policy) = (commit.lease, commit.policy);
            let all = GroupCommit { lease, policy, attempts: group.attempts.clone() };
            group.commit_hash = all.hash()?;
            group.lease.deadline_ms = *deadline_ms;
            *counter
        }
        Event::SessionEnded { counter, sequence, .. } => {
            let group = session(state, *counter)?;
            let miner = group.lease.miner;
            if let Some(turns) = &mut group.turns {
                turns.over = true;
                turns.next = None;
            }
            if let Some(sequence) = sequence {
                heard(state, miner, *sequence);
            }
            *counter
        }
        _ => return Ok(Vec::new()),
    };
    Ok(vec![Due::Task(counter), Due::Epoch])
}
