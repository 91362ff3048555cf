//! The built-in agent as a program: what its run has put into the environment becomes who it is.

use std::process::ExitCode;

use anyhow::Context;
use biplane_agent::{
    model::{Endpoint, Key, Patience},
    program::{self, Options, RULES},
    session::{Identity, Limits},
    tools::without_variable,
};
use biplane_coordination::{Error, Surroundings, variables};
use camino::Utf8PathBuf;

use crate::cli::{App, args::BuiltinArgs, surroundings};

pub(super) fn run(app: &App, args: BuiltinArgs) -> anyhow::Result<ExitCode> {
    let here = surroundings::read(app.directory.as_deref())?;
    let variable =
        |name: &str| here.env.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
    let endpoint = endpoint(&args, &here)?;
    let limits = limits(&args);
    let absolute = |name: &str| variable(name).map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let state =
        state.context("neither `XDG_STATE_HOME` nor `HOME` names a directory for the conversation")?;
    let word = |name: &str| variable(name).unwrap_or_default().to_owned();
    let now = surroundings::clock();
    let options = Options {
        endpoint,
        patience: Patience::default(),
        limits,
        identity: Identity {
            name: word(variables::ACTOR),
            role: "coding agent".to_owned(),
            task: word(variables::TASK_ID),
            directory: here.cwd.to_string(),
            rules: RULES.to_owned(),
        },
        directory: here.cwd,
        transcripts: state.join("biplane/conversations"),
        new_id: program::new_id(now),
        env: args.key.map(|name| without_variable(&name)).unwrap_or_default(),
        now,
    };
    let success = program::run(options, std::io::stdin(), &mut app.printer.writer())
        .context("what the agent tells could not be written to standard output")?;
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The model, with its key from the environment.
pub(super) fn endpoint(args: &BuiltinArgs, here: &Surroundings) -> anyhow::Result<Endpoint> {
    let key = match &args.key {
        None => None,
        Some(name) => {
            let held = here.var(name).and_then(Key::new);
            Some(held.ok_or_else(|| {
                Error::usage(format!("the variable `{name}` holds no key")).hint(format!(
                    "`export {name}=…` puts it there; a server without one wants `endpoint` and no `key`"
                ))
            })?)
        }
    };
    let base = args.endpoint.clone().unwrap_or_else(|| args.protocol.base().to_owned());
    Ok(Endpoint { protocol: args.protocol, base, model: args.model.clone(), key })
}

/// How far it may go.
pub(super) fn limits(args: &BuiltinArgs) -> Limits {
    args.context.map_or_else(Limits::default, Limits::of_context)
}
