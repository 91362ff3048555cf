//! Whose an entry is that bears our name.

use camino::Utf8Path;

use super::NAME;

/// Whose an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Exactly what biplane writes, whatever the path of the program.
    Ours,
    /// It starts biplane's server, but somebody has changed it.
    Changed,
    /// Something else.
    Foreign,
}

/// Whether `program` is biplane by its name.
pub(super) fn is_biplane(program: &str) -> bool {
    Utf8Path::new(program).file_name() == Some(NAME)
}

/// Judges a command; `more` says whether the entry has more than that.
pub(super) fn judge(command: &[&str], more: bool) -> Whose {
    match command {
        [program, "mcp"] if is_biplane(program) && !more => Whose::Ours,
        [program, "mcp", ..] if is_biplane(program) => Whose::Changed,
        _ => Whose::Foreign,
    }
}
