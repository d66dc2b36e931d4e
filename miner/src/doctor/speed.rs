//! The engine at work: fast enough for its leases, room enough for its tasks, and what an hour of it
//! would earn.

use lode_proto::{
    credit::{CREDIT_VERSION, credits_milli},
    policy::Tier,
};
use serde::Serialize;

use super::{
    finding::{Check, Finding, duration},
    terms::Terms,
};

/// Tokens generated for each attempt of the group that is measured, at most.
pub const MEASURED_TOKENS: u32 = 32;
/// An honest answer takes about so much of the campaign's limit: limits are set at three times what
/// a task's own witness takes.
pub const ANSWER_PART_OF_LIMIT: u32 = 3;
/// Most time for the measurement, milliseconds, where the lease is longer.
pub const MOST_MEASURED_MS: u64 = 5 * 60 * 1000;
/// Least time for it, milliseconds, where the lease is shorter.
pub const LEAST_MEASURED_MS: u64 = 20 * 1000;

/// Time that the measurement may take, milliseconds.
#[must_use]
pub fn time_limit_ms(terms: &Terms) -> u64 {
    terms.lease_ms.clamp(LEAST_MEASURED_MS, MOST_MEASURED_MS)
}

/// What was measured of an engine on one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Speed {
    /// Tokens of the fixed prompt.
    pub prompt_tokens: u64,
    /// Attempts of the group.
    pub attempts: u64,
    /// Time until the first token of an answer, milliseconds.
    pub prompt_ms: u64,
    /// Tokens generated after that first one, over all attempts.
    pub generated_tokens: u64,
    /// Time for them, milliseconds.
    pub generated_ms: u64,
}

impl Speed {
    /// Prompt tokens a second.
    #[must_use]
    pub fn prompt_rate(&self) -> u64 {
        self.prompt_tokens * 1_000 / self.prompt_ms.max(1)
    }

    /// Generated tokens a second, over all attempts.
    #[must_use]
    pub fn generated_rate(&self) -> u64 {
        self.generated_tokens * 1_000 / self.generated_ms.max(1)
    }

    /// Time for a group whose attempts have so many tokens each, milliseconds.
    #[must_use]
    pub fn group_ms(&self, tokens_each: u32) -> u64 {
        let tokens = self.attempts.saturating_mul(tokens_each.into());
        // Where a group was over at once, what it took at least.
        let made = self.generated_tokens.max(1);
        self.prompt_ms.saturating_add(tokens.saturating_mul(self.generated_ms) / made)
    }
}

/// What came of the measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    /// It was done.
    Done(Speed),
    /// It was not done in time.
    NotDone {
        /// Time it was given, milliseconds.
        after_ms: u64,
        /// Whether a token had come by then.
        began: bool,
    },
    /// The engine failed.
    Failed(String),
    /// There was no engine to measure, because of something else.
    NotTried(String),
}

/// Judges whether the engine works.
#[must_use]
pub fn judge_engine(measured: &Measured, terms: &Terms) -> Finding {
    match measured {
        Measured::Done(speed) => Finding::ok(
            Check::Engine,
            format!(
                "{} prompt and {} generated tokens a second ({} tokens read, a group of {} at {})",
                speed.prompt_rate(),
                speed.generated_rate(),
                speed.prompt_tokens,
                speed.attempts,
                terms.profile
            ),
        ),
        Measured::NotDone { after_ms, began } => {
            let got = if *began { "some tokens" } else { "not one token" };
            Finding::ok(Check::Engine, format!("it loads; {got} after {}", duration(*after_ms)))
        }
        Measured::Failed(reason) => {
            Finding::failure(Check::Engine, "engine-failed", reason.clone())
                .expected("a group of answers to the fixed prompt")
                .advice("Mend what it says, or choose another engine or model")
        }
        Measured::NotTried(because) => Finding::not_tried(Check::Engine, because.clone()),
    }
}

fn answer_tokens(terms: &Terms) -> u32 {
    terms.max_completion_tokens.div_ceil(ANSWER_PART_OF_LIMIT)
}

/// Judges the speed against the lease.
#[must_use]
pub fn judge_speed(measured: &Measured, terms: &Terms) -> Finding {
    let lease = if terms.published {
        format!("a lease of {}", duration(terms.lease_ms))
    } else {
        format!("the usual lease of {} (no campaign is open)", duration(terms.lease_ms))
    };
    let advice = "Choose a smaller model, a GPU (engine.kind = \"openai\"), more threads, or a \
                  campaign with smaller tasks or longer leases; end other programs";
    let too_slow = |measured: String| {
        Finding::failure(Check::Speed, "too-slow", measured)
            .expected(format!("less than {lease}"))
            .advice(advice)
    };
    let speed = match measured {
        Measured::Done(speed) => speed,
        Measured::NotDone { after_ms, .. } => {
            let tokens = terms.max_completion_tokens.min(MEASURED_TOKENS);
            return too_slow(format!(
                "a group of {} with {tokens} tokens each was not done after {}",
                terms.group_size,
                duration(*after_ms)
            ));
        }
        Measured::Failed(_) => return Finding::not_tried(Check::Speed, "the engine failed"),
        Measured::NotTried(because) => return Finding::not_tried(Check::Speed, because.clone()),
    };
    let (usual, longest) =
        (speed.group_ms(answer_tokens(terms)), speed.group_ms(terms.max_completion_tokens));
    let takes = format!(
        "a group of {} takes about {}, {} if each answer has all {} tokens",
        terms.group_size,
        duration(usual),
        duration(longest),
        terms.max_completion_tokens
    );
    if usual >= terms.lease_ms {
        return too_slow(takes);
    }
    if longest >= terms.lease_ms {
        return Finding::warning(Check::Speed, "slow", takes)
            .expected(format!("less than {lease}, also for long answers"))
            .advice(format!("Some leases will run out. {advice}"));
    }
    Finding::ok(Check::Speed, format!("{takes}; {lease}"))
}

