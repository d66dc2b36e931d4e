//! What a campaign asks of a miner, as far as the checks need it.

use lode_engine::GroupRequest;
use lode_proto::{epoch::Campaign, limits, task::Profile};
use lode_tasks::{
    family::{self, Library},
    grammar, longdoc,
};

/// Tokens of a group's prompt and answers, and the time for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Size of the tasks.
    pub profile: Profile,
    /// Attempts in a group.
    pub group_size: u32,
    /// Most generated tokens of an attempt.
    pub max_completion_tokens: u32,
    /// A lease's time, milliseconds.
    pub lease_ms: u64,
    /// Tokens of a prompt, about.
    pub prompt_tokens: u64,
    /// Whether a coordinator said so; else they are what a small campaign usually asks.
    pub published: bool,
}

/// Bytes of English text that one token stands for, about: rather too few, so that there is memory
/// for what comes.
const BYTES_PER_TOKEN: u64 = 3;

impl Default for Terms {
    /// What is assumed while no coordinator says what it asks.
    fn default() -> Self {
        Self {
            profile: Profile::Nano,
            group_size: limits::DEFAULT_GROUP_SIZE,
            max_completion_tokens: 128,
            lease_ms: limits::DEFAULT_LEASE_MS,
            prompt_tokens: 1_500 / BYTES_PER_TOKEN,
            published: false,
        }
    }
}

impl Terms {
    /// Of a campaign. Numbers beyond the protocol's limits are taken as the limit: the coordinator
    /// is a stranger here.
    #[must_use]
    pub fn of(campaign: &Campaign) -> Self {
        Self {
            profile: campaign.template.profile,
            group_size: campaign.group_size.clamp(1, limits::MAX_GROUP_SIZE),
            max_completion_tokens: campaign
                .max_completion_tokens
                .clamp(1, limits::MAX_COMPLETION_TOKENS),
            lease_ms: campaign.lease_ms,
            published: true,
            ..Self::default()
        }
    }

    /// The least that any campaign asks.
    #[must_use]
    pub fn least() -> Self {
        Self { group_size: 1, max_completion_tokens: 1, prompt_tokens: 1, ..Self::default() }
    }

    /// With the size of a prompt that was made.
    #[must_use]
    pub fn with_prompt(self, prompt: &SamplePrompt) -> Self {
        Self { prompt_tokens: prompt.text.len() as u64 / BYTES_PER_TOKEN, ..self }
    }
}

/// Tries to make a task before it is given up; a seed rarely has none.
const TRIES: u8 = 16;

/// The fixed prompt that an engine is measured with: a task as the campaign asks it, from a seed
/// that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplePrompt {
    /// The prompt.
    pub text: String,
    /// The grammar of its answers.
    pub grammar: String,
}

impl SamplePrompt {
    /// A prompt of this size, in the campaign's domain where this build has it.
    ///
    /// # Errors
    /// None for a released build; what the task engine says otherwise.
    pub fn of(profile: Profile, campaign: Option<&Campaign>) -> Result<Self, String> {
        let library = Library::builtin().map_err(|error| error.to_string())?;
        let usual = library.named("companies").map_err(|error| error.to_string())?;
        let wanted = campaign.map(|campaign| &campaign.template.domain);
        let domain = wanted.filter(|domain| library.domain_bytes(domain.hash).is_some());
        let template = lode_proto::task::TaskTemplate {
            family: longdoc::NAME.into(),
            engine_version: lode_tasks::ENGINE_VERSION,
            domain: domain.cloned().unwrap_or(usual),
            profile,
            inputs: Vec::new(),
        };
        let mut last = String::new();
        for byte in 0..TRIES {
            match family::generate(&template.spec([byte; 32]), &library) {
                Ok((task, _)) => {
                    return Ok(Self { text: task.prompt(), grammar: grammar::grammar(&task) });
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }

    /// The group that is measured.
    #[must_use]
    pub fn request(&self, terms: &Terms, grammar: bool, temperature_milli: u32) -> GroupRequest {
        let attempts = u8::try_from(terms.group_size).unwrap_or(u8::MAX);
        GroupRequest {
            prompt: self.text.clone(),
            grammar: grammar.then(|| self.grammar.clone()),
            attempt_seeds: (0..attempts).map(|number| [number; 32]).collect(),
            temperature_milli,
            max_completion_tokens: terms.max_completion_tokens.min(super::speed::MEASURED_TOKENS),
            evidence: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_fixed_prompt_of_each_size() {
        let mut last = 0;
        for profile in Profile::ALL {
            let prompt = SamplePrompt::of(profile, None).expect("a task");
            assert_eq!(prompt, SamplePrompt::of(profile, None).expect("the same"));
            assert!(prompt.text.len() > last, "{profile}");
            last = prompt.text.len();
            let terms = Terms::default().with_prompt(&prompt);
            let request = prompt.request(&terms, true, 700);
            request.check().expect("an engine takes it");
            assert_eq!(request.attempt_seeds.len(), 8);
        }
    }
}
