//! Tasks about somebody's own documents: proofs on many seeds, cheating readers, and every way in
//! which a folder can be wrong.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::collections::{BTreeMap, BTreeSet};

use lode_proto::{
    id::Hash,
    task::{DomainRef, Profile, TaskSpec, TaskTemplate},
};
use lode_tasks::{
    ENGINE_VERSION,
    domain::Severity,
    family::{GenerateError, Library, family},
    longdoc::{
        cheat::{Cheats, Shortcut},
        own::{self, Collection, Finding, OwnError, Text},
        prove,
    },
    number,
    types::{AnswerKey, NamedBy, Standing, StatementKind, Task, TrapKind, TrapRole, Value},
};

const FACTS: &str = include_str!("../../docs/examples/own-documents/facts.toml");
const FILES: [(&str, &str); 3] = [
    ("coast-guide.md", include_str!("../../docs/examples/own-documents/coast-guide.md")),
    ("builders.txt", include_str!("../../docs/examples/own-documents/builders.txt")),
    ("logbook.txt", include_str!("../../docs/examples/own-documents/logbook.txt")),
];

struct Folder {
    library: Library,
    named: DomainRef,
    inputs: Vec<Hash>,
}

fn folder() -> Folder {
    let mut library = Library::default();
    let texts = FILES.map(|(_, text)| text.as_bytes());
    let (named, inputs) = library.add_own(FACTS.as_bytes(), &texts).unwrap();
    Folder { library, named, inputs }
}

impl Folder {
    fn spec(&self, profile: Profile, n: u64) -> TaskSpec {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        TaskTemplate {
            family: own::NAME.into(),
            engine_version: ENGINE_VERSION,
            domain: self.named.clone(),
            profile,
            inputs: self.inputs.clone(),
        }
        .spec(seed)
    }

    fn make(&self, profile: Profile, n: u64) -> (Task, AnswerKey) {
        let family = family(own::NAME).expect("is registered");
        family
            .generate(&self.spec(profile, n), &self.library)
            .unwrap_or_else(|error| panic!("{profile} seed {n}: {error}"))
    }
}

