//! From groups and pairs to the rows of `schema.rs`.

use lode_proto::session::Session;
use lode_tasks::{
    parse,
    types::{
        AnswerStatus, CitationStatus, ComputeStatus, FailureClass, Path, Task, TrapStatus, Value,
    },
};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    derive::{Epoch, GradedAttempt, Group},
    pairs::{Kind, Pair, PairSet, Split},
    schema::ROW_SCHEMA,
};

/// Most words of a side whose edit distance is measured; a longer one has none.
const MAX_EDIT_WORDS: usize = 2_000;

/// The name that serde gives a unit variant.
pub(crate) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Json::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

pub(crate) fn failure_name(failure: Option<FailureClass>) -> Json {
    failure.map_or(Json::Null, |class| Json::String(name(class)))
}

fn path_name(path: Path) -> &'static str {
    match path {
        Path::A => "A",
        Path::B => "B",
        Path::None => "NONE",
    }
}

/// A value as a document would write it, without unit.
fn value_text(value: &Value) -> String {
    match value {
        Value::Int(whole) => whole.to_string(),
        Value::Milli(milli) => {
            let sign = if *milli < 0 { "-" } else { "" };
            let (whole, rest) = (milli.unsigned_abs() / 1000, milli.unsigned_abs() % 1000);
            let digits = format!("{sign}{whole}.{rest:03}");
            let trimmed = digits.trim_end_matches('0');
            // One digit after the point always stays.
            if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
        }
        Value::Text(text) => text.clone(),
    }
}

fn document(task: &Task) -> String {
    let blocks: Vec<String> = task
        .paragraphs
        .iter()
        .enumerate()
        .map(|(place, text)| format!("[paragraph_{}]\n{text}", place + 1))
        .collect();
    blocks.join("\n\n")
}

fn questions(task: &Task) -> Vec<&str> {
    task.questions.iter().map(|question| question.text.as_str()).collect()
}

fn constraints(task: &Task) -> Vec<&str> {
    task.constraints.iter().map(|constraint| constraint.0.as_str()).collect()
}

fn traps(group: &Group) -> Vec<Json> {
    let (task, key) = (&group.task.task, &group.task.key);
    let traps = key.traps.iter().enumerate();
    traps
        .map(|(place, trap)| {
            let entity = task.roster.get(trap.fact.entity.at()).map(|entry| entry.name.as_str());
            let attribute = task.attributes.get(trap.fact.attr.at()).map(|attr| attr.key.as_str());
            json!({
                "trap": place + 1,
                "kind": name(trap.kind),
                "role": name(trap.role),
                "target_entity": entity,
                "attribute": attribute,
                "correct_value": value_text(&trap.right),
                "wrong_value": value_text(&trap.wrong),
                "correct_paragraphs": trap.right_paragraphs,
                "wrong_paragraphs": trap.wrong_paragraphs,
            })
        })
        .collect()
}

fn policy(group: &Group) -> Json {
    let card = &group.card;
    json!({
        "policy_id": group.policy,
        "model": card.model,
        "parameters": card.parameters,
        "weights": card.policy.weights,
        "quantisation": card.policy.quantisation,
        "adapter": card.policy.adapter,
        "template": card.policy.template,
        "sampler": card.policy.sampling.sampler,
        "temperature_milli": card.policy.sampling.temperature_milli,
        "grammar": card.policy.grammar,
        "engine": card.engine,
        "licence": card.licence,
        "output_licence": card.output_licence,
    })
}

fn provenance(epoch: &Epoch, group: &Group) -> Json {
    let spec = &group.task.spec;
    json!({
        "network": epoch.network,
        "epoch": epoch.open.epoch,
        "counter": group.counter,
        "task_seed": lode_proto::id::Hash(spec.seed),
        "task_family": spec.family,
        "engine_version": spec.engine_version,
        "profile": spec.profile.name(),
        "domain_hash": spec.domain.hash,
        "lease": group.lease,
        "lease_number": group.lease_number,
        "miner": group.miner,
    })
}

fn count<T>(items: &[T], holds: impl Fn(&T) -> bool) -> usize {
    items.iter().filter(|item| holds(item)).count()
}

fn answers_right(attempt: &GradedAttempt) -> usize {
    count(&attempt.verdict.answers, |answer| answer.status == AnswerStatus::Right)
}

fn constraints_right(attempt: &GradedAttempt) -> usize {
    count(&attempt.verdict.constraints, |constraint| constraint.holds)
}

/// The completion up to its artifact, and the artifact; both null where it does not parse.
fn parts(task: &Task, completion: &[u8]) -> (Json, Json) {
    match parse::parse(task, completion) {
        Ok(parsed) => {
            // The line of the artifact begins with its label.
            let before = parsed.text.get(..parsed.artifact.start).unwrap_or("");
            let line = before.rfind('\n').map_or(0, |at| at + 1);
            let think = before.get(parsed.cue_len.min(line)..line).unwrap_or("");
            (Json::from(think), Json::from(parsed.artifact()))
        }
        Err(_) => (Json::Null, Json::Null),
    }
}

