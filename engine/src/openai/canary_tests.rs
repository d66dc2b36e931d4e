use proptest::prelude::*;

use super::*;

fn reply(text: &str) -> Reply {
    Reply {
        text: text.to_owned(),
        end: Some(Finish::Cap),
        reason: "length".to_owned(),
        tokens: COPY_TOKENS,
    }
}

/// What an honest server shows.
fn honest() -> Seen {
    Seen {
        asked: "small".to_owned(),
        listed: vec!["small".to_owned()],
        answered: Some("small".to_owned()),
        counts: Some([1, 3, 1, 9]),
        copy: Some(reply(&expected()[..100])),
        drawn: ["a", "b", "c", "a"].map(str::to_owned).to_vec(),
        grammar: Some((Ok("zq123!".to_owned()), "use another")),
    }
}

/// The one finding about a server that is honest but for `change`.
fn found(change: impl FnOnce(&mut Seen)) -> Finding {
    let mut seen = honest();
    change(&mut seen);
    let mut findings = judge(&seen);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

#[track_caller]
fn refuses(change: impl FnOnce(&mut Seen), word: &str) {
    let finding = found(change);
    assert!(finding.to_string().contains(word), "{finding}");
    assert_eq!(finding.severity, Severity::Refused, "{finding}");
}

#[track_caller]
fn notes(change: impl FnOnce(&mut Seen), word: &str) {
    let finding = found(change);
    assert!(finding.to_string().contains(word), "{finding}");
    assert_eq!(finding.severity, Severity::Note, "{finding}");
}

#[test]
fn an_honest_server_passes() {
    assert_eq!(judge(&honest()), []);
    let with_bos = Seen { counts: Some([2, 4, 2, 10]), ..honest() };
    assert_eq!(judge(&with_bos), []);
    // SentencePiece puts a blank before the first word and splits line breaks off.
    let sentencepiece = Seen { counts: Some([2, 5, 2, 12]), ..honest() };
    assert_eq!(judge(&sentencepiece), []);
}

#[test]
fn prompts_that_are_altered_are_counted() {
    refuses(|seen| seen.counts = Some([31, 33, 31, 39]), "puts a template around");
    refuses(|seen| seen.counts = Some([3, 5, 3, 11]), "begins the text twice");
    refuses(|seen| seen.counts = Some([1, 1, 1, 9]), "trims line breaks");
    refuses(|seen| seen.counts = Some([1, 2, 1, 9]), "trims line breaks");
    refuses(|seen| seen.counts = Some([1, 3, 1, 2]), "takes tags like <trace> out of prompts");
    notes(|seen| seen.counts = None, "does not count");
}

#[test]
fn texts_that_are_altered_are_told_by_what_was_done() {
    let copy = |text: &str| {
        let text = text.to_owned();
        move |seen: &mut Seen| seen.copy = Some(reply(&text))
    };
    refuses(copy(&copy_prompt()), "sends the prompt back");
    notes(copy(expected().trim_start()), "trims the beginning");
    refuses(copy(&expected().replace("<trace>", "").replace("</trace>", "")), "out of texts");
    refuses(copy(&expected().replace('<', "&lt;")), "rewrites tags");
    refuses(copy(&expected().replace("\n  ", " ")), "changes blanks");
    notes(copy("Certainly! Here"), "could not be judged");
    refuses(
        |seen| {
            seen.copy = Some(Reply { end: Some(Finish::Stop), tokens: 1, ..reply("") });
        },
        "at a line break",
    );
    refuses(
        |seen| {
            let text = "\n  e1: red [p1]";
            seen.copy = Some(Reply { end: Some(Finish::Stop), tokens: 9, ..reply(text) });
        },
        "at a line break",
    );
}

#[test]
fn a_model_that_chats_and_counts_nothing_is_refused() {
    let seen = Seen { counts: None, copy: Some(reply("Sure! Let me help you.")), ..honest() };
    let findings = judge(&seen);
    assert!(findings.iter().any(|f| f.severity == Severity::Refused), "{findings:?}");
    // With a count, the template explains what it wrote: one finding is enough.
    let seen = Seen { counts: Some([20, 22, 20, 28]), ..seen };
    assert_eq!(judge(&seen).len(), 1);
}

#[test]
fn ends_are_told_from_cuts() {
    refuses(|seen| seen.copy = None, "past max_tokens");
    refuses(
        |seen| {
            let text = expected()[..150].to_owned();
            seen.copy = Some(Reply { tokens: COPY_TOKENS + 1, ..reply(&text) });
        },
        "where max_tokens was",
    );
    refuses(
        |seen| {
            let text = expected()[..100].to_owned();
            seen.copy = Some(Reply { end: Some(Finish::Stop), ..reply(&text) });
        },
        "says \"stop\" where max_tokens cut",
    );
    refuses(
        |seen| {
            let text = expected()[..100].to_owned();
            seen.copy = Some(Reply { end: None, reason: "\u{1b}[2J".into(), ..reply(&text) });
        },
        "\\u{1b}[2J",
    );
}

#[test]
fn seeds_and_grammars() {
    let drawn = |texts: [&str; 4]| {
        let texts = texts.map(str::to_owned).to_vec();
        move |seen: &mut Seen| seen.drawn = texts
    };
    refuses(drawn(["a"; 4]), "three seeds");
    notes(drawn(["a", "b", "c", "d"]), "ignores seeds");
    let grammar = |reply: Result<&str, &str>| {
        let reply = reply.map(str::to_owned).map_err(str::to_owned);
        move |seen: &mut Seen| seen.grammar = Some((reply, "build it anew"))
    };
    refuses(grammar(Ok("zq12!")), "ignores the grammar");
    refuses(grammar(Ok("Answer: yes")), "build it anew");
    refuses(grammar(Err("answered with status 400: bad")), "status 400");
}

#[test]
fn models_are_known_by_their_names() {
    refuses(|seen| seen.listed = vec!["other\u{202e}".into()], "other\\u{202e}");
    refuses(|seen| seen.answered = Some("other".into()), "answered as");
    for (asked, listed, answered) in [
        ("llama3.2", "llama3.2:latest", "llama3.2"),
        ("default", "default", "mistralai/x"),
        ("Small", "small", "small-2025-01-01"),
    ] {
        let seen = Seen {
            asked: asked.into(),
            listed: vec!["another".into(), listed.into()],
            answered: Some(answered.into()),
            ..honest()
        };
        assert_eq!(judge(&seen), [], "{asked}");
    }
    let silent = Seen { listed: Vec::new(), answered: None, ..honest() };
    assert_eq!(judge(&silent), []);
}

#[test]
fn the_pattern_can_be_judged() {
    let (prompt, rest) = (copy_prompt(), expected());
    assert!(prompt.ends_with(CUE) && rest.starts_with('\n'));
    assert!((prompt + &rest).starts_with(&ROUND.repeat(ROUNDS + 1)));
    assert!(rest.matches("<trace>").count() > 1);
}

proptest! {
    #[test]
    fn whatever_it_sends_is_judged_and_harmless(
        text in "(?s).{0,80}",
        counts in prop::option::of(any::<[u32; 4]>()),
        tokens in any::<u32>(),
        name in "(?s).{0,20}",
    ) {
        let seen = Seen {
            asked: "small".into(),
            listed: vec![name.clone()],
            answered: Some(name),
            counts,
            copy: Some(Reply { tokens, ..reply(&text) }),
            drawn: vec![text.clone(); 4],
            grammar: Some((Ok(text.clone()), "")),
        };
        for finding in judge(&seen) {
            prop_assert!(finding.to_string().chars().all(|c| !c.is_control()), "{finding}");
        }
    }
}
