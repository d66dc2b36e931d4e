//! `lode key new|show`.

use std::path::Path;

use anyhow::Context;
use lode_node::{
    keystore::{self, KeyKind, Keystore},
    transport::peer_id,
};
use lode_proto::key::PublicKey;

use crate::{Outcome, term};

fn print(public: PublicKey, file: &Path, json: bool) -> anyhow::Result<Outcome> {
    let peer = peer_id(&public).context("the key has no peer id")?;
    if json {
        term::json(&serde_json::json!({
            "public_key": public,
            "peer_id": peer.to_string(),
            "file": file,
        }))?;
    } else {
        term::print_line(&format!("public key  {public}"))?;
        term::print_line(&format!("peer id     {peer}"))?;
        term::print_line(&format!("file        {}", file.display()))?;
    }
    Ok(Outcome::Yes)
}

pub(crate) fn new(folder: &Path, json: bool) -> anyhow::Result<Outcome> {
    let store = Keystore::open(folder)?;
    let key = store.create(KeyKind::Node)?;
    print(key.public(), &store.path(KeyKind::Node), json)
}

pub(crate) fn show(file: &Path, json: bool) -> anyhow::Result<Outcome> {
    let path = if file.is_dir() { Keystore::open(file)?.path(KeyKind::Node) } else { file.into() };
    let key = keystore::load(&path)?.with_context(|| {
        format!("there is no key at {}; make one with: lode key new --out FOLDER", path.display())
    })?;
    print(key.public(), &path, json)
}
