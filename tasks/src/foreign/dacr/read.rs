//! From a file to challenges.

use std::collections::BTreeMap;

use super::{ChainStep, Challenge, Fact, MAX_FACTS, MAX_QUESTIONS, Question, Trap};
use crate::foreign::{
    ForeignError, MAX_RECORDS,
    fields::{Field, Place, optional},
    json::Json,
};

/// A data set: what it says about itself, and its challenges.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Every field of the file but the challenges.
    pub header: Json,
    /// Challenges with the records they were read from.
    pub challenges: Vec<(Challenge, Json)>,
}

/// Reads a data set file: an object with a list `challenges`.
///
/// # Errors
/// What is no JSON with its line; a field that is missing or of another type, with the challenge's
/// number; a trap or a question that refers to nothing; what passes a limit.
pub fn read(bytes: &[u8]) -> Result<Dataset, ForeignError> {
    let json = Json::parse(bytes)?;
    let whole = Field::root(&json, Place { record: 1, line: 1 });
    let list = whole.get("challenges")?;
    let found = list.list()?.len();
    if found > MAX_RECORDS {
        let (what, unit, limit) = ("the file", "challenges", MAX_RECORDS);
        return Err(ForeignError::TooLarge { what, found, unit, limit });
    }
    let Json::Object(fields) = json else {
        return Err(ForeignError::Syntax { line: 1, column: 1, what: "no object".into() });
    };
    let (mut header, mut challenges) = (Vec::new(), Vec::new());
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("challenges", Json::List(items)) => {
                for (place, item) in items.into_iter().enumerate() {
                    let place = Place { record: place + 1, line: 1 };
                    let one = challenge(&Field::root(&item, place))?;
                    challenges.push((one, item));
                }
            }
            (_, value) => header.push((key, value)),
        }
    }
    Ok(Dataset { header: Json::Object(header), challenges })
}

fn bounded<'a>(list: &Field<'a>, limit: usize) -> Result<Vec<Field<'a>>, ForeignError> {
    let items = list.list()?;
    if items.len() > limit {
        return Err(list.error(format!("has {} entries, at most {limit} are read", items.len())));
    }
    Ok(items)
}

fn challenge(record: &Field<'_>) -> Result<Challenge, ForeignError> {
    let document = record.get("document")?;
    let source = record.get("source")?;
    let origin = ["documentId", "seed"].iter().find_map(|key| source.maybe(key));
    let mut facts = Vec::new();
    for fact in bounded(&record.get("facts")?, MAX_FACTS)? {
        facts.push(Fact {
            id: fact.get("factId")?.owned()?,
            entity: fact.get("entity")?.owned()?,
            attribute: fact.get("attribute")?.owned()?,
            value: fact.get("value")?.plain()?,
        });
    }
    let mut traps = Vec::new();
    let mut places = BTreeMap::new();
    for trap in bounded(&record.get("traps")?, MAX_QUESTIONS)? {
        let id = trap.get("trapId")?.owned()?;
        places.insert(id.clone(), traps.len());
        traps.push(Trap {
            id,
            fact: trap.get("targetFactId")?.owned()?,
            correct: trap.get("correctValue")?.plain()?,
            wrong: trap.get("wrongValue")?.plain()?,
            injected: trap.get("trapLocation")?.get("injectedText")?.owned()?,
        });
    }
    let mut questions: Vec<Question> = Vec::new();
    for asked in bounded(&record.get("questions")?, MAX_QUESTIONS)? {
        let id = asked.get("questionId")?;
        if questions.iter().any(|other| Ok(other.id.as_str()) == id.text()) {
            return Err(id.error("stands for an earlier question already"));
        }
        let trap = match asked.maybe("targetsTrap") {
            None => None,
            Some(name) => Some(
                *places
                    .get(name.text()?)
                    .ok_or_else(|| name.error("is no trap of this challenge"))?,
            ),
        };
        questions.push(Question {
            id: id.owned()?,
            text: asked.get("text")?.owned()?,
            category: asked.get("category")?.owned()?,
            hops: asked.get("hops")?.count()?,
            difficulty: optional(&asked, "difficulty", Field::owned)?.unwrap_or_default(),
            trap,
            gold: asked.get("goldAnswer")?.owned()?,
            aliases: optional(&asked, "goldAnswerAliases", Field::texts)?.unwrap_or_default(),
            chain: match asked.maybe("reasoningChain") {
                None => Vec::new(),
                Some(chain) => bounded(&chain, MAX_FACTS)?
                    .iter()
                    .map(|step| {
                        Ok(ChainStep {
                            action: step.get("action")?.owned()?,
                            note: optional(step, "note", Field::owned)?,
                            fact: optional(step, "factId", Field::owned)?,
                        })
                    })
                    .collect::<Result<_, ForeignError>>()?,
            },
        });
    }
    Ok(Challenge {
        id: record.get("challengeId")?.owned()?,
        domain: document.get("domain")?.owned()?,
        split: optional(record, "split", Field::owned)?.unwrap_or_default(),
        source: origin.map_or(Ok(String::new()), |origin| origin.plain())?,
        document: document.get("text")?.owned()?,
        facts,
        traps,
        questions,
    })
}
