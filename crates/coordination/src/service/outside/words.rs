//! What was changed outside of a worktree, in words, and how it is taken back.

use biplane_execution::{
    git::Deviated,
    worktrees::outside::{Difference, Step},
};
use biplane_model::{clip, sanitize_line};

use super::judge::Known;

/// The most characters of a name or a path.
const NAME_CHARS: usize = 160;

/// What has changed, in a sentence that is safe to show.
pub(super) fn sentence(difference: &Difference, known: &Known) -> String {
    match difference {
        Difference::File { checkout, change, .. } => {
            let path = shown(&String::from_utf8_lossy(&change.path));
            format!("{path} in {} was {}", place(checkout), done(change.how))
        }
        Difference::Head { checkout, was, is } => {
            format!("{} was taken from {} to {}", place(checkout), head(was), head(is))
        }
        Difference::Ref { name, was, is, steps, .. } => {
            let moved = match (was, is) {
                (None, Some(is)) => format!("was made at {}", short(is)),
                (Some(was), None) => format!("was deleted, from {}", short(was)),
                (Some(was), Some(is)) => format!("was moved from {} to {}", short(was), short(is)),
                (None, None) => "was changed".to_owned(),
            };
            let back = take_back(name, was.as_deref(), is.as_deref(), steps, known);
            format!("{} {moved}{back}", shown(name))
        }
        Difference::Shared { file, how } => format!("git's {} was {}", shown(file), done(*how)),
    }
}

/// How a ref is put back where it was, by compare-and-swap.
fn take_back(name: &str, was: Option<&str>, is: Option<&str>, steps: &[Step], known: &Known) -> String {
    // What is to be typed must be nothing but a name.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if !name.chars().all(is_plain) || name == "refs/stash" {
        return String::new();
    }
    let is_landed_on = steps.last().is_some_and(|last| known.is_landing(name, last));
    match (was, is) {
        (Some(was), Some(_)) if is_landed_on => {
            format!(", and work has landed on it since: `git log {}..{name}` shows it all", short(was))
        }
        (Some(was), Some(is)) => {
            let ungated = if name == known.target { " without a gate" } else { "" };
            format!("{ungated}; `git update-ref {name} {was} {is}` takes it back")
        }
        (Some(was), None) => format!("; `git update-ref {name} {was}` brings it back"),
        (None, Some(is)) => format!("; `git update-ref -d {name} {is}` takes it back"),
        (None, None) => String::new(),
    }
}

fn done(how: Deviated) -> &'static str {
    match how {
        Deviated::Added => "added",
        Deviated::Changed => "changed",
        Deviated::Deleted => "deleted",
        Deviated::TakenBack => "put back as git has it",
        Deviated::Staged => "staged",
        Deviated::Unstaged => "unstaged",
    }
}

fn place(checkout: &str) -> String {
    if checkout.is_empty() { "the main checkout".to_owned() } else { format!("worktree {}", shown(checkout)) }
}

fn head(text: &str) -> String {
    match text.strip_prefix("ref: ") {
        Some(name) => shown(name.strip_prefix("refs/heads/").unwrap_or(name)),
        None => short(text),
    }
}

fn shown(text: &str) -> String {
    format!("`{}`", clip(&sanitize_line(text), NAME_CHARS).replace('`', "'"))
}

fn short(id: &str) -> String {
    sanitize_line(id).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use biplane_execution::{git::Deviation, worktrees::outside::Origin};

    use super::*;
    use crate::service::outside::judge::Landed;

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
    fn every_sentence() {
        let id = |c: &str| c.repeat(40);
        let (a, b) = (id("a"), id("b"));
        let file = |checkout: &str, path: &[u8], how| Difference::File {
            checkout: checkout.to_owned(),
            top: "/r".into(),
            change: Deviation { path: path.to_vec(), how },
        };
        let moved = |name: &str, was: Option<&String>, is: Option<&String>| Difference::Ref {
            name: name.to_owned(),
            was: was.cloned(),
            is: is.cloned(),
            steps: vec![Step {
                old: a.clone(),
                new: b.clone(),
                message: String::new(),
                from: Origin::Unknown,
            }],
            fetched: false,
        };
        let (main, tag) = ("refs/heads/main", "refs/tags/v1");
        let head = |was: &str, is: &str| Difference::Head {
            checkout: String::new(),
            was: was.to_owned(),
            is: is.to_owned(),
        };
        for (difference, words) in [
            (
                file("", b"src/a.rs", Deviated::Changed),
                "`src/a.rs` in the main checkout was changed".to_owned(),
            ),
            (
                file("kept", b"x\x1b[1m`\xff", Deviated::Added),
                "`x\u{fffd}[1m'\u{fffd}` in worktree `kept` was added".to_owned(),
            ),
            (
                moved(main, Some(&a), Some(&b)),
                format!(
                    "`{main}` was moved from aaaaaaaaaaaa to bbbbbbbbbbbb without a gate; \
                     `git update-ref {main} {a} {b}` takes it back"
                ),
            ),
            (
                moved(main, Some(&a), None),
                format!(
                    "`{main}` was deleted, from aaaaaaaaaaaa; `git update-ref {main} {a}` brings it back"
                ),
            ),
            (
                moved(tag, None, Some(&b)),
                format!("`{tag}` was made at bbbbbbbbbbbb; `git update-ref -d {tag} {b}` takes it back"),
            ),
            (
                moved("refs/heads/$(x)", Some(&a), Some(&b)),
                "`refs/heads/$(x)` was moved from aaaaaaaaaaaa to bbbbbbbbbbbb".to_owned(),
            ),
            (
                head("ref: refs/heads/main", &a),
                "the main checkout was taken from `main` to aaaaaaaaaaaa".to_owned(),
            ),
            (
                Difference::Shared { file: "hooks/pre-commit".to_owned(), how: Deviated::Added },
                "git's `hooks/pre-commit` was added".to_owned(),
            ),
        ] {
            let known = Known { target: main.to_owned(), ..Known::default() };
            assert_eq!(sentence(&difference, &known), words);
        }
        let landed = vec![Landed { target: main.to_owned(), onto: a.clone(), candidate: b.clone() }];
        let words = sentence(&moved(main, Some(&id("c")), Some(&b)), &Known { landed, ..Known::default() });
        assert!(words.ends_with(
            "and work has landed on it since: `git log cccccccccccc..refs/heads/main` shows it all"
        ));
    }
}
