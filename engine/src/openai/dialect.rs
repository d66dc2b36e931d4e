//! How servers take a Lark grammar: a field of the request, in the server's own dialect.
//!
//! Our grammars are llguidance's Lark, so only servers that hand a grammar to llguidance obey them
//! as they are. What each one needs to be started with is in docs/servers.md.

use std::str::FromStr;

use serde_json::{Map, Value, json};

/// First line that tells llguidance's Lark from a server's own notation.
const LARK_MARK: &str = "%llguidance {}\n";

/// How a server takes a Lark grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GrammarDialect {
    /// It takes none: texts are drawn freely, and the card says so.
    #[default]
    None,
    /// llama.cpp built with llguidance: `grammar`, marked as Lark by its first line.
    LlamaCpp,
    /// vLLM, with the guidance backend: `structured_outputs.grammar`.
    Vllm,
    /// vLLM before 0.12, with the guidance backend: `guided_grammar`.
    VllmGuided,
    /// SGLang, with the llguidance backend: `ebnf`, marked as Lark by its first line.
    Sglang,
    /// mistral.rs: `grammar` of the type `lark`.
    MistralRs,
}

impl GrammarDialect {
    /// The name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::LlamaCpp => "llama.cpp",
            Self::Vllm => "vllm",
            Self::VllmGuided => "vllm-guided",
            Self::Sglang => "sglang",
            Self::MistralRs => "mistral.rs",
        }
    }

    /// Adds the fields that ask for `lark` to a request.
    pub(super) fn apply(self, lark: &str, fields: &mut Map<String, Value>) {
        let (field, value) = match self {
            Self::None => return,
            Self::LlamaCpp => ("grammar", json!(format!("{LARK_MARK}{lark}"))),
            Self::Vllm => ("structured_outputs", json!({ "grammar": lark })),
            Self::VllmGuided => ("guided_grammar", json!(lark)),
            Self::Sglang => ("ebnf", json!(format!("{LARK_MARK}{lark}"))),
            Self::MistralRs => ("grammar", json!({ "type": "lark", "value": lark })),
        };
        fields.insert(field.to_owned(), value);
    }

    /// What makes the server obey, for an error message.
    pub(super) fn how(self) -> &'static str {
        match self {
            Self::None => "leave engine.server.grammar out",
            Self::LlamaCpp => "build llama.cpp with -DLLAMA_LLGUIDANCE=ON",
            Self::Vllm => "start vLLM with --structured-outputs-config.backend guidance",
            Self::VllmGuided => "start vLLM with --guided-decoding-backend guidance",
            Self::Sglang => "start SGLang with --grammar-backend llguidance",
            Self::MistralRs => {
                "use a mistral.rs that takes grammars on /v1/completions (0.4 or later)"
            }
        }
    }
}

impl FromStr for GrammarDialect {
    type Err = String;

    /// Reads the name of a dialect. Notations of other servers are refused with what to do instead.
    fn from_str(name: &str) -> Result<Self, String> {
        let all = [
            Self::None,
            Self::LlamaCpp,
            Self::Vllm,
            Self::VllmGuided,
            Self::Sglang,
            Self::MistralRs,
        ];
        if let Some(dialect) = all.into_iter().find(|dialect| dialect.name() == name) {
            return Ok(dialect);
        }
        let names = all.map(|dialect| format!("\"{}\"", dialect.name())).join(", ");
        let advice = match name {
            "gbnf" => {
                "; GBNF cannot say what our grammars say: build llama.cpp with \
                 -DLLAMA_LLGUIDANCE=ON and write \"llama.cpp\""
            }
            "ollama" | "lmstudio" | "lm-studio" | "json" | "json_schema" => {
                "; such a server takes JSON schemas only: leave the key out, and texts are drawn \
                 freely"
            }
            "xgrammar" | "outlines" | "lm-format-enforcer" => {
                "; that backend does not read Lark: start the server with its guidance backend"
            }
            _ => "",
        };
        Err(format!("{name:?} is no dialect; expected one of {names}{advice}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in ["none", "llama.cpp", "vllm", "vllm-guided", "sglang", "mistral.rs"] {
            assert_eq!(name.parse::<GrammarDialect>().map(GrammarDialect::name), Ok(name));
        }
    }

    #[test]
    fn other_notations_are_refused_with_what_to_write() {
        let refused = |name: &str| name.parse::<GrammarDialect>().unwrap_err();
        assert!(refused("gbnf").contains("LLAMA_LLGUIDANCE"), "{}", refused("gbnf"));
        assert!(refused("ollama").contains("leave the key out"), "{}", refused("ollama"));
        assert!(refused("xgrammar").contains("guidance backend"), "{}", refused("xgrammar"));
        assert!(refused("x").contains("\"sglang\""), "{}", refused("x"));
    }
}
