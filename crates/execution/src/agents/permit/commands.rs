//! Commands of which it can be told what they do.
//!
//! A program is in one of the lists because none of its options, as far as they are let through here, writes, runs or sends
//! anything. For programs with options that do, those are refused, in every spelling: GNU and git take any unambiguous
//! beginning of a long option.

use super::{
    super::bounds,
    Ground,
    shell::{self, Word},
};

/// Programs that only read, whatever they are told.
const READERS: [&str; 20] = [
    "cat", "head", "tail", "wc", "ls", "pwd", "echo", "printf", "true", "false", "grep", "egrep", "fgrep",
    "stat", "basename", "dirname", "diff", "cmp", "nl", "cut",
];
/// Programs that change the files they are given, and nothing else.
const CHANGERS: [&str; 6] = ["mkdir", "touch", "rm", "rmdir", "mv", "cp"];
/// Words of `find` that run or write something.
const FIND_EFFECTS: [&str; 6] = ["-exec", "-ok", "-delete", "-fprint", "-fls", "-files0"];
/// What git does without a change.
const GIT_READS: [&str; 14] = [
    "status",
    "diff",
    "log",
    "show",
    "blame",
    "ls-files",
    "ls-tree",
    "rev-parse",
    "rev-list",
    "merge-base",
    "describe",
    "shortlog",
    "name-rev",
    "diff-tree",
];
/// What git changes in the worktree and on its branch only.
const GIT_CHANGES: [&str; 4] = ["add", "commit", "mv", "rm"];
/// Long options of git that write a file, run a program, or ask somebody.
const GIT_OPTIONS: [&str; 9] = [
    "--output",
    "--ext-diff",
    "--textconv",
    "--upload-pack",
    "--interactive",
    "--patch-from",
    "--edit",
    "--no-index",
    "--pathspec-from-file",
];

/// Whether all that `line` does is permitted on `ground`.
pub(super) fn is_permitted(line: &str, ground: &Ground) -> bool {
    line.len() <= bounds::JUDGED
        && shell::commands(line)
            .is_some_and(|commands| commands.iter().all(|command| is_command_permitted(command, ground)))
}

fn is_command_permitted(command: &[Word], ground: &Ground) -> bool {
    let Some((program, words)) = command.split_first() else { return false };
    if program.glob || !words.iter().all(|word| stays_inside(word, ground)) {
        return false;
    }
    // A glob may become anything that a file is called, an option too.
    let safe_globs = || !words.iter().any(|word| word.glob && word.text.starts_with(['*', '?', '[']));
    match program.text.as_str() {
        // The line goes on where it is judged to be.
        "cd" => matches!(words, [to] if !to.glob && !to.text.is_empty() && ground.is_root(&to.text)),
        "find" => {
            let effect = |word: &Word| FIND_EFFECTS.iter().any(|effect| word.text.starts_with(effect));
            safe_globs() && !words.iter().any(effect)
        }
        "sort" => {
            let writes = |word: &Word| {
                is_option(
                    &word.text,
                    &["--output", "--compress-program", "--files0-from", "--temporary-directory"],
                ) || (is_short(&word.text) && word.text.contains(['o', 'T']))
            };
            safe_globs() && !words.iter().any(writes)
        }
        "rg" => {
            let runs = |word: &Word| word.text.starts_with("--pre") || word.text.starts_with("--hostname");
            safe_globs() && !words.iter().any(runs)
        }
        "git" => safe_globs() && is_git_permitted(words, ground),
        reader if READERS.contains(&reader) => true,
        changer if CHANGERS.contains(&changer) => {
            let paths = || words.iter().filter(|word| !word.text.starts_with('-'));
            ground.edits()
                && !words
                    .iter()
                    .any(|word| word.glob || (word.text.starts_with('-') && word.text.contains('=')))
                && paths().next().is_some()
                && paths().all(|word| ground.may_edit(&word.text))
        }
        _ => false,
    }
}

/// Whether a word, if it is or holds a path, leads nowhere outside of the worktree.
fn stays_inside(word: &Word, ground: &Ground) -> bool {
    let text = word.text.as_str();
    if !text.starts_with('-') {
        return leads_nowhere_else(text, word.glob, ground);
    }
    // What an option holds begins behind `=`, or behind its letter; behind which one of several can't be told.
    let behind_letter = text.get(2..).filter(|_| is_short(text)).unwrap_or_default();
    let values = text.split_once('=').map(|(_, value)| value).into_iter().chain([behind_letter]);
    !(is_short(text) && text.contains('/'))
        && values.filter(|value| !value.is_empty()).all(|value| leads_nowhere_else(value, word.glob, ground))
}

/// Whether `text` is no path, names nothing, or leads into the worktree.
fn leads_nowhere_else(text: &str, glob: bool, ground: &Ground) -> bool {
    let is_path = text.starts_with('/') || text.split('/').any(|part| part == "..");
    if glob { !is_path } else { ground.may_read(text) || (!is_path && !names_something(text, ground)) }
}

fn names_something(text: &str, ground: &Ground) -> bool {
    ground.root.join(text).symlink_metadata().is_ok()
}

fn is_short(text: &str) -> bool {
    text.starts_with('-') && !text.starts_with("--")
}

/// Whether `text` is one of the long `options`, or a beginning of one.
fn is_option(text: &str, options: &[&str]) -> bool {
    let name = text.split('=').next().unwrap_or(text);
    name.len() > 2 && name.starts_with("--") && options.iter().any(|option| option.starts_with(name))
}

