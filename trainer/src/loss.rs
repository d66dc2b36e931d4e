//! The DPO loss of one pair, as a pure function with its derivatives.
//!
//! With `π` the policy's and `ρ` the reference's log-probability of a whole completion (a sum
//! over its tokens, end token included), `c` chosen and `r` rejected:
//!
//! ```text
//! h    = β ((π_c - ρ_c) - (π_r - ρ_r))
//! loss = -(1 - ε) log σ(h) - ε log σ(-h) - λ π_c / |c|
//! ```
//!
//! The first two terms are the sigmoid loss of Rafailov et al. 2023, eq. 7 (arXiv 2305.18290),
//! with the label smoothing ε of cDPO (Mitchell 2023); the last is the negative log-likelihood of
//! the chosen side per token, weighted by λ (Pang et al. 2024, arXiv 2404.19733). A batch's loss
//! is the mean over its pairs.

use serde::{Deserialize, Serialize};

/// The formula, as written into every manifest.
pub const FORMULA: &str = "mean over pairs of -(1-eps) log sigmoid(h) - eps log sigmoid(-h) - lambda pi_c/|c|, h = beta((pi_c-rho_c)-(pi_r-rho_r))";
/// What the log-probabilities are divided by, as written into every manifest.
pub const NORMALISATION: &str = "pi and rho are sums over completion tokens (end token included); the NLL term is per token of the chosen side; batches are means over pairs";

/// The loss's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DpoLoss {
    /// β, strength of the pull towards the reference.
    pub beta: f64,
    /// ε, the share of pairs believed to be the wrong way round, 0 to below 0.5.
    pub label_smoothing: f64,
    /// λ, weight of the chosen side's negative log-likelihood per token.
    pub nll_weight: f64,
}

impl Default for DpoLoss {
    fn default() -> Self {
        Self { beta: 0.1, label_smoothing: 0.0, nll_weight: 1.0 }
    }
}

/// Log-probabilities of one pair: sums over tokens, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogProbs {
    /// Of the chosen side.
    pub chosen: f64,
    /// Of the rejected side.
    pub rejected: f64,
}

/// The loss of one pair and what is reported about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairLoss {
    /// The whole loss.
    pub loss: f64,
    /// The preference part alone; ln 2 where policy and reference agree (ε = 0).
    pub preference: f64,
    /// Negative log-likelihood of the chosen side per token, unweighted.
    pub nll: f64,
    /// β (π_c - ρ_c).
    pub reward_chosen: f64,
    /// β (π_r - ρ_r).
    pub reward_rejected: f64,
    /// ∂loss/∂π_c.
    pub grad_chosen: f64,
    /// ∂loss/∂π_r.
    pub grad_rejected: f64,
}

/// `log σ(x)` without overflow.
pub fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// `σ(x)`.
pub fn sigmoid(x: f64) -> f64 {
    log_sigmoid(x).exp()
}

impl DpoLoss {
    /// The loss of one pair whose chosen side has `chosen_tokens` tokens (at least one).
    pub fn pair(&self, policy: LogProbs, reference: LogProbs, chosen_tokens: usize) -> PairLoss {
        let reward_chosen = self.beta * (policy.chosen - reference.chosen);
        let reward_rejected = self.beta * (policy.rejected - reference.rejected);
        let h = reward_chosen - reward_rejected;
        let eps = self.label_smoothing;
        let preference = -(1.0 - eps) * log_sigmoid(h) - eps * log_sigmoid(-h);
        let per_token = 1.0 / chosen_tokens.max(1) as f64;
        let nll = -policy.chosen * per_token;
        // d/dh of the preference part: -(1 - ε) σ(-h) + ε σ(h).
        let slope = -(1.0 - eps) * sigmoid(-h) + eps * sigmoid(h);
        PairLoss {
            loss: preference + self.nll_weight * nll,
            preference,
            nll,
            reward_chosen,
            reward_rejected,
            grad_chosen: self.beta * slope - self.nll_weight * per_token,
            grad_rejected: -self.beta * slope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} and {b}");
    }

    #[test]
    fn golden_values() {
        // Computed with Python's decimal module at 50 digits from the formula above.
        let policy = LogProbs { chosen: -40.0, rejected: -52.5 };
        let reference = LogProbs { chosen: -42.0, rejected: -50.0 };
        let loss = DpoLoss { beta: 0.1, label_smoothing: 0.0, nll_weight: 0.0 }
            .pair(policy, reference, 20);
        close(loss.loss, 0.493_248_945_997_454_9);
        close(loss.reward_chosen, 0.2);
        close(loss.reward_rejected, -0.25);
        close(loss.grad_chosen, -0.038_936_076_605_077_8);
        close(loss.grad_rejected, 0.038_936_076_605_077_8);
        let loss = DpoLoss { beta: 0.1, label_smoothing: 0.1, nll_weight: 0.5 }
            .pair(policy, reference, 20);
        close(loss.loss, 1.538_248_945_997_455);
        close(loss.nll, 2.0);
        close(loss.grad_chosen, -0.053_936_076_605_077_8);
    }

    #[test]
    fn start_is_ln_two_and_extremes_are_finite() {
        let same = LogProbs { chosen: -300.0, rejected: -280.0 };
        let loss = DpoLoss { nll_weight: 0.0, ..DpoLoss::default() }.pair(same, same, 5);
        close(loss.loss, std::f64::consts::LN_2);
        for d in [-1e6, 1e6] {
            let far = LogProbs { chosen: -300.0 + d, rejected: -280.0 };
            let loss = DpoLoss::default().pair(far, same, 5);
            assert!(loss.loss.is_finite() && loss.grad_chosen.is_finite());
        }
    }

    #[test]
    fn derivatives_are_those_of_the_loss() {
        let f = DpoLoss { beta: 0.3, label_smoothing: 0.07, nll_weight: 0.8 };
        let reference = LogProbs { chosen: -11.0, rejected: -9.0 };
        for (c, r) in [(-10.0, -12.0), (-15.0, -8.0), (-11.0, -9.0)] {
            let at = |c, r| f.pair(LogProbs { chosen: c, rejected: r }, reference, 7);
            let e = 1e-5;
            let found = at(c, r);
            assert!(
                (found.grad_chosen - (at(c + e, r).loss - at(c - e, r).loss) / (2.0 * e)).abs()
                    < 1e-8
            );
            assert!(
                (found.grad_rejected - (at(c, r + e).loss - at(c, r - e).loss) / (2.0 * e)).abs()
                    < 1e-8
            );
        }
    }
}
