//! An agent program with no model behind it and with every vice, for tests.
//!
//! It does the *orders* that stand in its prompt behind the first `fake:`, up to the end of that line, with `;` between them:
//! `fake: write a.txt hello; commit; exit 3`. So the subject of a task can say how the agent behaves. `--do ORDERS` says it
//! instead of the prompt. Without any it writes a file named after its task and commits it. See [`orders::Order`].
//!
//! It speaks as its arguments look: like Claude Code (`--output-format stream-json`), Codex (`exec --json`), a program of the
//! Agent Client Protocol (`--acp`, or `acp`), or plainly; `--speak NAME` says it. A session that is resumed with a prompt
//! without orders does the orders of its first prompt again.
//!
//! **Deliberately absent:** honesty. Bounds: nothing that it leaves behind lives longer than ten minutes.
#![expect(clippy::disallowed_methods, reason = "agents start programs; this one does so to be caught")]

mod act;
mod arguments;
mod files;
mod handed;
mod orders;
mod session;
mod vices;
mod voice;

use std::{io, process::ExitCode};

use act::End;
use arguments::Arguments;

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    handed::look(&typed);
    let arguments = Arguments::parse(typed);
    if let Some(daemon) = &arguments.daemon {
        return vices::be_daemon(daemon);
    }
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads it has gone away, as a rule.
        Err(_) => ExitCode::from(101),
    }
}

fn run(arguments: &Arguments) -> io::Result<u8> {
    if arguments.version {
        voice::line(&"9.9.9 (fake agent)")?;
        return Ok(0);
    }
    let mut voice = voice::of(arguments);
    let mut code = 0;
    while let Some(prompt) = voice.next()? {
        let orders = orders::chosen(arguments.orders.as_deref(), &prompt);
        match act::all(&orders, prompt.resumed, voice.as_mut())? {
            End::Done(done) => {
                voice.end(&done)?;
                code = done.code;
            }
            End::Left(code) => return Ok(code),
        }
    }
    Ok(voice.exit_code(code))
}
