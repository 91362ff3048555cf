//! Approvals: which texts of set-up commands a person has allowed to run, on this machine and for this repository.
//!
//! They lie beside the ledger, never in the repository's files: whoever may change those must not approve by it. An agent
//! that may write into the git directory could; this is a barrier against mistakes, and no security boundary.

use biplane_model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    bounds,
    error::{Error, Result},
    files,
    home::Home,
    import::read::{self, Found},
    settings::Setup,
};

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    /// The hash of the text.
    pub(crate) hash: String,
    /// When.
    pub(crate) at: Timestamp,
    /// Who.
    pub(crate) by: String,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    approved: Vec<Approval>,
}

const VERSION: u32 = 1;

/// The hash of what is approved: the commands in their order, and the variables they get. Nothing else has a say in what
/// is run, and nothing can be changed in either without changing the hash.
pub(crate) fn hash(setup: &Setup) -> String {
    digest(&serde_json::json!({ "run": setup.run, "env": setup.env }))
}

/// The hash of a value.
pub(crate) fn digest(value: &serde_json::Value) -> String {
    let bytes = Sha256::digest(value.to_string().as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The approvals of this home, oldest first.
///
/// # Errors
/// When the file is damaged: then nothing is approved, and nothing is written over it.
pub(crate) fn read(home: &Home) -> Result<Vec<Approval>> {
    let path = path(home);
    let damaged = |why: String| {
        Error::failed(format!("`{path}` can't be read: {why}"))
            .hint("move it away; what was approved is asked for again")
    };
    let bytes = match read::file(&path, bounds::APPROVALS_BYTES) {
        Found::Nothing => return Ok(Vec::new()),
        Found::Unread(why) => return Err(damaged(why)),
        Found::File(bytes) => bytes,
    };
    let file: File = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    if file.version != VERSION {
        return Err(damaged(format!("its version {} is not known", file.version)));
    }
    Ok(file.approved)
}

/// Writes the approvals; they survive a power cut.
///
/// # Errors
/// When they can't be written; the old ones hold then.
pub(crate) fn write(home: &Home, approved: Vec<Approval>) -> Result<()> {
    let file = File { version: VERSION, approved };
    let text = serde_json::to_vec_pretty(&file).expect("approvals are plain data");
    files::replace_durably(&path(home), &text)
}

fn path(home: &Home) -> camino::Utf8PathBuf {
    home.state_dir().join("approved.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn any_change_of_the_text_changes_the_hash() {
        let hash = |text: &str| hash(&Settings::parse(text).unwrap().worktrees.setup);
        let texts = [
            "[setup]\nrun = [\"a\", \"b\"]",
            "[setup]\nrun = [\"b\", \"a\"]",
            "[setup]\nrun = [\"a\\nb\"]",
            "[setup]\nrun = [\"a\", \"b \"]",
            "[setup]\nrun = [\"a\", \"b\"]\nenv = { A = \"1\" }",
        ];
        let mut hashes: Vec<_> = texts.iter().map(|text| hash(text)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), texts.len());
        assert_eq!(hash(texts[0]), hash("[setup]\ntimeout = \"1m\"\ncopy = [\"x\"]\nrun = [\"a\", \"b\"]"));
    }
}
