//! Telling agent programs of biplane: what is to be written into their files, and the writing.
//!
//! **Contract.** A plan is made of all files before the first is written; whatever can't be done is said then, and nothing is written. A file
//! that has changed since is not written.

mod place;

use biplane_execution::agents::find;
use camino::{Utf8Path, Utf8PathBuf};

use super::Service;
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    hookup::{
        Edited, Fault, NAME, Part, diff,
        programs::{CLAUDE_SETTINGS, HookupProgram, claude_hooks},
    },
};
use place::Found;

/// Whether something is put in or taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hookup {
    /// It is put in, or brought up to date.
    PutIn,
    /// It is taken out.
    TakeOut,
}

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookupPart {
    /// The entry of the MCP server.
    Server,
    /// The section in the file of instructions.
    Instructions,
    /// The hooks, where the program has them.
    Hooks,
}

/// Which programs are told, and of what.
#[derive(Debug, Clone)]
pub struct HookupRequest {
    /// The agent programs.
    pub programs: Vec<HookupProgram>,
    /// What is done.
    pub what: Hookup,
    /// What is left out.
    pub without: Vec<HookupPart>,
    /// The file of the program that is running.
    pub biplane: Utf8PathBuf,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookupEffect {
    /// It is made.
    Create,
    /// It is changed.
    Change,
    /// It is deleted, because nothing else is in it.
    Delete,
}

/// A file that would change.
#[derive(Debug, Clone)]
pub struct HookupChange {
    /// Its path below the root.
    pub path: String,
    /// What becomes of it.
    pub effect: HookupEffect,
    /// A unified diff, as the files are: hostile.
    pub diff: String,
    after: Option<String>,
    found: Found,
}

/// What would be written.
#[derive(Debug, Clone)]
pub struct HookupPlan {
    /// The command that starts biplane, as it is written into the files.
    pub command: String,
    /// The files that would change.
    pub changes: Vec<HookupChange>,
    /// The files that are as they are to be.
    pub unchanged: Vec<String>,
    /// What a person should know, in sentences.
    pub notes: Vec<String>,
}

impl Service {
    /// The agent programs that are installed.
    pub fn hookup_installed(&self) -> Vec<HookupProgram> {
        let path = self.variable("PATH").map(std::ffi::OsStr::new);
        HookupProgram::ALL
            .into_iter()
            .filter(|program| find::find(program.as_str(), path).is_some())
            .collect()
    }

    /// What would be written into the files of agent programs, at the home's root.
    ///
    /// # Errors
    /// When a file can't be read, has something of our name that is not ours, lies outside or is no plain file; or inside a run.
    pub fn hookup_plan(&self, request: &HookupRequest) -> Result<HookupPlan> {
        self.refuse_agents("change the files of agent programs")?;
        let (command, note) = self.own_command(&request.biplane);
        let root = &self.home().board().root;
        let mut drafts = Drafts { root, what: request.what, files: Vec::new(), notes: Vec::new() };
        let mut programs = request.programs.clone();
        programs.sort();
        programs.dedup();
        let wants = |part| !request.without.contains(&part);
        for program in &programs {
            if wants(HookupPart::Server) {
                let name = drafts.server_file(*program)?;
                let text = drafts.text(name)?;
                drafts.edit(name, &program.server(text.as_deref(), &command))?;
            }
            if wants(HookupPart::Hooks) && *program == HookupProgram::Claude {
                let mut hooks = claude_hooks(&command);
                if request.what == Hookup::TakeOut {
                    hooks.reverse();
                }
                for hook in &hooks {
                    drafts.edit(CLAUDE_SETTINGS, hook)?;
                }
            }
        }
        if wants(HookupPart::Instructions) {
            drafts.edit_instructions(&programs)?;
        }
        let mut plan = drafts.plan(command);
        if request.what == Hookup::PutIn && !plan.changes.is_empty() {
            plan.notes.extend(note);
            if wants(HookupPart::Server) {
                plan.notes
                    .extend(programs.iter().filter_map(|p| Some(format!("{} {}", p.title(), p.consent()?))));
            }
            if plan.changes.iter().any(|change| change.path == CLAUDE_SETTINGS) {
                plan.notes.push(HOOKS_NEED_BIPLANE.to_owned());
            }
        }
        Ok(plan)
    }

    /// Writes what a plan says.
    ///
    /// # Errors
    /// When a file is no longer as it was when the plan was made, or can't be written. Those before it are written.
    pub fn hookup_write(&self, plan: &HookupPlan) -> Result<()> {
        let root = &self.home().board().root;
        for change in &plan.changes {
            let now = place::look(root, &change.path)?;
            if now != change.found {
                let shown = biplane_model::sanitize_line(&change.path);
                return Err(Error::new(ErrorKind::Conflict, format!("`{shown}` was changed meanwhile"))
                    .hint("look again and retry"));
            }
            match &change.after {
                Some(text) => place::write(&now, text)?,
                None => place::delete(root, &now)?,
            }
        }
        Ok(())
    }

    /// The command that starts this very program: its name, when `PATH` has it, or its path; and what is to be said of that.
    fn own_command(&self, file: &Utf8Path) -> (String, Option<String>) {
        let path = self.variable("PATH").map(std::ffi::OsStr::new);
        let found = find::find(NAME, path).and_then(|found| found.canonicalize().ok());
        if found.is_some() && found == file.as_std_path().canonicalize().ok() {
            return (NAME.to_owned(), None);
        }
        let why = if found.is_some() { "is another program on `PATH`" } else { "is not on `PATH`" };
        let note =
            format!("`{NAME}` {why}, so the files name this one by its path, which others may not have");
        (file.to_string(), Some(note))
    }
}

/// What somebody should know who commits the hooks.
const HOOKS_NEED_BIPLANE: &str = "whoever has the hooks and no biplane can make no worktrees with Claude Code; `--without hooks` leaves them out";

/// The files as they are to be.
struct Drafts<'a> {
    root: &'a Utf8Path,
    what: Hookup,
    files: Vec<Draft>,
    notes: Vec<String>,
}

