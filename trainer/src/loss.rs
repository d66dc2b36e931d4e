//! The preference losses of one pair, as pure functions with their derivatives.
//!
//! With `π` the policy's and `ρ` the reference's log-probability of a whole completion (a sum
//! over its tokens, end token included), `c` chosen and `r` rejected, `|x|` a completion's tokens:
//!
//! ```text
//! h = β ((π_c - ρ_c) - (π_r - ρ_r))            m = (π_c - ρ_c)/|c| - (π_r - ρ_r)/|r|
//!
//! sigmoid       -(1 - ε) log σ(h) - ε log σ(-h)
//! robust       (-(1 - ε) log σ(h) + ε log σ(-h)) / (1 - 2ε)
//! hinge         max(0, 1 - h)
//! ipo           (m - 1/(2β))²
//! sigmoid_norm  -(1 - ε) log σ(βm) - ε log σ(-βm)
//!
//! loss = w (preference - λ π_c / |c|)
//! ```
//!
//! Sources: sigmoid, Rafailov et al. 2023, eq. 7 (arXiv 2305.18290), with the label smoothing of cDPO
//! (Mitchell 2023); robust, Chowdhury et al. 2024 (arXiv 2403.00409); hinge, Zhao et al. 2023
//! (arXiv 2305.10425); ipo, Azar et al. 2023, eq. 17 (arXiv 2310.12036), by the mean over tokens as its
//! authors and TRL have it; sigmoid_norm as TRL. The names are TRL's. The last term is the negative
//! log-likelihood of the chosen side per token (Pang et al. 2024, arXiv 2404.19733). `w` is the pair's
//! weight, 1 on average; a batch's loss is the mean over its pairs.

use serde::{Deserialize, Serialize};

/// Which preference loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// DPO's own.
    #[default]
    Sigmoid,
    /// Unbiased where a known share of the labels is wrong.
    Robust,
    /// No pull once a pair is apart by 1/β.
    Hinge,
    /// A fixed distance per token, which no pair is driven beyond.
    Ipo,
    /// The sigmoid of means over tokens, so that long sides do not weigh more.
    SigmoidNorm,
}

impl LossKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Sigmoid, Self::Robust, Self::Hinge, Self::Ipo, Self::SigmoidNorm];

    /// TRL's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Robust => "robust",
            Self::Hinge => "hinge",
            Self::Ipo => "ipo",
            Self::SigmoidNorm => "sigmoid_norm",
        }
    }

    /// Whether label smoothing means something to it.
    pub fn smooths(self) -> bool {
        !matches!(self, Self::Hinge | Self::Ipo)
    }

    /// The formula, as written into every manifest.
    pub fn formula(self) -> String {
        let preference = match self {
            Self::Sigmoid => "-(1-eps) log sigmoid(h) - eps log sigmoid(-h)",
            Self::Robust => "(-(1-eps) log sigmoid(h) + eps log sigmoid(-h)) / (1-2 eps)",
            Self::Hinge => "max(0, 1-h)",
            Self::Ipo => "(m - 1/(2 beta))^2",
            Self::SigmoidNorm => "-(1-eps) log sigmoid(beta m) - eps log sigmoid(-beta m)",
        };
        let length = "m = (pi_c-rho_c)/|c| - (pi_r-rho_r)/|r|";
        let whole = "h = beta((pi_c-rho_c)-(pi_r-rho_r))";
        let of = if matches!(self, Self::Ipo | Self::SigmoidNorm) { length } else { whole };
        format!("mean over pairs of w ({preference} - lambda pi_c/|c|), {of}")
    }
}

/// What the log-probabilities are divided by, as written into every manifest.
pub const NORMALISATION: &str = "pi and rho are sums over completion tokens (end token included); the NLL term is per token of the chosen side; weights w are 1 on average over the data; batches are means over pairs";

