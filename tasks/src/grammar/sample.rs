//! Texts drawn uniformly at random from the structure.

use rand_chacha::rand_core::RngCore;

use super::structure::{Class, Node};

pub(super) fn draw(node: &Node, rng: &mut impl RngCore, out: &mut String) {
    match node {
        Node::Literal(text) => out.push_str(text),
        Node::Chars { class, min, max } => {
            for _ in 0..between(rng, *min, *max) {
                out.extend(character(class, rng));
            }
        }
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

/// A number below `bound` (0 for 0). The bias of the remainder is below 2^-48 for every bound here.
fn below(rng: &mut impl RngCore, bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
    usize::try_from(rng.next_u64() % bound).unwrap_or(0)
}

fn between(rng: &mut impl RngCore, min: u16, max: u16) -> usize {
    usize::from(min) + below(rng, usize::from(max.saturating_sub(min)) + 1)
}

fn character(class: &Class, rng: &mut impl RngCore) -> Option<char> {
    let ranges = [(class.upper, 'A', 26), (class.lower, 'a', 26), (class.digit, '0', 10)];
    let lettered: usize = ranges.iter().filter(|(has, ..)| *has).map(|(.., size)| size).sum();
    let mut place = below(rng, lettered + class.others.len());
    for (_, first, size) in ranges.into_iter().filter(|(has, ..)| *has) {
        if place < size {
            return char::from_u32(u32::from(first) + u32::try_from(place).ok()?);
        }
        place -= size;
    }
    class.others.get(place).copied()
}
