//! Reading a streamed completion: server-sent events, or one JSON object from a server that does
//! not stream. Bounded, and without trust in any field.

use lode_proto::limits::MAX_COMPLETION_BYTES;
use serde_json::Value;

use crate::types::ServerError;

/// Most bytes of a whole answer: each token of a completion comes in some hundred bytes of JSON.
const MAX_ANSWER_BYTES: usize = 64 * MAX_COMPLETION_BYTES;
/// Longest line (event) of an answer.
const MAX_LINE_BYTES: usize = 8 * MAX_COMPLETION_BYTES;
/// Longest name of a model that is kept, in characters.
const MAX_NAME_CHARS: usize = 512;
/// Characters of garbage that an error shows.
const SHOWN_CHARS: usize = 80;

/// One event of an answer.
#[derive(Debug)]
pub(super) enum Chunk {
    /// A JSON object.
    Data(Data),
    /// `[DONE]`.
    Done,
}

/// A JSON object of an answer.
#[derive(Debug)]
pub(super) struct Data(Value);

impl Data {
    /// Adds what this object says to the answer.
    pub(super) fn take(&self, answer: &mut Answer) -> Result<(), ServerError> {
        if let Some(error) = self.0.get("error").filter(|error| !error.is_null()) {
            let message = error.get("message").unwrap_or(error).to_string();
            return Err(ServerError::Garbage(format!("an error object: {}", shown(&message))));
        }
        if let Some(choice) = self.0.get("choices").and_then(|choices| choices.get(0)) {
            match choice.get("text") {
                Some(Value::String(piece)) => {
                    answer.text.push_str(piece);
                    answer.pieces += u32::from(!piece.is_empty());
                }
                Some(Value::Null) | None if choice.get("finish_reason").is_some() => {}
                _ => {
                    let found = shown(&choice.to_string());
                    return Err(ServerError::Garbage(format!("a choice without a text: {found}")));
                }
            }
            if answer.text.len() > MAX_COMPLETION_BYTES {
                return Err(ServerError::TooLarge { limit: MAX_COMPLETION_BYTES });
            }
            if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
                answer.finish = Some(reason.chars().take(SHOWN_CHARS).collect());
            }
        } else if self.0.get("usage").is_none() && self.0.get("choices").is_none() {
            let found = shown(&self.0.to_string());
            return Err(ServerError::Garbage(format!("neither choices nor usage: {found}")));
        }
        if let Some(counts) = self.0.get("usage") {
            let count = |name| counts.get(name)?.as_u64().and_then(|n| u32::try_from(n).ok());
            if let (Some(prompt), Some(completion)) =
                (count("prompt_tokens"), count("completion_tokens"))
            {
                answer.usage = Some((prompt, completion));
            }
        }
        if answer.model.is_none() {
            answer.model = self.0.get("model").and_then(Value::as_str).map(model_name);
        }
        Ok(())
    }
}

/// A model's name as a server says it, cut to what a name can be.
pub(super) fn model_name(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

/// What an answer says, all of its objects together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The text.
    pub(super) text: String,
    /// Why it ended, in the server's word.
    pub(super) finish: Option<String>,
    /// Tokens of the prompt and of the completion, if the server counts them.
    pub(super) usage: Option<(u32, u32)>,
    /// The model that the server says it used.
    pub(super) model: Option<String>,
    /// Objects that carried text. Streamed, all known servers send one a token.
    pub(super) pieces: u32,
}

/// Cuts an answer into events, whatever pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pending: Vec<u8>,
    total: usize,
    streamed: bool,
}

impl Reader {
    /// The events that `bytes` completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Chunk>, ServerError> {
        self.total += bytes.len();
        if self.total > MAX_ANSWER_BYTES {
            return Err(ServerError::TooLarge { limit: MAX_ANSWER_BYTES });
        }
        self.pending.extend_from_slice(bytes);
        let mut chunks = Vec::new();
        let mut start = 0;
        while let Some(length) = self.pending[start..].iter().position(|byte| *byte == b'\n') {
            let line = self.pending[start..start + length].trim_ascii();
            if line.starts_with(b"data:") {
                self.streamed = true;
                chunks.extend(event(line)?);
            } else if !self.streamed && !line.is_empty() && !is_other_field(line) {
                // A plain JSON answer, perhaps over several lines: kept whole until the end.
                break;
            }
            start += length + 1;
        }
        self.pending.drain(..start);
        if self.pending.len() > MAX_LINE_BYTES {
            return Err(ServerError::TooLarge { limit: MAX_LINE_BYTES });
        }
        Ok(chunks)
    }

    /// What is left at the end: a last line without its end, or the one object of an answer that
    /// was not streamed.
    pub(super) fn finish(&mut self) -> Result<Option<Data>, ServerError> {
        let rest = std::mem::take(&mut self.pending);
        let rest = rest.trim_ascii();
        if self.streamed || rest.starts_with(b"data:") {
            // A cut event is an early end, which the missing finish reason tells.
            return Ok(match event(rest) {
                Ok(Some(Chunk::Data(data))) => Some(data),
                _ => None,
            });
        }
        if rest.is_empty() {
            return Ok(None);
        }
        json(rest).map(|value| Some(Data(value)))
    }
}

