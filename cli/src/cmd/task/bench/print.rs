//! The figures of a run as tables for people, and as one JSON object.

use std::collections::BTreeMap;

use lode_proto::task::Profile;
use lode_tasks::{
    leak::{self, Auc},
    longdoc::cheat::Shortcut,
};
use serde_json::{Value, json};

use super::measure::Tally;
use crate::term::print_line;

/// Features of the trained reader that are shown.
const TELLING: usize = 6;

/// One profile in one domain, or in all of them.
pub(super) struct Row {
    pub(super) profile: Profile,
    pub(super) domain: String,
    pub(super) tally: Tally,
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// How many a second of processor time; 0 where too little was measured to say.
fn rate(count: u64, nanos: u64) -> f64 {
    if nanos == 0 { 0.0 } else { count as f64 * 1e9 / nanos as f64 }
}

/// As text: one table a question that is asked of an engine.
pub(super) fn text(rows: &[Row], memory: ((u64, u64), (u64, u64))) -> anyhow::Result<()> {
    print_line(
        "profile domain: tasks, a second a core; tries each (most); exhausted; graded a second a core; rechecked a second; bytes, paragraphs; guess floor",
    )?;
    for row in rows {
        let tally = &row.tally;
        print_line(&format!(
            "{} {}: {}, {:.0}; {:.2} ({}); {}; {:.0}; {:.0}; {:.0}, {:.0}; {} ppb",
            row.profile,
            row.domain,
            tally.made,
            rate(tally.made, tally.generating),
            share(tally.tries, tally.made),
            tally.most_tries,
            tally.exhausted,
            rate(tally.graded, tally.grading),
            rate(tally.made, tally.rechecking),
            share(tally.bytes, tally.made),
            share(tally.paragraphs, tally.made),
            tally.floor_ppb,
        ))?;
    }
    print_line("\nproofs, by the text alone\nprofile domain: seeds, violations of proofs 1 to 5")?;
    for row in rows {
        let found = row.tally.violations.map(|count| count.to_string()).join(" ");
        print_line(&format!("{} {}: {}, {found}", row.profile, row.domain, row.tally.made))?;
        for told in row.tally.told.iter().filter(|_| row.domain != "all") {
            print_line(&format!("    {told}"))?;
        }
    }
    for row in totals(rows) {
        print_line(&format!("\n{} ({})", row.profile, row.domain))?;
        one(&row.tally)?;
    }
    let ((start, _), (end, peak)) = memory;
    print_line(&format!(
        "\nmemory: {start} KiB at the start, {end} KiB at the end, {peak} KiB peak"
    ))
}

/// One row a profile: the sum, or the only domain.
fn totals(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| {
        let several = rows.iter().filter(|other| other.profile == row.profile).count() > 1;
        !several || row.domain == "all"
    })
}

fn one(tally: &Tally) -> anyhow::Result<()> {
    print_line("  guesses at a constraint: seen; hits of draws; largest bound (ppb)")?;
    for (kind, guesses) in &tally.guesses {
        print_line(&format!(
            "    {kind}: {}; {} of {}; {}",
            guesses.seen, guesses.hits, guesses.draws, guesses.most_ppb
        ))?;
    }
    print_line("  cheating readers: disputed facts got right; trap-free twins answered in full")?;
    for (shortcut, [disputes, survived, twins, right]) in Shortcut::ALL.iter().zip(tally.cheats) {
        print_line(&format!(
            "    {shortcut:?}: {survived} of {disputes} ({:.1} %); {right} of {twins} ({:.1} %)",
            100.0 * share(survived, disputes),
            100.0 * share(right, twins)
        ))?;
    }
    print_line("  a reader trained on single sentences, AUC (0.5 is a guess)")?;
    for (name, found) in trained(tally) {
        print_line(&match found {
            Some(auc) => format!(
                "    held-out {name}: {:.3} [{:.3}, {:.3}], {} that hold against {}",
                auc.value, auc.low, auc.high, auc.tested.0, auc.tested.1
            ),
            None => format!("    held-out {name}: too few sentences"),
        })?;
    }
    for (feature, weight) in leak::telling(&tally.sentences, TELLING) {
        print_line(&format!("    {feature:?}: {weight:+.2}"))?;
    }
    let list = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    print_line("  evidence of one answer, by tenths of the document")?;
    print_line(&format!("    from its first to its last paragraph: {}", list(&tally.spread)))?;
    print_line(&format!("    where each paragraph stands: {}", list(&tally.places)))?;
    let named = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
    };
    print_line(&format!("  traps: {}", named(&tally.traps)))?;
    print_line(&format!("  {} shapes: {}", tally.shapes.len(), named(&tally.shapes)))?;
    let hops = tally.hops.iter().map(|(hops, n)| format!("{hops}: {n}")).collect::<Vec<_>>();
    print_line(&format!("  hops: {}", hops.join(", ")))?;
    print_line(&format!(
        "  {} kinds of constraint: {}",
        tally.constraints.len(),
        named(&tally.constraints)
    ))
}

fn trained(tally: &Tally) -> [(&'static str, Option<Auc>); 2] {
    [
        ("wordings", leak::held_out_wordings(&tally.sentences)),
        ("domains", leak::held_out_domains(&tally.sentences)),
    ]
}

/// The same figures as JSON.
pub(super) fn json(rows: &[Row], memory: ((u64, u64), (u64, u64))) -> Value {
    let all: Vec<Value> = rows.iter().map(row).collect();
    let ((start, _), (end, peak)) = memory;
    json!({
        "rows": all,
        "memory_kib": { "start": start, "end": end, "peak": peak },
    })
}

fn row(row: &Row) -> Value {
    let tally = &row.tally;
    let guesses: BTreeMap<&String, Value> = tally
        .guesses
        .iter()
        .map(|(kind, g)| {
            let value = json!({
                "seen": g.seen, "draws": g.draws, "hits": g.hits, "most_ppb": g.most_ppb,
            });
            (kind, value)
        })
        .collect();
    let cheats: Vec<Value> = Shortcut::ALL
        .iter()
        .zip(tally.cheats)
        .map(|(shortcut, [disputes, survived, twins, right])| {
            json!({
                "reader": format!("{shortcut:?}"),
                "disputes": disputes, "survived": survived, "twins": twins, "right": right,
            })
        })
        .collect();
    let trained: BTreeMap<&str, Value> = trained(tally)
        .into_iter()
        .map(|(name, found)| {
            let value = found.map_or(Value::Null, |auc| {
                json!({ "auc": auc.value, "low": auc.low, "high": auc.high, "tested": auc.tested })
            });
            (name, value)
        })
        .collect();
    json!({
        "profile": row.profile.to_string(),
        "domain": row.domain,
        "tasks": tally.made,
        "exhausted": tally.exhausted,
        "tries": tally.tries,
        "most_tries": tally.most_tries,
        "generated_per_second": rate(tally.made, tally.generating),
        "graded_per_second": rate(tally.graded, tally.grading),
        "rechecked_per_second": rate(tally.made, tally.rechecking),
        "prompt_bytes": share(tally.bytes, tally.made),
        "paragraphs": share(tally.paragraphs, tally.made),
        "guess_floor_ppb": tally.floor_ppb,
        "violations": tally.violations,
        "told": tally.told,
        "guesses": guesses,
        "cheats": cheats,
        "trained": trained,
        "evidence_spread": tally.spread,
        "evidence_places": tally.places,
        "traps": tally.traps,
        "shapes": tally.shapes,
        "hops": tally.hops,
        "constraints": tally.constraints,
    })
}