/// The words of a text, a space before and after each.
fn words(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// A reader of the rendered text alone: every statement stands in its paragraph, with its name.
fn stands_in_its_paragraph(task: &Task, key: &AnswerKey) {
    for (paragraph, text) in key.document.iter().zip(&task.paragraphs) {
        for statement in &paragraph.statements {
            let StatementKind::Absolute { fact, value, .. } = &statement.kind else { continue };
            let name = match &statement.named {
                Some(naming) => {
                    assert_eq!(naming.by, NamedBy::Alias);
                    &naming.text
                }
                None => &task.roster[fact.entity.at()].name,
            };
            // Names are words in a row, whatever stands between them.
            assert!(words(text).contains(&words(name)), "{name}: {text}");
            let schema = &task.attributes[fact.attr.at()];
            let holds = match value {
                Value::Text(word) => text.to_lowercase().contains(&word.to_lowercase()),
                number => {
                    let milli = number.milli().unwrap();
                    number::find(text).iter().any(|found| found.states(milli, schema.scale))
                }
            };
            assert!(holds, "{value:?} of {}: {text}", schema.key);
        }
    }
}

#[test]
fn three_hundred_seeds_hold_every_proof() {
    let folder = folder();
    for (profile, questions) in [(Profile::Mini, 4), (Profile::Standard, 10), (Profile::Hard, 10)] {
        let mut kinds: BTreeMap<TrapKind, u32> = BTreeMap::new();
        let mut paragraphs = BTreeSet::new();
        let seeds = if profile == Profile::Hard { 30 } else { 300 };
        for n in 0..seeds {
            let (task, key) = folder.make(profile, n);
            prove(&task, &key).unwrap_or_else(|violation| panic!("{profile} {n}: {violation}"));
            stands_in_its_paragraph(&task, &key);
            assert_eq!(task.roster.len(), 6);
            assert_eq!(task.questions.len(), questions);
            assert!(task.paragraphs.iter().any(|text| text.starts_with("Note. ")));
            for trap in key.traps.iter().filter(|trap| trap.role == TrapRole::Binding) {
                *kinds.entry(trap.kind).or_default() += 1;
            }
            paragraphs.insert(task.paragraphs.join("\n"));
        }
        assert_eq!(paragraphs.len(), usize::try_from(seeds).unwrap(), "every seed is another task");
        for kind in [
            TrapKind::Superseded,
            TrapKind::Scope,
            TrapKind::ConditionalCorrection,
            TrapKind::PlantedInstruction,
        ] {
            assert!(kinds.contains_key(&kind), "{profile} has no {kind:?}: {kinds:?}");
        }
    }
}

/// What one profile's tasks let through.
fn no_shortcut_survives(profile: Profile, seeds: u64) {
    let folder = folder();
    let mut survived = [0; 6];
    let mut twins = [0_u64; 6];
    let (mut disputes, mut files) = (0, 0);
    for n in 0..seeds {
        let (task, key) = folder.make(profile, n);
        let cheats = Cheats::new(&task, &key);
        for fact in cheats.disputed() {
            let value = key.value(fact).unwrap();
            let by_files = key.document.iter().flat_map(|p| &p.statements).any(|statement| {
                matches!(&statement.kind, StatementKind::Absolute { fact: f, value: v, standing }
                    if *f == fact && v == value && *standing == Standing::Plain)
            });
            files += usize::from(by_files);
            disputes += 1;
        }
        for (at, shortcut) in Shortcut::ALL.into_iter().enumerate() {
            survived[at] += cheats.survival(shortcut).unwrap().survived;
            twins[at] += u64::from(cheats.answers_twin(shortcut).unwrap());
        }
    }
    for (at, shortcut) in Shortcut::ALL.into_iter().enumerate() {
        assert!(survived[at] * 4 <= disputes, "{shortcut:?}: {} of {disputes}", survived[at]);
        assert!(twins[at] * 10 >= seeds * 9, "{shortcut:?} answers {} twins", twins[at]);
    }
    // The files' own statement is right as often as any other of the six: neither trusting nor
    // distrusting them is a way through.
    assert!(
        files * 4 <= disputes && files * 12 >= disputes,
        "the files hold {files} of {disputes}"
    );
    println!("{profile}: {disputes} contested facts, files hold {files}, shortcuts {survived:?}");
}

#[test]
fn no_shortcut_gets_past_the_notes() {
    no_shortcut_survives(Profile::Mini, 2_000);
    no_shortcut_survives(Profile::Standard, 1_500);
}

#[test]
fn a_fact_that_is_missing_is_never_needed() {
    let folder = folder();
    let mut missing = 0;
    for n in 0..100 {
        let (task, key) = folder.make(Profile::Mini, n);
        let hollow = task.roster.iter().position(|entry| entry.name == "Hollow Ness").unwrap();
        let cost = task.attributes.iter().position(|schema| schema.key == "cost").unwrap();
        let unknown = |fact: &lode_tasks::types::FactRef| {
            fact.entity.at() == hollow && fact.attr.at() == cost
        };
        assert!(!key.gold.iter().flat_map(|gold| &gold.support).any(unknown));
        missing += usize::from(!key.facts.iter().any(|known| unknown(&known.fact)));
        assert_eq!(key.facts.len(), 41);
    }
    assert_eq!(missing, 100);
}

#[test]
fn the_same_folder_gives_the_same_bytes_and_another_text_is_another_folder() {
    let (one, two) = (folder(), folder());
    for n in 0..5 {
        assert_eq!(one.make(Profile::Mini, n), two.make(Profile::Mini, n));
    }
    let mut other = one.spec(Profile::Mini, 0);
    other.inputs.swap(0, 1);
    let error = own::generate(&other, &one.library).unwrap_err();
    assert!(matches!(error, GenerateError::UnknownFolder { texts: 3, .. }), "{error}");
    let nano = own::generate(&one.spec(Profile::Nano, 0), &one.library).unwrap_err();
    assert!(matches!(nano, GenerateError::UnsupportedProfile { .. }), "{nano}");
    // A text beside the facts may change; then it is another folder with other tasks.
    let mut library = Library::default();
    let changed = FILES[0].1.replace("A walker with two\ndays", "Whoever has two\ndays");
    let (named, inputs) = library
        .add_own(
            FACTS.as_bytes(),
            &[changed.as_bytes(), FILES[1].1.as_bytes(), FILES[2].1.as_bytes()],
        )
        .unwrap();
    assert_eq!(named, one.named);
    assert_ne!(inputs, one.inputs);
    assert!(library.input_bytes(inputs[0]).is_some());
    let changed = Folder { library, named, inputs };
    assert_ne!(changed.make(Profile::Mini, 0), one.make(Profile::Mini, 0));
}

fn check(facts: &str, texts: &[(&str, &str)]) -> Vec<Finding> {
    let texts: Vec<Text<'_>> =
        texts.iter().map(|(name, text)| Text { name, bytes: text.as_bytes() }).collect();
    Collection::check(facts.as_bytes(), &texts).unwrap()
}

#[test]
fn the_example_is_clean() {
    assert_eq!(check(FACTS, &FILES), []);
}

/// The line (from 1) of the first line of the facts file that holds a text.
fn line_of(facts: &str, text: &str) -> usize {
    1 + facts.lines().position(|line| line.contains(text)).unwrap()
}

#[test]
fn every_changed_quote_is_found() {
    let quotes: Vec<&str> = FACTS
        .lines()
        .filter_map(|line| line.strip_prefix("quote = \"")?.strip_suffix('"'))
        .collect();
    assert_eq!(quotes.len(), 41);
    for quote in quotes {
        let middle = quote.char_indices().nth(quote.chars().count() / 2).unwrap().0;
        let (left, right) = quote.split_at(middle);
        let changed = [
            format!("{left}#{right}"),
            format!("{left}{}", &right[right.chars().next().unwrap().len_utf8()..]),
            quote.to_uppercase(),
            String::new(),
            " ".to_owned(),
            "the".to_owned(),
        ];
        for changed in changed {
            let facts = FACTS.replace(&format!("\"{quote}\""), &format!("{changed:?}"));
            let found = check(&facts, &FILES);
            let line = line_of(FACTS, &format!("quote = \"{quote}\""));
            assert_eq!(found.len(), 1, "{changed:?}: {found:?}");
            assert_eq!((found[0].severity, found[0].line), (Severity::Error, line), "{found:?}");
        }
    }
}

#[test]
fn every_changed_value_is_found() {
    for line in FACTS.lines().filter(|line| line.starts_with("value = ")) {
        let value = line.strip_prefix("value = ").unwrap();
        let other = match value {
            "\"granite\"" => "\"flint\"".to_owned(),
            text if text.starts_with("\"A") || text.len() > 9 => "\"Walter Quill\"".to_owned(),
            text if text.starts_with('"') => "\"granite\"".to_owned(),
            number if number.contains('.') => "12.9".to_owned(),
            number => (number.parse::<i64>().unwrap() + 3).to_string(),
        };
        let facts = FACTS.replacen(line, &format!("value = {other}"), 1);
        let found = check(&facts, &FILES);
        assert!(
            found.iter().any(|finding| finding.severity == Severity::Error),
            "{line} as {other} passes"
        );
    }
}

#[test]
fn what_is_wrong_with_a_facts_file_is_said_with_its_line() {
    let cases: [(&str, &str, &str); 22] = [
        ("noun = \"lighthouse\"\n", "", "noun: is missing"),
        ("name = \"lighthouses\"", "name = \"a/b\"", "is not 1 to 64 letters"),
        ("\"logbook.txt\"]", "\"logbook.txt\", \"more.txt\"]", "there is no file \"more.txt\""),
        ("\"logbook.txt\"]", "\"logbook.txt\", \"../x.txt\"]", "is no name of a text"),
        ("\"logbook.txt\"]", "\"logbook.txt\", \"logbook.txt\"]", "is there twice"),
        ("kind = \"year\"", "kind = \"yaer\"", "unknown variant `yaer`"),
        (
            "trace = \"{entity} has {value} steps\"",
            "trace = \"{entity} has steps\"",
            "lacks the slot",
        ),
        ("label = \"builder\"", "lable = \"builder\"", "unknown field `lable`"),
        ("  \"Mary Ingle\",", "  \"Mary\",", "\"Mary Ingle\" is no word of the vocabulary"),
        ("value = 168", "value = \"168\"", "write it without quotes"),
        ("value = \"slate\"", "value = 3", "takes words"),
        ("value = 168", "value = 168.5", "takes whole numbers"),
        ("value = 168", "value = 1979-05-27", "is no value"),
        ("value = 14.2", "value = 14.20001", "is no value"),
        ("value = 168", "value = -168", "is no value"),
        ("entity = \"Tern Rock\"", "entity = \"Turn Rock\"", "is the name of no [[entities]]"),
        ("attribute = \"steps\"", "attribute = \"step\"", "is the key of no attribute"),
        ("name = \"Tern Rock\"", "name = \"Skarra Head\"", "is there twice"),
        ("name = \"Tern Rock\"", "name = \"Tern Rock 2\"", "is no name"),
        ("name = \"Tern Rock\"", "name = \"Granite Rock\"", "names and words must differ"),
        (
            "aliases = [\"Stack Light\"]",
            "aliases = [\"Tern Rock Light\"]",
            "has another entity's name",
        ),
        ("aliases = [\"Stack Light\"]", "", "names Gannet Stack neither by name nor by an alias"),
    ];
    for (from, to, wanted) in cases {
        assert!(FACTS.contains(from), "{from}");
        let found = check(&FACTS.replacen(from, to, 1), &FILES);
        let told = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(wanted), "{to:?} gives {told}");
        assert!(found.iter().any(|finding| finding.severity == Severity::Error), "{told}");
        let first = found.iter().find(|finding| finding.message.contains(wanted)).unwrap();
        if !wanted.contains("missing") && !wanted.contains("must differ") {
            assert!(first.line > 0, "{told}");
        }
        let texts = FILES.map(|(_, text)| text.as_bytes());
        let facts = FACTS.replacen(from, to, 1);
        assert!(Collection::read(facts.as_bytes(), &texts).is_err(), "{to:?} is read");
    }
    for facts in ["", "\u{0}", "name = ", "[[facts]]", "name = 3\nfiles = {}"] {
        let found = check(facts, &FILES);
        assert!(!found.is_empty() && found.len() < 30, "{facts:?}: {found:?}");
    }
}

