//! Variables of the environment with places to be filled in: `http://localhost:{port}`.

use crate::variables;

/// What the places stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    /// `{name}`: the worktree's name.
    pub(crate) name: &'a str,
    /// `{branch}`.
    pub(crate) branch: &'a str,
    /// `{path}`: its directory.
    pub(crate) path: &'a str,
    /// `{root}`: the top of the main checkout.
    pub(crate) root: &'a str,
    /// `{task}`: the task's id; empty without one.
    pub(crate) task: &'a str,
    /// `{port}` and `{port_1}`, `{port_2}`, …
    pub(crate) ports: &'a [u16],
}

enum Piece<'t> {
    Text(&'t str),
    Place(&'t str),
}

/// The text in pieces; `{{` and `}}` are the signs themselves.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        if from.starts_with("{{") || from.starts_with("}}") {
            pieces.push(Piece::Text(&from[..1]));
            rest = &from[2..];
        } else if let Some((place, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
            pieces.push(Piece::Place(place));
            rest = after;
        } else {
            return Err("a `{` or `}` stands alone; write `{{` or `}}` for the sign itself".to_owned());
        }
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Which port `{port}` or `{port_N}` stands for.
fn port_at(place: &str) -> Option<usize> {
    if place == "port" {
        return Some(0);
    }
    let number = place.strip_prefix("port_")?;
    let is_plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    number.parse().ok().filter(|_| is_plain)
}

/// Refuses a text with a place that means nothing where worktrees have this many ports.
pub(super) fn check(text: &str, ports: usize) -> Result<(), String> {
    if text.contains('\0') {
        return Err("a variable can't hold a NUL".to_owned());
    }
    for piece in pieces(text)? {
        let Piece::Place(place) = piece else { continue };
        match port_at(place) {
            Some(at) if at < ports => {}
            Some(_) => return Err(format!("`{{{place}}}` needs `[ports] count` to be larger")),
            None if ["name", "branch", "path", "root", "task"].contains(&place) => {}
            None => {
                let shown = biplane_model::clip(&biplane_model::sanitize_line(place), 40);
                return Err(format!(
                    "`{{{shown}}}` stands for nothing: use `{{name}}`, `{{branch}}`, `{{path}}`, `{{root}}`, `{{task}}`, `{{port}}` or \
                     `{{port_1}}`"
                ));
            }
        }
    }
    Ok(())
}

/// The places of a prompt's template.
pub(crate) const PROMPT_PLACES: [&str; 13] = [
    "task",
    "subject",
    "description",
    "dependencies",
    "findings",
    "progress",
    "branch",
    "diff",
    "finish",
    "identity",
    "tools",
    "plan",
    "mail",
];

/// Refuses a template of a prompt with a place that means nothing.
pub(crate) fn check_prompt(text: &str) -> Result<(), String> {
    for piece in pieces(text)? {
        if let Piece::Place(place) = piece
            && !PROMPT_PLACES.contains(&place)
        {
            let shown = biplane_model::clip(&biplane_model::sanitize_line(place), 40);
            let known = PROMPT_PLACES.map(|place| format!("`{{{place}}}`")).join(", ");
            return Err(format!("`{{{shown}}}` stands for nothing: use one of {known}"));
        }
    }
    Ok(())
}

/// A prompt's template with its places filled in by `value`. What it is filled with is not looked at again.
pub(crate) fn fill_prompt(text: &str, value: impl Fn(&str) -> String) -> String {
    let filled = pieces(text).map(|pieces| {
        let piece = |piece: Piece<'_>| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Place(place) => value(place),
        };
        pieces.into_iter().map(piece).collect()
    });
    filled.unwrap_or_else(|_| text.to_owned())
}

/// Refuses a name that is none, or that biplane or git would read.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_legal = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if name.is_empty() || !name.chars().all(is_legal) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a variable's name is made of letters, digits and `_`".to_owned());
    }
    if name.starts_with(variables::PREFIX) || name.starts_with("GIT_") {
        return Err("names that begin with `BIPLANE_` or `GIT_` are not for settings".to_owned());
    }
    Ok(())
}

/// The text with its places filled in; `None` when the worktree lacks a port that it names.
pub(crate) fn fill(text: &str, values: &Values<'_>) -> Option<String> {
    let mut filled = String::new();
    for piece in pieces(text).ok()? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Place("name") => filled.push_str(values.name),
            Piece::Place("branch") => filled.push_str(values.branch),
            Piece::Place("path") => filled.push_str(values.path),
            Piece::Place("root") => filled.push_str(values.root),
            Piece::Place("task") => filled.push_str(values.task),
            Piece::Place(place) => filled.push_str(&values.ports.get(port_at(place)?)?.to_string()),
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> =
        Values { name: "w", branch: "wt/w", path: "/a/w", root: "/a", task: "", ports: &[3000, 3001] };

    #[test]
    fn places_are_filled_and_doubled_signs_are_themselves() {
        for (text, filled) in [
            ("plain", Some("plain")),
            ("http://localhost:{port}/{name}", Some("http://localhost:3000/w")),
            ("{port_1}{port}", Some("30013000")),
            ("{{name}} {branch} {path} {root} [{task}]", Some("{name} wt/w /a/w /a []")),
            ("{port_2}", None),
        ] {
            assert_eq!(fill(text, &VALUES).as_deref(), filled, "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (text, why) in [
            ("{nmae}", "`{nmae}` stands for nothing"),
            ("{port_2}", "needs `[ports] count`"),
            ("{port_01}", "stands for nothing"),
            ("{", "stands alone"),
            ("a}b", "stands alone"),
            ("{name", "stands alone"),
            ("a\0", "NUL"),
        ] {
            assert!(check(text, 2).unwrap_err().contains(why), "{text}");
        }
        assert!(check("{port}", 0).is_err() && check("{port_1} {{x}}", 2).is_ok());
        for name in ["", "A-B", "1A", "BIPLANE_ROOT", "GIT_DIR", "A=B"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("PATH").is_ok() && check_name("_a1").is_ok());
    }
}
