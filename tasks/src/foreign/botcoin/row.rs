//! From a record to a [`Row`]: which shape it has, and its fields with their types.

use super::{
    record::{
        Challenge, Feedback, Flips, Kind, Meta, Retry, Row, Side, Spatial, Stats, Trap, Validation,
    },
    trace,
};
use crate::foreign::{
    ForeignError,
    fields::{Field, optional},
    import::Record,
    json::Json,
};

/// Most paragraphs of a document.
const MAX_PARAGRAPHS: usize = 10_000;
/// Most questions, constraints or traps of a challenge.
const MAX_ITEMS: usize = 200;
/// Longest paragraph, bytes; theirs have 400.
const MAX_PARAGRAPH_BYTES: usize = 64 * 1024;

/// Every field of a published record, by its last keys; `*` stands for one key.
const KNOWN: &[&str] = &[
    "example_type storage_schema_version quality_schema_version dataset_namespace split \
     challenge_id challenge_seed challenge_domain document questions constraints trap_metadata \
     prompt prompt_metadata rejected chosen rejected_text chosen_text rejected_metadata \
     chosen_metadata pair_annotations metadata response reward submission submitted_answers \
     answer_verification trace_quality reasoning_depth trace_validation challenge_context \
     challenge_modifiers session_id session_status attempt_submitted_at session_expires_at \
     completion messages",
    "record_id attempt_index acceptance_path trap_classification pass credit_eligible \
     constraint_pass_count constraint_fail_count constraint_total constraint_results \
     coarse_progress_bucket model trace_stats trace_spatial_summary error_annotation \
     time_since_previous_attempt_ms feedback_shown retry_metadata timestamp \
     constraint_flip_summary",
    "paragraph_count question_count constraint_count trap_count question_metadata id \
     requires_derived_value traps attribute target_entity correct_value wrong_value \
     derivation_role wrong_paragraphs correct_paragraph path_a_derived path_b_derived \
     path_a_would_have_passed",
    "think artifact reasoning_trace step_id action targetEntity valueExtracted source operation \
     inputs result note revisedStep coordinator_provenance paragraph_index paragraph_total \
     document_position_pct char_start char_end semantic_zone quote_match match_method value \
     expected correct total required passed_threshold per_question submitted answer_type",
    "total_steps extract_fact_steps compute_logic_steps reasoning_steps ok bogus \
     citation_match_rate total_extract_facts matched_extract_facts warnings errors \
     resolved_citations stepId sourceQuote paragraphIndex matched quoteMatchTier matchMethod \
     programmatic_score programmatic_flags paragraphs_touched unique_paragraphs_count \
     paragraph_span extraction_order_correlation max_forward_jump max_backward_jump \
     trap_paragraph_touched truth_paragraph_touched unverified_quote_count verified_steps \
     verified_step_ratio paragraph_coverage reasoning_step_ratio trap_engagement \
     revision_signal reasoning_trace_quality_score non_monotonic_access compute_ratio \
     dual_zone_engagement score",
    "error_type trap_trace_quality_flags trap_chain_divergence wrong_values correct_values \
     constraint_impact attempts_used attempts_remaining retry_allowed progress_bucket_shown \
     constraints_passed_shown constraints_total_shown retry_allowed_shown \
     attempts_remaining_shown flipped_to_pass flipped_to_fail stayed_pass stayed_fail",
    "pair_family pair_type rejected_attempt_index chosen_attempt_index constraint_pass_delta \
     feedback_between_attempts constraint_flips revision_time_ms trace_shape_delta \
     extract_steps compute_steps citation_rate_delta acceptance_path_transition \
     trap_classification_transition same_input_verified improvement_basis \
     derived_from_observed_data_only miner_id session_attempts_total session_final_status",
];

/// Fields under which keys are names of questions or the like, not of fields.
const FREE_KEYS: [&str; 3] = ["submitted_answers", "per_question", "constraint_results"];
/// Most unknown fields that are named.
const MAX_UNKNOWN: usize = 100;

