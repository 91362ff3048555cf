//! One file for each family of commands.

mod builtin;
mod chat;
mod conflicts;
mod demo;
mod events;
mod hook;
mod hookup;
mod log;
mod mail;
mod mcp;
mod merge;
mod plan;
mod ready;
mod run;
mod setup;
mod snapshot;
mod steer;
mod task;
mod team;
mod up;
mod usage;
mod worktree;

use std::process::ExitCode;

use biplane_coordination::UpState;

use super::{App, Command, args::HookCommand, reference};

/// Does what was typed.
pub(super) fn run(app: &App, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Task(command) => task::run(app, command),
        Command::Worktree(command) => worktree::run(app, command),
        Command::Setup(command) => ready::run(app, &command),
        Command::Run(args) => run::run(app, args),
        Command::Up(args) => up::run(app, args),
        Command::Stop(args) => steer::stop(app, args),
        Command::Pause => steer::steer(app, UpState::Paused),
        Command::Resume => steer::steer(app, UpState::Running),
        Command::Drain => steer::steer(app, UpState::Draining),
        Command::Conflicts(args) => conflicts::run(app, &args),
        Command::Submit(args) => merge::submit(app, args),
        Command::Merge(args) => merge::merge(app, args),
        Command::Mail(command) => mail::run(app, command),
        Command::Plan(command) => plan::run(app, command),
        Command::Team { command } => team::run(app, command),
        Command::Chat(args) => chat::run(app, args),
        Command::Events(args) => events::run(app, &args),
        Command::Log(args) => log::run(app, &args),
        Command::Usage(args) => usage::run(app, &args),
        Command::Init(args) if args.agent.is_empty() => setup::init(app),
        Command::Init(args) => hookup::run(app, &args),
        Command::Mcp(args) => mcp::run(app, args),
        Command::Doctor(args) => setup::doctor(app, &args),
        Command::Import(args) => setup::import(app, &args),
        Command::Demo(args) => demo::run(app, &args),
        Command::Reference { dir } => reference::write(app, &dir),
        Command::Tend => setup::tend(app),
        Command::Hook(HookCommand::Claude(event)) => hook::claude(app, event),
        Command::BuiltinAgent(args) => builtin::run(app, args),
        Command::Completions { shell } => setup::completions(app, shell),
    }
}
