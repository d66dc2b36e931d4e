//! Chat templates, rendered as `transformers` renders them (Jinja2 with `trim_blocks` and
//! `lstrip_blocks`), with one difference: a template that asks for today's date is refused,
//! because its prompts could not be rendered again later.

use minijinja::value::{Rest, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use serde::{Deserialize, Serialize};

use crate::error::{ModelError, Result};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

impl Message {
    /// A message of `role` saying `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// A compiled chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles `source`.
    pub fn new(source: String) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function(
            "strftime_now",
            |_: Rest<Value>| -> std::result::Result<String, Error> {
                Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "the template prints today's date, so its prompts cannot be reproduced",
                ))
            },
        );
        environment.set_unknown_method_callback(python_method);
        environment
            .add_template_owned(NAME, source.clone())
            .map_err(|e| ModelError::ChatTemplate(format!("{e:#}")))?;
        Ok(Self { source, environment })
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation; with `add_generation_prompt` the text ends where the assistant's
    /// turn begins. `bos` and `eos` are the names of those tokens.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        bos: Option<&str>,
        eos: Option<&str>,
    ) -> Result<String> {
        let fail = |e: Error| ModelError::ChatTemplate(format!("{e:#}"));
        let template = self.environment.get_template(NAME).map_err(fail)?;
        let context = minijinja::context! {
            messages, add_generation_prompt, bos_token => bos.unwrap_or(""), eos_token => eos.unwrap_or(""),
        };
        template.render(context).map_err(fail)
    }
}

impl crate::tokenizer::Tokenizer {
    /// Renders a conversation by the model's own chat template.
    pub fn render_chat(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let template = self.chat_template.as_ref().ok_or_else(|| {
            ModelError::ChatTemplate(
                "this model came without one; write the prompt as plain text".into(),
            )
        })?;
        let (bos, eos) = (self.token_text(self.bos), self.token_text(self.eos));
        template.render(messages, add_generation_prompt, bos.as_deref(), eos.as_deref())
    }
}

/// The few Python string methods that published templates call.
fn python_method(
    _: &State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> std::result::Result<Value, Error> {
    let unknown = || {
        Error::new(
            ErrorKind::UnknownMethod,
            format!("`{method}` is not available in chat templates here"),
        )
    };
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = args.first().and_then(Value::as_str);
    Ok(match (method, argument) {
        ("strip", None) => text.trim().into(),
        ("lstrip", None) => text.trim_start().into(),
        ("rstrip", None) => text.trim_end().into(),
        ("upper", None) => text.to_uppercase().into(),
        ("lower", None) => text.to_lowercase().into(),
        ("startswith", Some(prefix)) => text.starts_with(prefix).into(),
        ("endswith", Some(suffix)) => text.ends_with(suffix).into(),
        ("split", Some(separator)) if !separator.is_empty() => {
            text.split(separator).map(Value::from).collect::<Vec<_>>().into()
        }
        _ => return Err(unknown()),
    })
}
