//! Constraints as properties of the artifact.
/// Smallest modulus of a constraint: with a smaller one, guessing pays.
pub const MIN_MODULUS: i64 = 50;
