//! Every derived secret, seed and noise value, so that an auditor recomputes each from the bundle.
//!
//! ```text
//! secret ─► commit                                       (published before anything else)
//! verifiers' nonces ─► beacon                            (fixed after the commit)
//! secret ‖ beacon ‖ i ─► task seed i                     (DESIGN 5, "Epochs")
//! secret ‖ beacon ‖ profile ‖ i ─► task seed i of another profile than the template's
//! secret ‖ beacon ‖ i ‖ lease ‖ attempt ─► attempt seed  (the miner's sampling noise)
//! attempt seed, position, token ─► Gumbel noise
//! ```

use crate::{
    id::{Hash, JobId, LeaseId},
    key::PublicKey,
    task::{Place, Profile},
};

/// The public commitment to an epoch's secret.
#[must_use]
pub fn epoch_commit(secret: &[u8; 32]) -> Hash {
    Hash::derive("lode/1/epoch-commit", secret)
}

/// The public commitment to a verifier's beacon nonce; bound to its key, so it cannot be copied.
#[must_use]
pub fn nonce_commit(verifier: &PublicKey, epoch: u64, nonce: &[u8; 32]) -> Hash {
    Hash::derive_parts("lode/1/beacon-nonce", &[&verifier.0, &epoch.to_le_bytes(), nonce])
}

/// The epoch's public randomness: the revealed nonces in order of their senders' keys.
///
/// `reveals` must be sorted by key without repeats; callers hold them in a `BTreeMap`.
#[must_use]
pub fn beacon(commit: &Hash, epoch: u64, reveals: &[(PublicKey, [u8; 32])]) -> Hash {
    let mut bytes = Vec::with_capacity(40 + 64 * reveals.len());
    bytes.extend_from_slice(commit.as_bytes());
    bytes.extend_from_slice(&epoch.to_le_bytes());
    for (key, nonce) in reveals {
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(nonce);
    }
    Hash::derive("lode/1/beacon", &bytes)
}

/// The seed of task number `counter` of an epoch.
#[must_use]
pub fn task_seed(secret: &[u8; 32], beacon: &Hash, counter: u64) -> [u8; 32] {
    Hash::derive_parts("lode/task", &[secret, beacon.as_bytes(), &counter.to_le_bytes()]).0
}

/// The seed of the task at a place of an epoch. The template's own profile has the seeds of
/// [`task_seed`]; every other profile has seeds that tell nothing about those.
#[must_use]
pub fn place_seed(secret: &[u8; 32], beacon: &Hash, template: Profile, place: Place) -> [u8; 32] {
    if place.profile == template {
        return task_seed(secret, beacon, place.index);
    }
    let (profile, index) = (place.profile.name().as_bytes(), place.index.to_le_bytes());
    Hash::derive_parts("lode/task-of-profile", &[secret, beacon.as_bytes(), profile, &index]).0
}

/// The seed of a held-out evaluation task: another context, so never a task of any epoch.
#[must_use]
pub fn held_out_seed(root: &[u8; 32], counter: u64) -> [u8; 32] {
    Hash::derive_parts("lode/held-out", &[root, &counter.to_le_bytes()]).0
}

/// The sampling seed of one attempt. The lease's number in its task (0, 1, 2 …) is part of it, so
/// that a second miner of the same task draws other noise.
#[must_use]
pub fn attempt_seed(
    secret: &[u8; 32],
    beacon: &Hash,
    counter: u64,
    lease_number: u32,
    attempt: u32,
) -> [u8; 32] {
    Hash::derive_parts(
        "lode/attempt",
        &[
            secret,
            beacon.as_bytes(),
            &counter.to_le_bytes(),
            &lease_number.to_le_bytes(),
            &attempt.to_le_bytes(),
        ],
    )
    .0
}

/// The identifier of a lease: epoch, task counter, number of the lease in its task, and miner.
#[must_use]
pub fn lease_id(
    network: &Hash,
    epoch: u64,
    counter: u64,
    lease_number: u32,
    miner: &PublicKey,
) -> LeaseId {
    LeaseId(Hash::derive_parts(
        LeaseId::CONTEXT,
        &[
            network.as_bytes(),
            &epoch.to_le_bytes(),
            &counter.to_le_bytes(),
            &lease_number.to_le_bytes(),
            &miner.0,
        ],
    ))
}

/// The identifier of the job of grading a group: bound to its lease and to what was committed
/// ([`crate::attempt::GroupCommit::hash`]), so that a verdict cannot be moved to another group.
#[must_use]
pub fn job_id(lease: &LeaseId, group_commit: &Hash) -> JobId {
    JobId(Hash::derive_parts(JobId::CONTEXT, &[lease.0.as_bytes(), group_commit.as_bytes()]))
}

/// A verifier's place in the draw for a sealed group: the lowest k grade it. Public after the
/// beacon, but depends on the committed attempts, so that nobody knows it before they are fixed.
#[must_use]
pub fn draw_rank(beacon: &Hash, group_commit: &Hash, verifier: &PublicKey) -> Hash {
    Hash::derive_parts("lode/1/draw", &[beacon.as_bytes(), group_commit.as_bytes(), &verifier.0])
}

/// The noise of one position for all tokens: [`Noise::gumbel`] is random access.
#[derive(Debug)]
pub struct Noise(blake3::OutputReader);

