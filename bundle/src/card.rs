//! `README.md`: the dataset card. Front matter for the Hugging Face hub, then what is inside, how
//! it was made, the figures, and how to check it.
//!
//! Names and licences come from strangers (operators, miners): each passes [`lode_proto::plain::markup`],
//! as everything must that this page is to say and that was not written here.

use std::{collections::BTreeMap, fmt::Write as _};

use lode_proto::{
    manifest::Manifest,
    plain::{self, markup},
    task::Profile,
};

use crate::{
    derive::{Derived, Epoch},
    layout,
    pairs::{Config, ENFORCED_FROM, PairSet, Split},
    rows,
};

/// The configs in the order of the card, with what each holds.
const CONFIGS: [(Config, &str); 6] = [
    (
        Config::Pairs,
        "the default: the chosen side passes, the rejected one fails by answer, trace or trap",
    ),
    (Config::Trap, "the rejected side fell into a trap that the chosen side avoided"),
    (
        Config::Mixed,
        "pairs that the default leaves out: a constraint alone failed, or balance asked for it",
    ),
    (Config::Revision, "both sides continue the same conversation, feedback included"),
    (
        Config::Sequential,
        "an attempt against a later, better one that knew what was said of it: `feedback_conditioned`",
    ),
    (Config::Attempts, "every graded attempt, passed or not"),
];

/// Which profiles the tasks have.
fn profiles(manifest: &Manifest) -> String {
    let mut counts: BTreeMap<Profile, u64> = BTreeMap::new();
    for counter in &manifest.counters {
        *counts.entry(counter.profile).or_default() += 1;
    }
    if counts.len() <= 1 {
        return format!("profile `{}`", manifest.campaign.template.profile);
    }
    let counts: Vec<String> =
        counts.iter().map(|(profile, count)| format!("`{profile}` ({count})")).collect();
    format!("profiles {}, by how often each model passed", counts.join(", "))
}

/// A stranger's name as a quoted scalar of the front matter: a JSON string is one.
fn yaml(text: &str) -> String {
    plain::json(&serde_json::Value::from(plain::name(text)).to_string())
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".into();
    }
    let tenths = (part * 1000 + whole / 2) / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn milli(value: u32) -> String {
    format!("{}.{:03}", value / 1000, value % 1000)
}

/// The card's text.
#[must_use]
pub(crate) fn render(
    manifest: &Manifest,
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_card(&mut text, manifest, derived, epoch, set);
    text
}

fn write_card(
    out: &mut String,
    manifest: &Manifest,
    derived: &Derived,
    epoch: &Epoch,
    set: &PairSet,
) -> std::fmt::Result {
    front_matter(out, manifest)?;
    let template = &manifest.campaign.template;
    writeln!(out, "# {}\n", manifest.name)?;
    writeln!(
        out,
        "Preference pairs from epoch {} of the Lode network `{}` ({}). Language models answered \
         long documents with traps; every answer was graded by rule, and independently again by \
         verifiers that signed what they found. Everything here can be recomputed offline from \
         the signed evidence that lies beside the data.\n",
        manifest.epoch,
        manifest.network,
        markup(&epoch.genesis.name)
    )?;
    writeln!(out, "```python\nfrom datasets import load_dataset\n")?;
    writeln!(
        out,
        "pairs = load_dataset(\"{}\", \"pairs\")  # prompt, chosen, rejected are plain text",
        manifest.name
    )?;
    writeln!(out, "```\n\n```sh\nlode bundle audit {}\n```\n", manifest.name)?;
    writeln!(
        out,
        "## Configs\n\n| config | rows (train / validation / test) | content |\n|---|---|---|"
    )?;
    for (config, about) in CONFIGS {
        let rows = |split: Split| {
            let key = format!("{}/{}", config.name(), split.name());
            manifest.counts.get(&key).copied().unwrap_or(0)
        };
        let (train, validation, test) =
            (rows(Split::Train), rows(Split::Validation), rows(Split::Test));
        writeln!(out, "| `{}` | {train} / {validation} / {test} | {about} |", config.name())?;
    }
    writeln!(
        out,
        "\nSplits are by task. An attempt stands in at most one pair of a kind. Both sides of a \
         pair come from one policy (weights, quantisation, template, sampling, grammar) and \
         answer the same prompt, byte for byte; rejected sides parse.\n"
    )?;
    writeln!(out, "## Tasks\n")?;
    writeln!(
        out,
        "Family `{}`, engine version {}, domain `{}` (`{}`), {}. {} counters:\n",
        markup(&template.family),
        template.engine_version,
        markup(&template.domain.name),
        template.domain.hash,
        profiles(manifest),
        manifest.counters.len()
    )?;
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    for counter in &manifest.counters {
        *outcomes.entry(counter.outcome.name()).or_default() += 1;
    }
    writeln!(out, "| outcome | counters |\n|---|---|")?;
    for (outcome, count) in outcomes {
        writeln!(out, "| {outcome} | {count} |")?;
    }
    attempts(out, derived)?;
    readers(out, set)?;
    writeln!(out, "\n## Dropped\n")?;
    writeln!(
        out,
        "`kind/reason` counts attempts that stand in no pair of the kind, `kind_pairs/reason` \
         pairs that were made and not published, `moved_to_mixed/reason` pairs that left the \
         default config. For each kind: attempts = 2 × pairs + 2 × pairs dropped + attempts dropped.\n"
    )?;
    writeln!(out, "| reason | count |\n|---|---|")?;
    for (reason, count) in &manifest.dropped {
        writeln!(out, "| {reason} | {count} |")?;
    }
    writeln!(out, "\n## Licences\n\n| of | licence |\n|---|---|")?;
    for (of, licence) in &manifest.licences {
        writeln!(out, "| {} | {} |", markup(of), markup(licence))?;
    }
    writeln!(out, "\n## Provenance and limits\n")?;
    writeln!(
        out,
        "{} verifiers, a quorum of {} beside the coordinator's own grade. The tier column says \
         how far it was checked which model wrote a text: T0 means that nothing was checked and \
         the model is the miner's word. A task's seed follows from a secret that was committed to \
         before the beacon was fixed (`manifest.json`); `evidence/` holds every signed message, \
         and a counter that was skipped fails the audit. Texts are model output over invented \
         documents: names and figures are fictitious.\n",
        manifest.verifiers.len(),
        epoch.genesis.quorum
    )?;
    writeln!(out, "Written by {}.", manifest.software)
}

