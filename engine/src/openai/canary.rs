//! The canary: whether a server hands the model what we send, and us what the model writes.
//!
//! ```text
//! check.rs: probes ─► Seen ─► judge ─► [Finding]     (refused, or only worth knowing)
//! ```
//!
//! Two kinds of evidence need no knowledge of the model. Counts: one letter is one token, perhaps
//! with one at its beginning, so more of them are a template; what is longer has more of them. And
//! copying: every language model goes on with a text that has repeated itself five times, so the
//! rest of the pattern is known byte for byte. What the model does not copy cannot be judged, which
//! is said, not guessed.

use std::fmt;

use lode_proto::{attempt::Finish, plain};

/// One round of the pattern: a tag, an indented line, a closing tag, a line, an empty line.
const ROUND: &str = "<trace>\n  e1: red [p1]\n</trace>\nQ1: blue\n\n";
/// How often the model sees it.
const ROUNDS: usize = 5;
/// What stands of the round that it is to finish. The next byte is a line break, which a server
/// that trims or stops at one shows.
const CUE: &str = "<trace>";
/// Tokens of the copy: two rounds and more, so that the text never ends by itself.
pub(super) const COPY_TOKENS: u32 = 48;
/// Most tokens of a one-letter prompt: the letter and one at the beginning.
const LETTER_TOKENS: u32 = 2;
/// Prompts that are counted: [`Counts`].
pub(super) const COUNTED: [&str; 4] = ["a", "\na\n", "ab", "a<trace>b</trace>"];
/// A prompt that may go on in many ways.
pub(super) const OPEN_PROMPT: &str = "A list of unusual words, one a line:\n";
/// Tokens of each of its continuations.
pub(super) const OPEN_TOKENS: u32 = 12;
/// A grammar whose texts no model writes by itself.
pub(super) const LARK: &str = "start: \"zq\" /[0-9]{3}/ \"!\"\n";
/// Enough for its texts in any tokenizer.
pub(super) const LARK_TOKENS: u32 = 16;
/// Characters of a server's text that a finding shows.
const SHOWN_CHARS: usize = 60;
/// Names of served models that a finding shows.
const SHOWN_NAMES: usize = 5;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// What comes back would not be what the model wrote: nothing is generated there.
    Refused,
    /// Worth knowing; texts are still the model's.
    Note,
}

/// One thing that the canary found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the server can be used all the same.
    pub severity: Severity,
    /// What it does.
    pub what: String,
    /// What to change.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

/// What the server answered to one probe.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// The text.
    pub(super) text: String,
    /// Its end, if it was one of the two.
    pub(super) end: Option<Finish>,
    /// The server's word for it.
    pub(super) reason: String,
    /// Tokens that the server counted, else pieces that it sent.
    pub(super) tokens: u32,
}

/// Tokens that the server counted for each of [`COUNTED`].
pub(super) type Counts = [u32; COUNTED.len()];

/// Everything that the probes saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The model that was asked for.
    pub(super) asked: String,
    /// The models that it lists, if it lists any.
    pub(super) listed: Vec<String>,
    /// The model that it says it used.
    pub(super) answered: Option<String>,
    /// None if it does not count tokens.
    pub(super) counts: Option<Counts>,
    /// To [`copy_prompt`], greedy; none if it wrote on past the limit.
    pub(super) copy: Option<Reply>,
    /// To [`OPEN_PROMPT`] under three seeds, then again under the first.
    pub(super) drawn: Vec<String>,
    /// To [`LARK`], or the refusal; with what makes the server obey. None where it is not claimed.
    pub(super) grammar: Option<(Result<String, String>, &'static str)>,
}

/// The prompt whose continuation is known: [`expected`].
pub(super) fn copy_prompt() -> String {
    ROUND.repeat(ROUNDS) + CUE
}

/// How it goes on.
fn expected() -> String {
    let round = ROUND.strip_prefix(CUE).unwrap_or(ROUND);
    format!("{round}{}", ROUND.repeat(ROUNDS))
}

fn refused(what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { severity: Severity::Refused, what: what.into(), advice: advice.into() }
}

fn note(what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { severity: Severity::Note, what: what.into(), advice: advice.into() }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", plain::escape(text, plain::Surface::Line, SHOWN_CHARS))
}

