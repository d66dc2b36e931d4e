//! Domains: those that are built in are sound and give tasks, related values agree, and a bad file
//! is explained by line, whatever is in it.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::{collections::BTreeMap, time::Instant};

use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{
    ENGINE_VERSION,
    domain::{Domain, Finding, Severity},
    family::Library,
    longdoc,
    types::{AnswerKey, Task},
};
use proptest::prelude::*;

/// Every built-in domain and its file.
const BUILTIN: [(&str, &str); 8] = [
    ("clinical_trials", include_str!("../domains/clinical_trials.toml")),
    ("companies", include_str!("../domains/companies.toml")),
    ("computational_biology", include_str!("../domains/computational_biology.toml")),
    ("logistics", include_str!("../domains/logistics.toml")),
    ("nuclear_physics", include_str!("../domains/nuclear_physics.toml")),
    ("quantum_codes", include_str!("../domains/quantum_codes.toml")),
    ("scrna_imputation", include_str!("../domains/scrna_imputation.toml")),
    ("service_incidents", include_str!("../domains/service_incidents.toml")),
];
/// The domain of the page "Write a domain in an hour".
const LIGHTHOUSES: &str = include_str!("../../docs/examples/lighthouses.toml");
/// That page.
const PAGE: &str = include_str!("../../docs/domains.md");
/// The file that bad ones are made from.
const COMPANIES: &str = BUILTIN[1].1;
/// Longest that one bad file may take in a build with optimisation off, milliseconds.
const PATIENCE_MS: u128 = 10_000;

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILTIN.into_iter().chain([("lighthouses", LIGHTHOUSES)])
}

fn library() -> Library {
    let mut library = Library::builtin().expect("built-in domains are sound");
    library.add("lighthouses", LIGHTHOUSES.as_bytes()).expect("the example is sound");
    library
}

fn make(library: &Library, domain: &str, profile: Profile, seed: u64) -> (Task, AnswerKey) {
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named(domain).expect("known"),
        profile,
        inputs: Vec::new(),
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    longdoc::generate(&template.spec(bytes), library)
        .unwrap_or_else(|error| panic!("{domain} {profile} seed {seed}: {error}"))
}

#[test]
fn the_built_in_domains_are_those_of_this_test_and_have_no_findings() {
    let mut names: Vec<String> =
        Library::builtin().unwrap().domains().into_iter().map(|domain| domain.name).collect();
    names.sort();
    assert_eq!(names, BUILTIN.map(|(name, _)| name));
    for (name, text) in BUILTIN {
        let findings = Domain::check(name, text.as_bytes());
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(said.is_empty(), "{name}:\n{}", said.join("\n"));
    }
}

/// The page shows the warnings of its example as they are.
#[test]
fn the_example_of_the_page_has_the_warnings_that_the_page_shows() {
    let findings = Domain::check("lighthouses", LIGHTHOUSES.as_bytes());
    assert!(!findings.is_empty());
    for finding in &findings {
        assert_eq!(finding.severity, Severity::Warning, "{finding}");
        let line = format!(
            "docs/examples/lighthouses.toml:{}: warning: {}: {}",
            finding.line, finding.place, finding.message
        );
        assert!(PAGE.contains(&line), "the page lacks: {line}");
    }
    assert_eq!(PAGE.matches(": warning: ").count(), findings.len());
}

#[test]
fn every_domain_gives_a_task_for_every_seed() {
    let library = library();
    for (domain, _) in all() {
        for profile in [Profile::Nano, Profile::Mini, Profile::Standard] {
            for seed in 0..200 {
                make(&library, domain, profile, seed);
            }
        }
    }
}

/// The values of one entity by attribute, thousandths.
fn rows(task: &Task, key: &AnswerKey) -> Vec<BTreeMap<String, i64>> {
    let mut rows = vec![BTreeMap::new(); task.roster.len()];
    for fact in &key.facts {
        if let Some(milli) = fact.value.milli() {
            let name = task.attributes[fact.fact.attr.at()].key.clone();
            rows[fact.fact.entity.at()].insert(name, milli);
        }
    }
    rows
}

/// What must hold between values of one entity, with each attribute in thousandths.
type Relation = fn(&BTreeMap<String, i64>) -> Option<bool>;

/// `over / under`, rounded half up to `step` thousandths, is `value`.
fn quotient(value: i64, over: i64, under: i64, step: i64) -> bool {
    let (over, under, step) = (i128::from(over) * 1000, i128::from(under), i128::from(step));
    (2 * over + under * step) / (2 * under * step) * step == i128::from(value)
}