fn unknown(json: &Json, path: &str, free: bool, found: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let known = free
                    || KNOWN.iter().any(|group| group.split_ascii_whitespace().any(|k| k == key));
                if known {
                    unknown(value, &path, FREE_KEYS.contains(&key.as_str()), found);
                } else if found.len() < MAX_UNKNOWN && !found.contains(&path) {
                    found.push(path);
                }
            }
        }
        Json::List(items) => {
            for item in items {
                unknown(item, path, free, found);
            }
        }
        _ => {}
    }
}

/// A record, typed.
///
/// # Errors
/// Where it has none of the published shapes, or a known field holds another type of value.
pub(super) fn row(record: &Record) -> Result<Row, ForeignError> {
    let root = record.field();
    let has = |key: &str| matches!(root.json.get(key), Some(json) if *json != Json::Null);
    let object = |key: &str| matches!(root.json.get(key), Some(Json::Object(_)));
    let (kind, challenge, sides) = if object("chosen") && object("rejected") {
        let sides = vec![pair_side(&root, "chosen")?, pair_side(&root, "rejected")?];
        (Kind::Pair, challenge(&root, &root)?, sides)
    } else if has("submission") && has("challenge_context") {
        let context = root.get("challenge_context")?;
        (Kind::Attempt, challenge(&root, &context)?, vec![attempt_side(&root)?])
    } else if has("prompt") && has("chosen") && has("rejected") {
        let sides = vec![text_side(&root, "chosen")?, text_side(&root, "rejected")?];
        (Kind::PairTexts, of_prompt(&root)?, sides)
    } else if has("prompt") && has("response") {
        (Kind::Response, of_prompt(&root)?, vec![text_side(&root, "response")?])
    } else {
        return Err(root.error(
            "has no published shape: neither the fields chosen and rejected, nor submission and \
             challenge_context, nor prompt and response",
        ));
    };
    let mut sides = sides;
    if let [chosen, rejected] = sides.as_mut_slice() {
        // The flips of the chosen attempt also say how the rejected one stood before them, if it
        // was the attempt just before.
        let follows = match (chosen.meta.attempt_index, rejected.meta.attempt_index) {
            (Some(after), Some(before)) => after == before + 1,
            _ => false,
        };
        let flips = chosen.meta.flips.clone().filter(|_| follows);
        published(chosen, challenge.constraints.len(), None);
        published(rejected, challenge.constraints.len(), flips.as_ref());
    } else {
        for side in &mut sides {
            published(side, challenge.constraints.len(), None);
        }
    }
    let reward = optional(&root, "reward", |field| field.plain())?;
    let mut names = Vec::new();
    unknown(&record.json, "", false, &mut names);
    Ok(Row { kind, challenge, sides, reward, unknown: names })
}

/// Fills in whether each constraint held, from whatever the record says: results one by one, its
/// own flips, the flips of the attempt after it, or counts where all or none held.
fn published(side: &mut Side, constraints: usize, next: Option<&Flips>) {
    let meta = &mut side.meta;
    meta.constraints.resize(constraints, None);
    let all = match (meta.passed, meta.failed) {
        (Some(_), Some(0)) => Some(true),
        (Some(0), Some(failed)) if failed > 0 => Some(false),
        _ => None,
    };
    // Only what is checked counts; a tip is none of it.
    let counted = meta.passed.unwrap_or(0).saturating_add(meta.failed.unwrap_or(0));
    for (place, held) in meta.constraints.iter_mut().enumerate() {
        *held = held
            .or_else(|| next.and_then(|flips| flips.before(place)))
            .or_else(|| meta.flips.as_ref().and_then(|flips| flips.after(place)))
            .or(all.filter(|_| place < counted));
    }
}

fn bounded<T>(of: &Field<'_>, items: Vec<T>, limit: usize) -> Result<Vec<T>, ForeignError> {
    if items.len() > limit {
        return Err(of.error(format!("has {} entries, at most {limit} are read", items.len())));
    }
    Ok(items)
}

