//! The pages of `docs/reference`, made from the program itself so that they can't say something else.
//!
//! **Contract.** [`pages`] depends on nothing but the program: the same program gives the same text anywhere.

mod commands;
mod facts;
mod shapes;
mod tools;

use std::process::ExitCode;

use anyhow::Context;
use camino::Utf8Path;

use super::App;

/// What stands on top of each page.
const NOTE: &str =
    "<!-- Made by `BIPLANE_UPDATE_DOCS=1 cargo test -p biplane --test reference`; edits are lost. -->";

/// Writes every page into `dir`.
pub(super) fn write(app: &App, dir: &Utf8Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(dir).with_context(|| format!("`{dir}` could not be created"))?;
    for (name, text) in pages() {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("`{path}` could not be written"))?;
        app.printer.answer(path.as_str())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages by their names.
fn pages() -> Vec<(&'static str, String)> {
    let made = [
        ("cli.md", "Commands", commands::text()),
        ("configuration.md", "Settings", facts::configuration()),
        ("environment.md", "Environment", facts::environment()),
        ("events.md", "Events", facts::events()),
        ("findings.md", "What doctor finds", facts::findings()),
        ("exit-codes.md", "Exit codes", facts::exit_codes()),
        ("json.md", "JSON", shapes::text()),
        ("states.md", "States", facts::states()),
        ("tools.md", "Tools", tools::text()),
    ];
    let page = |(name, title, body)| (name, format!("# {title}\n\n{NOTE}\n\n{body}"));
    made.into_iter().map(page).collect()
}

/// A table of Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.map(str::to_owned)) + &line(&head.map(|_| "---".to_owned()));
    for row in rows {
        text.push_str(&line(&row.map(|cell| cell.replace('|', "\\|").replace('\n', " "))));
    }
    text
}

/// `` `text` ``, or nothing for nothing.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
