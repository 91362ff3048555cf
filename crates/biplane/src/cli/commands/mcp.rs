//! `biplane mcp`

use std::{process::ExitCode, sync::Arc};

use biplane_coordination::{Access, AccessToken, Error, Scope, checked_token, read_token, variables};
use biplane_mcp::{Ended, Exposure, HttpOptions, own_words};
use biplane_model::sanitize_line;

use crate::cli::{App, args::McpArgs, exit, setting, surroundings};

pub(super) fn run(app: &App, args: McpArgs) -> anyhow::Result<ExitCode> {
    let started_in = surroundings::read(None)?.cwd;
    let here = surroundings::read(app.directory.as_deref())?;
    let setting = setting(&app.service(Access::Read)?, here, &started_in, args.task.clone())?;
    if let Scope::Own(own) = setting.scope()? {
        app.printer.note(&format!(
            "this server serves one that works on {} (known by {}): it reads the board, and changes nothing else",
            own_words(&own),
            own.known_by
        ));
    }
    let ended = match args.http {
        None => biplane_mcp::stdio(setting)?,
        Some(address) => {
            let token = token(app, &args)?;
            let printer = Arc::clone(&app.printer);
            let told = token.path.clone();
            let exposure = if args.expose { Exposure::Network } else { Exposure::Loopback };
            let options = HttpOptions { address, exposure, hosts: args.hosts, origins: args.origins, token };
            biplane_mcp::http::serve(setting, options, |bound| {
                printer.note(&format!("serving at {}; ^C ends it", bound.url));
                printer.note(&format!("the token to show is in {}", sanitize_line(told.as_str())));
            })?
        }
    };
    Ok(match ended {
        // SIGTERM is how whoever manages servers asks one to end, and it has.
        Ended::Closed | Ended::Signal(15) => ExitCode::SUCCESS,
        Ended::Signal(_) => ExitCode::from(exit::STOPPED),
    })
}

/// What whoever speaks with the server must show. It never stands on the command line, where everybody could read it.
fn token(app: &App, args: &McpArgs) -> anyhow::Result<AccessToken> {
    if let Some(path) = &args.token_file {
        let here = surroundings::read(app.directory.as_deref())?;
        return Ok(read_token(&here.cwd.join(path))?);
    }
    let service = app.service(Access::Read)?;
    match service.variable(variables::MCP_TOKEN) {
        Some(text) => {
            let name = variables::MCP_TOKEN;
            let token = checked_token(text)
                .map_err(|fault| Error::usage(format!("`{name}` is no token: {fault}")))?;
            Ok(AccessToken { token, path: format!("the variable {name}").into() })
        }
        None => Ok(service.access_token()?),
    }
}

#[cfg(test)]
mod tests {
    use biplane_mcp::{Faced, PARITY};
    use clap::{Command, CommandFactory};

    use crate::cli::Cli;

    /// Every command that does something, by its words.
    fn leaves(command: &Command, above: &str, into: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
            let name = format!("{above} {}", below.get_name()).trim().to_owned();
            if below.has_subcommands() { leaves(below, &name, into) } else { into.push(name) }
        }
    }

    #[test]
    fn every_command_is_a_tool_or_left_out_for_a_reason() {
        let mut commands = Vec::new();
        leaves(&Cli::command(), "", &mut commands);
        commands.retain(|command| command != "completions");
        for command in &commands {
            let faced = PARITY.iter().find(|(known, _)| known == command);
            let (_, faced) =
                faced.unwrap_or_else(|| panic!("`biplane {command}` is no tool; say why in `PARITY`"));
            assert!(!matches!(faced, Faced::LeftOut(why) if why.is_empty()), "{command}");
        }
        for (known, _) in PARITY {
            assert!(commands.iter().any(|command| command == known), "there is no `biplane {known}`");
        }
    }
}
