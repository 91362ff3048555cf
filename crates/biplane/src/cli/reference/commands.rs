//! Every command with its arguments and options, from their definition.

use clap::{Arg, Command, CommandFactory};

use super::{code, table};
use crate::cli::args::Cli;

pub(super) fn text() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::from(
        "`stdout` carries the answer, `stderr` the narration. Commands work from any directory of the repository, inside a \
         worktree too. `biplane wt` is short for `biplane worktree`.\n\nTask ids are numbers (`7`) or a prefix and a number (`auth_001`); a time is a number with `s`, `m`, \
         `h` or `d`.\n\nOptions of every command:\n\n",
    );
    text.push_str(&rows(root.get_arguments().filter(|arg| arg.is_global_set())));
    text.push_str(&section(&root));
    text
}

/// A command and the commands below it.
fn section(command: &Command) -> String {
    let mut text = String::new();
    for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        if below.has_subcommands() {
            text.push_str(&section(below));
        } else {
            text.push_str(&one(below));
        }
    }
    text
}

fn one(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let mut text = format!("\n## {name}\n\n{}.\n\n```text\n{usage}\n```\n", about.trim_end_matches('.'));
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| is_own(arg)).collect();
    if !own.is_empty() {
        text.push('\n');
        text.push_str(&rows(own.into_iter()));
    }
    text
}

fn is_own(arg: &Arg) -> bool {
    !arg.is_global_set() && !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn rows<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    table(["argument", "meaning"], arguments.map(|arg| [code(&typed(arg)), meaning(arg)]))
}

/// What is typed: `--gate CMD`, `NAME`.
fn typed(arg: &Arg) -> String {
    let value = match arg.get_value_names() {
        Some([name, ..]) if arg.get_action().takes_values() => name.to_string(),
        _ => String::new(),
    };
    if arg.is_positional() {
        return if arg.is_last_set() { format!("-- {value}…") } else { value };
    }
    let names = arg.get_long_and_visible_aliases().unwrap_or_default();
    let names = names.into_iter().map(|n| format!("--{n}")).chain(arg.get_short().map(|c| format!("-{c}")));
    format!("{} {value}", names.collect::<Vec<_>>().join(", ")).trim_end().to_owned()
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !text.ends_with('.') {
        text.push('.');
    }
    let values = arg.get_possible_values();
    if arg.get_action().takes_values() && !values.is_empty() {
        let names = values.iter().map(|v| code(v.get_name())).collect::<Vec<_>>().join(", ");
        text.push_str(&format!(" One of {names}."));
    }
    let default = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect::<String>();
    if arg.get_action().takes_values() && !default.is_empty() {
        text.push_str(&format!(" Default: `{default}`."));
    }
    text
}
