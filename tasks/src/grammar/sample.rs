//! Texts drawn uniformly at random from the structure.

use rand_chacha::rand_core::RngCore;

use super::structure::{Class, Node};

pub(super) fn draw(node: &Node, rng: &mut impl RngCore, out: &mut String) {
    match node {
        Node::Literal(text) => out.push_str(text),
        Node::Chars { class, min, max } => characters(class, between(rng, *min, *max), rng, out),
        Node::Choice(nodes) => {
            if let Some(node) = nodes.get(below(rng, nodes.len())) {
                draw(node, rng, out);
            }
        }
        Node::Sequence(nodes) => nodes.iter().for_each(|node| draw(node, rng, out)),
        Node::Repeat { node, min, max } => {
            for _ in 0..between(rng, *min, *max) {
                draw(node, rng, out);
            }
        }
        Node::Terminal(_, node) => draw(node, rng, out),
    }
}

/// A number below `bound` (0 for 0), from the high half of a product. No number is off its share by
/// more than 2^-32.
fn below(rng: &mut impl RngCore, bound: usize) -> usize {
    let bound = u64::from(u32::try_from(bound).unwrap_or(u32::MAX));
    usize::try_from((u64::from(rng.next_u32()) * bound) >> 32).unwrap_or(0)
}

fn between(rng: &mut impl RngCore, min: u16, max: u16) -> usize {
    usize::from(min) + below(rng, usize::from(max.saturating_sub(min)) + 1)
}

fn characters(class: &Class, count: usize, rng: &mut impl RngCore, out: &mut String) {
    let ranges = [(class.upper, 'A', 26), (class.lower, 'a', 26), (class.digit, '0', 10)]
        .map(|(has, first, size)| (first, if has { size } else { 0 }));
    let lettered: usize = ranges.iter().map(|(_, size)| size).sum();
    let all = lettered + class.others.len();
    out.reserve(count);
    for _ in 0..count {
        let mut place = below(rng, all);
        if place >= lettered {
            out.extend(class.others.get(place - lettered));
            continue;
        }
        for (first, size) in ranges {
            if place < size {
                let offset = u8::try_from(place).unwrap_or(0);
                out.push(char::from(first as u8 + offset));
                break;
            }
            place -= size;
        }
    }
}
