//! What a record says about an attempt.

use super::{MAX_ITEMS, bounded};
use crate::foreign::{
    ForeignError,
    botcoin::record::{Feedback, Flips, Meta, Retry, Spatial, Stats, Validation},
    fields::{Field, optional},
    json::Json,
};

pub(super) fn read(about: &Field<'_>) -> Result<Meta, ForeignError> {
    let annotation = about.maybe("error_annotation");
    let flags = annotation.and_then(|field| field.maybe("trap_trace_quality_flags"));
    let quality = about.maybe("trace_quality");
    let depth = about.maybe("reasoning_depth");
    Ok(Meta {
        record_id: optional(about, "record_id", Field::owned)?,
        attempt_index: optional(about, "attempt_index", Field::whole)?,
        acceptance_path: optional(about, "acceptance_path", Field::owned)?,
        trap_classification: optional(about, "trap_classification", Field::owned)?,
        pass: optional(about, "pass", Field::truth)?,
        credit_eligible: optional(about, "credit_eligible", Field::truth)?,
        passed: optional(about, "constraint_pass_count", Field::count)?,
        failed: optional(about, "constraint_fail_count", Field::count)?,
        bucket: optional(about, "coarse_progress_bucket", Field::owned)?,
        model: optional(about, "model", Field::owned)?,
        constraints: optional(about, "constraint_results", results)?.unwrap_or_default(),
        stats: optional(about, "trace_stats", |stats| {
            Ok(Stats {
                total: stats.get("total_steps")?.count()?,
                extract: stats.get("extract_fact_steps")?.count()?,
                compute: stats.get("compute_logic_steps")?.count()?,
            })
        })?,
        validation: optional(about, "trace_validation", |validation| {
            Ok(Validation {
                ok: validation.get("ok")?.truth()?,
                citation_milli: optional(validation, "citation_match_rate", Field::milli)?,
                flags: optional(validation, "programmatic_score", Field::whole)?,
            })
        })?,
        spatial: optional(about, "trace_spatial_summary", spatial)?,
        quality_milli: match quality {
            Some(quality) => optional(&quality, "reasoning_trace_quality_score", Field::milli)?,
            None => None,
        },
        depth_milli: match depth {
            Some(depth) => optional(&depth, "score", Field::milli)?,
            None => None,
        },
        error_flags: flags.map_or(Ok(Vec::new()), |flags| flags.texts())?,
        since_previous_ms: optional(about, "time_since_previous_attempt_ms", Field::whole)?,
        feedback: optional(about, "feedback_shown", |shown| {
            Ok(Feedback {
                passed: shown.get("constraints_passed_shown")?.count()?,
                total: shown.get("constraints_total_shown")?.count()?,
                remaining: shown.get("attempts_remaining_shown")?.count()?,
                retry: shown.get("retry_allowed_shown")?.truth()?,
            })
        })?,
        retry: optional(about, "retry_metadata", |retry| {
            Ok(Retry {
                used: retry.get("attempts_used")?.count()?,
                remaining: retry.get("attempts_remaining")?.count()?,
                allowed: retry.get("retry_allowed")?.truth()?,
            })
        })?,
        flips: optional(about, "constraint_flip_summary", |flips| {
            Ok(Flips {
                to_pass: flips.get("flipped_to_pass")?.counts()?,
                to_fail: flips.get("flipped_to_fail")?.counts()?,
                stayed_pass: flips.get("stayed_pass")?.counts()?,
                stayed_fail: flips.get("stayed_fail")?.counts()?,
            })
        })?,
        timestamp: optional(about, "timestamp", |time| time.plain())?,
    })
}

fn spatial(summary: &Field<'_>) -> Result<Spatial, ForeignError> {
    Ok(Spatial {
        paragraphs: summary.get("paragraphs_touched")?.counts()?,
        span: optional(summary, "paragraph_span", Field::count)?,
        order_milli: optional(summary, "extraction_order_correlation", Field::milli)?,
        forward: optional(summary, "max_forward_jump", Field::count)?,
        backward: optional(summary, "max_backward_jump", Field::count)?,
        trap_touched: optional(summary, "trap_paragraph_touched", Field::truth)?,
        truth_touched: optional(summary, "truth_paragraph_touched", Field::truth)?,
    })
}

/// Results one by one: truth values, or objects with one under a usual name, in a list or by index.
fn results(field: &Field<'_>) -> Result<Vec<Option<bool>>, ForeignError> {
    let held = |entry: &Field<'_>| match entry.json {
        Json::Bool(truth) => Some(*truth),
        _ => ["passed", "pass", "satisfied", "ok"]
            .iter()
            .find_map(|key| entry.maybe(key))
            .and_then(|truth| truth.truth().ok()),
    };
    if let Json::Object(_) = field.json {
        let mut all = Vec::new();
        for (key, entry) in field.entries()? {
            let index: usize = key
                .parse()
                .ok()
                .filter(|index| *index < MAX_ITEMS)
                .ok_or_else(|| entry.error("is not under the index of a constraint"))?;
            if all.len() <= index {
                all.resize(index + 1, None);
            }
            all[index] = held(&entry);
        }
        return Ok(all);
    }
    Ok(bounded(field, field.list()?, MAX_ITEMS)?.iter().map(held).collect())
}
