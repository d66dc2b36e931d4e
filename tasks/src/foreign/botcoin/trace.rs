//! Traces as they are published: lists of steps in attempts, lines of text in pairs.

use super::record::Trap;
use crate::foreign::{ForeignError, fields::Field, json::Json, scores};

/// Most steps of a trace that are read; they allow 200. Of a text the lines after them are not looked
/// at.
const MAX_STEPS: usize = 1_000;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A fact taken from the document.
    Extract {
        /// Of which entity.
        entity: String,
        /// Which attribute, in whatever spelling.
        attribute: String,
        /// The value, as written.
        value: String,
        /// The cited paragraph, from 1.
        paragraph: Option<usize>,
        /// The zone that was printed into the text of a pair.
        zone: Option<String>,
    },
    /// A computation.
    Compute {
        /// Its name.
        operation: String,
        /// Ids of steps and literal numbers.
        inputs: Vec<String>,
        /// The result, as written.
        result: String,
    },
    /// Anything else, by its action or its line.
    Other(String),
}

fn paragraph(text: &str) -> Option<usize> {
    text.trim().strip_prefix("paragraph_")?.parse().ok().filter(|number| *number > 0)
}

/// The steps of a trace in the text of a pair. What is no step line is left out.
#[must_use]
pub fn of_text(think: &str) -> Vec<Step> {
    let lines = think.lines().filter_map(|line| line.trim().strip_prefix("> "));
    lines.take(MAX_STEPS).map(of_line).collect()
}

fn of_line(line: &str) -> Step {
    let other = || Step::Other(line.to_owned());
    let Some((action, rest)) = line.split_once(": ") else { return other() };
    let parts: Vec<&str> = rest.split(" | ").map(str::trim).collect();
    match (action, parts.as_slice()) {
        ("extract", [entity, attribute, value, source, labels @ ..]) => Step::Extract {
            entity: (*entity).to_owned(),
            attribute: (*attribute).to_owned(),
            value: (*value).to_owned(),
            paragraph: paragraph(source),
            zone: labels.iter().find_map(|label| label.strip_prefix("zone:")).map(str::to_owned),
        },
        ("compute", [operation, inputs, result]) => {
            let inputs = inputs.strip_prefix("inputs=[").and_then(|list| list.strip_suffix(']'));
            let (Some(inputs), Some(result)) = (inputs, result.strip_prefix("result=")) else {
                return other();
            };
            Step::Compute {
                operation: (*operation).to_owned(),
                inputs: inputs.split(',').map(|input| input.trim().to_owned()).collect(),
                result: result.to_owned(),
            }
        }
        _ => other(),
    }
}

/// The steps of an attempt: a list of objects.
pub(crate) fn of_list(list: &Field<'_>) -> Result<Vec<Step>, ForeignError> {
    let items = list.list()?;
    if items.len() > MAX_STEPS {
        let (found, limit) = (items.len(), MAX_STEPS);
        return Err(ForeignError::TooLarge { what: "a trace", found, unit: "steps", limit });
    }
    items.iter().map(of_object).collect()
}

fn of_object(step: &Field<'_>) -> Result<Step, ForeignError> {
    let action = step.get("action")?.text()?;
    let plain = |key: &str| step.maybe(key).map_or(Ok(String::new()), |field| field.plain());
    Ok(match action {
        "extract_fact" => Step::Extract {
            entity: plain("targetEntity")?,
            attribute: plain("attribute")?,
            value: plain("valueExtracted")?,
            paragraph: step.maybe("source").and_then(|at| paragraph(at.json.as_text()?)),
            zone: None,
        },
        "compute_logic" => Step::Compute {
            operation: plain("operation")?,
            inputs: match step.maybe("inputs") {
                Some(inputs) => {
                    inputs.list()?.iter().map(Field::plain).collect::<Result<_, _>>()?
                }
                None => Vec::new(),
            },
            result: plain("result")?,
        },
        other => Step::Other(other.to_owned()),
    })
}

/// Their rule of a citation: the entity's name in any case, and the value without its commas, stand
/// somewhere in the paragraph. (A value of one digit nearly always does.)
#[must_use]
pub fn matches(paragraph: &str, entity: &str, value: &str) -> bool {
    let bare = |text: &str| text.replace(',', "");
    paragraph.to_lowercase().contains(&entity.to_lowercase())
        && bare(paragraph).contains(&bare(value))
}

/// Their rule of a zone: entity, spelling of the attribute, and value of the step are the trap's.
#[must_use]
pub fn zone(traps: &[Trap], entity: &str, attribute: &str, value: &str) -> scores::Zone {
    for trap in traps.iter().filter(|trap| trap.entity == entity && trap.attribute == attribute) {
        if trap.correct == value {
            return scores::Zone::Truth;
        }
        if trap.wrong == value {
            return scores::Zone::Trap;
        }
    }
    scores::Zone::Standard
}

/// The steps as the published scores need them.
#[must_use]
pub fn scored<'a>(
    steps: &'a [Step],
    paragraphs: &[String],
    traps: &[Trap],
) -> Vec<scores::Step<'a>> {
    let step = |step: &'a Step| match step {
        Step::Extract { entity, attribute, value, paragraph, .. } => {
            let text = paragraph.and_then(|number| paragraphs.get(number - 1));
            scores::Step::Extract {
                paragraph: *paragraph,
                entity,
                matched: text.is_some_and(|text| matches(text, entity, value)),
                zone: zone(traps, entity, attribute, value),
            }
        }
        Step::Compute { .. } => scores::Step::Compute,
        Step::Other(_) => scores::Step::Other,
    };
    steps.iter().map(step).collect()
}

/// The text between `<think>` and `</think>`, and the artifact on the last line that names one.
#[must_use]
pub fn split_text(text: &str) -> (&str, Option<&str>) {
    let after = text.split_once("<think>").map_or(text, |(_, rest)| rest);
    let (think, rest) = after.split_once("</think>").unwrap_or((after, after));
    let line = rest.lines().rev().find_map(|line| line.trim().strip_prefix("Artifact:"));
    let artifact = line.map(|line| {
        let line = line.trim();
        line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line)
    });
    (think, artifact)
}

/// A trace that stands in a record as a list, or as a text that holds one.
pub(crate) fn of_field(field: &Field<'_>) -> Result<Vec<Step>, ForeignError> {
    match field.json {
        Json::Text(text) => match Json::parse(text.as_bytes()) {
            Ok(json @ Json::List(_)) => of_list(&Field::root(&json, field.place())),
            _ => Ok(of_text(text)),
        },
        _ => of_list(field),
    }
}
