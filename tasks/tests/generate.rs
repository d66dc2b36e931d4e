//! Generation: the same bytes for the same seed, every proof on many seeds, and clear errors.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::collections::BTreeSet;

use lode_proto::{
    id::Hash,
    task::{DomainRef, Profile, TaskSpec, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    family::{DomainError, GenerateError, Library},
    longdoc::{self, MAX_GUESS_FLOOR_PPB, Violation, prove},
    types::{
        Answer, AnswerKey, Constraint, Query, Standing, StatementKind, Task, TrapKind, TrapRole,
        Value,
    },
};

const DOMAIN: &str = include_str!("../domains/companies.toml");

fn library() -> Library {
    Library::builtin().expect("built-in domains are sound")
}

fn spec(library: &Library, profile: Profile, n: u64) -> TaskSpec {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named("companies").expect("companies"),
        profile,
        inputs: Vec::new(),
    }
    .spec(seed)
}

fn make(library: &Library, profile: Profile, n: u64) -> (Task, AnswerKey) {
    longdoc::generate(&spec(library, profile, n), library)
        .unwrap_or_else(|error| panic!("{profile} seed {n}: {error}"))
}

/// A size limit of a profile must not leave an attribute with one value for everybody.
#[test]
fn numbers_tell_entities_apart() {
    let library = library();
    for n in 0..300 {
        let (task, key) = make(&library, Profile::Nano, n);
        for (at, schema) in task.attributes.iter().enumerate() {
            let of_attribute: Vec<_> =
                key.facts.iter().filter(|fact| usize::from(fact.fact.attr.0) == at).collect();
            let values: BTreeSet<String> =
                of_attribute.iter().map(|fact| format!("{:?}", fact.value)).collect();
            let distinct = values.len() == of_attribute.len();
            assert!(!schema.kind.is_number() || distinct, "seed {n}, {}: {values:?}", schema.key);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (one, two) = (library(), library());
    for profile in [Profile::Nano, Profile::Mini, Profile::Standard] {
        let mut ids = BTreeSet::new();
        for n in 0..10 {
            let (task, key) = make(&one, profile, n);
            let (again, key_again) = make(&two, profile, n);
            assert_eq!(task, again);
            assert_eq!(key, key_again);
            assert_eq!(task.prompt(), again.prompt());
            ids.insert(task.id().expect("encodes"));
        }
        assert_eq!(ids.len(), 10);
    }
}

#[test]
fn ten_thousand_nano_tasks_hold_every_proof() {
    let library = library();
    let mut longest = 0;
    for n in 0..10_000 {
        let (task, key) = make(&library, Profile::Nano, n);
        prove(&task, &key).unwrap_or_else(|violation| panic!("seed {n}: {violation}"));
        assert!(key.guess_floor_ppb < MAX_GUESS_FLOOR_PPB, "seed {n}");
        assert!((3..=5).contains(&task.roster.len()));
        assert!((6..=12).contains(&task.paragraphs.len()), "seed {n}");
        assert!(key.traps.iter().any(|trap| trap.role == TrapRole::Binding));
        longest = longest.max(task.prompt().len());
    }
    assert!(longest < 1_500, "a prompt of {longest} bytes");
}

fn shape(query: &Query) -> String {
    let text = format!("{query:?}");
    let hops = text.matches("SameAs").count() + text.matches("Relative").count();
    let head: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
    let mut parts = vec![head];
    for part in ["Ranked", "Only", "Is {", "Bound", "Versus", "Sum(", "Diff(", "Ratio", "rank: 1"] {
        if text.contains(part) {
            parts.push(part.trim_end_matches(['(', '{', ' ']).to_owned());
        }
    }
    parts.push(hops.to_string());
    parts.join("-")
}

fn kind(constraint: &Constraint) -> String {
    format!("{constraint:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

#[test]
fn standard_tasks_are_varied_and_of_their_size() {
    let library = library();
    let mut shapes = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let mut traps = BTreeSet::new();
    let (mut relative, mut expected, mut aliases, mut deepest) = (0, 0, 0, 0);
    const TASKS: u64 = 60;
    for n in 0..TASKS {
        let (task, key) = make(&library, Profile::Standard, n);
        prove(&task, &key).unwrap_or_else(|violation| panic!("seed {n}: {violation}"));
        // As many entities as fit the prompt's tokens.
        assert!((14..=20).contains(&task.roster.len()), "{} entities", task.roster.len());
        assert_eq!((task.questions.len(), task.constraints.len()), (10, 8));
        assert!((90..=110).contains(&task.paragraphs.len()), "{}", task.paragraphs.len());
        let prompt = task.prompt();
        assert!((17_500..22_500).contains(&prompt.len()), "{} bytes", prompt.len());
        shapes.extend(key.gold.iter().map(|gold| shape(&gold.query)));
        kinds.extend(key.constraints.iter().map(|known| kind(&known.constraint)));
        traps.extend(key.traps.iter().map(|trap| trap.kind));
        expected += 9 * (task.roster.len() - task.roster.len().div_ceil(4));
        for statement in key.document.iter().flat_map(|paragraph| &paragraph.statements) {
            relative += usize::from(matches!(statement.kind, StatementKind::Relative { .. }));
            aliases += usize::from(statement.named.is_some());
        }
        for fact in &key.facts {
            let mut depth = 0;
            let mut at = fact;
            while let Some(reference) = at.reference {
                let place = key.facts.binary_search_by_key(&reference, |f| f.fact).expect("known");
                at = &key.facts[place];
                depth += 1;
            }
            deepest = deepest.max(depth);
        }
    }
    assert!(shapes.len() >= 10, "{shapes:?}");
    assert!(kinds.len() >= 15, "{kinds:?}");
    assert_eq!(traps.len(), 7, "{traps:?}");
    assert!((3..=5).contains(&deepest), "chains of {deepest}");
    assert_eq!(relative, expected, "three quarters of the figures are relative");
    assert!(aliases > 0, "aliases are never needed");
}

#[test]
fn planted_violations_are_refused() {
    let library = library();
    let (task, key) = make(&library, Profile::Standard, 3);
    assert_eq!(prove(&task, &key), Ok(()));
    let fails = |name: &str, change: &dyn Fn(&mut Task, &mut AnswerKey)| {
        let (mut task, mut key) = (task.clone(), key.clone());
        change(&mut task, &mut key);
        prove(&task, &key).expect_err(name)
    };
    let gold = fails("gold", &|_, key| key.gold[0].answer = Answer::Integer(-1));
    assert!(matches!(gold, Violation::Gold { question: 1, .. }), "{gold}");
    let facts = fails("facts", &|_, key| key.facts[0].value = Value::Int(-1));
    assert_eq!(facts, Violation::Facts);
    let role = fails("role", &|_, key| key.traps[0].role = TrapRole::Bait);
    assert_eq!(role, Violation::TrapRole { trap: 1 });
    let path = fails("path", &|_, key| key.traps[0].consequences.clear());
    assert!(matches!(path, Violation::TrapPath { trap: 1 } | Violation::TrapRole { trap: 1 }));
    let place = fails("place", &|_, key| key.traps[0].wrong_paragraphs = vec![1]);
    assert_eq!(place, Violation::TrapPlace { trap: 1 });
    let none = fails("no trap", &|_, key| key.traps.clear());
    assert_eq!(none, Violation::NoTrap);
    let witness = fails("witness", &|_, key| {
        key.witness = key.witness.replace("Artifact: ", "Artifact: one more ");
    });
    assert!(matches!(witness, Violation::Witness(_)), "{witness}");
    let trapped = fails("trapped", &|_, key| key.trapped[0].text = key.witness.clone());
    assert!(matches!(trapped, Violation::TrappedWitness { trap: 1, .. }), "{trapped}");
    let language = fails("language", &|task, _| task.paragraphs[4].push_str(" the the end."));
    assert!(matches!(language, Violation::Language { .. }), "{language}");
    let floor = fails("floor", &|_, key| key.guess_floor_ppb = MAX_GUESS_FLOOR_PPB + 1);
    assert!(matches!(floor, Violation::GuessFloor { .. }), "{floor}");
    let unreadable = fails("contradiction", &|_, key| {
        let mut extra = None;
        for statement in key.document.iter().flat_map(|paragraph| &paragraph.statements) {
            if let StatementKind::Absolute {
                standing: Standing::Plain, value: Value::Int(n), ..
            } = &statement.kind
            {
                let mut other = statement.clone();
                if let StatementKind::Absolute { value, .. } = &mut other.kind {
                    *value = Value::Int(n + 1);
                }
                extra = Some(other);
            }
        }
        assert!(extra.is_some());
        key.document[0].statements.extend(extra);
    });
    assert!(matches!(unreadable, Violation::Unreadable(_)), "{unreadable}");
    let unlinkable = fails("alias", &|_, key| {
        for paragraph in &mut key.document {
            paragraph
                .statements
                .retain(|statement| !matches!(statement.kind, StatementKind::AliasOf { .. }));
        }
    });
    assert!(matches!(unlinkable, Violation::Unreadable(_)), "{unlinkable}");
}

#[test]
fn every_trap_kind_binds_somewhere() {
    let library = library();
    let mut binding = BTreeSet::new();
    for n in 0..150 {
        let (_, key) = make(&library, Profile::Standard, n);
        binding.extend(
            key.traps.iter().filter(|trap| trap.role == TrapRole::Binding).map(|trap| trap.kind),
        );
    }
    for kind in [
        TrapKind::Superseded,
        TrapKind::Unit,
        TrapKind::Scope,
        TrapKind::Homonym,
        TrapKind::PlantedInstruction,
        TrapKind::OutsideFilter,
        TrapKind::ConditionalCorrection,
    ] {
        assert!(binding.contains(&kind), "{kind:?} never binds");
    }
}

#[test]
fn bad_specifications_are_refused_in_plain_words() {
    let library = library();
    let good = spec(&library, Profile::Nano, 0);
    let refuse = |change: &dyn Fn(&mut TaskSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        longdoc::generate(&spec, &library).expect_err("refused")
    };
    let family = refuse(&|spec| spec.family = "chess".into());
    assert!(matches!(&family, GenerateError::UnknownFamily(name) if name == "chess"));
    assert!(family.to_string().contains("this build knows longdoc"), "{family}");
    let version = refuse(&|spec| spec.engine_version = 9);
    assert!(matches!(version, GenerateError::EngineVersion { asked: 9, .. }));
    let inputs = refuse(&|spec| spec.inputs = vec![Hash::of(b"x")]);
    assert!(matches!(inputs, GenerateError::Inputs { expected: 0, got: 1, .. }));
    let domain = refuse(&|spec| {
        spec.domain = DomainRef { name: "companies".into(), hash: Hash::of(b"other") };
    });
    let text = domain.to_string();
    assert!(text.contains("companies") && text.contains("add its file"), "{text}");
    let unknown = library.named("tulips").expect_err("unknown");
    let text = unknown.to_string();
    let known = format!("companies ({})", good.domain.hash.short());
    assert!(text.starts_with("unknown domain \"tulips\": known are"), "{text}");
    assert!(text.contains(&known), "{text}");
}

#[test]
fn corrupt_domain_files_say_what_is_wrong_and_where() {
    let refuse = |change: &dyn Fn(String) -> String| {
        let text = change(DOMAIN.to_owned());
        assert_ne!(text, DOMAIN, "the change took");
        match Library::default().add("companies", text.as_bytes()) {
            Err(error) => error,
            Ok(_) => {
                let changed = text.lines().zip(DOMAIN.lines()).find(|(new, old)| new != old);
                panic!("accepted: {changed:?}")
            }
        }
    };
    let line = DOMAIN.lines().position(|line| line.starts_with("kind = ")).expect("there") + 1;
    let syntax = refuse(&|text| text.replacen("kind = \"category\"", "kind = category", 1));
    assert!(matches!(syntax, DomainError::Content { line: l, .. } if l == line), "{syntax}");
    let kind = refuse(&|text| text.replacen("kind = \"category\"", "kind = \"colour\"", 1));
    assert!(matches!(&kind, DomainError::Content { line: l, .. } if *l == line), "{kind}");
    let field = refuse(&|text| text.replacen("kind = \"category\"", "sort = \"category\"", 1));
    assert!(field.to_string().contains("sort"), "{field}");
    for (from, to, word) in [
        ("{entity} works in {value}\"", "{entity} works in {vale}\"", "vale"),
        ("trace = \"{entity} works in {value}\"", "trace = \"{entity} works\"", "value"),
        ("{entity} employs {amount} people.\"", "{entity} has {amount} people.\"", "first wording"),
        ("max = 38000", "max = 1", "min < max"),
        ("like = \"revenue_q1\"", "like = \"income\"", "income"),
        ("always = true", "always = false", "always"),
        ("sum = [\"revenue_q1\", \"revenue_q2\", ", "sum = [\"income\", ", "income"),
        ("\"aviation\", ", "\"aviation\", \"aviation\", ", "twice"),
        ("\"Amber\", ", "\"amber\", ", "amber"),
        ("example = \"brewing\"", "example = \"banking\"", "vocabulary"),
        ("name = \"companies\"", "name = \"firms\"", "firms"),
    ] {
        let error = refuse(&|text| text.replacen(from, to, 1)).to_string();
        assert!(error.contains(word) && error.contains("companies"), "{from:?}: {error}");
    }
    let bytes = Library::default().add("companies", b"\xff\xfe").expect_err("not text");
    assert!(matches!(bytes, DomainError::Content { line: 1, .. }), "{bytes}");
    let large = vec![b'#'; lode_proto::limits::MAX_DOMAIN_BYTES + 1];
    let large = Library::default().add("companies", &large).expect_err("too large");
    assert!(matches!(large, DomainError::TooLarge { .. }), "{large}");
    let path = std::path::Path::new("no/such/companies.toml");
    let missing = Library::default().add_read(path, std::fs::read(path)).expect_err("no file");
    assert!(missing.to_string().contains("no/such/companies.toml"), "{missing}");
}
