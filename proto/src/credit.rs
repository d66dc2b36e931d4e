//! Credits, version 1: `tokens × class weight × tier weight`, the same for a pass and a fail.
//!
//! A published pure function, so that a miner recounts its receipts offline.

use crate::policy::Tier;

/// The version of the formula in this build.
pub const CREDIT_VERSION: u32 = 1;

/// Weight by model size: (largest parameter count of the class, weight in thousandths). Roughly
/// the cost of a token relative to a 1.5B model; the last class has no upper bound.
pub const CLASS_WEIGHTS_MILLI: [(u64, u64); 8] = [
    (250_000_000, 100),
    (750_000_000, 400),
    (2_000_000_000, 1_000),
    (4_500_000_000, 2_500),
    (10_000_000_000, 5_000),
    (20_000_000_000, 9_000),
    (40_000_000_000, 16_000),
    (u64::MAX, 30_000),
];

/// Weight by provenance tier, thousandths.
#[must_use]
pub fn tier_weight_milli(tier: Tier) -> u64 {
    match tier {
        Tier::T0 => 500,
        Tier::T1 => 1_000,
        Tier::T2 => 1_250,
    }
}

/// Weight by model size, thousandths.
#[must_use]
pub fn class_weight_milli(parameters: u64) -> u64 {
    CLASS_WEIGHTS_MILLI
        .iter()
        .find(|(largest, _)| parameters <= *largest)
        .map_or(0, |(_, weight)| *weight)
}

/// Tokens that count: what the miner says, but never more than there are bytes (plus the end
/// token), nor than the campaign allows.
#[must_use]
pub fn credited_tokens(claimed: u32, completion_bytes: usize, allowed: u32) -> u32 {
    let possible = u32::try_from(completion_bytes).unwrap_or(u32::MAX).saturating_add(1);
    claimed.min(possible).min(allowed)
}

/// Credits in thousandths.
#[must_use]
pub fn credits_milli(tokens: u32, parameters: u64, tier: Tier) -> u64 {
    u64::from(tokens) * class_weight_milli(parameters) * tier_weight_milli(tier) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_credits() {
        assert_eq!(credits_milli(60, 134_515_008, Tier::T0), 3_000);
        assert_eq!(credits_milli(1_000, 8_000_000_000, Tier::T1), 5_000_000);
        assert_eq!(credits_milli(u32::MAX, u64::MAX, Tier::T2), 161_061_273_562_500);
    }

    #[test]
    fn claims_are_bounded() {
        assert_eq!(credited_tokens(1_000_000, 10, 500), 11);
        assert_eq!(credited_tokens(7, 100, 500), 7);
        assert_eq!(credited_tokens(900, 10_000, 500), 500);
    }
}
