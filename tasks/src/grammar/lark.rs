//! The structure as Lark text.

use std::fmt::Write;

use super::structure::{Class, Node};

pub(super) fn render(start: &Node) -> String {
    let mut terminals = Vec::new();
    collect(start, &mut terminals);
    let mut text = format!("start: {}\n", expression(start, Place::Top));
    for (name, node) in terminals {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {}", expression(node, Place::Top));
    }
    text
}

/// Terminals in the order of first use.
fn collect<'a>(node: &'a Node, into: &mut Vec<(&'a str, &'a Node)>) {
    match node {
        Node::Literal(_) | Node::Chars { .. } => {}
        Node::Choice(nodes) | Node::Sequence(nodes) => {
            nodes.iter().for_each(|node| collect(node, into));
        }
        Node::Repeat { node, .. } => collect(node, into),
        Node::Terminal(name, content) => {
            if !into.iter().any(|(known, _)| known == name) {
                into.push((name, content));
                collect(content, into);
            }
        }
    }
}

/// Where an expression stands: alone, among others in a row, or under a repetition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Row,
    Repeated,
}

fn expression(node: &Node, place: Place) -> String {
    match node {
        Node::Literal(text) => literal(text),
        Node::Chars { class, min, max } => format!("/{}{}/", set(class), count(*min, *max)),
        Node::Choice(nodes) => {
            let all: Vec<String> = nodes.iter().map(|node| expression(node, Place::Row)).collect();
            let all = all.join(" | ");
            if place == Place::Top || nodes.len() == 1 { all } else { format!("({all})") }
        }
        Node::Sequence(nodes) => {
            let all: Vec<String> = nodes
                .iter()
                .map(|node| expression(node, Place::Row))
                .filter(|part| !part.is_empty())
                .collect();
            let all = all.join(" ");
            if place == Place::Repeated { format!("({all})") } else { all }
        }
        Node::Repeat { max: 0, .. } => String::new(),
        Node::Repeat { node, min, max } => {
            let inside = match node.as_ref() {
                Node::Terminal(name, _) => name.clone(),
                Node::Literal(text) => literal(text),
                other => match expression(other, Place::Repeated) {
                    group if group.starts_with('(') => group,
                    bare => format!("({bare})"),
                },
            };
            match (min, max) {
                (1, 1) => inside,
                (0, 1) => format!("{inside}?"),
                _ => format!("{inside}{{{min},{max}}}"),
            }
        }
        Node::Terminal(name, _) => name.clone(),
    }
}

fn count(min: u16, max: u16) -> String {
    match (min, max) {
        (1, 1) => String::new(),
        (min, max) if min == max => format!("{{{min}}}"),
        (min, max) => format!("{{{min},{max}}}"),
    }
}

fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn set(class: &Class) -> String {
    let mut out = String::from("[");
    for (has, range) in [(class.upper, "A-Z"), (class.lower, "a-z"), (class.digit, "0-9")] {
        if has {
            out.push_str(range);
        }
    }
    for c in &class.others {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(*c);
    }
    out.push(']');
    out
}