#[test]
fn facts_that_disagree_are_found() {
    let again = "\n[[facts]]\nentity = \"Tern Rock\"\nattribute = \"steps\"\nvalue = 41\n\
                 file = \"coast-guide.md\"\nquote = \"tower of 41 metres\"\n";
    let found = check(&format!("{FACTS}{again}"), &FILES);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("what the texts say must agree"), "{found:?}");
    // The same fact in other words is one fact.
    let again = "\n[[facts]]\nentity = \"Tern Rock\"\nattribute = \"steps\"\nvalue = 205\n\
                 file = \"coast-guide.md\"\nquote = \"and its 205 steps are\"\n";
    assert_eq!(check(&format!("{FACTS}{again}"), &FILES), []);
}

#[test]
fn what_is_wrong_with_a_text_is_said_with_its_line() {
    let guide = FILES[0].1;
    let long = format!("{guide}\n{}\n", "word ".repeat(200_000));
    let cases: [(String, usize, &str); 6] = [
        (guide.replace("the ferry", "the \u{1b}[2Jferry"), 8, "control character (U+001B)"),
        (guide.replace("Six lights", "[paragraph_9] Six lights"), 3, "mark of the prompt"),
        (guide.replace("Six lights", "=== QUESTIONS === Six lights"), 3, "mark of the prompt"),
        (long, 1 + guide.lines().count() + 1, "bytes, at most 4000 are allowed"),
        (guide.replace("168 steps", "186 steps"), 0, "is not in coast-guide.md"),
        (format!("{guide}\n\nMore: reached by 168 steps."), 0, "more than once"),
    ];
    for (text, line, wanted) in cases {
        let texts = [(FILES[0].0, text.as_str()), FILES[1], FILES[2]];
        let found = check(FACTS, &texts);
        let first = found.iter().find(|finding| finding.message.contains(wanted));
        let first = first.unwrap_or_else(|| panic!("{wanted}: {found:?}"));
        assert_eq!(first.severity, Severity::Error);
        assert!(line == 0 || first.line == line, "{first}");
    }
    let bytes: [&[u8]; 3] =
        [b"Fine.\nNot \xff fine.", FILES[1].1.as_bytes(), FILES[2].1.as_bytes()];
    let error = Collection::read(FACTS.as_bytes(), &bytes).unwrap_err();
    assert!(error.to_string().starts_with("coast-guide.md:2: not UTF-8"), "{error}");
}

