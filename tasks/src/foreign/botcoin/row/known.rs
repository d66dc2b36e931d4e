//! Which fields published records have, so that a new one is noticed.

use crate::foreign::json::Json;

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

/// Collects the paths of fields that no published record has.
pub(super) fn unknown(json: &Json, path: &str, free: bool, found: &mut Vec<String>) {
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