/// What is wrong, worst first where order means anything.
pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(model(seen));
    if !findings.is_empty() {
        return findings;
    }
    let prompt = seen.counts.as_ref().map(counts);
    match &prompt {
        None => findings.push(note(
            "it does not count the tokens of prompts",
            "a template put around prompts can only be seen by what comes back; see docs/servers.md",
        )),
        Some(found) => findings.extend(found.clone()),
    }
    let explained = prompt.is_some_and(|found| !found.is_empty());
    findings.extend(copy(seen, explained));
    findings.extend(seeds(&seen.drawn));
    if let Some((reply, how)) = &seen.grammar {
        findings.extend(grammar(reply.as_deref().map_err(String::as_str), how));
    }
    findings
}

/// Whether two names can mean one model: servers add a version or a tag to the name asked for.
fn same_model(asked: &str, other: &str) -> bool {
    let (a, b) = (asked.to_lowercase(), other.to_lowercase());
    !a.is_empty() && !b.is_empty() && (a.starts_with(&b) || b.starts_with(&a))
}

impl Seen {
    /// Whether the server lists the model that was asked for, as far as it lists any.
    pub(super) fn lists_asked(&self) -> bool {
        self.listed.is_empty() || self.listed.iter().any(|name| same_model(&self.asked, name))
    }
}