#[test]
fn large_folders_are_refused() {
    let text: &[u8] = b"A line.";
    let many = vec![text; 10_000];
    let error = Collection::read(FACTS.as_bytes(), &many).unwrap_err();
    assert!(matches!(error, OwnError::TooMany { got: 10_000, limit: 256, .. }), "{error}");
    let large = vec![b'a'; own::MAX_TEXT_BYTES + 1];
    let error = Collection::read(FACTS.as_bytes(), &[&large]).unwrap_err();
    assert!(matches!(error, OwnError::TooLarge { .. }), "{error}");
    let half = vec![b'a'; own::MAX_TEXT_BYTES];
    let error = Collection::read(FACTS.as_bytes(), &[half.as_slice(); 9]).unwrap_err();
    assert!(matches!(error, OwnError::TooLarge { .. }), "{error}");
    let error = Collection::read(FACTS.as_bytes(), &[text]).unwrap_err();
    assert!(matches!(error, OwnError::Texts { named: 3, got: 1 }), "{error}");
    // One line of a whole file.
    let line = vec![b'a'; own::MAX_TEXT_BYTES];
    let error = Collection::read(FACTS.as_bytes(), &[&line, text, text]).unwrap_err();
    assert!(error.to_string().contains("split it by a blank line"), "{error}");
}

