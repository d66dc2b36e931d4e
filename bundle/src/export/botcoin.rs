//! One row of a bundle's pairs as one of BOTCOIN's pair records, key by key in their order.

use lode_tasks::foreign::{
    json::{Json, Number},
    scores,
};
use serde_json::{Map, Value};

use crate::{
    error::BundleError,
    pairs::{Config, Split},
    read::Opened,
};
use lode_proto::time;

/// Their version of a pair record.
const SCHEMA: &str = "hf_export/v1";
/// What their prompts begin with.
const INSTRUCTION: &str = "You are solving a deterministic reasoning challenge. Read the document \
                           carefully, answer the questions, and construct a single artifact string \
                           satisfying all constraints.";

type Row = Map<String, Value>;

/// A row with the place it came from.
struct Source<'a> {
    path: &'a str,
    row: &'a Row,
}

impl<'a> Source<'a> {
    fn bad(&self, key: &str, expected: &str) -> BundleError {
        BundleError::bad(self.path, format!("a row has no {expected} in {key}"))
    }

    fn at(&self, path: &str) -> Option<&'a Value> {
        let mut keys = path.split('.');
        let mut value = self.row.get(keys.next()?)?;
        for key in keys {
            value = value.get(key)?;
        }
        Some(value)
    }

    fn text(&self, path: &str) -> Result<&'a str, BundleError> {
        self.at(path).and_then(Value::as_str).ok_or_else(|| self.bad(path, "text"))
    }

    fn number(&self, path: &str) -> Result<i64, BundleError> {
        self.at(path).and_then(Value::as_i64).ok_or_else(|| self.bad(path, "number"))
    }

    fn texts(&self, path: &str) -> Result<Vec<&'a str>, BundleError> {
        let list = self.at(path).and_then(Value::as_array).ok_or_else(|| self.bad(path, "list"))?;
        list.iter().map(|item| item.as_str().ok_or_else(|| self.bad(path, "text"))).collect()
    }

    /// The value as it is.
    fn same(&self, path: &str) -> Json {
        self.at(path).map_or(Json::Null, json)
    }
}

/// A value of a row; our rows hold no fractions.
fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(number) => number.as_i64().map_or(Json::Null, Json::whole),
        Value::String(text) => Json::text(text),
        Value::Array(items) => Json::List(items.iter().map(json).collect()),
        Value::Object(fields) => {
            Json::Object(fields.iter().map(|(key, item)| (key.clone(), json(item))).collect())
        }
    }
}

/// Letters and digits of an id: nothing in a row may lead out of the folder.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

pub(super) fn file_name(
    path: &str,
    config: Config,
    split: Split,
    row: &Row,
) -> Result<String, BundleError> {
    let id = plain(Source { path, row }.text("pair_id")?);
    Ok(format!("{}-{}-{id}.json", config.name(), split.name()))
}