struct Draft {
    name: String,
    found: Found,
    text: Option<String>,
}

impl Drafts<'_> {
    /// The draft of a file; of one file when several names lead to it.
    fn of(&mut self, name: &str) -> Result<&mut Draft> {
        let found = place::look(self.root, name)?;
        let at = self.files.iter().position(|draft| draft.found.path == found.path);
        let at = at.unwrap_or_else(|| {
            let text = found.text.clone();
            self.files.push(Draft { name: name.to_owned(), found, text });
            self.files.len() - 1
        });
        Ok(&mut self.files[at])
    }

    fn text(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.of(name)?.text.clone())
    }

    /// The file that has a program's servers, or is to have them.
    fn server_file(&mut self, program: HookupProgram) -> Result<&'static str> {
        let names = program.server_files();
        for name in names {
            if place::look(self.root, name)?.text.is_some() {
                return Ok(name);
            }
        }
        Ok(names[0])
    }

    fn edit(&mut self, name: &str, part: &Part) -> Result<()> {
        let what = self.what;
        let draft = self.of(name)?;
        let edited = match what {
            Hookup::PutIn => part.put_in(draft.text.as_deref()),
            Hookup::TakeOut => part.take_out(draft.text.as_deref()),
        };
        let Edited { text, kept } = edited.map_err(|fault| refused(name, part, &fault, what))?;
        draft.text = text;
        if let Some(at) = kept {
            let why = match what {
                Hookup::PutIn => "has been changed by hand",
                Hookup::TakeOut => "is not as biplane has written it",
            };
            self.notes.push(format!("`{at}` in `{name}` {why}, and stays as it is"));
        }
        Ok(())
    }

    /// Edits the section of each file that these programs read.
    fn edit_instructions(&mut self, programs: &[HookupProgram]) -> Result<()> {
        let mut names = Vec::new();
        for program in programs {
            names.push(self.instructions(*program));
            if self.what == Hookup::TakeOut {
                // Where it was before its owner named another file.
                names.push(program.instructions(|_| None));
            }
        }
        let mut still_read = Vec::new();
        if self.what == Hookup::TakeOut {
            for program in HookupProgram::ALL.into_iter().filter(|p| !programs.contains(p)) {
                // Of what can't be looked at nobody knows that it is not read.
                if self.is_hooked_up(program).unwrap_or(true) {
                    let name = self.instructions(program);
                    still_read.extend(place::look(self.root, &name).map(|found| (found.path, program)));
                }
            }
        }
        names.sort();
        names.dedup();
        for name in names {
            let path = self.of(&name)?.found.path.clone();
            match still_read.iter().find(|(read, _)| *read == path) {
                Some((_, program)) => {
                    self.notes
                        .push(format!("the section in `{name}` stays: {} reads it too", program.title()));
                }
                None => self.edit(&name, &Part::Section)?,
            }
        }
        Ok(())
    }

    /// The file of instructions that a program reads. What can't be looked at counts as nothing here, and is refused where it is to be edited.
    fn instructions(&self, program: HookupProgram) -> String {
        program.instructions(|name| place::look(self.root, name).ok()?.text)
    }

    fn is_hooked_up(&mut self, program: HookupProgram) -> Result<bool> {
        let name = self.server_file(program)?;
        let text = self.text(name)?;
        Ok(text.is_some_and(|text| program.server(Some(&text), NAME).is_in(&text)))
    }

    fn plan(self, command: String) -> HookupPlan {
        let mut plan = HookupPlan { command, changes: Vec::new(), unchanged: Vec::new(), notes: self.notes };
        for Draft { name, found, text } in self.files {
            if text == found.text {
                plan.unchanged.extend(Some(name).filter(|_| text.is_some()));
                continue;
            }
            let effect = match (&found.text, &text) {
                (None, _) => HookupEffect::Create,
                (_, Some(_)) => HookupEffect::Change,
                (_, None) => HookupEffect::Delete,
            };
            let diff = diff::unified(&name, found.text.as_deref(), text.as_deref());
            plan.changes.push(HookupChange { path: name, effect, diff, after: text, found });
        }
        plan
    }
}

/// Why a file is left alone, and with it all others.
fn refused(name: &str, part: &Part, fault: &Fault, what: Hookup) -> Error {
    let error = Error::refused(format!("`{name}` {fault}; nothing was written"));
    match (fault, what) {
        (Fault::Foreign { .. }, _) => {
            error.hint("rename or remove that entry first; `--without` leaves a part of ours out")
        }
        (Fault::Unpaired { .. }, _) => error.hint("delete that line, or put the other half back"),
        (_, Hookup::PutIn) => {
            error.hint(format!("mend it and try again, or write this into it by hand:\n{}", part.by_hand()))
        }
        (_, Hookup::TakeOut) => error.hint("mend it and try again, or take ours out by hand"),
    }
}

/// Refuses what is too large to be such a file.
fn too_large(name: &str) -> Error {
    Error::refused(format!("`{name}` is larger than {} bytes", bounds::HOOKUP_FILE))
}