#[test]
fn values_that_no_fact_declares_are_warned_of() {
    let guide = FILES[0].1.replace(
        "all that the harbour needs.",
        "all that the harbour needs.\n\nOld maps give Mussel Spit a height of 19 metres, and call it a tower of \
         granite.\n",
    );
    let found = check(FACTS, &[(FILES[0].0, &guide), FILES[1], FILES[2]]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|finding| finding.severity == Severity::Warning));
    assert!(found[0].to_string().contains("\"19\" stands near Mussel Spit"), "{}", found[0]);
    assert!(found[1].message.contains("\"granite\" stands near Mussel Spit"), "{}", found[1]);
    // A warning does not keep the folder from being used.
    let texts = [guide.as_bytes(), FILES[1].1.as_bytes(), FILES[2].1.as_bytes()];
    assert!(Collection::read(FACTS.as_bytes(), &texts).is_ok());
    let hidden = FILES[0].1.replace("Six lights", "Six \u{202e}lights");
    let found = check(FACTS, &[(FILES[0].0, &hidden), FILES[1], FILES[2]]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].to_string().starts_with("coast-guide.md:3: warning: has characters"),
        "{found:?}"
    );
    let unlisted = check(FACTS, &[FILES[0], FILES[1], FILES[2], ("diary.txt", "Dear diary.")]);
    assert_eq!(unlisted.len(), 1);
    assert!(unlisted[0].to_string().starts_with("diary.txt: warning: is not in `files`"));
}

