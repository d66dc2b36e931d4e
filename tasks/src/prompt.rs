//! The exact text that a model sees.

use std::fmt::Write as _;

use lode_proto::task::Profile;

use crate::types::Task;

impl Task {
    /// The prompt: preamble, numbered paragraphs, roster, questions, constraints, answer format
    /// and cue. A chat template, where one is used, is put around it by the engine.
    #[must_use]
    pub fn prompt(&self) -> String {
        let size = self.paragraphs.iter().map(|text| text.len() + 18).sum::<usize>();
        let mut out = String::with_capacity(size + 4096);
        if self.header.profile == Profile::Nano {
            self.short(&mut out)
        } else {
            self.long(&mut out)
        }
        out.push_str(&self.cue);
        out
    }

    /// A solved example, then one line a paragraph and no headings: for models that lose the
    /// thread in long prompts.
    fn short(&self, out: &mut String) {
        push_line(out, &self.answer_format);
        out.push('\n');
        for (number, text) in (1..).zip(&self.paragraphs) {
            push(out, format_args!("[paragraph_{number}] {text}\n"));
        }
        out.push('\n');
        for (number, question) in (1..).zip(&self.questions) {
            push(out, format_args!("Q{number}: {}\n", question.text));
        }
        match self.constraints.as_slice() {
            [one] => push(out, format_args!("Constraint: {}\n", one.0)),
            several => {
                push_line(out, "Constraints:");
                for (number, constraint) in (1..).zip(several) {
                    push(out, format_args!("{number}. {}\n", constraint.0));
                }
            }
        }
    }

    fn long(&self, out: &mut String) {
        push_line(out, &self.preamble);
        push_line(out, "\n=== DOCUMENT ===");
        for (at, text) in self.paragraphs.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            push(out, format_args!("{gap}[paragraph_{}]\n{text}\n", at + 1));
        }
        push_line(out, "\n=== ROSTER ===");
        let names: Vec<&str> = self.roster.iter().map(|entry| entry.name.as_str()).collect();
        push_line(out, &names.join(", "));
        push_line(out, "\n=== QUESTIONS ===");
        for (number, question) in (1..).zip(&self.questions) {
            push(out, format_args!("Q{number}: {}\n", question.text));
        }
        push_line(out, "\n=== CONSTRAINTS ===");
        for (number, constraint) in (1..).zip(&self.constraints) {
            push(out, format_args!("{number}. {}\n", constraint.0));
        }
        push_line(out, "\n=== ANSWER FORMAT ===");
        push_line(out, &self.answer_format);
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

fn push_line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
