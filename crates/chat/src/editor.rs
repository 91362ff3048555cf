//! The line that a person types: history, several lines, completion; and the questions that are put to a person.
//!
//! **Contract.** A line that ends in `\` goes on in the next one; pasted lines stay together. Completed are commands, and the names of tasks,
//! worktrees and agents as they stood when the line began.

use std::io::Write;

use biplane_model::sanitize;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::termios::{QueueSelector, tcflush};
use rustyline::{
    Behavior, CompletionType, Config, Context, Editor, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::{DefaultHistory, FileHistory},
    validate::{ValidationContext, ValidationResult, Validator},
};

use crate::{
    bounds,
    consent::{Person, Question, Reply},
};

/// What a person typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A line, or several.
    Line(String),
    /// `^C`.
    Interrupt,
    /// `^D`, or the terminal is gone.
    End,
}

/// A name that can be completed, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// What is put in.
    pub name: String,
    /// How it is shown in a list.
    pub shown: String,
}

/// The editor.
pub struct LineEditor {
    editor: Editor<Help, FileHistory>,
    /// Where the history is kept, when it is.
    history: Option<Utf8PathBuf>,
}

impl std::fmt::Debug for LineEditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineEditor").finish_non_exhaustive()
    }
}

impl LineEditor {
    /// An editor that completes `commands`, and keeps its history in the file at `history`.
    ///
    /// # Errors
    /// When the terminal can't be had.
    pub fn new(commands: Vec<&'static str>, history: &Utf8Path) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(bounds::HISTORY)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .auto_add_history(false)
            .bracketed_paste(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Help { commands, names: Vec::new() }));
        // Whoever may write to the repository may have written this; it is drawn as it stands.
        let kept = is_harmless(history);
        if kept {
            // Without one it begins with an empty one.
            let _ = editor.load_history(history);
        }
        Ok(Self { editor, history: kept.then(|| history.to_owned()) })
    }

    /// What can be completed from now on.
    pub fn set_names(&mut self, names: Vec<Name>) {
        if let Some(help) = self.editor.helper_mut() {
            help.names = names;
        }
    }

    /// Waits for a person to type something.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn read(&mut self, prompt: &str) -> rustyline::Result<Typed> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                let line = line.replace("\\\n", "\n");
                if let Some(kept) = kept(&line) {
                    let _ = self.editor.add_history_entry(kept);
                    // What can't be kept is forgotten.
                    let _ = self.history.as_ref().map(|path| self.editor.append_history(path));
                }
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Interrupt),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error),
        }
    }
}

/// What is kept of a line: nothing that could steer a terminal, so that the history is read again, and no line that would leave others
/// no room.
fn kept(line: &str) -> Option<String> {
    let line = sanitize(line);
    // As the file has it, which has a first line of its own.
    let bytes = line.len() + line.matches(['\\', '\n']).count() + 1;
    let fits = bytes < usize::try_from(bounds::HISTORY_BYTES).unwrap_or(usize::MAX) / bounds::HISTORY;
    (fits && !line.trim().is_empty()).then_some(line)
}

/// Whether a history is none, or one that can't steer a terminal.
fn is_harmless(path: &Utf8Path) -> bool {
    let meta = match std::fs::symlink_metadata(path) {
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
        Ok(meta) => meta,
    };
    meta.is_file()
        && meta.len() <= bounds::HISTORY_BYTES
        && std::fs::read_to_string(path).is_ok_and(|text| sanitize(&text) == text)
}

/// What helps with a line.
struct Help {
    commands: Vec<&'static str>,
    names: Vec<Name>,
}

impl Helper for Help {}
impl Highlighter for Help {}
impl Hinter for Help {
    type Hint = String;
}

impl Validator for Help {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = context.input().ends_with('\\');
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Help {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(candidates(&self.commands, &self.names, line.get(..at).unwrap_or(line)))
    }
}

/// Where the last word begins, and what it may become.
fn candidates(commands: &[&str], names: &[Name], line: &str) -> (usize, Vec<Pair>) {
    if line.starts_with('/') && !line.contains(char::is_whitespace) {
        let found = commands.iter().filter(|command| command.starts_with(line));
        let pair =
            |command: &&str| Pair { display: (*command).to_owned(), replacement: (*command).to_owned() };
        return (0, found.map(pair).collect());
    }
    let from = line
        .rfind(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | '('))
        .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let word = line[from..].to_lowercase();
    if word.is_empty() {
        return (from, Vec::new());
    }
    let found = names.iter().filter(|name| name.name.to_lowercase().starts_with(&word));
    let pair = |name: &Name| Pair { display: name.shown.clone(), replacement: name.name.clone() };
    (from, found.map(pair).collect())
}