/// The paragraphs of a document whose blocks begin with `[paragraph_N]`.
fn paragraphs(document: &Field<'_>) -> Result<Vec<String>, ForeignError> {
    let text = document.text()?;
    split_document(text).map_err(|what| document.error(what))
}

fn split_document(text: &str) -> Result<Vec<String>, String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in text.lines() {
        let label = format!("[paragraph_{}]", paragraphs.len() + 1);
        if line.trim() == label {
            if paragraphs.len() == MAX_PARAGRAPHS {
                return Err(format!("has more than {MAX_PARAGRAPHS} paragraphs"));
            }
            paragraphs.push(String::new());
        } else if let Some(last) = paragraphs.last_mut() {
            if !last.is_empty() {
                last.push('\n');
            }
            last.push_str(line);
        } else if !line.trim().is_empty() {
            return Err(format!("begins with {line:.40?}, expected [paragraph_1]"));
        }
    }
    if let Some(place) = paragraphs.iter().position(|text| text.len() > MAX_PARAGRAPH_BYTES) {
        let found = paragraphs.get(place).map_or(0, String::len);
        return Err(format!(
            "has a paragraph {} of {found} bytes, at most {MAX_PARAGRAPH_BYTES} are read",
            place + 1
        ));
    }
    for paragraph in &mut paragraphs {
        paragraph.truncate(paragraph.trim_end().len());
    }
    Ok(paragraphs)
}

fn challenge(root: &Field<'_>, context: &Field<'_>) -> Result<Challenge, ForeignError> {
    let questions = context.get("questions")?;
    let constraints = context.get("constraints")?;
    let questions = bounded(&questions, questions.texts()?, MAX_ITEMS)?;
    let gold = gold(root, context, questions.len())?;
    let document = context.get("document")?;
    let paragraphs = paragraphs(&document)?;
    let mut traps = Vec::new();
    for holder in [root, context] {
        let Some(metadata) = holder.maybe("trap_metadata") else { continue };
        let list = metadata.maybe("traps").unwrap_or(metadata);
        if traps.is_empty()
            && let Json::List(_) = list.json
        {
            traps = bounded(&list, list.list()?, MAX_ITEMS)?
                .iter()
                .map(trap)
                .collect::<Result<_, _>>()?;
        }
    }
    if let Some(counts) = root.maybe("prompt_metadata")
        && let Some(count) = counts.maybe("paragraph_count")
        && count.count()? != paragraphs.len()
    {
        let (said, found) = (count.count()?, paragraphs.len());
        return Err(count.error(format!("is {said}, but the document has {found} paragraphs")));
    }
    Ok(Challenge {
        id: optional(root, "challenge_id", Field::owned)?,
        domain: optional(root, "challenge_domain", Field::owned)?.unwrap_or_default(),
        paragraphs,
        questions,
        constraints: bounded(&constraints, constraints.texts()?, MAX_ITEMS)?,
        traps,
        gold,
        prompt: optional(root, "prompt", Field::owned)?,
    })
}

fn trap(trap: &Field<'_>) -> Result<Trap, ForeignError> {
    Ok(Trap {
        attribute: trap.get("attribute")?.owned()?,
        entity: trap.get("target_entity")?.owned()?,
        correct: trap.get("correct_value")?.plain()?,
        wrong: trap.get("wrong_value")?.plain()?,
        role: optional(trap, "derivation_role", Field::owned)?,
    })
}

