//! The columns of every config. `docs/decisions/` says how BOTCOIN's published columns and what
//! TRL reads go together.
//!
//! Numbers are integers: shares and qualities are thousandths, times milliseconds since 1970, ids
//! and hashes lower-case hexadecimal. Every column may be null.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use crate::pairs::Config;

/// Version of the columns, written into every row.
pub const ROW_SCHEMA: &str = "lode-rows/1";

fn field(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

fn text(name: &str) -> Field {
    field(name, DataType::Utf8)
}

fn number(name: &str) -> Field {
    field(name, DataType::Int64)
}

fn truth(name: &str) -> Field {
    field(name, DataType::Boolean)
}

fn list(name: &str, item: DataType) -> Field {
    field(name, DataType::List(Arc::new(field("item", item))))
}

fn record(fields: Vec<Field>) -> DataType {
    DataType::Struct(fields.into())
}

/// The columns of a config.
#[must_use]
pub fn schema(config: Config) -> Arc<Schema> {
    let fields = match config {
        Config::Attempts => attempts(),
        Config::Mixed | Config::Pairs | Config::Revision | Config::Sequential | Config::Trap => {
            pairs()
        }
    };
    Arc::new(Schema::new(fields))
}

fn trap_metadata() -> Field {
    let numbers = DataType::Int64;
    list(
        "trap_metadata",
        record(vec![
            number("trap"),
            text("kind"),
            text("role"),
            text("target_entity"),
            text("attribute"),
            text("correct_value"),
            text("wrong_value"),
            list("correct_paragraphs", numbers.clone()),
            list("wrong_paragraphs", numbers),
        ]),
    )
}

fn policy() -> Field {
    let fields = vec![
        text("policy_id"),
        text("model"),
        number("parameters"),
        text("weights"),
        text("quantisation"),
        text("adapter"),
        text("template"),
        text("sampler"),
        number("temperature_milli"),
        number("grammar"),
        text("engine"),
        text("licence"),
        text("output_licence"),
    ];
    field("policy", record(fields))
}

/// What is said about one side of a pair.
fn side(name: &str) -> Field {
    let fields = vec![
        text("record_id"),
        number("attempt_index"),
        number("turn"),
        truth("pass"),
        text("failure_class"),
        text("acceptance_path"),
        number("quality_milli"),
        number("constraint_pass_count"),
        number("constraint_fail_count"),
        number("answers_right"),
        number("answers_total"),
        list("trap_outcomes", DataType::Utf8),
        text("think"),
        text("artifact"),
        text("finish"),
        number("prompt_tokens"),
        number("completion_tokens"),
        number("completion_bytes"),
        text("attempt_seed"),
        field(
            "trace_stats",
            record(vec![
                number("extract_steps"),
                number("compute_steps"),
                number("citations_right"),
                number("computes_right"),
            ]),
        ),
        text("model"),
        text("verdict_hash"),
        number("timestamp_unix_ms"),
        number("receipt_index"),
    ];
    field(name, record(fields))
}

fn pairs() -> Vec<Field> {
    vec![
        text("pair_id"),
        text("example_type"),
        text("storage_schema_version"),
        text("split"),
        text("challenge_id"),
        text("challenge_domain"),
        text("document"),
        list("questions", DataType::Utf8),
        list("constraints", DataType::Utf8),
        trap_metadata(),
        text("prompt"),
        field(
            "prompt_metadata",
            record(vec![
                number("paragraph_count"),
                number("question_count"),
                number("constraint_count"),
                number("trap_count"),
                text("challenge_domain"),
                number("prompt_bytes"),
            ]),
        ),
        text("rejected"),
        text("rejected_text"),
        text("chosen"),
        text("chosen_text"),
        side("rejected_metadata"),
        side("chosen_metadata"),
        field(
            "pair_annotations",
            record(vec![
                text("pair_family"),
                text("pair_type"),
                text("failure_class"),
                number("trap"),
                number("constraint_pass_delta"),
                number("constraint_total"),
                number("answers_right_delta"),
                number("answers_total"),
                list("better_on", DataType::Utf8),
                number("quality_margin_milli"),
                number("length_margin_bytes"),
                number("edit_distance_words"),
                truth("same_input_verified"),
                text("improvement_basis"),
                truth("feedback_conditioned"),
                text("acceptance_path_transition"),
            ]),
        ),
        policy(),
        text("tier"),
        number("guess_floor_ppb"),
        list(
            "verdicts",
            record(vec![
                text("verifier"),
                text("sequence"),
                text("signature"),
                text("chosen_verdict"),
                text("rejected_verdict"),
            ]),
        ),
        field("provenance", record(provenance())),
        field(
            "metadata",
            record(vec![text("miner_id"), text("model"), number("session_attempts_total")]),
        ),
    ]
}

/// Where a task and its attempts come from.
fn provenance() -> Vec<Field> {
    vec![
        text("network"),
        number("epoch"),
        number("counter"),
        text("task_seed"),
        text("task_family"),
        number("engine_version"),
        text("profile"),
        text("domain_hash"),
        text("lease"),
        number("lease_number"),
        text("miner"),
    ]
}

fn attempts() -> Vec<Field> {
    let DataType::Struct(side) = side("side").data_type().clone() else { return Vec::new() };
    let mut fields = vec![
        text("attempt_id"),
        text("storage_schema_version"),
        text("split"),
        text("challenge_id"),
        text("challenge_domain"),
        text("prompt"),
        text("completion"),
        field("completion_raw", DataType::Binary),
        list("answer_outcomes", DataType::Utf8),
        list("constraint_outcomes", DataType::Boolean),
        list("reasons", DataType::Utf8),
    ];
    fields.extend(side.iter().map(|field| field.as_ref().clone()));
    fields.extend([
        policy(),
        text("tier"),
        number("guess_floor_ppb"),
        number("credits_milli"),
        list("verifiers", DataType::Utf8),
        field("provenance", record(provenance())),
        list("pair_ids", DataType::Utf8),
    ]);
    fields
}
