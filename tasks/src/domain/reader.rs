//! What all parts of reading share: the faults found so far, and the checks of single texts.

use std::cell::RefCell;

use super::{
    finding::{Fault, MAX_FINDINGS, Severity, Stop, quoted},
    limits::{MAX_WORD_CHARS, MAX_WORDING_CHARS, MAX_WORDINGS},
    template::{Slot, Template},
};

/// Reads one file: carries its name, its attribute keys for slots, and what is wrong so far.
///
/// A fault is recorded where it is found, and reading goes on wherever that makes sense, so that
/// the author sees all of them; no domain comes out of a file with any.
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) keys: Vec<String>,
    /// Whether it is a facts file, which draws no names and has no paragraphs of its own.
    pub(super) own: bool,
    faults: RefCell<Vec<Fault>>,
}

impl Reader {
    pub(super) fn new(name: &str, keys: Vec<String>) -> Self {
        Self { name: name.to_owned(), keys, own: false, faults: RefCell::default() }
    }

    /// For a facts file.
    pub(super) fn of_own(name: &str, keys: Vec<String>) -> Self {
        Self { own: true, ..Self::new(name, keys) }
    }

    /// What was found.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// How many faults there are so far.
    pub(super) fn count(&self) -> usize {
        self.faults.borrow().len()
    }

    /// Records a fault at a place.
    pub(super) fn fault<T>(&self, place: &str, message: impl Into<String>) -> Result<T, Stop> {
        self.record(place, message.into(), None, false)
    }

    /// Records a fault of one text at a place.
    pub(super) fn text_fault<T>(
        &self,
        place: &str,
        text: &str,
        message: impl Into<String>,
    ) -> Result<T, Stop> {
        self.record(place, message.into(), Some(text.to_owned()), false)
    }

    /// Records a fault of the last part of that name.
    pub(super) fn last_fault<T>(&self, place: &str, message: impl Into<String>) -> Result<T, Stop> {
        self.record(place, message.into(), None, true)
    }

    fn record<T>(
        &self,
        place: &str,
        message: String,
        text: Option<String>,
        last: bool,
    ) -> Result<T, Stop> {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < MAX_FINDINGS {
            let (severity, place) = (Severity::Error, place.to_owned());
            faults.push(Fault { severity, place, message, text, last });
        }
        Err(Stop)
    }

    /// A wording that must hold each of `slots` and no other. A faulty one is recorded, and an
    /// empty one stands for it.
    pub(super) fn one(&self, place: &str, text: &str, slots: &[Slot]) -> Result<Template, Stop> {
        let fault = |message: String| {
            let _ = self.text_fault::<()>(place, text, message);
            Ok(Template::default())
        };
        if text.trim().is_empty() {
            return fault("is empty".to_owned());
        }
        if text.chars().count() > MAX_WORDING_CHARS {
            return fault(format!(
                "{} is longer than {MAX_WORDING_CHARS} characters",
                quoted(text)
            ));
        }
        let template = match Template::parse(text, &self.keys) {
            Ok(template) => template,
            Err(message) => return fault(message),
        };
        let wanted = || {
            let names: Vec<String> =
                slots.iter().map(|slot| format!("{{{}}}", slot.name())).collect();
            names.join(", ")
        };
        if let Some(slot) = slots.iter().find(|slot| !template.slots().any(|other| other == **slot))
        {
            return fault(format!(
                "{} lacks the slot {{{}}}; its slots are {}",
                quoted(text),
                slot.name(),
                wanted()
            ));
        }
        if let Some(extra) = template.slots().find(|slot| !slots.contains(slot)) {
            return fault(format!(
                "{} cannot have the slot {} here; its slots are {}",
                quoted(text),
                self.shown(extra),
                wanted()
            ));
        }
        Ok(template)
    }

    /// A slot as the file writes it.
    fn shown(&self, slot: Slot) -> String {
        let key = |at: u16| self.keys.get(usize::from(at)).map_or("", String::as_str);
        match slot {
            Slot::Attr(at) => format!("{{{}}}", key(at)),
            Slot::Article(at) => format!("{{a:{}}}", key(at)),
            slot => format!("{{{}}}", slot.name()),
        }
    }

    /// Wordings of the same slots, at least one.
    pub(super) fn list(
        &self,
        place: &str,
        texts: &[String],
        slots: &[Slot],
    ) -> Result<Vec<Template>, Stop> {
        let _ = self.sized(place, texts.len(), 1, MAX_WORDINGS, "wordings");
        texts.iter().take(MAX_WORDINGS).map(|text| self.one(place, text, slots)).collect()
    }

    /// A list of texts without slots, at least one.
    pub(super) fn filled(&self, place: &str, texts: &[String]) {
        let _ = self.sized(place, texts.len(), 1, MAX_WORDINGS, "texts");
        for text in texts.iter().take(MAX_WORDINGS) {
            let _ = self.one(place, text, &[]);
        }
    }

    /// Whether there are enough of something, and not too many.
    pub(super) fn sized(
        &self,
        place: &str,
        got: usize,
        least: usize,
        most: usize,
        what: &str,
    ) -> Result<(), Stop> {
        if (least..=most).contains(&got) {
            return Ok(());
        }
        self.fault(place, format!("{got} {what}, from {least} to {most} are expected"))
    }

    /// A short text without slots or control characters.
    pub(super) fn word(&self, place: &str, text: &str) -> Result<(), Stop> {
        if text.trim().is_empty() || text.trim() != text {
            return self.text_fault(
                place,
                text,
                format!("{} is empty or has spaces around it", quoted(text)),
            );
        }
        if text.chars().count() > MAX_WORD_CHARS {
            return self.text_fault(
                place,
                text,
                format!("{} is longer than {MAX_WORD_CHARS} characters", quoted(text)),
            );
        }
        if text.contains(['{', '}', '"', '\\']) || text.chars().any(char::is_control) {
            return self.text_fault(
                place,
                text,
                format!("{} has a brace, a quote or a control character in it", quoted(text)),
            );
        }
        Ok(())
    }

    /// The first text that is there twice.
    pub(super) fn once(&self, place: &str, texts: &[String]) -> Result<(), Stop> {
        let mut sorted: Vec<&String> = texts.iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                self.text_fault(place, pair[0], format!("{} is there twice", quoted(pair[0])))
            }
            None => Ok(()),
        }
    }
}