/// The loss's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DpoLoss {
    /// Which preference loss.
    pub kind: LossKind,
    /// β, strength of the pull towards the reference.
    pub beta: f64,
    /// ε, the share of pairs believed to be the wrong way round, 0 to below 0.5.
    pub label_smoothing: f64,
    /// λ, weight of the chosen side's negative log-likelihood per token.
    pub nll_weight: f64,
}

impl Default for DpoLoss {
    fn default() -> Self {
        Self { kind: LossKind::Sigmoid, beta: 0.1, label_smoothing: 0.0, nll_weight: 1.0 }
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

/// What of a pair a loss needs besides its log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairShape {
    /// Tokens of the chosen side, at least one.
    pub chosen: usize,
    /// Tokens of the rejected side, at least one.
    pub rejected: usize,
    /// The pair's weight.
    pub weight: f64,
}

/// The loss of one pair and what is reported about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairLoss {
    /// The whole loss, weight included.
    pub loss: f64,
    /// The preference part alone, without the weight; see [`DpoLoss::at_start`].
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
    /// The loss of one pair.
    pub fn pair(&self, policy: LogProbs, reference: LogProbs, shape: &PairShape) -> PairLoss {
        let (chosen, rejected) =
            (policy.chosen - reference.chosen, policy.rejected - reference.rejected);
        let per_chosen = 1.0 / shape.chosen.max(1) as f64;
        let per_rejected = 1.0 / shape.rejected.max(1) as f64;
        // What the preference part is a function of, and that function's derivatives by π_c and -π_r.
        let (x, by_chosen, by_rejected) = match self.kind {
            LossKind::Ipo | LossKind::SigmoidNorm => {
                let scale = if self.kind == LossKind::Ipo { 1.0 } else { self.beta };
                let m = chosen * per_chosen - rejected * per_rejected;
                (scale * m, scale * per_chosen, scale * per_rejected)
            }
            _ => (self.beta * (chosen - rejected), self.beta, self.beta),
        };
        let (preference, slope) = self.preference(x);
        let nll = -policy.chosen * per_chosen;
        let w = shape.weight;
        PairLoss {
            loss: w * (preference + self.nll_weight * nll),
            preference,
            nll,
            reward_chosen: self.beta * chosen,
            reward_rejected: self.beta * rejected,
            grad_chosen: w * (by_chosen * slope - self.nll_weight * per_chosen),
            grad_rejected: -w * by_rejected * slope,
        }
    }

    /// The preference part at `x` (`h`, `m` or `βm`, by the kind), and its derivative there.
    fn preference(&self, x: f64) -> (f64, f64) {
        let eps = self.label_smoothing;
        // How much the right and the wrong order of a pair count.
        let (right, wrong) = match self.kind {
            LossKind::Robust => ((1.0 - eps) / (1.0 - 2.0 * eps), -eps / (1.0 - 2.0 * eps)),
            _ => (1.0 - eps, eps),
        };
        match self.kind {
            LossKind::Hinge => ((1.0 - x).max(0.0), if x < 1.0 { -1.0 } else { 0.0 }),
            LossKind::Ipo => {
                let off = x - 0.5 / self.beta;
                (off * off, 2.0 * off)
            }
            LossKind::Sigmoid | LossKind::Robust | LossKind::SigmoidNorm => (
                -right * log_sigmoid(x) - wrong * log_sigmoid(-x),
                -right * sigmoid(-x) + wrong * sigmoid(x),
            ),
        }
    }