/// 64 hexadecimal digits as a decimal number, as their seeds are written.
fn decimal(hex: &str) -> Option<String> {
    let mut digits = vec![0_u8];
    for c in hex.chars() {
        let mut carry = c.to_digit(16)?;
        for digit in &mut digits {
            let value = u32::from(*digit) * 16 + carry;
            *digit = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    Some(digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect())
}

/// The prompt in their layout.
fn prompt(source: &Source<'_>) -> Result<String, BundleError> {
    let mut text = format!("{INSTRUCTION}\n\n=== DOCUMENT ===\n{}", source.text("document")?);
    text.push_str("\n\n=== QUESTIONS ===");
    for (place, question) in source.texts("questions")?.iter().enumerate() {
        text.push_str(&format!("\nQ{}: {question}", place + 1));
    }
    text.push_str("\n\n=== CONSTRAINTS ===");
    for (place, constraint) in source.texts("constraints")?.iter().enumerate() {
        text.push_str(&format!("\n{}. {constraint}", place + 1));
    }
    text.push('\n');
    Ok(text)
}

/// A number of a document as a number, anything else as text.
fn value(text: &str) -> Json {
    text.parse::<i64>().map_or_else(|_| Json::text(text), Json::whole)
}

fn traps(source: &Source<'_>) -> Json {
    let list = source.at("trap_metadata").and_then(Value::as_array);
    let traps: Vec<Json> = list
        .into_iter()
        .flatten()
        .map(|trap| {
            let text = |key: &str| trap.get(key).and_then(Value::as_str);
            Json::object([
                ("attribute", text("attribute").map_or(Json::Null, Json::text)),
                ("target_entity", text("target_entity").map_or(Json::Null, Json::text)),
                ("correct_value", text("correct_value").map_or(Json::Null, value)),
                ("wrong_value", text("wrong_value").map_or(Json::Null, value)),
            ])
        })
        .collect();
    Json::object([("trap_count", Json::count(traps.len())), ("traps", Json::List(traps))])
}

/// One side: what was thought, the artifact, and the text of both in their form.
fn side(source: &Source<'_>, name: &str) -> Result<(Json, String), BundleError> {
    let part = |key: &str| source.text(&format!("{name}_metadata.{key}"));
    let (think, artifact) = (part("think")?.trim_end(), part("artifact")?);
    let text = format!("<think>\n{think}\n</think>\nArtifact: \"{artifact}\"");
    Ok((Json::object([("think", Json::text(think)), ("artifact", Json::text(artifact))]), text))
}

fn classification(path: &str) -> &'static str {
    match path {
        "A" => "PATH_A",
        "B" => "PATH_B",
        _ => "UNKNOWN",
    }
}

/// Paragraphs that a trace's steps cite, in order, as `e1: … [paragraph_12]`.
fn cited(think: &str) -> Vec<usize> {
    let steps = think.lines().filter(|line| {
        let number = line.trim_start().strip_prefix('e').and_then(|rest| rest.split_once(": "));
        number.is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    });
    steps
        .filter_map(|line| {
            let (_, rest) = line.rsplit_once("[paragraph_")?;
            rest.split_once(']')?.0.parse().ok()
        })
        .collect()
}

/// Counts of one side's steps, as the row has them.
struct Steps {
    extract: i64,
    compute: i64,
    citation_milli: i64,
}

fn steps(source: &Source<'_>, name: &str) -> Result<Steps, BundleError> {
    let count = |key: &str| source.number(&format!("{name}_metadata.trace_stats.{key}"));
    let (extract, right) = (count("extract_steps")?, count("citations_right")?);
    let citation_milli =
        if extract > 0 { (2_000 * right + extract).div_euclid(2 * extract) } else { 0 };
    Ok(Steps { extract, compute: count("compute_steps")?, citation_milli })
}

fn metadata(source: &Source<'_>, name: &str) -> Result<Json, BundleError> {
    let path = |key: &str| format!("{name}_metadata.{key}");
    let steps = steps(source, name)?;
    let think = source.text(&path("think"))?;
    let acceptance = source.text(&path("acceptance_path"))?;
    let paragraphs = cited(think);
    let extracts: Vec<scores::Step<'_>> = paragraphs
        .iter()
        .map(|paragraph| scores::Step::Extract {
            paragraph: Some(*paragraph),
            entity: "",
            matched: true,
            zone: scores::Zone::Standard,
        })
        .collect();
    let spatial = scores::scores(&extracts, paragraphs.len()).spatial;
    let outcomes = source.texts(&path("trap_outcomes")).unwrap_or_default();
    let any = |outcome: &str| Json::Bool(outcomes.contains(&outcome));
    let fields = [
        ("record_id", source.same(&path("record_id"))),
        // Theirs count from 1.
        ("attempt_index", Json::whole(source.number(&path("attempt_index"))?.saturating_add(1))),
        ("acceptance_path", Json::text(acceptance)),
        ("trap_classification", Json::text(classification(acceptance))),
        ("pass", source.same(&path("pass"))),
        // With us a failed attempt earns as much as one that passes.
        ("credit_eligible", Json::Bool(true)),
        ("constraint_pass_count", source.same(&path("constraint_pass_count"))),
        ("constraint_fail_count", source.same(&path("constraint_fail_count"))),
        ("coarse_progress_bucket", Json::Null),
        ("model", source.same(&path("model"))),
        (
            "trace_stats",
            Json::object([
                ("total_steps", Json::whole(steps.extract + steps.compute)),
                ("extract_fact_steps", Json::whole(steps.extract)),
                ("compute_logic_steps", Json::whole(steps.compute)),
            ]),
        ),
        (
            "trace_validation",
            Json::object([
                ("ok", Json::Bool(steps.extract > 0 && steps.citation_milli == 1000)),
                ("citation_match_rate", Json::Number(Number::milli(steps.citation_milli))),
                ("programmatic_score", Json::Null),
            ]),
        ),
        (
            "trace_spatial_summary",
            Json::object([
                (
                    "paragraphs_touched",
                    Json::List(spatial.paragraphs.iter().map(|p| Json::count(*p)).collect()),
                ),
                ("unique_paragraphs_count", Json::count(spatial.paragraphs.len())),
                ("paragraph_span", Json::count(spatial.span)),
                ("extraction_order_correlation", Json::Number(Number::milli(spatial.order_milli))),
                ("max_forward_jump", Json::count(spatial.forward)),
                ("max_backward_jump", Json::count(spatial.backward)),
                ("trap_paragraph_touched", any("caught")),
                ("truth_paragraph_touched", any("avoided")),
                ("unverified_quote_count", Json::Null),
            ]),
        ),
        // The rows of a bundle do not say what came before an attempt or was shown to its author.
        ("time_since_previous_attempt_ms", Json::Null),
        ("feedback_shown", Json::Null),
        ("constraint_flip_summary", Json::Null),
        ("retry_metadata", Json::Null),
        ("timestamp", Json::text(&time::iso(source.number(&path("timestamp_unix_ms"))?))),
    ];
    Ok(Json::object(fields))
}

fn annotations(source: &Source<'_>) -> Result<Json, BundleError> {
    let path = |key: &str| format!("pair_annotations.{key}");
    let index = |name: &str| {
        source.number(&format!("{name}_metadata.attempt_index")).map(|i| Json::whole(i + 1))
    };
    let (chosen, rejected) = (steps(source, "chosen")?, steps(source, "rejected")?);
    let side = |name: &str| source.text(&format!("{name}_metadata.acceptance_path"));
    let classes =
        format!("{} -> {}", classification(side("rejected")?), classification(side("chosen")?));
    let total = |steps: &Steps| steps.extract + steps.compute;
    let rate = chosen.citation_milli - rejected.citation_milli;
    Ok(Json::object([
        ("pair_family", source.same(&path("pair_family"))),
        ("pair_type", source.same(&path("pair_type"))),
        ("rejected_attempt_index", index("rejected")?),
        ("chosen_attempt_index", index("chosen")?),
        ("constraint_pass_delta", source.same(&path("constraint_pass_delta"))),
        ("constraint_total", source.same(&path("constraint_total"))),
        ("feedback_between_attempts", Json::Null),
        ("constraint_flips", Json::Null),
        ("revision_time_ms", Json::Null),
        (
            "trace_shape_delta",
            Json::object([
                ("total_steps", Json::whole(total(&chosen) - total(&rejected))),
                ("extract_steps", Json::whole(chosen.extract - rejected.extract)),
                ("compute_steps", Json::whole(chosen.compute - rejected.compute)),
                ("citation_rate_delta", Json::Number(Number::milli(rate))),
            ]),
        ),
        ("acceptance_path_transition", source.same(&path("acceptance_path_transition"))),
        ("trap_classification_transition", Json::text(&classes)),
        ("same_input_verified", source.same(&path("same_input_verified"))),
        ("improvement_basis", source.same(&path("improvement_basis"))),
        ("derived_from_observed_data_only", Json::Bool(true)),
    ]))
}

/// A row of pairs as one of their records.
pub(super) fn pair(path: &str, opened: &Opened, row: &Row) -> Result<Json, BundleError> {
    let source = Source { path, row };
    let (rejected, rejected_text) = side(&source, "rejected")?;
    let (chosen, chosen_text) = side(&source, "chosen")?;
    let seed = source.text("provenance.task_seed")?;
    let licences = &opened.manifest.licences;
    let counted = |key: &str| source.same(&format!("prompt_metadata.{key}"));
    Ok(Json::object([
        ("example_type", source.same("example_type")),
        ("storage_schema_version", Json::text(SCHEMA)),
        ("dataset_namespace", Json::text(&format!("lode/{}", opened.network))),
        ("split", source.same("split")),
        ("challenge_id", Json::text(&format!("0x{}", source.text("challenge_id")?))),
        ("challenge_seed", decimal(seed).map_or(Json::Null, Json::Text)),
        ("challenge_domain", source.same("challenge_domain")),
        ("document", source.same("document")),
        ("questions", source.same("questions")),
        ("constraints", source.same("constraints")),
        ("trap_metadata", traps(&source)),
        ("prompt", Json::Text(prompt(&source)?)),
        (
            "prompt_metadata",
            Json::object([
                ("paragraph_count", counted("paragraph_count")),
                ("question_count", counted("question_count")),
                ("constraint_count", counted("constraint_count")),
                ("trap_count", counted("trap_count")),
                ("challenge_domain", counted("challenge_domain")),
            ]),
        ),
        ("rejected", rejected),
        ("chosen", chosen),
        ("rejected_text", Json::Text(rejected_text)),
        ("chosen_text", Json::Text(chosen_text)),
        ("rejected_metadata", metadata(&source, "rejected")?),
        ("chosen_metadata", metadata(&source, "chosen")?),
        ("pair_annotations", annotations(&source)?),
        (
            "metadata",
            Json::object([
                ("miner_id", source.same("metadata.miner_id")),
                ("model", source.same("metadata.model")),
                ("session_attempts_total", source.same("metadata.session_attempts_total")),
                ("session_final_status", Json::Null),
            ]),
        ),
        (
            "lode",
            Json::object([
                ("bundle", Json::text(&opened.manifest.name)),
                ("manifest_blake3", Json::text(&opened.manifest_hash.to_string())),
                ("pair_id", source.same("pair_id")),
                (
                    "licences",
                    Json::Object(
                        licences.iter().map(|(of, name)| (of.clone(), Json::text(name))).collect(),
                    ),
                ),
                // What both sides were written for: `prompt` is the same task laid out anew.
                ("prompt", source.same("prompt")),
                ("chosen", source.same("chosen")),
                ("rejected", source.same("rejected")),
                ("policy", source.same("policy")),
                ("tier", source.same("tier")),
                ("provenance", source.same("provenance")),
                ("verdicts", source.same("verdicts")),
            ]),
        ),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_decimal() {
        assert_eq!(decimal("ff").as_deref(), Some("255"));
        assert_eq!(decimal("00").as_deref(), Some("0"));
        let largest = decimal(&"f".repeat(32)).unwrap();
        assert_eq!(largest, u128::MAX.to_string());
        assert_eq!(decimal("xyz"), None);
    }

    #[test]
    fn citations_are_found_in_steps_only() {
        let text = "I think [paragraph_9]\ne1: a [paragraph_3]\nc1: b\ne12: c [paragraph_x]\n\
                    e2: d [paragraph_2] [paragraph_7]";
        assert_eq!(cited(text), [3, 7]);
    }
}
