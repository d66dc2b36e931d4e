//! From a record to a [`Row`]: which shape it has, and its fields with their types.

mod known;
mod meta;

use super::{
    record::{Challenge, Flips, Kind, Meta, Row, Side, Trap},
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
    known::unknown(&record.json, "", false, &mut names);
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
    for paragraph in &mut paragraphs {
        paragraph.truncate(paragraph.trim_end().len());
    }
    if let Some(place) = paragraphs.iter().position(|text| text.len() > MAX_PARAGRAPH_BYTES) {
        let found = paragraphs.get(place).map_or(0, String::len);
        return Err(format!(
            "has a paragraph {} of {found} bytes, at most {MAX_PARAGRAPH_BYTES} are read",
            place + 1
        ));
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
        Some(about) => meta::read(&about)?,
        None => Meta::default(),
    };
    let artifact = optional(&side, "artifact", Field::owned)?;
    Ok(Side { name, artifact, steps: steps.unwrap_or_default(), meta })
}

fn attempt_side(root: &Field<'_>) -> Result<Side, ForeignError> {
    let submission = root.get("submission")?;
    let artifact = optional(&submission, "artifact", Field::owned)?;
    let steps = optional(&submission, "reasoning_trace", trace::of_field)?.unwrap_or_default();
    let mut meta = meta::read(root)?;
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
