//! The one place that reads the process's environment, current directory and clock.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use biplane_coordination::{Error, Surroundings};
use biplane_model::{Timestamp, sanitize_line};
use camino::{Utf8Path, Utf8PathBuf};

/// Where the program stands, or `directory` when it is given.
pub(super) fn read(directory: Option<&Utf8Path>) -> anyhow::Result<Surroundings> {
    let cwd = std::env::current_dir().context("the current directory is not there any more")?;
    let cwd = Utf8PathBuf::from_path_buf(cwd)
        .map_err(|path| anyhow::anyhow!("the path `{}` is not UTF-8, which biplane needs", path.display()))?;
    let cwd = match directory.map(|given| cwd.join(given)) {
        None => cwd,
        Some(given) if given.is_dir() => given,
        Some(given) => {
            return Err(
                Error::not_found(format!("`{}` is no directory", sanitize_line(given.as_str()))).into()
            );
        }
    };
    // A variable that is not UTF-8 is none of ours.
    let env = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect();
    Ok(Surroundings { cwd, env, ..Surroundings::default() })
}

/// Lets the program be started once more, in the background.
pub(super) fn allow_background() {
    // Without it everything is done before a command ends.
    if let Ok(program) = program() {
        biplane_coordination::allow_background(program);
    }
}

/// This program's own file.
pub(super) fn program() -> anyhow::Result<Utf8PathBuf> {
    let path = std::env::current_exe().context("this program's own file can't be named")?;
    Utf8PathBuf::from_path_buf(path)
        .map_err(|path| anyhow::anyhow!("the path `{}` is not UTF-8, which biplane needs", path.display()))
}

/// The clock's time.
pub(super) fn clock() -> SystemTime {
    SystemTime::now()
}

/// The clock's time, as records have it.
pub(super) fn now() -> Timestamp {
    let micros = clock().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
    Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
}