fn front_matter(out: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(out, "---")?;
    let licence = manifest.licences.get("bundle").map_or("", String::as_str);
    writeln!(out, "license: {}", yaml(&licence.to_lowercase()))?;
    writeln!(out, "pretty_name: \"{}\"", manifest.name)?;
    writeln!(out, "language:\n- en\ntags:\n- preference\n- dpo\n- long-context\n- lode")?;
    writeln!(out, "configs:")?;
    for (config, _) in CONFIGS {
        let splits: Vec<Split> = [Split::Train, Split::Validation, Split::Test]
            .into_iter()
            .filter(|split| {
                manifest.counts.contains_key(&format!("{}/{}", config.name(), split.name()))
            })
            .collect();
        if splits.is_empty() {
            continue;
        }
        writeln!(out, "- config_name: {}", config.name())?;
        if config == Config::Pairs {
            writeln!(out, "  default: true")?;
        }
        writeln!(out, "  data_files:")?;
        for split in splits {
            let first = layout::data_file(config, split, 0);
            let pattern = first.replace("-00000.parquet", "-*.parquet");
            writeln!(out, "  - split: {}\n    path: {pattern}", split.name())?;
        }
    }
    writeln!(out, "---\n")
}

fn attempts(out: &mut String, derived: &Derived) -> std::fmt::Result {
    let (mut total, mut passed, mut tokens) = (0_u64, 0_u64, 0_u64);
    let mut classes: BTreeMap<String, u64> = BTreeMap::new();
    let mut models: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for group in &derived.groups {
        let model = models.entry(markup(&group.card.model)).or_default();
        for attempt in &group.attempts {
            total += 1;
            tokens += u64::from(attempt.receipt.tokens);
            model.0 += 1;
            match attempt.verdict.failure {
                None => {
                    passed += 1;
                    model.1 += 1;
                }
                Some(class) => *classes.entry(rows::name(class)).or_default() += 1,
            }
        }
    }
    writeln!(out, "\n## Attempts\n")?;
    writeln!(
        out,
        "{total} graded attempts with {tokens} credited tokens; {passed} pass ({}).\n",
        share(passed, total)
    )?;
    writeln!(out, "| fails by | attempts | share |\n|---|---|---|")?;
    for (class, count) in &classes {
        writeln!(out, "| {class} | {count} | {} |", share(*count, total))?;
    }
    writeln!(out, "\n| model | attempts | pass |\n|---|---|---|")?;
    for (model, (count, passed)) in &models {
        writeln!(out, "| {model} | {count} | {} |", share(*passed, *count))?;
    }
    Ok(())
}

fn readers(out: &mut String, set: &PairSet) -> std::fmt::Result {
    writeln!(out, "\n## What a reader without the document can tell\n")?;
    writeln!(
        out,
        "From {ENFORCED_FROM} pairs up, the default config is cut until a reader that picks the \
         longer side gets 48 to 52 % and a probe of the text alone (character n-grams, length, \
         steps; cross-validated by task) reaches an area under the curve of at most 0.60. Below, \
         both are only measured; intervals are 95 %.\n"
    )?;
    writeln!(
        out,
        "| config | pairs | longer side is chosen | interval | probe's area | interval |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for (config, length) in &set.length {
        let (low, high) = length.interval_milli;
        write!(
            out,
            "| `{config}` | {} | {} | {} to {} |",
            length.pairs,
            milli(length.right_milli),
            milli(low),
            milli(high)
        )?;
        match set.probe.get(config) {
            Some(probe) => {
                let (low, high) = probe.interval_milli;
                writeln!(out, " {} | {} to {} |", milli(probe.auc_milli), milli(low), milli(high))?;
            }
            None => writeln!(out, " – | – |")?,
        }
    }
    Ok(())
}