impl Noise {
    /// The noise of an attempt at a position (0 is the first generated token).
    #[must_use]
    pub fn at(attempt_seed: &[u8; 32], position: u32) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(attempt_seed);
        hasher.update(b"lode/1/gumbel");
        hasher.update(&position.to_le_bytes());
        Self(hasher.finalize_xof())
    }

    /// A standard Gumbel variate for `token`: `-ln(-ln u)` with u uniform in (0, 1) from 52 bits.
    ///
    /// `ln` is `libm`'s, which is the same arithmetic on every platform.
    pub fn gumbel(&mut self, token: u32) -> f64 {
        let mut bits = [0];
        self.bits(token, &mut bits);
        gumbel_of_bits(bits[0])
    }

    /// The raw bits of tokens `first..first + out.len()`, for a sampler that turns only those into
    /// variates ([`gumbel_of_bits`]) that can win. One BLAKE3 block holds eight tokens.
    pub fn bits(&mut self, first: u32, out: &mut [u64]) {
        let mut block = [0; 4096];
        self.0.set_position(u64::from(first) * 8);
        for chunk in out.chunks_mut(block.len() / 8) {
            let bytes = &mut block[..chunk.len() * 8];
            self.0.fill(bytes);
            for (value, eight) in chunk.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *value = u64::from_le_bytes(*eight);
            }
        }
    }

    /// The variates of tokens `0..out.len()`, faster than one by one.
    pub fn fill(mut self, out: &mut [f64]) {
        let mut bits = [0; 512];
        for (index, chunk) in out.chunks_mut(bits.len()).enumerate() {
            let bits = &mut bits[..chunk.len()];
            self.bits((index * 512) as u32, bits);
            for (value, bits) in chunk.iter_mut().zip(bits) {
                *value = gumbel_of_bits(*bits);
            }
        }
    }
}

/// The largest variate there is: `-ln(-ln(1 - 2^-53))`, rounded up.
pub const MAX_GUMBEL: f64 = 36.75;

/// The variate that 64 raw bits stand for. Never infinite: at most [`MAX_GUMBEL`], at least -3.61.
#[must_use]
pub fn gumbel_of_bits(bits: u64) -> f64 {
    // (k + 1/2) / 2^52 with k < 2^52 lies strictly between 0 and 1, and both steps are exact. With
    // 53 bits the sum would not be: the largest k would round up to u = 1 and an infinite variate.
    let uniform = ((bits >> 12) as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0);
    -libm::log(-libm::log(uniform))
}

/// The noise for a single token; see [`Noise`] for many.
#[must_use]
pub fn gumbel(attempt_seed: &[u8; 32], position: u32, token: u32) -> f64 {
    Noise::at(attempt_seed, position).gumbel(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_random_access_and_golden() {
        let seed = [3; 32];
        let mut all = vec![0.0; 2000];
        Noise::at(&seed, 5).fill(&mut all);
        for token in [0_u32, 1, 511, 512, 513, 1999] {
            assert_eq!(all[token as usize].to_bits(), gumbel(&seed, 5, token).to_bits());
        }
        assert_ne!(gumbel(&seed, 5, 0).to_bits(), gumbel(&seed, 6, 0).to_bits());
        assert_eq!(gumbel(&seed, 5, 7).to_bits(), GOLDEN_GUMBEL);
    }

    #[test]
    fn every_bit_pattern_gives_a_finite_variate() {
        assert!(gumbel_of_bits(u64::MAX) <= MAX_GUMBEL);
        assert!(gumbel_of_bits(u64::MAX) > MAX_GUMBEL - 0.02);
        assert!(gumbel_of_bits(0) > -3.61);
    }

    const GOLDEN_GUMBEL: u64 = 4_608_577_608_228_371_620;

    /// Mean of a standard Gumbel is Euler's constant 0.5772, variance pi^2/6 = 1.645.
    #[test]
    fn noise_has_the_moments_of_a_gumbel() {
        let n = 100_000;
        let mut all = vec![0.0; n];
        Noise::at(&[9; 32], 0).fill(&mut all);
        let mean = all.iter().sum::<f64>() / n as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean - 0.5772).abs() < 0.02, "mean {mean}");
        assert!((variance - 1.645).abs() < 0.04, "variance {variance}");
    }

    #[test]
    fn contexts_do_not_collide() {
        let secret = [1; 32];
        let beacon = Hash::of(b"b");
        let task = task_seed(&secret, &beacon, 0);
        assert_ne!(task, attempt_seed(&secret, &beacon, 0, 0, 0));
        assert_ne!(task, held_out_seed(&secret, 0));
        let place =
            |profile, index| place_seed(&secret, &beacon, Profile::Nano, Place { profile, index });
        assert_eq!(place(Profile::Nano, 0), task);
        assert_ne!(place(Profile::Mini, 0), task);
        assert_ne!(place(Profile::Mini, 0), place(Profile::Standard, 0));
        assert_ne!(place(Profile::Mini, 0), place(Profile::Mini, 1));
        assert_ne!(task, task_seed(&secret, &beacon, 1));
        assert_ne!(
            attempt_seed(&secret, &beacon, 0, 1, 0),
            attempt_seed(&secret, &beacon, 0, 0, 1)
        );
    }
}
