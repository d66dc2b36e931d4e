//! The prompt, in their layout: instruction, document, numbered questions, and the form of the
//! answer; no word about traps. Their instruction's exact words are not published with the data, so
//! these are ours. Unlike theirs, nothing in a document is taken for a part of the template.

use std::fmt::Write as _;

use super::Challenge;

impl Challenge {
    /// The text a model sees.
    #[must_use]
    pub fn prompt(&self) -> String {
        let mut text = String::with_capacity(self.document.len() + 4_096);
        text.push_str(
            "Read the document carefully and answer every question from it alone.\n\nDocument:\n",
        );
        text.push_str(&self.document);
        text.push_str("\n\nQuestions:\n");
        // Writing to a string cannot fail.
        for (place, question) in self.questions.iter().enumerate() {
            let _ = writeln!(text, "{}. [{}] {}", place + 1, question.id, question.text);
        }
        text.push_str("\nRespond with ONLY a JSON object in this form:\n{\n");
        for (place, question) in self.questions.iter().enumerate() {
            let comma = if place + 1 < self.questions.len() { "," } else { "" };
            let _ = writeln!(
                text,
                "  \"{}\": {{\"answer\": \"...\", \"citation\": \"words of the document\", \
                 \"confidence\": 0.0}}{comma}",
                question.id
            );
        }
        text.push_str("}\n");
        text
    }
}
