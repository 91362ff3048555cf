//! The command line: arguments → verb → answer.
//!
//! **Invariant:** standard output is the answer, standard error the narration; [`printer`] is the only module that writes
//! to either.

mod args;
mod commands;
mod exit;
mod printer;
mod progress;
mod reference;
mod surroundings;
mod table;
mod transcript;
mod words;

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use clap::Parser;

use args::{Cli, Command};
use biplane_coordination::{Access, Notice, Outside, Service, Surroundings};
use biplane_mcp::Setting;
use biplane_model::TaskId;
use camino::Utf8Path;
use printer::Printer;

/// Runs the program on these arguments.
pub(crate) fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let printer = Arc::new(Printer::new(cli.json));
    let app = App { printer: Arc::clone(&printer), directory: cli.directory, verbose: cli.verbose };
    surroundings::allow_background();
    match commands::run(&app, cli.command) {
        Ok(code) => code,
        Err(error) => exit::failure(&printer, &error),
    }
}

/// What every command needs.
pub(crate) struct App {
    printer: Arc<Printer>,
    directory: Option<camino::Utf8PathBuf>,
    verbose: bool,
}

impl App {
    /// The service on the home one stands in.
    fn service(&self, access: Access) -> anyhow::Result<Service> {
        Ok(Service::open(self.outside()?, access)?.verbose(self.verbose))
    }

    /// What a service needs from outside.
    fn outside(&self) -> anyhow::Result<Outside> {
        let printer = Arc::clone(&self.printer);
        Ok(Outside {
            surroundings: surroundings::read(self.directory.as_deref())?,
            now: Box::new(surroundings::now),
            narrate: Arc::new(move |Notice(text)| printer.note(&text)),
        })
    }
}

/// What tools need that are called from `here` by whoever was started in `started_in`, for a task when one is named.
fn setting(
    service: &Service,
    here: Surroundings,
    started_in: &Utf8Path,
    task: Option<TaskId>,
) -> anyhow::Result<Setting> {
    let stand = service.stand(started_in, task)?;
    let outside = Box::new(move |narrate| Outside {
        surroundings: here.clone(),
        now: Box::new(surroundings::now),
        narrate,
    });
    Ok(Setting { outside, stand })
}
