//! `lode import botcoin|dacr` and `lode export botcoin`: other people's records, in and out.
//!
//! ```text
//! FILE ─► import ─► DIR/rows.jsonl (each record as it was, marked with source and licence)
//!                   DIR/import.json (what was imported, what was found)
//!                      └─► export ─► FILE again, or the same without the verifier's labels
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
};

use anyhow::{Context, bail};
use lode_proto::{
    id::Hash,
    plain::{self, Surface},
};
use lode_tasks::foreign::{
    MAX_FILE_BYTES,
    botcoin::{
        self,
        check::{Report, Tally, Verdict},
    },
    dacr::{self, Challenge, Metrics, Sheet},
    import::{self, IMPORT_KEY, Origin, ROWS_FILE, Record, SUMMARY_FILE, Shape},
    json::Json,
};

use crate::{Outcome, args::ImportFile, term};

/// Largest import that is read back, bytes: a file with its marks and what was found.
const MAX_IMPORT_BYTES: usize = MAX_FILE_BYTES;
/// Most characters of a line that lists so many.
const MAX_LINE_CHARS: usize = 4_000;
/// Most fields, answers and the like that are listed on the terminal.
const MAX_LISTED: usize = 20;

fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() > limit {
        bail!("{} has more than {limit} bytes, the most that is read; split it", path.display());
    }
    Ok(bytes)
}

/// Says a line that may hold foreign text: nothing in it is a command to the terminal.
fn say(text: &str) -> anyhow::Result<()> {
    term::print_line(&plain::escape(text, Surface::Line, MAX_LINE_CHARS))
}

/// Writes an import's two files into a folder of its own; the summary last, so that a folder with a
/// summary is whole.
fn keep(out: &Path, rows: &str, summary: &Json) -> anyhow::Result<()> {
    let cannot = || format!("cannot write into {}", out.display());
    for name in [ROWS_FILE, SUMMARY_FILE] {
        if out.join(name).exists() {
            bail!("{} holds an import already; choose another folder", out.display());
        }
    }
    std::fs::create_dir_all(out).with_context(cannot)?;
    std::fs::write(out.join(ROWS_FILE), rows).with_context(cannot)?;
    std::fs::write(out.join(SUMMARY_FILE), summary.pretty()).with_context(cannot)
}

fn origin(
    args: &ImportFile,
    bytes: &[u8],
    format: &'static str,
    source: &str,
    licence: &str,
) -> Origin {
    Origin {
        format,
        source: args.source.clone().unwrap_or_else(|| source.to_owned()),
        licence: args.licence.clone().unwrap_or_else(|| licence.to_owned()),
        file: Hash::of(bytes),
    }
}

/// What begins every summary.
fn about(origin: &Origin, records: usize) -> Vec<(String, Json)> {
    let mark = Json::object([
        ("format", Json::text(origin.format)),
        ("source", Json::text(&origin.source)),
        ("licence", Json::text(&origin.licence)),
        ("file_blake3", Json::text(&origin.file.to_string())),
    ]);
    vec![(IMPORT_KEY.to_owned(), mark), ("records".to_owned(), Json::count(records))]
}

fn found(report: &Report) -> Vec<(String, Json)> {
    let checks = report.checked.iter().map(|checked| {
        let (verdict, why) = match &checked.verdict {
            Verdict::Agree => ("agree", Json::Null),
            Verdict::Disagree { theirs } => ("disagree", Json::Bool(*theirs)),
            Verdict::NotCheckable(why) => ("not_checkable", Json::text(why)),
        };
        Json::object([
            ("side", Json::text(checked.side)),
            ("constraint", Json::count(checked.index)),
            ("verdict", Json::text(verdict)),
            ("why", why),
        ])
    });
    let answers = report.answers.iter().map(|answer| match answer {
        Ok(names) => Json::List(names.iter().map(|name| Json::text(name)).collect()),
        Err(why) => Json::object([("none", Json::text(why))]),
    });
    let texts = |texts: &[String]| Json::List(texts.iter().map(|text| Json::text(text)).collect());
    vec![
        ("checks".into(), Json::List(checks.collect())),
        ("answers".into(), Json::List(answers.collect())),
        ("differences".into(), texts(&report.differences)),
        ("unread".into(), texts(&report.unread)),
    ]
}

