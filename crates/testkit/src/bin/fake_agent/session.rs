//! Sessions, remembered in its home by what they were first asked.

use std::{
    fs, io,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// A new session's name, in the form of a UUID.
pub(crate) fn new_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (nanos, pid) = (now.as_nanos(), std::process::id());
    let nanos = format!("{nanos:032x}");
    format!("{:08x}-{}-4000-8000-{}", pid, &nanos[16..20], &nanos[20..32])
}

/// Where it is remembered; nowhere when the name would lead elsewhere.
fn file(name: &str) -> Option<PathBuf> {
    let safe = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    safe.then(|| home.join(".biplane-fake-agent").join(name))
}

/// Remembers what a session was asked first; whether it is a new one.
pub(crate) fn remember(name: &str, prompt: &str) -> io::Result<bool> {
    let Some(file) = file(name) else { return Ok(true) };
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    if file.exists() {
        return Ok(false);
    }
    fs::write(file, prompt)?;
    Ok(true)
}

/// What a session was asked first.
pub(crate) fn recall(name: &str) -> Option<String> {
    fs::read_to_string(file(name)?).ok()
}