/// The person at the terminal.
pub struct AtTerminal<W> {
    /// Where questions are written.
    pub out: W,
}

impl<W: Write> Person for AtTerminal<W> {
    fn ask(&mut self, question: &Question) -> Reply {
        let mut text = format!("  The lead wants to {}:\n", question.what);
        if question.details.is_empty() {
            text = format!("  The lead wants to {}.\n", question.what);
        }
        for line in &question.details {
            text.push_str(&format!("    {line}\n"));
        }
        if self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_err() {
            return Reply::Nobody;
        }
        // What was typed before the question stood there is no answer to it.
        let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
        let config = Config::builder().behavior(Behavior::PreferTerm).build();
        let Ok(mut editor) = Editor::<(), DefaultHistory>::with_config(config) else { return Reply::Nobody };
        let prompt = format!("  [y]es, [n]o, [a]lways `{}` in this conversation: ", question.tool);
        loop {
            let typed = match editor.readline(&prompt) {
                Ok(typed) => typed,
                Err(ReadlineError::Interrupted) => return Reply::Cancel,
                Err(_) => return Reply::No,
            };
            match typed.trim().to_lowercase().as_str() {
                "y" | "yes" => return Reply::Yes,
                "n" | "no" => return Reply::No,
                "a" | "always" => return Reply::Always,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_could_steer_a_terminal_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("history");
        assert!(is_harmless(&path));
        std::fs::write(&path, "#V2\nlist tasks\n").unwrap();
        assert!(is_harmless(&path));
        std::fs::write(&path, "#V2\nlist \u{1b}[2J\n").unwrap();
        assert!(!is_harmless(&path));
        assert!(!is_harmless(Utf8Path::from_path(dir.path()).unwrap()));
    }

    #[test]
    fn a_history_stays_readable() {
        use rustyline::history::History;

        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("history");
        let config = Config::builder().max_history_size(bounds::HISTORY).unwrap().build();
        let mut history = FileHistory::with_config(&config);
        let longest = kept(&"x".repeat(4192)).unwrap();
        assert_eq!(kept(&"x".repeat(4193)), None);
        assert_eq!(kept(&"\\".repeat(3000)), None);
        assert_eq!(kept(" "), None);
        assert_eq!(kept("list \u{1b}[2J\nall").as_deref(), Some("list \u{fffd}[2J\nall"));
        for number in 0..bounds::HISTORY {
            let line = format!("{number:04}{}", &longest[4..]);
            assert!(history.add(&kept(&line).unwrap()).unwrap());
        }
        history.append(path.as_std_path()).unwrap();
        assert!(is_harmless(&path), "{}", std::fs::metadata(&path).unwrap().len());
        assert!(history.add(&kept("list \u{1b}[2J\nall").unwrap()).unwrap());
        history.append(path.as_std_path()).unwrap();
        assert!(is_harmless(&path));
    }

    #[test]
    fn what_a_word_may_become() {
        let name = |name: &str| Name { name: name.to_owned(), shown: name.to_owned() };
        let names = [name("auth-refactor"), name("auth_001"), name("Add login"), name("ui")];
        let completed = |line: &str| {
            let (from, pairs) = candidates(&["/board", "/help", "/bye"], &names, line);
            (from, pairs.into_iter().map(|pair| pair.replacement).collect::<Vec<_>>())
        };
        assert_eq!(completed("/b"), (0, vec!["/board".to_owned(), "/bye".to_owned()]));
        assert_eq!(completed("keep au"), (5, vec!["auth-refactor".to_owned(), "auth_001".to_owned()]));
        assert_eq!(completed("keep \"AUTH-"), (6, vec!["auth-refactor".to_owned()]));
        assert_eq!(completed("ad"), (0, vec!["Add login".to_owned()]));
        assert_eq!(completed("keep "), (5, vec![]));
        assert_eq!(completed("ü x"), (3, vec![]));
    }
}