/// A folder of many entities, a paragraph each, in files of ten.
fn large() -> (String, Vec<(String, String)>) {
    let head = FACTS.split(
        "# ---------------------------------------------------------------------------- entities",
    );
    let head = head.into_iter().next().unwrap();
    let (first, second) = (
        ["Amber", "Birch", "Cedar", "Dover", "Ember", "Frost", "Gable", "Hazel", "Ivory", "Jasper"],
        [
            "Bank", "Cove", "Dune", "Edge", "Fell", "Gate", "Hook", "Isle", "Knoll", "Ledge",
            "Mole", "Nook",
        ],
    );
    let builders = ["Abel Corrie", "Agnes Pollard", "Hester Lowe", "Mary Ingle", "Walter Quill"];
    let mut facts = String::new();
    let mut files: Vec<(String, String)> = Vec::new();
    for n in 0..120 {
        let name = format!("{} {}", first[n % 10], second[n / 10]);
        if n % 10 == 0 {
            files.push((format!("row-{}.txt", n / 10), String::new()));
        }
        let (file, text) = files.last_mut().unwrap();
        let (height, steps, builder) = (20 + n, 300 + 7 * n, builders[n % 5]);
        text.push_str(&format!(
            "{name} was raised by {builder}. It stands {height} metres tall\nand has {steps} steps.\n\n\
             Of {name} nothing else is told, but that the road to it is long and that few go there.\n\n"
        ));
        facts.push_str(&format!("\n[[entities]]\nname = \"{name}\"\n"));
        for (attribute, value, quote) in [
            ("height", height.to_string(), format!("stands {height} metres tall and has {steps}")),
            ("steps", steps.to_string(), format!("has {steps} steps")),
            ("builder", format!("\"{builder}\""), format!("{name} was raised by {builder}")),
        ] {
            facts.push_str(&format!(
                "\n[[facts]]\nentity = \"{name}\"\nattribute = \"{attribute}\"\nvalue = {value}\n\
                 file = \"{file}\"\nquote = \"{quote}\"\n"
            ));
        }
    }
    let names: Vec<String> = files.iter().map(|(name, _)| format!("{name:?}")).collect();
    let head = head.replace(
        "files = [\"coast-guide.md\", \"builders.txt\", \"logbook.txt\"]",
        &format!("files = [{}]", names.join(", ")),
    );
    // Attributes that no fact is about have no range.
    let attributes: Vec<&str> = head.split("[[attributes]]").collect();
    let head: Vec<&str> = attributes
        .into_iter()
        .filter(|part| {
            !["\"range\"", "\"lit\"", "\"cost\"", "\"material\""]
                .iter()
                .any(|key| part.contains(&format!("key = {key}")))
        })
        .collect();
    (format!("{}{facts}", head.join("[[attributes]]")), files)
}

#[test]
fn a_large_folder_is_cut_to_the_profile() {
    let (facts, files) = large();
    let texts: Vec<Text<'_>> =
        files.iter().map(|(name, text)| Text { name, bytes: text.as_bytes() }).collect();
    let found = Collection::check(facts.as_bytes(), &texts).unwrap();
    assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{found:?}");
    let mut library = Library::default();
    let bytes: Vec<&[u8]> = texts.iter().map(|text| text.bytes).collect();
    let (named, inputs) = library.add_own(facts.as_bytes(), &bytes).unwrap();
    let folder = Folder { library, named, inputs };
    for (profile, entities, bytes) in
        [(Profile::Mini, 8, 12_000), (Profile::Standard, 20, 30_000), (Profile::Hard, 100, 120_000)]
    {
        let mut rosters = BTreeSet::new();
        for n in 0..10 {
            let (task, key) = folder.make(profile, n);
            prove(&task, &key).unwrap();
            stands_in_its_paragraph(&task, &key);
            assert_eq!(task.roster.len(), entities);
            let size: usize = task.paragraphs.iter().map(String::len).sum();
            assert!(size < bytes, "{profile}: {size} bytes");
            rosters.insert(task.roster.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
        }
        assert_eq!(rosters.len(), 10, "{profile} takes another part each time");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// A folder with anything in it is read or refused, never more.
    #[test]
    fn damaged_folders_never_panic(at in 0_usize..20_000, with in ".{0,4}", which in 0_usize..4) {
        let damage = |text: &str| {
            let at = at % text.len();
            let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap();
            format!("{}{with}{}", &text[..at], &text[end..])
        };
        let facts = if which == 3 { damage(FACTS) } else { FACTS.to_owned() };
        let texts: Vec<String> = FILES
            .iter()
            .enumerate()
            .map(|(place, (_, text))| if place == which { damage(text) } else { (*text).to_owned() })
            .collect();
        let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let mut library = Library::default();
        if let Ok((named, inputs)) = library.add_own(facts.as_bytes(), &bytes) {
            let folder = Folder { library, named, inputs };
            let spec = folder.spec(Profile::Mini, 1);
            if let Ok((task, key)) = own::generate(&spec, &folder.library) {
                stands_in_its_paragraph(&task, &key);
            }
        }
        let named: Vec<Text<'_>> = FILES
            .iter()
            .zip(&texts)
            .map(|((name, _), text)| Text { name, bytes: text.as_bytes() })
            .collect();
        proptest::prop_assert!(Collection::check(facts.as_bytes(), &named).is_ok());
    }
}
