//! The settings of Codex: TOML, to the end of which a table is appended.
//!
//! **Contract.** What was put in or taken out is read once more, and given up when anything else would be different by it.

use std::ops::Range;

use toml::{Table, Value};

use super::{
    Edited, Fault, NAME, block,
    entry::{self, Whose},
};

const SERVERS: &str = "mcp_servers";
const HEADER: &str = "[mcp_servers.biplane]";
const AT: &str = "mcp_servers.biplane";

/// The lines of our table.
pub(super) fn block(program: &str) -> Vec<String> {
    let program = Value::String(program.to_owned());
    vec![HEADER.to_owned(), format!("command = {program}"), "args = [\"mcp\"]".to_owned()]
}

/// Appends the table, or brings it up to date.
pub(super) fn put_in(text: Option<&str>, program: &str) -> Result<Edited, Fault> {
    let mut wanted = read(text.unwrap_or_default())?;
    let servers = wanted.entry(SERVERS).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(servers) = servers else {
        return Err(Fault::Shape { at: SERVERS.to_owned(), wanted: "a table" });
    };
    let there = servers.insert(NAME.to_owned(), value(program));
    let fresh = match (text, there.as_ref().map(whose)) {
        (_, None) => block::append(text, &block(program)),
        (None, Some(_)) => return Err(Fault::Form),
        (Some(_), Some(Whose::Foreign)) => return Err(Fault::Foreign { at: AT.to_owned() }),
        (Some(text), Some(Whose::Changed)) => return Ok(Edited::kept(text, AT)),
        (Some(text), Some(Whose::Ours)) if there == Some(value(program)) => {
            return Ok(Edited::same(Some(text)));
        }
        (Some(text), Some(Whose::Ours)) => {
            let range = find(text).ok_or(Fault::Form)?;
            let lines = block::joined(&block(program), block::line_break(&text[range.clone()]));
            format!("{}{lines}{}", &text[..range.start], &text[range.end..])
        }
    };
    if read(&fresh).is_ok_and(|read| read == wanted) { Ok(Edited::to(fresh)) } else { Err(Fault::Form) }
}

/// Takes the table out.
pub(super) fn take_out(text: &str) -> Result<Edited, Fault> {
    let mut wanted = read(text)?;
    let Some(Value::Table(servers)) = wanted.get_mut(SERVERS) else { return Ok(Edited::same(Some(text))) };
    match servers.remove(NAME).as_ref().map(whose) {
        None => return Ok(Edited::same(Some(text))),
        Some(Whose::Ours) => {}
        Some(Whose::Changed | Whose::Foreign) => return Ok(Edited::kept(text, AT)),
    }
    let rest = block::cut(text, find(text).ok_or(Fault::Form)?);
    let read = read(rest.as_deref().unwrap_or_default());
    // A table that has nothing left may be gone with the last of it.
    let without = |table: &Table| -> Table {
        let is_empty =
            |key: &str, value: &Value| key == SERVERS && value.as_table().is_some_and(Table::is_empty);
        table
            .iter()
            .filter(|(key, value)| !is_empty(key, value))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    if read.is_ok_and(|read| without(&read) == without(&wanted)) {
        Ok(Edited::to(rest))
    } else {
        Err(Fault::Form)
    }
}

/// Where our table stands, in three lines as we write it. The last such place is meant: one before it is in a text of several lines.
fn find(text: &str) -> Option<Range<usize>> {
    let lines: Vec<(Range<usize>, &str)> = block::lines(text).collect();
    let is_table = |window: &&[(Range<usize>, &str)]| {
        let begins = |n: usize, key: &str| window[n].1.trim_start().starts_with(key);
        window[0].1.trim() == HEADER && begins(1, "command") && begins(2, "args")
    };
    lines.windows(3).rfind(is_table).map(|window| window[0].0.start..window[2].0.end)
}

fn value(program: &str) -> Value {
    let mut table = Table::new();
    table.insert("command".to_owned(), program.into());
    table.insert("args".to_owned(), vec!["mcp"].into());
    Value::Table(table)
}

fn whose(value: &Value) -> Whose {
    let Some(table) = value.as_table() else { return Whose::Foreign };
    let args = table.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut command: Vec<&str> = table.get("command").and_then(Value::as_str).into_iter().collect();
    command.extend(args.iter().map(|arg| arg.as_str().unwrap_or_default()));
    entry::judge(&command, table.len() > 2)
}

fn read(text: &str) -> Result<Table, Fault> {
    text.parse::<Table>().map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1;
        Fault::Unparseable {
            line,
            why: biplane_model::clip(&biplane_model::sanitize_line(error.message()), 200),
        }
    })
}
