//! The parts of a domain that are not made of attributes: names, sources, marks, extents.

use super::{
    Mark, ScopeForm,
    finding::{Stop, quoted},
    limits::{
        MAX_NAME_PARTS, MAX_SOURCES, MAX_WORD_CHARS, MAX_WORDINGS, MIN_NAME_PARTS, MIN_SCOPES,
        MIN_SOURCES,
    },
    raw::{Raw, RawExample, RawMark, RawScope},
    reader::Reader,
};

impl Reader {
    /// The subject's words and the names of its entities.
    pub(super) fn head(&self, raw: &Raw) -> Result<(), Stop> {
        if raw.name != self.name {
            let _ = self.fault::<()>(
                "name",
                format!("is {}, but the file is called {}", quoted(&raw.name), quoted(&self.name)),
            );
        }
        if self.own {
            self.own_head(raw);
        } else {
            for (place, parts) in
                [("names.first", &raw.names.first), ("names.second", &raw.names.second)]
            {
                let _ = self.names(place, parts);
            }
            self.filled("titles", &raw.titles);
            self.filled("noise.general", &raw.noise.general);
        }
        let sources = &raw.sources.names;
        let _ = self.sized("sources.names", sources.len(), MIN_SOURCES, MAX_SOURCES, "sources");
        let _ = self.once("sources.names", sources);
        for source in sources.iter().take(MAX_SOURCES) {
            let _ = self.word("sources.names", source);
        }
        self.word("entity", &raw.entity)?;
        self.word("entities", &raw.entities)
    }

    fn names(&self, place: &str, parts: &[String]) -> Result<(), Stop> {
        self.sized(place, parts.len(), MIN_NAME_PARTS, MAX_NAME_PARTS, "parts")?;
        self.once(place, parts)?;
        for part in parts {
            if !part.starts_with(|c: char| c.is_ascii_uppercase())
                || !part.chars().all(|c| c.is_ascii_alphabetic())
                || part.len() > MAX_WORD_CHARS
            {
                let _ = self.text_fault::<()>(
                    place,
                    part,
                    format!(
                        "{} is not one capitalised ASCII word, such as \"Amber\"",
                        quoted(part)
                    ),
                );
            }
        }
        Ok(())
    }

    /// The entities of the worked example are none that a document can have.
    pub(super) fn strangers(&self, raw: &Raw, example: &RawExample) {
        for (field, name) in [("entity", &example.entity), ("other", &example.other)] {
            let words: Vec<&str> = name.split(' ').collect();
            let parts = || raw.names.first.iter().chain(&raw.names.second);
            let taken = words.iter().find(|word| parts().any(|part| part == *word));
            if let Some(word) = taken {
                let message = if raw.example.is_some() {
                    format!("{} has the name part {word:?} in it", quoted(name))
                } else {
                    format!(
                        "the part {word:?} is taken by the worked example's {name:?}: leave it out, or \
                         write an [example] section"
                    )
                };
                let place = if raw.example.is_some() {
                    format!("example.{field}")
                } else {
                    "names".to_owned()
                };
                let _ = self.text_fault::<()>(&place, word, message);
            } else if words.len() != 2 {
                let _ = self.fault::<()>(
                    &format!("example.{field}"),
                    format!("{} must be two words, such as \"Sable Inn\"", quoted(name)),
                );
            }
        }
    }

    pub(super) fn marks(&self, marks: &[RawMark]) -> Vec<Mark> {
        let place = "sources.marks";
        let _ = self.sized(place, marks.len(), 0, MAX_SOURCES, "marks");
        for mark in marks.iter().take(MAX_SOURCES) {
            let _ = self.word(place, &mark.label);
            self.filled(&format!("{place}.{}", mark.label), &mark.rules);
        }
        marks
            .iter()
            .map(|mark| Mark {
                label: mark.label.clone(),
                weight: mark.weight,
                holds: mark.holds,
                rules: mark.rules.clone(),
            })
            .collect()
    }

    /// Extents of figures: sentences without slots, none twice.
    pub(super) fn scopes(&self, raw: &Raw) -> Vec<ScopeForm> {
        let place = "scopes";
        if self.own {
            // Somebody's own figures are of no stated extent, so none is told apart by it.
            return Vec::new();
        }
        let _ =
            self.sized(place, raw.scopes.len(), MIN_SCOPES, MAX_WORDINGS, "extents ([[scopes]])");
        let mut seen: Vec<&str> = Vec::new();
        for text in
            raw.scopes.iter().take(MAX_WORDINGS).flat_map(|scope| [&scope.note, &scope.rule])
        {
            let _ = self.one(place, text, &[]);
            if !text.starts_with(char::is_uppercase) || !text.ends_with('.') {
                let _ = self.text_fault::<()>(
                    place,
                    text,
                    format!(
                        "{} is not a whole sentence, such as \"This figure counts subsidiaries.\"",
                        quoted(text)
                    ),
                );
            }
            if seen.contains(&text.as_str()) {
                let _ =
                    self.text_fault::<()>(place, text, format!("{} is there twice", quoted(text)));
            }
            seen.push(text);
        }
        if let Some(scope) = &raw.scope {
            self.filled("scope.rules", &scope.rules);
        } else if raw.attributes.iter().any(|attribute| attribute.wider.is_some()) {
            let _ = self.fault::<()>(
                "attributes",
                "`wider` wordings need a section [scope] with `rules` about them",
            );
        }
        let form =
            |scope: &RawScope| ScopeForm { note: scope.note.clone(), rule: scope.rule.clone() };
        raw.scopes.iter().map(form).collect()
    }
}