#[test]
fn related_values_agree_in_the_document() {
    let relations: [(&str, &str, Relation); 10] = [
        ("companies", "listing follows founding", |row| {
            let years = row.get("listed")? - row.get("founded")?;
            Some((2_000..=21_000).contains(&years) && *row.get("listed")? <= 2_025_000)
        }),
        ("clinical_trials", "the end follows the start", |row| {
            let years = row.get("finished")? - row.get("started")?;
            Some((1_000..=7_000).contains(&years) && *row.get("finished")? <= 2_025_000)
        }),
        ("clinical_trials", "fewer complete than enrol, fewer enrol than are screened", |row| {
            Some(
                row.get("completed")? < row.get("enrolled")?
                    && row.get("enrolled")? < row.get("screened")?,
            )
        }),
        ("logistics", "rebuilding follows opening", |row| {
            Some(row.get("opened")? < row.get("rebuilt")? && *row.get("rebuilt")? <= 2_025_000)
        }),
        ("logistics", "plugs are fitted to slots", |row| {
            Some(row.get("plugs")? < row.get("slots")?)
        }),
        ("computational_biology", "the redox ratio is NAD over NADH", |row| {
            Some(quotient(*row.get("redox")?, *row.get("nad")?, *row.get("nadh")?, 10))
        }),
        ("quantum_codes", "the overhead is n over k", |row| {
            Some(
                row.get("logical")? < row.get("physical")?
                    && quotient(
                        *row.get("overhead")?,
                        *row.get("physical")?,
                        *row.get("logical")?,
                        100,
                    ),
            )
        }),
        ("nuclear_physics", "nucleons are protons and neutrons", |row| {
            Some(*row.get("mass_number")? == row.get("protons")? + row.get("neutrons")?)
        }),
        ("scrna_imputation", "markers are genes", |row| {
            Some(row.get("markers")? < row.get("genes")?)
        }),
        ("service_incidents", "the outage is the sum of its stages", |row| {
            Some(
                *row.get("outage")?
                    == row.get("detection")? + row.get("mitigation")? + row.get("recovery")?
                    && row.get("tickets")? < row.get("customers")?,
            )
        }),
    ];
    let library = library();
    for (domain, what, holds) in relations {
        let mut checked = 0;
        for seed in 0..20 {
            let (task, key) = make(&library, domain, Profile::Standard, seed);
            for (entity, row) in task.roster.iter().zip(rows(&task, &key)) {
                if let Some(held) = holds(&row) {
                    assert!(held, "{domain}, seed {seed}, {}: {what}: {row:?}", entity.name);
                    checked += 1;
                }
            }
        }
        // A document may leave some of the attributes out, but not always.
        assert!(checked >= 5 * 20, "{domain}: {what}: only {checked} rows have all of the values");
    }
}

/// The findings that are errors.
fn errors(text: &[u8]) -> Vec<Finding> {
    let mut findings = Domain::check("companies", text);
    findings.retain(|finding| finding.severity == Severity::Error);
    findings
}

/// The line of the first occurrence, from 1.
fn line_of(text: &str, what: &str) -> usize {
    let at = text.find(what).unwrap_or_else(|| panic!("{what:?} is there"));
    text[..at].matches('\n').count() + 1
}