/// What is said about one attempt: one side of a pair, or a row of `attempts`.
fn side(group: &Group, one: &GradedAttempt) -> Map<String, Json> {
    let (verdict, attempt) = (&one.verdict, &one.attempt);
    let (think, artifact) = parts(&group.task.task, &attempt.completion);
    let traps: Vec<String> = verdict.traps.iter().map(|trap| name(trap.status)).collect();
    let passed = constraints_right(one);
    let value = json!({
        "record_id": one.id,
        "attempt_index": attempt.index,
        "turn": group.session.turn_of(attempt.index),
        "pass": verdict.passes(),
        "failure_class": failure_name(verdict.failure),
        "acceptance_path": path_name(verdict.path),
        "quality_milli": verdict.quality_milli,
        "constraint_pass_count": passed,
        "constraint_fail_count": verdict.constraints.len() - passed,
        "answers_right": answers_right(one),
        "answers_total": verdict.answers.len(),
        "trap_outcomes": traps,
        "think": think,
        "artifact": artifact,
        "finish": name(attempt.finish),
        "prompt_tokens": attempt.prompt_tokens,
        "completion_tokens": attempt.completion_tokens,
        "completion_bytes": attempt.completion.len(),
        "attempt_seed": lode_proto::id::Hash(one.seed),
        "trace_stats": {
            "extract_steps": verdict.citations.len(),
            "compute_steps": verdict.computes.len(),
            "citations_right":
                count(&verdict.citations, |step| step.status == CitationStatus::Right),
            "computes_right": count(&verdict.computes, |step| step.status == ComputeStatus::Right),
        },
        "model": group.card.model,
        "verdict_hash": one.verdict_hash,
        "timestamp_unix_ms": one.receipt.unix_ms,
        "receipt_index": one.receipt.index,
    });
    object(value)
}

