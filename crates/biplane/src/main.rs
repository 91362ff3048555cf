//! The `biplane` program: it parses what was typed, calls the service, and renders the answer.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