#[test]
fn bad_files_are_explained_by_line() {
    // From, to, what the line holds afterwards, and words of the explanation.
    let changes: [(&str, &str, &str, &[&str]); 28] = [
        ("kind = \"category\"", "kind = category", "kind = category", &["string"]),
        ("kind = \"category\"", "kind = \"colour\"", "kind = \"colour\"", &["colour", "integer"]),
        (
            "kind = \"category\"",
            "sort = \"category\"",
            "sort = \"category\"",
            &["sort", "vocabulary"],
        ),
        (
            "entity = \"company\"",
            "entity = \"company\"\nentity = \"firm\"",
            "entity = \"firm\"",
            &["duplicate"],
        ),
        ("[names]", "[names", "[names", &["]"]),
        ("[noise]", "[nose]", "[nose]", &["nose"]),
        (
            "key = \"city\"",
            "key = \"sector\"",
            "[[attributes]]\nkey = \"sector\"\nshort",
            &["twice"],
        ),
        ("key = \"city\"", "key = \"the city\"", "the city", &["small letters"]),
        (
            "{entity} works in {value}\"",
            "{entity} works in {vale}\"",
            "trace = \"{entity} works in {vale}",
            &["vale", "unknown slot"],
        ),
        (
            "trace = \"{entity} works in {value}\"",
            "trace = \"{entity} works\"",
            "trace = \"{entity} works\"",
            &["lacks", "{value}"],
        ),
        (
            "The business of {entity} is",
            "The business of {entity is",
            "The business of {entity is",
            &["brace"],
        ),
        (
            "{entity} earns its living in {value}.",
            "{entity} earns {value} for {entity} and {reference}.",
            "earns {value} for",
            &["{reference}", "here"],
        ),
        (
            "\"{entity} employs {amount} people.\"",
            "\"{entity} has {amount} people.\"",
            "{entity} has {amount} people.",
            &["first wording"],
        ),
        ("max = 38000", "max = 1", "max = 1\n", &["no range", "min < max"]),
        ("max = 38000", "max = 9223372036854775807", "max = 9223372036854775807", &["no range"]),
        ("max = 38000", "max = 92233720368547758070", "max = 92233720368547758070", &["integer"]),
        ("like = \"revenue_q1\"", "like = \"income\"", "like = \"income\"", &["income"]),
        ("always = true\nheadings", "headings", "attributes = [\"sector\"", &["always"]),
        (
            "sum = [\"revenue_q1\", \"revenue_q2\", ",
            "sum = [\"income\", ",
            "sum = [\"income\"",
            &["income", "sector"],
        ),
        ("\"aviation\", ", "\"aviation\", \"aviation\", ", "\"aviation\"", &["twice"]),
        ("\"Ashford\", ", "\"Ashford West\", ", "\"West\"", &["West", "Ashford West", "differ"]),
        (
            "\"Ashford\", ",
            "\"Ashford\", \"Bedford Park\", ",
            "\"Ashford\", \"Bedford Park\"",
            &["stands inside"],
        ),
        ("\"Amber\", ", "\"amber\", ", "\"amber\"", &["amber", "capitalised"]),
        ("example = \"57\"", "example = \"570\"", "example = \"570\"", &["outside"]),
        (
            "example = \"brewing\"",
            "example = \"banking\"",
            "example = \"banking\"",
            &["vocabulary"],
        ),
        (
            "from = { plus = \"founded\", min = 2, max = 21 }",
            "from = { plus = \"founded\", min = 200, max = 210 }",
            "from = { plus",
            &["leaves no value"],
        ),
        (
            "from = { plus = \"founded\", min = 2, max = 21 }",
            "from = { plus = \"listed\", min = 2, max = 21 }",
            "from = { plus",
            &["circle", "listed"],
        ),
        ("name = \"companies\"", "name = \"firms\"", "name = \"firms\"", &["firms"]),
    ];
    for (from, to, place, words) in changes {
        let text = COMPANIES.replacen(from, to, 1);
        assert_ne!(text, COMPANIES, "{from:?} is there");
        let found = errors(text.as_bytes());
        let line = line_of(&text, place)
            + place.matches('\n').count().min(1)
                * usize::from(place.starts_with('[') && place.contains('\n'));
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        let hit = found.iter().any(|finding| {
            let near = finding.line == line || place.starts_with("[[") && finding.line + 1 == line;
            near && words.iter().all(|word| finding.to_string().contains(word))
        });
        assert!(
            hit,
            "{from:?} to {to:?}: line {line} with {words:?} is not in\n{}",
            said.join("\n")
        );
        assert!(Domain::read("companies", text.as_bytes()).is_err());
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let text = COMPANIES
        .replacen("max = 38000", "max = 1", 1)
        .replacen("{entity} earns its living", "{entity} earns {its} living", 1)
        .replacen("like = \"revenue_q1\"", "like = \"income\"", 1)
        .replacen("\"Amber\", ", "\"amber\", ", 1);
    let found = errors(text.as_bytes());
    for word in ["no range", "its", "income", "amber"] {
        assert!(found.iter().any(|f| f.message.contains(word)), "{word}: {found:?}");
    }
    let shapes = COMPANIES
        .replacen("kind = \"category\"", "kidn = \"category\"", 1)
        .replacen("[sources]", "colour = \"red\"\n[sources]", 1)
        .replacen("max = 38000", "max = \"many\"", 1);
    let found = errors(shapes.as_bytes());
    for word in ["kidn", "colour", "many"] {
        assert!(found.iter().any(|f| f.to_string().contains(word)), "{word}: {found:?}");
    }
    assert!(found.iter().all(|finding| finding.line > 0), "{found:?}");
}

#[test]
fn poor_files_are_usable_with_warnings() {
    let text = COMPANIES
        .replacen("\"aviation\", \"banking\"", "\"banking\", \"aviation\"", 1)
        .replacen("max = 9800", "max = 2000", 1);
    let findings = Domain::check("companies", text.as_bytes());
    for (word, place) in
        [("alphabetical", "attributes.sector"), ("range of", "attributes.satisfaction")]
    {
        let hit = findings.iter().any(|finding| {
            finding.severity == Severity::Warning
                && finding.place.starts_with(place)
                && finding.message.contains(word)
                && finding.line > 0
        });
        assert!(hit, "{word}: {findings:?}");
    }
    assert!(Domain::read("companies", text.as_bytes()).is_ok());
}

#[test]
fn faults_of_language_are_found_before_any_task_is_made() {
    let text = COMPANIES.replacen(
        "{entity} works in {value}.\", ",
        "{entity} works in {value}.\", \"{entity} is a {value} firm.\", ",
        1,
    );
    let found = errors(text.as_bytes());
    assert!(
        found.iter().any(|f| f.message.contains("article") && f.place == "attributes.sector.plain"),
        "{found:?}"
    );
}

#[test]
fn huge_and_hostile_files_are_refused_in_bounded_time() {
    let parts: Vec<String> = (0..10_000)
        .map(|n| {
            let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
            format!("\"N{}{}{}\"", letter(n), letter(n / 26), letter(n / 676))
        })
        .collect();
    let names = COMPANIES.replacen("\"Amber\"", &format!("{}, \"Amber\"", parts.join(", ")), 1);
    let attributes = format!(
        "{COMPANIES}\n{}",
        (0..10_000).map(|n| format!("[[attributes]]\nkey = \"k{n}\"\n")).collect::<String>()
    );
    let many: Vec<String> = (0..1_000).map(|n| format!("\"W{n}\"")).collect();
    let product = COMPANIES
        .replacen("first = [\"Alice\"", &format!("first = [{}, \"Alice\"", many.join(", ")), 1)
        .replacen("last = [\"Adler\"", &format!("last = [{}, \"Adler\"", many.join(", ")), 1);
    let noun = COMPANIES.replacen(
        "entity = \"company\"",
        &format!("entity = \"{}\"", "x".repeat(900_000)),
        1,
    );
    let deep = format!("{COMPANIES}\ndeep = {}1{}", "[".repeat(400_000), "]".repeat(400_000));
    let braces = COMPANIES.replacen("Rumours about", &"{entity".repeat(100_000), 1);
    let keys =
        format!("{COMPANIES}\n{}", (0..60_000).map(|n| format!("k{n} = 1\n")).collect::<String>());
    let mut noise = vec![b'['; 1024 * 1024];
    noise[1024 * 1024 - 1] = b'\n';
    let texts: [(&str, &[u8], &str); 11] = [
        ("ten thousand name parts", names.as_bytes(), "10058 parts, from 20 to 500"),
        ("ten thousand attributes", attributes.as_bytes(), ""),
        ("a million names of people", product.as_bytes(), "words"),
        ("a noun of 900,000 letters", noun.as_bytes(), "longer than"),
        ("arrays 400,000 deep", deep.as_bytes(), ""),
        ("a hundred thousand open braces", braces.as_bytes(), "{entity"),
        ("sixty thousand sections", keys.as_bytes(), "k1"),
        ("a megabyte of brackets", &noise, ""),
        ("more than a megabyte", &vec![b'#'; 1024 * 1024 + 1], "1048577 bytes"),
        ("no text at all", b"name = \"x\"\n\xff\xfe", "UTF-8"),
        ("an empty file", b"", "is missing"),
    ];
    for (what, bytes, words) in texts {
        let start = Instant::now();
        let findings = Domain::check("companies", bytes);
        let took = start.elapsed().as_millis();
        assert!(took < PATIENCE_MS, "{what} took {took} ms");
        assert!(
            !findings.is_empty() && findings.len() <= 120,
            "{what}: {} findings",
            findings.len()
        );
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|text| text.contains(words)), "{what}: {}", said[0]);
        assert!(said.iter().all(|text| text.len() < 2_000), "{what}: a finding is too long");
    }
    assert_eq!(Domain::check("x", b"name = \"x\"\n\xff\xfe")[0].line, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damage to a good file gives findings or a domain, never a panic; what `check` refuses,
    /// `read` refuses, and the other way round (language apart, which only `check` looks at).
    #[test]
    fn damaged_files_are_explained(
        which in 0..BUILTIN.len(),
        wounds in proptest::collection::vec((any::<proptest::sample::Index>(), 0..6_u8, any::<u8>()), 1..4),
    ) {
        let (name, text) = BUILTIN[which];
        let mut bytes = text.as_bytes().to_vec();
        for (at, kind, byte) in wounds {
            let at = at.index(bytes.len());
            match kind {
                0 => { bytes.remove(at); }
                1 => bytes.insert(at, byte),
                2 => bytes[at] = byte,
                // A line twice, a line less, the rest cut off.
                3 | 4 => {
                    let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
                    let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 1);
                    let line = bytes[start..end].to_vec();
                    let again = if kind == 3 { line.repeat(2) } else { Vec::new() };
                    bytes.splice(start..end, again);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        let findings = Domain::check(name, &bytes);
        let refused = Domain::read(name, &bytes).is_err();
        let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
        prop_assert!(errors || !refused);
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for finding in findings {
            prop_assert!(finding.line <= lines, "{finding}");
            prop_assert!(!finding.message.is_empty());
        }
    }
}
