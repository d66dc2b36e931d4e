//! A Merkle root over hashes. Leaves and nodes hash under different contexts; an odd node moves up
//! unchanged; the leaf count is bound into the root, so no list shares a root with another.

use crate::id::Hash;

/// The root over `leaves` in their order.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut level: Vec<Hash> =
        leaves.iter().map(|leaf| Hash::derive("lode/1/merkle-leaf", leaf.as_bytes())).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    Hash::derive_parts("lode/1/merkle-node", &[left.as_bytes(), right.as_bytes()])
                }
                odd => odd[0],
            })
            .collect();
    }
    let top = level.first().copied().unwrap_or_default();
    Hash::derive_parts(
        "lode/1/merkle-root",
        &[&(leaves.len() as u64).to_le_bytes(), top.as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_changes_the_root() {
        let leaves: Vec<Hash> = (0_u8..7).map(|i| Hash::of(&[i])).collect();
        let whole = root(&leaves);
        for i in 0..leaves.len() {
            let mut changed = leaves.clone();
            changed[i] = Hash::of(b"other");
            assert_ne!(root(&changed), whole);
            let mut dropped = leaves.clone();
            dropped.remove(i);
            assert_ne!(root(&dropped), whole);
        }
        let mut swapped = leaves.clone();
        swapped.swap(2, 3);
        assert_ne!(root(&swapped), whole);
        let mut doubled = leaves.clone();
        doubled.push(leaves[6]);
        assert_ne!(root(&doubled), whole);
        assert_ne!(root(&[]), root(&[Hash::default()]));
    }
}