/// Judges whether prompt and answer fit the model's context, in tokens.
#[must_use]
pub fn judge_context(context: Option<u32>, prompt: Option<u64>, terms: &Terms) -> Finding {
    let (Some(context), Some(prompt)) = (context, prompt) else {
        return Finding::not_tried(Check::Context, "the engine does not say how much it can hold");
    };
    let needed = prompt.saturating_add(terms.max_completion_tokens.into());
    let measured = format!(
        "a task at {} takes {needed} tokens: {prompt} of prompt, up to {} of answer",
        terms.profile, terms.max_completion_tokens
    );
    if needed > u64::from(context) {
        return Finding::failure(Check::Context, "context-too-short", measured)
            .expected(format!("at most {context}, the model's context"))
            .advice("Choose a model with more context, or a campaign with smaller tasks");
    }
    Finding::ok(Check::Context, format!("{measured}; the model has {context}"))
}

/// What an hour would earn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Groups an hour, hundredths.
    pub groups_centi: u64,
    /// Tokens generated an hour.
    pub tokens: u64,
    /// Credits an hour, thousandths.
    pub credits_milli: u64,
    /// Version of the credit formula.
    pub formula: u32,
    /// What was assumed.
    pub assumed: String,
}

/// An hour, milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// Estimates an hour of work without a pause.
#[must_use]
pub fn estimate(speed: &Speed, terms: &Terms, parameters: u64, tier: Tier) -> Estimate {
    let each = answer_tokens(terms);
    let group_ms = speed.group_ms(each).max(1);
    let groups_centi = 100 * HOUR_MS / group_ms;
    let of_group = credits_milli(each, parameters, tier).saturating_mul(terms.group_size.into());
    let hour = |amount: u64| amount.saturating_mul(HOUR_MS) / group_ms;
    let campaign = if terms.published { "the campaign's" } else { "a usual campaign's" };
    Estimate {
        groups_centi,
        tokens: hour(u64::from(each) * u64::from(terms.group_size)),
        credits_milli: hour(of_group),
        formula: CREDIT_VERSION,
        assumed: format!(
            "there is always a task at {}, nothing else runs here, each of the {} answers of a \
             group has {each} tokens (a third of {campaign} limit of {}), every lease is met, \
             provenance tier {tier:?}; a pass and a fail earn the same",
            terms.profile, terms.group_size, terms.max_completion_tokens
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: Speed = Speed {
        prompt_tokens: 500,
        attempts: 8,
        prompt_ms: 5_000,
        generated_tokens: 200,
        generated_ms: 2_000,
    };

    fn terms(lease_ms: u64) -> Terms {
        Terms { lease_ms, max_completion_tokens: 120, ..Terms::default() }
    }

    #[test]
    fn a_group_is_its_prompt_and_its_tokens() {
        assert_eq!((SPEED.prompt_rate(), SPEED.generated_rate()), (100, 100));
        // 320 tokens at 100 a second.
        assert_eq!(SPEED.group_ms(40), 5_000 + 3_200);
        let nothing = Speed { generated_tokens: 0, generated_ms: 0, prompt_ms: 0, ..SPEED };
        assert_eq!((nothing.group_ms(40), nothing.generated_rate()), (0, 0));
    }

    #[test]
    fn the_lease_decides() {
        let fault = |lease| judge_speed(&Measured::Done(SPEED), &terms(lease)).fault;
        assert_eq!(fault(8_200), Some("too-slow"));
        assert_eq!(fault(8_201), Some("slow"));
        assert_eq!(fault(14_600), Some("slow"));
        assert_eq!(fault(14_601), None);
        let not_done = Measured::NotDone { after_ms: 20_000, began: false };
        assert_eq!(judge_speed(&not_done, &terms(1_000)).fault, Some("too-slow"));
        assert_eq!(judge_engine(&not_done, &terms(1_000)).fault, None);
        let failed = Measured::Failed("x".into());
        assert_eq!(judge_engine(&failed, &terms(1_000)).fault, Some("engine-failed"));
        assert_eq!(judge_speed(&failed, &terms(1_000)).fault, None);
    }

    #[test]
    fn the_context_holds_prompt_and_answer() {
        let fault = |context, prompt| judge_context(context, prompt, &terms(1)).fault;
        assert_eq!(fault(Some(620), Some(500)), None);
        assert_eq!(fault(Some(619), Some(500)), Some("context-too-short"));
        assert_eq!(fault(None, Some(500)), None);
        assert_eq!(fault(Some(1), None), None);
    }

    #[test]
    fn golden_estimate() {
        let hour = estimate(&SPEED, &terms(60_000), 134_515_008, Tier::T0);
        // 3,600 s / 8.2 s = 439.02 groups of 8 attempts of 40 tokens, 0.05 credits a token.
        assert_eq!(hour.groups_centi, 43_902);
        assert_eq!(hour.tokens, 140_487);
        assert_eq!(hour.credits_milli, 7_024_390);
        assert_eq!(hour.formula, 1);
    }
}
