//! Records for others: without the labels that their verifier printed into the traces.

use crate::foreign::json::Json;

/// Fields of a pair that the default export changes, and nothing else does. Each line of a trace in
/// them ends with what the verifier found (`exact`, `zone:GROUND_TRUTH`), which no model can know
/// when it answers.
pub const LEAKED_FIELDS: [&str; 4] =
    ["rejected.think", "rejected_text", "chosen.think", "chosen_text"];

/// Tiers that their verifier prints behind a citation.
const TIERS: [&str; 4] = ["exact", "value-anchored", "entity-anchored", "unverified"];

/// A trace's text without labels.
#[must_use]
pub fn without_text_labels(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            if !line.trim_start().starts_with("> extract: ") {
                return line.to_owned();
            }
            let parts: Vec<&str> = line.split(" | ").collect();
            // Entity, attribute, value and source stay; a value may be called "exact".
            let (kept, labels) = parts.split_at(parts.len().min(4));
            let mut parts = kept.to_vec();
            parts.extend(labels.iter().filter(|label| {
                let label = label.trim();
                !label.starts_with("zone:") && !TIERS.iter().any(|t| label.eq_ignore_ascii_case(t))
            }));
            parts.join(" | ")
        })
        .collect();
    lines.join("\n")
}

/// A record without labels: texts of its traces change, nothing else.
#[must_use]
pub fn without_labels(record: &Json) -> Json {
    let mut record = record.clone();
    for name in ["chosen", "rejected"] {
        if let Some(think) = record.get_mut(name).and_then(|side| side.get_mut("think")) {
            clean(think);
        }
    }
    for name in ["chosen", "rejected", "chosen_text", "rejected_text", "response", "completion"] {
        if let Some(text) = record.get_mut(name) {
            clean(text);
        }
    }
    record
}

fn clean(json: &mut Json) {
    if let Json::Text(text) = json {
        *text = without_text_labels(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labels_go() {
        let line = "> extract: A B | employees | exact | paragraph_90 | exact | zone:GROUND_TRUTH";
        let text = format!("{line}\n> compute: mod | inputs=[1,2] | result=1\nzone:x");
        assert_eq!(
            without_text_labels(&text),
            "> extract: A B | employees | exact | paragraph_90\n> compute: mod | inputs=[1,2] | \
             result=1\nzone:x"
        );
        let other = "> extract: A B | x | 1 | paragraph_2 | UNVERIFIED | note";
        assert_eq!(without_text_labels(other), "> extract: A B | x | 1 | paragraph_2 | note");
    }
}