/// The recorded gold answers by position: ids of questions are not positions outside `companies`,
/// so each is found under the id that its metadata gives.
fn gold(
    root: &Field<'_>,
    context: &Field<'_>,
    questions: usize,
) -> Result<Vec<Option<String>>, ForeignError> {
    let mut gold = vec![None; questions];
    let Some(metadata) = context.maybe("question_metadata") else { return Ok(gold) };
    let verified = root.maybe("answer_verification").and_then(|field| field.maybe("per_question"));
    let submitted = root.maybe("submitted_answers");
    for (place, entry) in metadata.list()?.iter().enumerate() {
        let id = entry.get("id")?.plain()?;
        let answer = [&verified, &submitted]
            .into_iter()
            .flatten()
            .find_map(|answers| answers.maybe(&id).and_then(|answer| answer.maybe("expected")));
        if let (Some(slot), Some(answer)) = (gold.get_mut(place), answer) {
            *slot = Some(answer.plain()?);
        }
    }
    Ok(gold)
}

fn pair_side(root: &Field<'_>, name: &'static str) -> Result<Side, ForeignError> {
    let side = root.get(name)?;
    let steps = optional(&side, "think", |think| think.text().map(trace::of_text))?;
    let meta = match root.maybe(&format!("{name}_metadata")) {
        Some(about) => meta(&about)?,
        None => Meta::default(),
    };
    let artifact = optional(&side, "artifact", Field::owned)?;
    Ok(Side { name, artifact, steps: steps.unwrap_or_default(), meta })
}

fn attempt_side(root: &Field<'_>) -> Result<Side, ForeignError> {
    let submission = root.get("submission")?;
    let artifact = optional(&submission, "artifact", Field::owned)?;
    let steps = optional(&submission, "reasoning_trace", trace::of_field)?.unwrap_or_default();
    let mut meta = meta(root)?;
    if meta.model.is_none() {
        meta.model = optional(&submission, "model", Field::owned)?;
    }
    Ok(Side { name: "attempt", artifact, steps, meta })
}

fn text_side(root: &Field<'_>, name: &'static str) -> Result<Side, ForeignError> {
    let (think, artifact) = trace::split_text(root.get(name)?.text()?);
    let steps = trace::of_text(think);
    Ok(Side { name, artifact: artifact.map(str::to_owned), steps, meta: Meta::default() })
}

/// What was asked, read back from the published prompt.
fn of_prompt(root: &Field<'_>) -> Result<Challenge, ForeignError> {
    let prompt = root.get("prompt")?;
    let text = prompt.text()?;
    let missing = |what: &str| prompt.error(format!("has no section {what:?}"));
    let (_, rest) =
        text.split_once("=== DOCUMENT ===\n").ok_or_else(|| missing("=== DOCUMENT ==="))?;
    let (document, rest) =
        rest.split_once("\n\n=== QUESTIONS ===\n").ok_or_else(|| missing("=== QUESTIONS ==="))?;
    let (questions, constraints) = rest
        .split_once("\n\n=== CONSTRAINTS ===\n")
        .ok_or_else(|| missing("=== CONSTRAINTS ==="))?;
    let numbered = |block: &str, before: &str, after: &str| -> Vec<String> {
        let mut items: Vec<String> = Vec::new();
        for line in block.lines() {
            let mark = format!("{before}{}{after}", items.len() + 1);
            match line.strip_prefix(&mark) {
                Some(text) => items.push(text.to_owned()),
                None if line.trim().is_empty() => {}
                None => {
                    if let Some(last) = items.last_mut() {
                        last.push('\n');
                        last.push_str(line);
                    }
                }
            }
        }
        items
    };
    let questions = bounded(&prompt, numbered(questions, "Q", ": "), MAX_ITEMS)?;
    Ok(Challenge {
        id: optional(root, "challenge_id", Field::owned)?,
        domain: optional(root, "challenge_domain", Field::owned)?.unwrap_or_default(),
        paragraphs: split_document(document).map_err(|what| prompt.error(what))?,
        gold: vec![None; questions.len()],
        questions,
        constraints: bounded(&prompt, numbered(constraints, "", ". "), MAX_ITEMS)?,
        traps: Vec::new(),
        prompt: Some(text.to_owned()),
    })
}

fn meta(about: &Field<'_>) -> Result<Meta, ForeignError> {
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