/// What the author of an attempt saw.
fn prompt<'a>(group: &'a Group, one: &'a GradedAttempt) -> &'a str {
    one.conversation.as_deref().unwrap_or(&group.task.prompt)
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// On which questions and constraints (and the trace) the chosen side is better.
fn better_on(chosen: &GradedAttempt, rejected: &GradedAttempt) -> Vec<String> {
    let (good, bad) = (&chosen.verdict, &rejected.verdict);
    let mut parts = Vec::new();
    for (good, bad) in good.answers.iter().zip(&bad.answers) {
        if good.status == AnswerStatus::Right && bad.status != AnswerStatus::Right {
            parts.push(format!("question_{}", good.question));
        }
    }
    for (good, bad) in good.constraints.iter().zip(&bad.constraints) {
        if good.holds && !bad.holds {
            parts.push(format!("constraint_{}", good.constraint));
        }
    }
    if bad.failure == Some(FailureClass::Trace) && good.failure != Some(FailureClass::Trace) {
        parts.push("trace".into());
    }
    let fell = |status, verdict: &lode_tasks::types::RuleVerdict, trap| {
        verdict.traps.iter().any(|other| other.trap == trap && other.status == status)
    };
    for trap in &bad.traps {
        let avoided = fell(TrapStatus::Avoided, good, trap.trap);
        if avoided && trap.status == TrapStatus::Caught {
            parts.push(format!("trap_{}", trap.trap));
        }
    }
    parts
}

/// Levenshtein's distance in words; `None` where a side has more than [`MAX_EDIT_WORDS`].
fn edit_distance(a: &str, b: &str) -> Option<usize> {
    let a: Vec<&str> = a.split_whitespace().collect();
    let b: Vec<&str> = b.split_whitespace().collect();
    if a.len().max(b.len()) > MAX_EDIT_WORDS {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = corner + usize::from(left != right);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row.last().copied()
}

/// One row of a config of pairs. `None` for a pair that does not belong to `groups`.
pub(crate) fn pair(
    epoch: &Epoch,
    groups: &[Group],
    set: &PairSet,
    pair: &Pair,
) -> Option<Map<String, Json>> {
    let group = groups.get(pair.group)?;
    let (chosen, rejected) = (group.attempts.get(pair.chosen)?, group.attempts.get(pair.rejected)?);
    let task = &group.task.task;
    let text = |one: &GradedAttempt| String::from_utf8(one.attempt.completion.clone()).ok();
    let (chosen_text, rejected_text) = (text(chosen)?, text(rejected)?);
    let delta = |of: fn(&GradedAttempt) -> usize| of(chosen) as i64 - of(rejected) as i64;
    let bytes = |one: &GradedAttempt| one.attempt.completion.len() as i64;
    let quality = |one: &GradedAttempt| i64::from(one.verdict.quality_milli);
    let domain = &group.task.spec.domain.name;
    let verdicts: Vec<Json> = group
        .agreements
        .iter()
        .map(|agreement| {
            json!({
                "verifier": agreement.verifier,
                "sequence": agreement.sequence.to_string(),
                "signature": agreement.signature,
                "chosen_verdict": chosen.verdict_hash,
                "rejected_verdict": rejected.verdict_hash,
            })
        })
        .collect();
    let transition =
        format!("{} -> {}", path_name(rejected.verdict.path), path_name(chosen.verdict.path));
    let basis = match pair.kind {
        Kind::Trap => "avoided_the_trap",
        _ if chosen.verdict.passes() => "passes_where_the_other_fails",
        _ => "more_parts_right",
    };
    let tier = chosen.receipt.tier.min(rejected.receipt.tier);
    let annotations = json!({
        "pair_family": if pair.kind.session() == Session::Group { "group" } else { "session" },
        "pair_type": pair.kind.name(),
        "failure_class": failure_name(rejected.verdict.failure),
        "trap": pair.trap,
        "constraint_pass_delta": delta(constraints_right),
        "constraint_total": task.constraints.len(),
        "answers_right_delta": delta(answers_right),
        "answers_total": task.questions.len(),
        "better_on": better_on(chosen, rejected),
        "quality_margin_milli": quality(chosen) - quality(rejected),
        "length_margin_bytes": bytes(chosen) - bytes(rejected),
        "edit_distance_words": edit_distance(&chosen_text, &rejected_text),
        "same_input_verified": pair.kind.same_input(),
        "improvement_basis": basis,
        "feedback_conditioned": !pair.kind.same_input(),
        "acceptance_path_transition": transition,
    });
    // Both sides saw the conversation; of a pair along one, only the later side did.
    let prompt = if pair.kind.same_input() { prompt(group, chosen) } else { &group.task.prompt };
    let prompt_metadata = json!({
        "paragraph_count": task.paragraphs.len(),
        "question_count": task.questions.len(),
        "constraint_count": task.constraints.len(),
        "trap_count": group.task.key.traps.len(),
        "challenge_domain": domain,
        "prompt_bytes": prompt.len(),
    });
    Some(object(json!({
        "pair_id": pair.id,
        "example_type": format!("{}_pair", pair.kind.name()),
        "storage_schema_version": ROW_SCHEMA,
        "split": set.split(&group.task.id).name(),
        "challenge_id": group.task.id,
        "challenge_domain": domain,
        "document": document(task),
        "questions": questions(task),
        "constraints": constraints(task),
        "trap_metadata": traps(group),
        "prompt": prompt,
        "prompt_metadata": prompt_metadata,
        "rejected": rejected_text,
        "rejected_text": rejected_text,
        "chosen": chosen_text,
        "chosen_text": chosen_text,
        "rejected_metadata": side(group, rejected),
        "chosen_metadata": side(group, chosen),
        "pair_annotations": annotations,
        "policy": policy(group),
        "tier": name(tier),
        "guess_floor_ppb": group.task.key.guess_floor_ppb,
        "verdicts": verdicts,
        "provenance": provenance(epoch, group),
        "metadata": {
            "miner_id": group.miner,
            "model": group.card.model,
            "session_attempts_total": group.attempts.len(),
        },
    })))
}

/// One row of `attempts`.
pub(crate) fn attempt(
    epoch: &Epoch,
    group: &Group,
    one: &GradedAttempt,
    split: Split,
    pair_ids: &[String],
) -> Map<String, Json> {
    let verdict = &one.verdict;
    let text = std::str::from_utf8(&one.attempt.completion).ok();
    let raw = if text.is_none() { Some(&one.attempt.completion) } else { None };
    let answers: Vec<String> = verdict.answers.iter().map(|answer| name(answer.status)).collect();
    let held: Vec<bool> = verdict.constraints.iter().map(|constraint| constraint.holds).collect();
    let reasons: Vec<&str> = verdict.reasons.iter().map(|reason| reason.text.as_str()).collect();
    let verifiers: Vec<String> =
        group.agreements.iter().map(|agreement| agreement.verifier.to_string()).collect();
    let mut row = side(group, one);
    row.extend(object(json!({
        "attempt_id": one.id,
        "storage_schema_version": ROW_SCHEMA,
        "split": split.name(),
        "challenge_id": group.task.id,
        "challenge_domain": group.task.spec.domain.name,
        "prompt": prompt(group, one),
        "completion": text,
        "completion_raw": raw,
        "answer_outcomes": answers,
        "constraint_outcomes": held,
        "reasons": reasons,
        "policy": policy(group),
        "tier": name(one.receipt.tier),
        "guess_floor_ppb": group.task.key.guess_floor_ppb,
        "credits_milli": one.receipt.credits_milli,
        "verifiers": verifiers,
        "provenance": provenance(epoch, group),
        "pair_ids": pair_ids,
    })));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_in_words() {
        assert_eq!(edit_distance("a b c", "a x c d"), Some(2));
        assert_eq!(edit_distance("", "one two"), Some(2));
        assert_eq!(edit_distance(&"w ".repeat(MAX_EDIT_WORDS + 1), "w"), None);
    }

    #[test]
    fn values_are_written_as_in_documents() {
        assert_eq!(value_text(&Value::Milli(4_500)), "4.5");
        assert_eq!(value_text(&Value::Milli(-40)), "-0.04");
        assert_eq!(value_text(&Value::Milli(3_000)), "3.0");
        assert_eq!(value_text(&Value::Int(4210)), "4210");
    }
}