/// Comments and the fields of server-sent events other than `data`.
fn is_other_field(line: &[u8]) -> bool {
    [b":".as_slice(), b"event:", b"id:", b"retry:"].iter().any(|field| line.starts_with(field))
}

fn event(line: &[u8]) -> Result<Option<Chunk>, ServerError> {
    let Some(data) = line.strip_prefix(b"data:") else { return Ok(None) };
    match data.trim_ascii() {
        b"" => Ok(None),
        b"[DONE]" => Ok(Some(Chunk::Done)),
        data => json(data).map(|value| Some(Chunk::Data(Data(value)))),
    }
}

fn json(bytes: &[u8]) -> Result<Value, ServerError> {
    serde_json::from_slice(bytes).map_err(|e| {
        ServerError::Garbage(format!("{e}: {}", shown(&String::from_utf8_lossy(bytes))))
    })
}

fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Result<Answer, ServerError> {
        let mut answer = Answer::default();
        let mut reader = Reader::default();
        for piece in pieces {
            for chunk in reader.push(piece)? {
                if let Chunk::Data(data) = chunk {
                    data.take(&mut answer)?;
                }
            }
        }
        if let Some(data) = reader.finish()? {
            data.take(&mut answer)?;
        }
        Ok(answer)
    }

    fn says(answer: &Answer) -> (&str, Option<&str>, Option<(u32, u32)>) {
        (&answer.text, answer.finish.as_deref(), answer.usage)
    }

    const STREAM: &str = ": comment\r\n\r\ndata: {\"choices\":[{\"text\":\"Vo\",\"finish_reason\":null}]}\r\n\r\n\
        event: x\ndata:{\"choices\":[{\"text\":\"lt é\",\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"model\":\"small\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
    const PLAIN: &str = "{\n\"choices\": [\n{\"text\": \"Volt\",\n\"finish_reason\": \"length\"}],\n\"usage\": {\"prompt_tokens\": 7, \"completion_tokens\": 1}}\n";

    #[test]
    fn reads_both_forms_at_every_cut() {
        for cut in 0..STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(cut);
            let got = read(&[a, b]).unwrap();
            assert_eq!(says(&got), ("Volt é", Some("stop"), Some((7, 3))), "cut {cut}");
            assert_eq!((got.pieces, got.model.as_deref()), (2, Some("small")), "cut {cut}");
        }
        for cut in 0..PLAIN.len() {
            let (a, b) = PLAIN.as_bytes().split_at(cut);
            let got = read(&[a, b]).unwrap();
            assert_eq!(says(&got), ("Volt", Some("length"), Some((7, 1))), "cut {cut}");
        }
    }

    #[test]
    fn a_cut_stream_has_no_finish_reason() {
        let end = STREAM.find("\"stop\"").unwrap();
        let answer = read(&[&STREAM.as_bytes()[..end]]).unwrap();
        assert_eq!(answer.finish, None);
    }

    #[test]
    fn odd_json_is_refused_with_its_start() {
        for (body, word) in [
            ("data: {\"error\":{\"message\":\"no such model\"}}\n", "no such model"),
            ("data: nonsense\n", "nonsense"),
            ("<html>504</html>", "html"),
            ("data: 7\n", "neither choices nor usage"),
            ("data: {\"choices\":[{\"text\":[1]}]}\n", "without a text"),
            ("data: {\"choices\":[5]}\n", "without a text"),
        ] {
            match read(&[body.as_bytes()]) {
                Err(ServerError::Garbage(text)) => assert!(text.contains(word), "{text}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn too_much_is_refused() {
        let long = format!("data: {{\"choices\":[{{\"text\":\"{}\"}}]}}\n", "a".repeat(200_000));
        let twice = [long.as_bytes(), long.as_bytes()];
        assert!(matches!(read(&twice), Err(ServerError::TooLarge { .. })));
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert!(matches!(read(&[&endless]), Err(ServerError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn never_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read(&pieces);
        }

        #[test]
        fn never_panics_on_damaged_events(at in 0..STREAM.len(), byte in any::<u8>()) {
            let mut bytes = STREAM.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = read(&[&bytes]);
        }
    }
}