fn is_git_permitted(words: &[Word], ground: &Ground) -> bool {
    let words = match words {
        [first, rest @ ..] if matches!(first.text.as_str(), "--no-pager" | "-P") => rest,
        all => all,
    };
    let Some((verb, words)) = words.split_first() else { return false };
    let verb = verb.text.as_str();
    if words.iter().any(|word| is_option(&word.text, &GIT_OPTIONS)) {
        return false;
    }
    match verb {
        "branch" => words
            .iter()
            .all(|w| matches!(w.text.as_str(), "--show-current" | "--list" | "-a" | "-v" | "-vv" | "-r")),
        _ if GIT_READS.contains(&verb) => !words.iter().any(|w| is_short(&w.text) && w.text.contains('O')),
        _ if !ground.edits() || !GIT_CHANGES.contains(&verb) => false,
        "commit" => is_commit_permitted(words),
        "add" => !words.iter().any(|w| is_short(&w.text) && w.text.contains(['i', 'p', 'e'])),
        _ => words.iter().filter(|w| !w.text.starts_with('-')).all(|w| !w.glob && ground.may_edit(&w.text)),
    }
}

/// A commit with its message, so that no editor opens.
fn is_commit_permitted(words: &[Word]) -> bool {
    let mut message = false;
    let mut words = words.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "-m" | "-am" | "-qm" | "-sm" | "-aqm" | "--message" => {
                message = true;
                if words.next().is_none() {
                    return false;
                }
            }
            "--no-edit" => message = true,
            "-a" | "-q" | "-s" | "-v" | "-n" | "--all" | "--quiet" | "--signoff" | "--no-verify"
            | "--amend" | "--allow-empty" | "--" => {}
            _ if word.starts_with("--message=") => message = true,
            _ if word.starts_with("-m") => message = true,
            _ if word.starts_with('-') => return false,
            _ => {}
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::{Permissions, permit::tests::worktree};

    #[test]
    fn each_line_is_judged() {
        let (_dir, root) = worktree();
        let reads = Ground::new(&root, Permissions::Read);
        let edits = Ground::new(&root, Permissions::Edits);
        let inside = format!("cd {root} && git status");
        let table: &[(&str, bool, bool)] = &[
            ("ls -la src | head -5", true, true),
            ("cat src/*.rs; wc -l src/a.rs", true, true),
            ("grep -rn 'fn main' src --include='*.rs'", true, true),
            ("find src -name '*.rs' -type f", true, true),
            ("sort -u src/a.rs", true, true),
            ("git log --oneline -5 && git diff HEAD~1 -- src", true, true),
            ("git --no-pager show --stat HEAD", true, true),
            ("git branch --show-current", true, true),
            (&inside, true, true),
            ("git add -A && git commit -m 'it is done'", false, true),
            ("git commit -am \"done\" -q", false, true),
            ("git commit --amend --no-edit", false, true),
            ("git rm src/a.rs", false, true),
            ("mkdir -p a/b && touch a/b/c && mv src/a.rs a/b && rm -r a", false, true),
            ("cp src/a.rs src/b.rs", false, true),
            // What leads outside.
            ("cat /etc/passwd", false, false),
            ("cat ../secret", false, false),
            ("cat src/up/secret", false, false),
            ("cat dangling", false, false),
            ("grep -r x /", false, false),
            ("grep -f/etc/passwd src/a.rs", false, false),
            ("grep --file=/etc/passwd src/a.rs", false, false),
            ("grep --file=src/up/secret x", false, false),
            ("grep --file=../secret x", false, false),
            ("grep -fdangling x", false, false),
            ("grep --include=*.rs -n2 x src", true, true),
            ("ls src/../..", false, false),
            ("ls ../*", false, false),
            ("cd src && git status", false, false),
            ("cd /tmp && ls", false, false),
            ("rm -rf .", false, false),
            ("rm -rf .git", false, false),
            ("rm -rf *", false, false),
            ("mv src/a.rs ../x", false, false),
            ("cp src/a.rs --target-directory=/tmp", false, false),
            ("touch .claude/settings.json", false, false),
            // What writes or runs.
            ("find . -exec rm {} +", false, false),
            ("find . -delete", false, false),
            ("find * -name x", false, false),
            ("sort -o src/a.rs src/a.rs", false, false),
            ("sort -uo x src/a.rs", false, false),
            ("sort --outp=x src/a.rs", false, false),
            ("rg --pre cat x", false, false),
            ("git diff --output=x", false, false),
            ("git log --outpu=x", false, false),
            ("git grep -O x", false, false),
            ("git -c core.pager=x log", false, false),
            ("git -C .. status", false, false),
            ("git diff *", false, false),
            ("git push", false, false),
            ("git checkout main", false, false),
            ("git branch -D main", false, false),
            ("git commit", false, false),
            ("git commit -m", false, false),
            ("git commit --edit -m x", false, false),
            ("git commit -F src/a.rs -m x", false, false),
            ("git config core.hooksPath x", false, false),
            ("git add -p", false, false),
            ("git stash", false, false),
            ("cargo test", false, false),
            ("sh -c ls", false, false),
            ("A=b ls", false, false),
            ("echo x > src/a.rs", false, false),
            ("ls $(rm x)", false, false),
            ("curl http://127.0.0.1", false, false),
            ("env", false, false),
            ("", false, false),
        ];
        for (line, read, edit) in table {
            assert_eq!(is_permitted(line, &reads), *read, "read: {line}");
            assert_eq!(is_permitted(line, &edits), *edit, "edits: {line}");
        }
        assert!(!is_permitted(&format!("echo {}", "x".repeat(bounds::JUDGED)), &edits));
    }
}