fn model(seen: &Seen) -> Option<Finding> {
    if !seen.lists_asked() {
        let names: Vec<String> =
            seen.listed.iter().take(SHOWN_NAMES).map(|name| plain::name(name)).collect();
        let more = seen.listed.len().saturating_sub(SHOWN_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Some(refused(
            format!("it does not serve {}, but {}{more}", quoted(&seen.asked), names.join(", ")),
            "write one of its names as engine.model, or start it with that model",
        ));
    }
    let answered = seen.answered.as_deref()?;
    // mistral.rs takes this name for its only model, and answers by the model's own.
    let same = seen.asked == "default" || same_model(&seen.asked, answered);
    (!same).then(|| {
        refused(
            format!("asked for {}, it answered as {}", quoted(&seen.asked), quoted(answered)),
            "write the name it answers by as engine.model, and check that the declared weights \
             are that model's",
        )
    })
}

fn counts(counts: &Counts) -> Vec<Finding> {
    let [letter, spaced, joined, tagged] = *counts;
    if letter > LETTER_TOKENS + 1 {
        return vec![refused(
            format!(
                "it makes {letter} tokens of a prompt of one letter: it puts a template around"
            ),
            "serve the model without one on /v1/completions (Ollama: TEMPLATE \"{{ .Prompt }}\" in \
             a Modelfile; see docs/servers.md)",
        )];
    }
    let mut findings = Vec::new();
    if letter > LETTER_TOKENS {
        findings.push(refused(
            format!(
                "it makes {letter} tokens of a prompt of one letter: it begins the text twice, or \
                 ends it"
            ),
            "switch off one of the two places that add a BOS (the tokenizer's add_bos_token, or \
             the template)",
        ));
    }
    if spaced < letter + 2 {
        findings.push(refused(
            "it trims line breaks off the beginning or the end of prompts",
            "find the proxy or template that trims, or use another server: our prompts end with \
             one",
        ));
    }
    if tagged < joined + 2 {
        findings.push(refused(
            "it takes tags like <trace> out of prompts",
            "find the proxy or filter that removes them, or use another server",
        ));
    }
    findings
}

fn copy(seen: &Seen, explained: bool) -> Vec<Finding> {
    let Some(reply) = &seen.copy else {
        return vec![refused(
            "it writes on past max_tokens",
            "use a server that obeys it: without it no lease is met in time",
        )];
    };
    let mut findings = Vec::new();
    if reply.tokens > COPY_TOKENS {
        findings.push(refused(
            format!("it wrote {} tokens where max_tokens was {COPY_TOKENS}", reply.tokens),
            "use a server that obeys it: without it no lease is met in time",
        ));
    }
    let expected = expected();
    let text = reply.text.as_str();
    let intact = expected.starts_with(text) && !text.is_empty();
    let trimmed = !intact && !text.is_empty() && expected.trim_start().starts_with(text);
    match reply.end {
        None => findings.push(refused(
            format!("it ends texts with the reason {}", quoted(&reply.reason)),
            "use a server that says \"stop\" or \"length\": an end must be told from a cut",
        )),
        Some(Finish::Stop) if reply.tokens >= COPY_TOKENS => findings.push(refused(
            "it says \"stop\" where max_tokens cut the text",
            "use a server that says \"length\" there: an end must be told from a cut",
        )),
        Some(Finish::Stop) if text.is_empty() || before_break(&expected, text) => {
            findings.push(refused(
                format!("it ends a text at a line break, after {}", quoted(tail(text))),
                "remove the stop strings from its configuration or its template",
            ));
            return findings;
        }
        Some(_) => {}
    }
    if intact {
        return findings;
    }
    if trimmed {
        findings.push(note(
            "it trims the beginning of texts",
            "line breaks and blanks that a model begins with are lost; nothing else was changed",
        ));
        return findings;
    }
    findings.extend(altered(text, &expected, seen.counts.is_none(), explained));
    findings
}

/// What was done to a text that is not the expected one.
fn altered(text: &str, expected: &str, uncounted: bool, explained: bool) -> Option<Finding> {
    let prompt = copy_prompt();
    let echo: String = prompt.chars().take(SHOWN_CHARS).collect();
    if text.starts_with(&echo) {
        return Some(refused(
            "it sends the prompt back before the text",
            "switch echo off in its configuration",
        ));
    }
    if ["&lt;", "&#60;", "\\u003c"].iter().any(|escape| text.contains(escape)) {
        return Some(refused(
            format!("it rewrites tags: {}", quoted(text)),
            "find the proxy or filter that escapes them, or use another server",
        ));
    }
    let untagged = expected.replace("<trace>", "").replace("</trace>", "");
    let bare = without_blanks(text);
    if !bare.is_empty() && without_blanks(expected).starts_with(&bare) {
        return Some(refused(
            format!("it changes blanks and line breaks in texts: {}", quoted(text)),
            "find the proxy or filter that does, or use another server",
        ));
    }
    if !bare.is_empty() && without_blanks(&untagged).starts_with(&bare) {
        return Some(refused(
            "it takes tags like <trace> out of texts",
            "switch off its reasoning parser (llama.cpp: --reasoning-format none; vLLM and SGLang: \
             no --reasoning-parser)",
        ));
    }
    if explained {
        return None;
    }
    let what =
        format!("it did not go on with a text that repeats itself, but wrote {}", quoted(text));
    Some(if uncounted {
        refused(
            what,
            "it seems to chat: serve the model's raw /v1/completions; see docs/servers.md",
        )
    } else {
        note(
            what,
            "a penalty on repetition does that (take it away), or a weak model; whether it alters texts could not be judged",
        )
    })
}

fn tail(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

/// Whether `text` is the beginning of `expected` just before a line break.
fn before_break(expected: &str, text: &str) -> bool {
    let rest = expected.strip_prefix(text).or_else(|| expected.trim_start().strip_prefix(text));
    rest.is_some_and(|rest| rest.starts_with('\n'))
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

fn seeds(drawn: &[String]) -> Option<Finding> {
    let [first, second, third, again] = drawn else { return None };
    if first == second && second == third {
        return Some(refused(
            format!("three seeds at temperature 1 gave one text, {}", quoted(first)),
            "remove the fixed seed or the fixed temperature from its configuration: eight equal \
             attempts are one",
        ));
    }
    (first != again).then(|| {
        note(
            "one seed gave two texts: it ignores seeds, or does not compute the same twice",
            "attempts cannot be repeated; they count as before",
        )
    })
}

fn grammar(reply: Result<&str, &str>, how: &str) -> Option<Finding> {
    let advice = || format!("{how}, or take engine.server.grammar away");
    match reply {
        Ok(text) => {
            let digits = text.trim().strip_prefix("zq").and_then(|rest| rest.strip_suffix('!'));
            let obeyed = digits.is_some_and(|digits| {
                digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
            });
            (!obeyed).then(|| {
                refused(format!("it ignores the grammar: it wrote {}", quoted(text)), advice())
            })
        }
        Err(problem) => {
            let problem = plain::line(problem);
            Some(refused(format!("it does not take the grammar: it {problem}"), advice()))
        }
    }
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