pub(crate) fn botcoin(args: &ImportFile) -> anyhow::Result<Outcome> {
    let bytes = read(&args.file, MAX_FILE_BYTES)?;
    let name = args.file.display().to_string();
    let file = import::read(&bytes).with_context(|| name.clone())?;
    let origin = origin(args, &bytes, botcoin::FORMAT, botcoin::SOURCE, botcoin::LICENCE);
    let (mut rows, mut tally) = (String::new(), Tally::default());
    let (mut kinds, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = Vec::new();
    for record in &file.records {
        let row = botcoin::read_row(record).with_context(|| name.clone())?;
        let report = botcoin::check(&row);
        tally.add(&report);
        *kinds.entry(row.kind.name()).or_insert(0_usize) += 1;
        let at = format!("record {} ({})", record.number, row.kind.name());
        for checked in &report.checked {
            if checked.verdict != Verdict::Agree {
                lines.push(format!("{at}: {checked}"));
            }
        }
        let more = report.differences.iter().chain(&report.unread);
        lines.extend(more.map(|difference| format!("{at}: {difference}")));
        unknown.extend(row.unknown.iter().cloned());
        let mut said = vec![("kind".to_owned(), Json::text(row.kind.name()))];
        said.extend(found(&report));
        rows.push_str(&import::mark(&origin, file.shape, record, said).line());
        rows.push('\n');
    }
    let mut summary = about(&origin, file.records.len());
    let count = |(kind, count): (&&str, &usize)| ((*kind).to_owned(), Json::count(*count));
    summary.push(("kinds".into(), Json::Object(kinds.iter().map(count).collect())));
    let unknown_list = unknown.iter().map(|path| Json::text(path)).collect();
    summary.push(("unknown_fields".into(), Json::List(unknown_list)));
    for (key, value) in [
        ("agree", tally.agree),
        ("disagree", tally.disagree),
        ("not_checkable", tally.not_checkable),
    ] {
        summary.push((key.to_owned(), Json::count(value)));
    }
    let summary = Json::Object(summary);
    keep(&args.out, &rows, &summary)?;
    if args.json {
        term::print_line(&summary.line())?;
        return Ok(Outcome::Yes);
    }
    for line in lines.iter().take(MAX_LISTED) {
        say(line)?;
    }
    if lines.len() > MAX_LISTED {
        let rest = lines.len() - MAX_LISTED;
        say(&format!("… and {rest} more, in {}", args.out.join(ROWS_FILE).display()))?;
    }
    if !unknown.is_empty() {
        let list: Vec<&str> = unknown.iter().map(String::as_str).take(MAX_LISTED).collect();
        say(&format!("kept, but not known: {}", list.join(", ")))?;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let Origin { source, licence, .. } = &origin;
    say(&format!("{} of {source}, licence {licence}", kinds.join(", ")))?;
    say(&tally.to_string())?;
    Ok(Outcome::Yes)
}

/// How a sheet scores over all challenges, in thousandths: by their rules, by ours.
fn sheets(challenges: &[(Challenge, Json)], of: impl Fn(&Challenge) -> Sheet) -> (u64, u64) {
    let mut metrics = Metrics::default();
    for (challenge, _) in challenges {
        metrics.add(challenge, &dacr::score(challenge, &of(challenge)));
    }
    (metrics.all.theirs_milli(), metrics.all.strict_milli())
}

pub(crate) fn dacr(args: &ImportFile) -> anyhow::Result<Outcome> {
    let bytes = read(&args.file, MAX_FILE_BYTES)?;
    let dataset = dacr::read(&bytes).with_context(|| args.file.display().to_string())?;
    let origin = origin(args, &bytes, dacr::FORMAT, dacr::SOURCE, dacr::LICENCE);
    let mut rows = String::new();
    let (mut questions, mut traps) = (0, 0);
    for (place, (challenge, json)) in dataset.challenges.iter().enumerate() {
        questions += challenge.questions.len();
        traps += challenge.traps.len();
        let record = Record { number: place + 1, line: 1, json: json.clone() };
        let said = vec![("prompt".to_owned(), Json::Text(challenge.prompt()))];
        rows.push_str(&import::mark(&origin, Shape::List, &record, said).line());
        rows.push('\n');
    }
    let all = &dataset.challenges;
    let perfect = sheets(all, |c| {
        Sheet::of(c, |place| c.questions.get(place).map(|q| q.gold.clone()).unwrap_or_default())
    });
    let empty = sheets(all, Sheet::empty);
    let mut summary = about(&origin, all.len());
    summary.push(("questions".into(), Json::count(questions)));
    summary.push(("traps".into(), Json::count(traps)));
    summary.push(("header".into(), dataset.header.clone()));
    let summary = Json::Object(summary);
    keep(&args.out, &rows, &summary)?;
    if args.json {
        term::print_line(&summary.line())?;
        return Ok(Outcome::Yes);
    }
    let Origin { source, licence, .. } = &origin;
    say(&format!(
        "{} challenges of {source}, licence {licence}: {questions} questions, {traps} traps",
        all.len()
    ))?;
    for (name, (theirs, strict)) in [("perfect", perfect), ("empty", empty)] {
        say(&format!(
            "a sheet that is {name} scores {theirs}/1000 by theirs, {strict}/1000 strict"
        ))?;
    }
    Ok(Outcome::Yes)
}

/// Writes imported rows back to a file: as they were, or without the labels that leaked into them.
pub(crate) fn export_botcoin(path: &Path, verbatim: bool, out: &Path) -> anyhow::Result<Outcome> {
    let rows = if path.is_dir() { path.join(ROWS_FILE) } else { path.to_owned() };
    let bytes = read(&rows, MAX_IMPORT_BYTES)?;
    let name = rows.display().to_string();
    let mut file = import::restore(&bytes, botcoin::FORMAT)
        .with_context(|| format!("{name} is not what `lode import botcoin` writes"))?;
    let mut changed = BTreeSet::new();
    if !verbatim {
        for record in &mut file.records {
            let cleaned = botcoin::without_labels(&record.json);
            changed.extend(record.json.differences(&cleaned));
            record.json = cleaned;
        }
    }
    let cannot = || format!("cannot write {}", out.display());
    if out.exists() {
        bail!("{} exists already; choose another name", out.display());
    }
    std::fs::write(out, file.text()).with_context(cannot)?;
    say(&format!("{} records in {}", file.records.len(), out.display()))?;
    if !changed.is_empty() {
        let list: Vec<String> = changed.into_iter().collect();
        say(&format!("without the verifier's labels in {}", list.join(", ")))?;
    }
    Ok(Outcome::Yes)
}
