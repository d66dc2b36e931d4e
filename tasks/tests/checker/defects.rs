//! Defects planted in good tasks, each of which the checker must find by name.

use lode_proto::task::Profile;
use lode_tasks::{
    family::Library,
    query::{Evaluator, Table, cell_of},
    recheck::recheck,
    types::{
        Answer, Check, Filter, Order, Query, Rule, Selector, Standing, StatementKind, TrapRole,
        Value, ValueKind,
    },
};

use super::{
    make,
    plant::{Bed, digits, misspelt, other_number},
    subjects,
};

/// Seeds tried in each domain.
const SEEDS: u64 = 8;
/// Fewest tasks of a domain that a defect must fit.
const FEWEST: usize = 2;

/// Its name, the faults that tell it, and how it is planted; false where the task has no place.
type Defect = (&'static str, &'static [&'static str], fn(&mut Bed) -> bool);

const DEFECTS: [Defect; 32] = [
    ("a changed number", &["fact_value", "contradiction"], changed_number),
    ("a second statement that contradicts", &["contradiction"], contradiction),
    ("a tie", &["no_answer"], tie),
    ("an anonymous paragraph that fits nobody", &["unlinkable"], unlinkable),
    ("a stranger", &["unlinkable"], stranger),
    ("the only mention misspelt", &["only_misspelt"], only_mention),
    ("a fact that nothing states", &["unstated"], unstated),
    ("a sentence of no wording", &["unread"], no_wording),
    ("a rule dropped", &["no_rule"], rule_dropped),
    ("two rules", &["two_rules"], two_rules),
    ("an outcome told both ways", &["two_rules"], outcome_twice),
    ("an outcome never told", &["outcome_untold"], outcome_untold),
    ("an outcome reversed", &["unstated", "contradiction", "fact_value"], outcome_reversed),
    ("an alias with two owners", &["alias_owners"], alias_owners),
    ("an alias that the key lacks", &["aliases"], alias_unknown),
    ("a chain that loops", &["loop"], chain_loops),
    ("a wrong gold answer", &["gold"], wrong_gold),
    ("a question turned round", &["gold", "no_answer"], question_turned),
    ("a question nobody can read", &["question"], question_unread),
    ("a wrong paragraph in the key's facts", &["fact_places"], wrong_place),
    ("a wrong reference in the key's facts", &["fact_reference"], wrong_reference),
    ("bait declared binding", &["idle"], bait_declared_binding),
    ("bait that binds", &["bites"], bait_that_binds),
    ("a trap that leads elsewhere", &["trap_path"], trap_elsewhere),
    ("a trap that stands elsewhere", &["trap_place"], trap_misplaced),
    ("a wrong value that is no declared trap", &["undeclared"], undeclared),
    ("no trap that binds", &["no_trap"], no_trap),
    ("a constraint that comes to something else", &["check"], wrong_check),
    ("a witness that fails", &["witness"], witness_fails),
    ("a trapped witness that passes", &["trapped"], trapped_passes),
    ("a doubled article", &["language"], doubled_article),
    ("an unformatted number", &["language", "unread"], unformatted_number),
];

fn changed_number(bed: &mut Bed) -> bool {
    for (fact, at) in bed.single() {
        if !bed.task.attributes[fact.attr.at()].kind.is_number() {
            continue;
        }
        let text = bed.task.paragraphs[at].clone();
        if let Some(range) = digits(&text) {
            let changed = other_number(&text[range.clone()]);
            bed.task.paragraphs[at].replace_range(range, &changed);
            return true;
        }
    }
    false
}

fn contradiction(bed: &mut Bed) -> bool {
    let known = bed.key.facts.iter().find(|known| {
        matches!(known.value, Value::Int(_))
            && known.reference.is_none()
            && !bed.disputed(known.fact)
    });
    let Some((fact, Value::Int(n))) = known.map(|known| (known.fact, known.value.clone())) else {
        return false;
    };
    let text = bed.sentence(fact, &Value::Int(n + 1));
    bed.say(text);
    true
}

/// Gives a second entity the category by which a question singles one out.
fn tie(bed: &mut Bed) -> bool {
    for gold in bed.key.gold.clone() {
        let (Query::Which(of) | Query::Number { of, .. } | Query::Category { of, .. }) = gold.query
        else {
            continue;
        };
        let Selector::Only(filters) = of else { continue };
        let [Filter::Is { attr, value }] = filters.as_slice() else { continue };
        for (fact, at) in bed.single() {
            let known = bed.key.value(fact).cloned();
            let Some(Value::Text(other)) = known.filter(|_| fact.attr == *attr) else { continue };
            let vowel = |word: &str| word.starts_with(['a', 'e', 'i', 'o', 'u', 'h']);
            let alike = vowel(value) == vowel(&other);
            let once = bed.task.paragraphs[at].matches(other.as_str()).count() == 1;
            let described = bed.clues().iter().any(|clue| clue == value || *clue == other);
            if other != *value && alike && once && !described {
                return bed.replace(at, &other, value);
            }
        }
    }
    false
}

fn unlinkable(bed: &mut Bed) -> bool {
    let Some((at, value, free)) = bed.clue() else { return false };
    bed.replace(at, &value, &free)
}

fn stranger(bed: &mut Bed) -> bool {
    let fact = bed.key.facts[0].clone();
    let text = bed.sentence(fact.fact, &fact.value);
    let name = bed.name(fact.fact.entity);
    bed.say(text.replace(&name, "Quillon Stranger"));
    true
}

fn only_mention(bed: &mut Bed) -> bool {
    for (fact, at) in bed.single() {
        let name = bed.name(fact.entity);
        let text = bed.task.paragraphs[at].clone();
        let once = text.matches(&name).count() == 1;
        let plain = bed.key.document[at].statements.iter().all(|statement| {
            matches!(&statement.kind, StatementKind::Absolute { fact: known, .. } if known.entity == fact.entity)
        });
        if let Some(wrong) = misspelt(&name)
            && once
            && plain
            && bed.task.roster.iter().all(|entry| entry.name != wrong)
        {
            return bed.replace(at, &name, &wrong);
        }
    }
    false
}

fn unstated(bed: &mut Bed) -> bool {
    let single = bed.single();
    let Some((_, at)) = single.first() else { return false };
    bed.silence(*at);
    true
}

fn no_wording(bed: &mut Bed) -> bool {
    bed.say("It is said that all is well.".to_owned());
    true
}

fn rule_dropped(bed: &mut Bed) -> bool {
    let Some((at, _)) = bed.rule() else { return false };
    bed.silence(at);
    true
}

fn two_rules(bed: &mut Bed) -> bool {
    for (at, statement) in bed.statements() {
        let StatementKind::Rule(Rule::Holds(Standing::Source(source))) = statement.kind else {
            continue;
        };
        let names: Vec<String> = bed.domain["sources"]["names"]
            .as_array()
            .expect("sources")
            .iter()
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect();
        let own = names[usize::from(source)].clone();
        let other = names[(usize::from(source) + 1) % names.len()].clone();
        let text =
            bed.task.paragraphs[at].replace(&format!("the {own} "), &format!("the {other} "));
        let text = text.replace(&format!("The {own} "), &format!("The {other} "));
        if text != bed.task.paragraphs[at] {
            bed.say(text);
            return true;
        }
    }
    false
}

/// The first sentence of the paragraph that tells outcomes.
fn outcome(bed: &Bed) -> Option<(usize, String)> {
    let told =
        |statement: &StatementKind| matches!(statement, StatementKind::Rule(Rule::Came { .. }));
    let at = bed.statements().iter().find(|(_, s)| told(&s.kind)).map(|(at, _)| *at)?;
    let text = &bed.task.paragraphs[at];
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    Some((at, text[..end].to_owned()))
}

fn reversed(sentence: &str) -> Option<String> {
    for (from, to) in [(" was not ", " was "), (" was ", " was not ")] {
        if sentence.contains(from) {
            return Some(sentence.replace(from, to));
        }
    }
    None
}

fn outcome_twice(bed: &mut Bed) -> bool {
    let Some(text) = outcome(bed).and_then(|(_, text)| reversed(&text)) else { return false };
    bed.say(text);
    true
}

fn outcome_untold(bed: &mut Bed) -> bool {
    let Some((at, text)) = outcome(bed) else { return false };
    bed.replace(at, &format!("{text} "), "")
}

fn outcome_reversed(bed: &mut Bed) -> bool {
    let Some((at, text)) = outcome(bed) else { return false };
    let Some(other) = reversed(&text) else { return false };
    bed.replace(at, &text, &other)
}

fn alias_owners(bed: &mut Bed) -> bool {
    let Some(alias) = bed.key.aliases.iter().find(|alias| alias.defined_in.is_some()).cloned()
    else {
        return false;
    };
    let at = alias.defined_in.expect("told") as usize - 1;
    let other = (alias.entity.at() + 1) % bed.task.roster.len();
    let other = bed.task.roster[other].name.clone();
    let text = bed.task.paragraphs[at].replacen(&bed.name(alias.entity), &other, 1);
    bed.say(text);
    true
}

fn alias_unknown(bed: &mut Bed) -> bool {
    bed.key.aliases.pop().is_some()
}

/// Lets the reference of a reference be told relative to its own child.
fn chain_loops(bed: &mut Bed) -> bool {
    for (child, statement) in bed.statements() {
        let StatementKind::Relative { fact, reference, .. } = statement.kind else { continue };
        for (at, other) in bed.statements() {
            if let StatementKind::Relative { fact: known, reference: far, .. } = other.kind
                && at != child
                && (known.entity, known.attr) == (reference, fact.attr)
                && far != fact.entity
            {
                let (from, to) = (bed.name(far), bed.name(fact.entity));
                bed.task.paragraphs[at] = bed.task.paragraphs[at].replace(&from, &to);
                return true;
            }
        }
    }
    false
}

fn wrong_gold(bed: &mut Bed) -> bool {
    let entities = bed.task.roster.len();
    match &mut bed.key.gold[0].answer {
        Answer::Integer(n) | Answer::Decimal(n) => *n += 1,
        Answer::Entity(entity) => {
            entity.0 = (entity.0 + 1) % u16::try_from(entities).expect("small")
        }
        Answer::Category(word) => word.push('x'),
    }
    true
}

fn question_turned(bed: &mut Bed) -> bool {
    let count = |n: usize| u16::try_from(n).expect("few");
    let mut table = Table::new(count(bed.task.roster.len()), count(bed.task.attributes.len()));
    for known in &bed.key.facts {
        let schema = &bed.task.attributes[known.fact.attr.at()];
        table.set(known.fact, cell_of(&known.value, schema).expect("fits"));
    }
    let evaluator = Evaluator { table: &table, attributes: &bed.task.attributes };
    for (question, gold) in bed.task.questions.iter_mut().zip(&bed.key.gold) {
        // The other end may have the same category, or be the same entity where few are asked about.
        let mut query = gold.query.clone();
        let (Query::Which(Selector::Ranked { order, .. })
        | Query::Number { of: Selector::Ranked { order, .. }, .. }
        | Query::Category { of: Selector::Ranked { order, .. }, .. }) = &mut query
        else {
            continue;
        };
        *order = if *order == Order::Highest { Order::Lowest } else { Order::Highest };
        if evaluator.answer(&query).as_ref() == Ok(&gold.answer) {
            continue;
        }
        for (from, to) in [("the highest", "the lowest"), ("the lowest", "the highest")] {
            if question.text.matches(from).count() == 1 && !question.text.contains(to) {
                question.text = question.text.replace(from, to);
                return true;
            }
        }
    }
    false
}

fn question_unread(bed: &mut Bed) -> bool {
    bed.task.questions[0].text = "Which one is the best of all?".to_owned();
    true
}

fn wrong_place(bed: &mut Bed) -> bool {
    let known = bed.key.facts.iter_mut().find(|known| !known.paragraphs.is_empty());
    known.map(|known| known.paragraphs[0] += 1).is_some()
}

fn wrong_reference(bed: &mut Bed) -> bool {
    let known = bed.key.facts.iter_mut().find(|known| known.reference.is_some());
    known.map(|known| known.reference = None).is_some()
}

fn bait_declared_binding(bed: &mut Bed) -> bool {
    let Some(at) = bed.trap(TrapRole::Bait) else { return false };
    bed.key.traps[at].role = TrapRole::Binding;
    true
}

fn bait_that_binds(bed: &mut Bed) -> bool {
    let Some(at) = bed.trap(TrapRole::Binding) else { return false };
    bed.key.traps[at].role = TrapRole::Bait;
    true
}

fn trap_elsewhere(bed: &mut Bed) -> bool {
    let Some(at) = bed.trap(TrapRole::Binding) else { return false };
    bed.key.traps[at].consequences.remove(0);
    true
}

fn trap_misplaced(bed: &mut Bed) -> bool {
    bed.key.traps[0].wrong_paragraphs[0] += 1;
    true
}

fn undeclared(bed: &mut Bed) -> bool {
    let stated = |trap: &lode_tasks::types::Trap| {
        use lode_tasks::types::TrapKind::{ConditionalCorrection, Scope, Superseded};
        matches!(trap.kind, Superseded | Scope | ConditionalCorrection)
    };
    let Some(at) = bed.key.traps.iter().position(stated) else { return false };
    bed.key.traps.remove(at);
    true
}

fn no_trap(bed: &mut Bed) -> bool {
    bed.key.traps.retain(|trap| trap.role == TrapRole::Bait);
    true
}

fn wrong_check(bed: &mut Bed) -> bool {
    let checks = bed.key.constraints.iter_mut().map(|known| &mut known.check);
    for check in checks {
        match check {
            Check::ContainsNumber(n) => *n += 1,
            Check::Contains(forms) => forms[0].push('x'),
            _ => continue,
        }
        return true;
    }
    false
}

fn witness_fails(bed: &mut Bed) -> bool {
    bed.key.witness = bed.key.witness.replace("Artifact: ", "Artifact: one more two more ");
    true
}

fn trapped_passes(bed: &mut Bed) -> bool {
    bed.key.trapped[0].text.clone_from(&bed.key.witness);
    true
}

fn doubled_article(bed: &mut Bed) -> bool {
    let at = bed.task.paragraphs.iter().position(|text| text.contains(" the "));
    at.is_some_and(|at| bed.replace(at, " the ", " the the "))
}

fn unformatted_number(bed: &mut Bed) -> bool {
    let comma = |text: &String| {
        let bytes = text.as_bytes();
        bytes
            .windows(3)
            .position(|w| w[0].is_ascii_digit() && w[1] == b',' && w[2].is_ascii_digit())
    };
    let found =
        bed.task.paragraphs.iter().enumerate().find_map(|(at, text)| Some((at, comma(text)?)));
    found.map(|(at, comma)| bed.task.paragraphs[at].remove(comma + 1)).is_some()
}

#[test]
fn every_planted_defect_is_found_by_name() {
    let library = Library::builtin().expect("built-in domains are sound");
    let mut missed = Vec::new();
    for subject in subjects(&library) {
        let bytes = library.domain_bytes(subject.domain.hash).expect("in the library");
        let domain: toml::Table = std::str::from_utf8(bytes).unwrap().parse().unwrap();
        let tasks: Vec<_> = (0..SEEDS)
            .map(|n| make(&library, &subject.domain, Profile::Standard, n).expect("generates"))
            .collect();
        for (name, wanted, plant) in DEFECTS {
            let mut fitted = 0;
            for (n, (task, key)) in tasks.iter().enumerate() {
                let mut bed = Bed { task: task.clone(), key: key.clone(), domain: domain.clone() };
                if !plant(&mut bed) {
                    continue;
                }
                fitted += 1;
                let faults = recheck(&subject.words, &bed.task, &bed.key);
                if !faults.iter().any(|fault| wanted.contains(&fault.name())) {
                    let told: Vec<String> =
                        faults.iter().map(ToString::to_string).take(3).collect();
                    missed.push(format!("{} seed {n}: {name}: {told:?}", subject.domain.name));
                }
            }
            if fitted < FEWEST {
                missed.push(format!("{}: {name} fits {fitted} tasks", subject.domain.name));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_year_with_a_comma_and_a_placeholder_are_found() {
    let library = Library::builtin().expect("built-in domains are sound");
    for subject in subjects(&library) {
        let (task, key) = make(&library, &subject.domain, Profile::Standard, 1).expect("generates");
        assert_eq!(recheck(&subject.words, &task, &key), []);
        let mut changed = task.clone();
        changed.paragraphs[2].push_str(" It uses {LATTICE}.");
        let faults = recheck(&subject.words, &changed, &key);
        assert!(faults.iter().any(|fault| fault.name() == "language"), "{faults:?}");
        let years: Vec<String> = key
            .facts
            .iter()
            .filter(|known| task.attributes[known.fact.attr.at()].kind == ValueKind::Year)
            .filter_map(|known| match known.value {
                Value::Int(year) => Some(year.to_string()),
                _ => None,
            })
            .collect();
        for year in years.iter().take(3) {
            let mut changed = task.clone();
            for text in &mut changed.paragraphs {
                *text = text.replace(year, &format!("{},{}", &year[..1], &year[1..]));
            }
            let faults = recheck(&subject.words, &changed, &key);
            let told = faults.iter().any(|fault| ["unread", "unlinkable"].contains(&fault.name()));
            assert!(told, "{year}: {faults:?}");
        }
    }
}