    /// The preference part where policy and reference agree: ln 2 for the sigmoids.
    pub fn at_start(&self) -> f64 {
        self.preference(0.0).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} and {b}");
    }

    fn shape(chosen: usize) -> PairShape {
        PairShape { chosen, rejected: 9, weight: 1.0 }
    }

    #[test]
    fn golden_values() {
        // Computed with Python's decimal module at 50 digits from the formula above.
        let policy = LogProbs { chosen: -40.0, rejected: -52.5 };
        let reference = LogProbs { chosen: -42.0, rejected: -50.0 };
        let loss = DpoLoss { nll_weight: 0.0, ..DpoLoss::default() };
        let loss = loss.pair(policy, reference, &shape(20));
        close(loss.loss, 0.493_248_945_997_454_9);
        close(loss.reward_chosen, 0.2);
        close(loss.reward_rejected, -0.25);
        close(loss.grad_chosen, -0.038_936_076_605_077_8);
        close(loss.grad_rejected, 0.038_936_076_605_077_8);
        let loss = DpoLoss { label_smoothing: 0.1, nll_weight: 0.5, ..DpoLoss::default() };
        let loss = loss.pair(policy, reference, &shape(20));
        close(loss.loss, 1.538_248_945_997_455);
        close(loss.nll, 2.0);
        close(loss.grad_chosen, -0.053_936_076_605_077_8);
    }

    #[test]
    fn the_start_is_known_and_extremes_are_finite() {
        let same = LogProbs { chosen: -300.0, rejected: -280.0 };
        for kind in LossKind::ALL {
            let f = DpoLoss { kind, nll_weight: 0.0, ..DpoLoss::default() };
            let start = f.pair(same, same, &shape(5)).loss;
            close(start, f.at_start());
            match kind {
                LossKind::Hinge => close(start, 1.0),
                LossKind::Ipo => close(start, 25.0),
                _ => close(start, std::f64::consts::LN_2),
            }
            for d in [-1e6, 1e6] {
                let far = LogProbs { chosen: -300.0 + d, rejected: -280.0 };
                let loss = f.pair(far, same, &shape(5));
                assert!(loss.loss.is_finite() && loss.grad_chosen.is_finite());
            }
        }
    }

    #[test]
    fn derivatives_are_those_of_the_loss() {
        let reference = LogProbs { chosen: -11.0, rejected: -9.0 };
        for kind in LossKind::ALL {
            let label_smoothing = if kind.smooths() { 0.07 } else { 0.0 };
            let f = DpoLoss { kind, beta: 0.3, label_smoothing, nll_weight: 0.8 };
            let shape = PairShape { weight: 1.7, ..shape(7) };
            for (c, r) in [(-10.0, -12.0), (-15.0, -8.0), (-11.0, -9.0), (-2.0, -40.0)] {
                let at = |c, r| f.pair(LogProbs { chosen: c, rejected: r }, reference, &shape);
                let e = 1e-5;
                let (found, twice) = (at(c, r), 2.0 * e);
                let by_chosen = (at(c + e, r).loss - at(c - e, r).loss) / twice;
                let by_rejected = (at(c, r + e).loss - at(c, r - e).loss) / twice;
                assert!((found.grad_chosen - by_chosen).abs() < 1e-8, "{kind:?}");
                assert!((found.grad_rejected - by_rejected).abs() < 1e-8, "{kind:?}");
            }
        }
    }

    /// With a share ε of the pairs turned round, the expected robust loss is the plain one of clean pairs.
    #[test]
    fn the_robust_loss_is_unbiased() {
        let (eps, same) = (0.2, LogProbs { chosen: -30.0, rejected: -30.0 });
        let robust =
            DpoLoss { kind: LossKind::Robust, label_smoothing: eps, nll_weight: 0.0, beta: 0.3 };
        let plain = DpoLoss { kind: LossKind::Sigmoid, label_smoothing: 0.0, ..robust };
        let (right, turned) = (
            LogProbs { chosen: -29.0, rejected: -33.0 },
            LogProbs { chosen: -33.0, rejected: -29.0 },
        );
        let of = |f: &DpoLoss, policy| f.pair(policy, same, &shape(9)).loss;
        let expected = (1.0 - eps) * of(&robust, right) + eps * of(&robust, turned);
        close(expected, of(&plain, right));
    }
}
