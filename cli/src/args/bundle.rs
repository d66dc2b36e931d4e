//! Bundles and other people's records: `lode bundle`, `lode import`, `lode export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `lode bundle …`
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Check a bundle offline: regenerate, grade again, check every signature and hash.
    ///
    /// Exits with 0 where everything holds, 1 where something does not.
    Audit {
        /// The bundle's folder.
        dir: PathBuf,
        /// The network that you trust: its id, or the file of its genesis.
        #[arg(long, value_name = "ID|FILE")]
        network: Option<String>,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the pairs of a bundle in other people's format, one file a pair.
    Export {
        /// The bundle's folder.
        dir: PathBuf,
        /// Which format.
        #[arg(long, value_enum, default_value = "botcoin")]
        format: PairFormat,
        /// The folder to put the files in, made where it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Show what is in a bundle.
    Inspect {
        /// The bundle's folder.
        dir: PathBuf,
        /// Pairs to show.
        #[arg(long, default_value_t = 1)]
        pairs: usize,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Download a bundle from a node, check every byte, audit it.
    Pull {
        /// Address of a node that has it, for example /ip4/127.0.0.1/tcp/4001/p2p/12D3….
        #[arg(long, value_name = "MULTIADDR", required = true)]
        from: Vec<String>,
        /// Which bundle; the newest when left out.
        #[arg(long)]
        name: Option<String>,
        /// Folder to put it in.
        #[arg(long, default_value = ".")]
        out: PathBuf,
        /// The network that you trust: its id, or the file of its genesis.
        #[arg(long, value_name = "ID|FILE")]
        network: Option<String>,
        /// Do not audit after the download.
        #[arg(long)]
        no_audit: bool,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `lode import …`
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// BOTCOIN's published rows and pairs, every constraint checked again from the document.
    Botcoin(ImportFile),
    /// DACR-Bench's challenges, as tasks with documents, questions, gold answers and traps.
    Dacr(ImportFile),
}

/// What is imported.
#[derive(Debug, Args)]
pub(crate) struct ImportFile {
    /// The file: JSON, a JSON list or JSON Lines.
    pub(crate) file: PathBuf,
    /// The folder to put it in, made where it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Whose records these are, where it is not the usual publisher.
    #[arg(long, value_name = "TEXT")]
    pub(crate) source: Option<String>,
    /// Their SPDX licence, where it is known better.
    #[arg(long, value_name = "SPDX")]
    pub(crate) licence: Option<String>,
    /// The summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lode export …`
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Imported BOTCOIN records, without the verifier's labels that leaked into their traces.
    Botcoin {
        /// The folder of an import, or its rows.jsonl.
        path: PathBuf,
        /// Exactly as they were, labels included.
        #[arg(long)]
        verbatim: bool,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// A format of other people's.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PairFormat {
    /// BOTCOIN's pairs, one self-contained JSON file each.
    Botcoin,
}
