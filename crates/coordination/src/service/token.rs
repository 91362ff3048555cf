//! The token that whoever speaks with biplane over a network must show.

use std::{
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
};

use biplane_failpoint as failpoint;
use biplane_model::sanitize_line;
use camino::{Utf8Path, Utf8PathBuf};

use super::Service;
use crate::{
    bounds,
    error::{Error, Result},
    files,
};

/// A token, and where it lies.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token: at least [`bounds::LEAST_TOKEN`] printable characters.
    pub token: String,
    /// The file that has it.
    pub path: Utf8PathBuf,
}

impl Service {
    /// The token of this home; made when there is none, for its owner's eyes only.
    ///
    /// # Errors
    /// When the file can't be read or written, others may read it, or what is in it is no token.
    pub fn access_token(&self) -> Result<AccessToken> {
        let path = self.home().board().state_dir().join("mcp-token");
        if !path.exists() {
            make(&path)?;
        }
        read_token(&path)
    }
}

/// The token in the file at `path`.
///
/// # Errors
/// When it can't be read, is a link, others may read it, or what is in it is no token.
pub fn read_token(path: &Utf8Path) -> Result<AccessToken> {
    let io = |e| Error::io("read", path, e);
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nofollow).open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    let shown = sanitize_line(path.as_str());
    if !meta.is_file() || meta.mode() & 0o077 != 0 {
        return Err(Error::refused(format!("others may read the token in `{shown}`"))
            .hint(format!("`chmod 600 {shown}`, or delete it to have a new one made")));
    }
    let mut text = String::new();
    file.take(bounds::TOKEN_BYTES).read_to_string(&mut text).map_err(io)?;
    let token =
        checked_token(&text).map_err(|fault| Error::refused(format!("`{shown}` has no token: {fault}")))?;
    Ok(AccessToken { token, path: path.to_owned() })
}

/// A text as a token, without the white space around it.
///
/// # Errors
/// When it is too short to be a secret, too long, or has characters that no header can have.
pub fn checked_token(text: &str) -> std::result::Result<String, String> {
    let token = text.trim();
    let (least, most) = (bounds::LEAST_TOKEN, bounds::TOKEN_BYTES);
    if token.len() < least || token.len() as u64 >= most || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("it takes {least} to {} printable characters without a space", most - 1));
    }
    Ok(token.to_owned())
}

fn make(path: &Utf8Path) -> Result<()> {
    let dir = path.parent().unwrap_or(Utf8Path::new("."));
    files::make_dir(dir)?;
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|e| Error::failed(format!("no random numbers can be had: {e}")))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let io = |e| Error::io("written", path, e);
    // A temporary file is for its owner only.
    let prefix = format!("{}{}-", files::NEW_BY, std::process::id());
    let mut file = tempfile::Builder::new().prefix(&prefix).tempfile_in(dir).map_err(io)?;
    writeln!(file, "{token}").map_err(io)?;
    match failpoint::around("token written", || file.persist_noclobber(path)) {
        Err(e) if e.error.kind() != std::io::ErrorKind::AlreadyExists => Err(io(e.error)),
        // Another process has made one meanwhile: that one holds.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("state/token")).unwrap();
        make(&path).unwrap();
        let token = read_token(&path).unwrap().token;
        assert!(token.len() == 64 && token != "0".repeat(64));
        make(&path).unwrap();
        assert_eq!(read_token(&path).unwrap().token, token, "one that is there stays");
        let link = path.with_file_name("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_token(&link).is_err(), "a link is not followed");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = read_token(&path).err().unwrap();
        assert!(
            refused.message.contains("others may read the token") && refused.hints[0].contains("chmod 600")
        );
    }

    #[test]
    fn what_is_no_token() {
        for text in [
            "",
            "short",
            "has a space in it, and is long",
            "ümläüte-are-no-header-characters",
            &"x".repeat(5000),
        ] {
            assert!(checked_token(text).is_err(), "{text:?}");
        }
        assert_eq!(checked_token(" 0123456789abcdef\n").unwrap(), "0123456789abcdef");
    }
}
