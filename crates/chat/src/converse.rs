//! A conversation at a terminal: a line, a turn, a line.

use std::{io::Write, sync::Arc, time::SystemTime};

use biplane_agent::cancel::Cancel;
use biplane_coordination::{Access, Error, Service, TaskFilter};
use biplane_mcp::Setting;
use biplane_model::{clip, sanitize, sanitize_line};

use crate::{
    bounds,
    consent::{Person, Question, Reply},
    editor::{LineEditor, Name, Typed},
    interrupt::Interrupts,
    lead::{self, Lead, Turned},
};

/// What one can type beside what is for the lead, and what it does.
pub const COMMANDS: [(&str, &str); 4] = [
    ("/board", "show the board: open tasks, worktrees, what waits"),
    ("/new", "begin a new conversation; the old one is kept"),
    ("/help", "show this"),
    ("/quit", "leave, as ^D does; agents that were started go on"),
];

/// What is typed at.
const PROMPT: &str = "you> ";

/// One turn, which `^C` ends.
///
/// # Errors
/// As [`Lead::turn`].
pub fn turn(
    lead: &mut Lead,
    said: &str,
    person: &mut dyn Person,
    interrupts: &Interrupts,
) -> Result<Turned, Error> {
    let cancel = Cancel::new();
    let _during = interrupts.during(&cancel);
    lead.turn(said, &mut Heard { person, interrupts }, &cancel)
}

/// A person; whoever hears of signals knows when they are asked.
struct Heard<'a> {
    person: &'a mut dyn Person,
    interrupts: &'a Interrupts,
}

impl Person for Heard<'_> {
    fn ask(&mut self, question: &Question) -> Reply {
        let _asking = self.interrupts.asking();
        self.person.ask(question)
    }
}

/// Talks until the person leaves. What is not the lead's goes to `out`.
///
/// # Errors
/// When the terminal can't be had, or fails.
pub fn converse(
    lead: &mut Lead,
    setting: &Arc<Setting>,
    person: &mut dyn Person,
    interrupts: &Interrupts,
    now: fn() -> SystemTime,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let fails =
        |error: rustyline::error::ReadlineError| Error::failed(format!("the terminal fails: {error}"));
    let history = lead::directory(&lead::service(setting, Access::Read)?).join("history");
    let mut editor =
        LineEditor::new(COMMANDS.map(|(command, _)| command).to_vec(), &history).map_err(fails)?;
    let mut say = |text: &str| {
        // What can't be written can't be told.
        let _ = writeln!(out, "{}", sanitize(text)).and_then(|()| out.flush());
    };
    interrupts.stay();
    while interrupts.ends().is_none() {
        editor.set_names(names(setting).unwrap_or_default());
        let line = match editor.read(PROMPT).map_err(fails)? {
            Typed::End => break,
            Typed::Interrupt => {
                say("^D or /quit leaves");
                continue;
            }
            Typed::Line(line) => line,
        };
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => break,
            "/help" => say(&help()),
            "/board" => say(&words(lead.board())),
            "/new" => {
                let begun = lead.begin_anew(now());
                say(&begun.map_or_else(|error| fault(&error), |()| "a new conversation".to_owned()));
            }
            command if is_command(command) => {
                say(&format!(
                    "there is no command `{}`; /help shows them",
                    clip(&sanitize_line(command), 40)
                ));
            }
            said => {
                if let Err(error) = turn(lead, said, person, interrupts) {
                    say(&fault(&error));
                }
                say("");
            }
        }
    }
    Ok(())
}

/// Whether it looks like a command, and not like a path.
fn is_command(line: &str) -> bool {
    line.strip_prefix('/')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase()))
}

fn help() -> String {
    let mut text = String::from("Say what is to be done, in your own words. Beside that:\n");
    for (command, about) in COMMANDS {
        text.push_str(&format!("  {command:<8} {about}\n"));
    }
    text.push_str(
        "A line that ends in \\ goes on in the next one. Tab completes commands and names. ^C stops a turn.\n\
         The lead asks you before it removes or stops something, takes a task from an agent at work,\n\
         runs a command, sets a task's gate, starts agents or has them go on, or lands work.",
    );
    text
}

fn words(board: Result<String, Error>) -> String {
    board.unwrap_or_else(|error| fault(&error))
}

fn fault(error: &Error) -> String {
    let hints: String = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
    format!("error: {}{hints}", error.message)
}

/// What can be completed: worktrees, agents, tasks by their ids and subjects.
fn names(setting: &Setting) -> Result<Vec<Name>, Error> {
    let service: Service = lead::service(setting, Access::Read)?;
    let plain = |name: String| Name { shown: name.clone(), name };
    let mut names: Vec<Name> =
        service.worktree_list(false)?.into_iter().map(|worktree| plain(worktree.name.to_string())).collect();
    names.extend(service.team()?.into_iter().map(|member| plain(member.name.to_string())));
    // The newest ones are talked about.
    for listed in service.task_list(&TaskFilter::default())?.into_iter().rev().take(bounds::COMPLETED) {
        let subject = clip(&sanitize_line(&listed.task.subject), 80);
        let id = listed.task.id.to_string();
        // A number alone is no help to complete.
        if id.parse::<u64>().is_err() {
            names.push(Name { shown: format!("{id}  {subject}"), name: id });
        }
        names.push(plain(subject));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_paths_are_told_apart() {
        assert!(is_command("/help") && is_command("/nonsense"));
        assert!(!is_command("/etc/passwd is world-readable") && !is_command("/") && !is_command("help"));
        assert!(COMMANDS.iter().all(|(command, _)| is_command(command) && help().contains(command)));
    }
}
