//! Records as rows. What a column holds is written here and in the schema, apart from the records' own types.

mod event;
mod run;
mod submission;
mod task;
mod team;
mod worktree;

use std::{fmt::Display, str::FromStr};

use biplane_model::{ProcessIdentity, TaskId, Timestamp};
use rusqlite::{
    Row,
    types::{FromSqlResult, ToSqlOutput, Type, ValueRef},
};

pub(super) use event::{EVENT_COLUMNS, event};

/// A record that is a row of its own table.
pub(super) trait Record: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns in the order of [`Record::read`] and [`Record::values`]; `id` is the first and `rev` the last.
    const COLUMNS: &'static [&'static str];

    /// From a row that has [`Record::COLUMNS`].
    fn read(fields: &mut Fields<'_>) -> rusqlite::Result<Self>;
    /// The values of all columns but `rev`.
    fn values(&self) -> Vec<ToSqlOutput<'_>>;
    /// The revision the record was read at.
    fn rev(&self) -> u64;
    /// What messages call it: `task 7`.
    fn label(&self) -> String;
    /// The other record whose place this one would take, from the engine's words for the conflict.
    fn taken(&self, _words: &str) -> Option<String> {
        None
    }
}

/// Reads a row's columns from left to right.
pub(super) struct Fields<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Fields<'r> {
    /// The columns of `row`, before the first.
    pub(super) fn new(row: &'r Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    /// A task's id.
    pub(super) fn id(&mut self) -> rusqlite::Result<TaskId> {
        self.parsed()
    }

    /// A task's id and revision.
    pub(super) fn revision(&mut self) -> rusqlite::Result<(TaskId, u64)> {
        Ok((self.parsed()?, self.count()?))
    }

    /// The next column, converted; `None` for NULL.
    fn maybe<T>(
        &mut self,
        convert: impl FnOnce(ValueRef<'r>) -> FromSqlResult<T>,
    ) -> rusqlite::Result<Option<T>> {
        let (column, row) = (self.next, self.row);
        self.next += 1;
        match row.get_ref(column)? {
            ValueRef::Null => Ok(None),
            value => convert(value).map(Some).map_err(|e| fault(column, value.data_type(), e)),
        }
    }

    /// What `maybe` gives, where the schema allows no NULL.
    fn present<T>(&self, value: Option<T>) -> rusqlite::Result<T> {
        value.ok_or_else(|| fault(self.next - 1, Type::Null, "it is empty"))
    }

    fn maybe_str(&mut self) -> rusqlite::Result<Option<&'r str>> {
        self.maybe(|v| v.as_str())
    }

    fn maybe_text(&mut self) -> rusqlite::Result<Option<String>> {
        Ok(self.maybe_str()?.map(str::to_owned))
    }

    fn text(&mut self) -> rusqlite::Result<String> {
        let text = self.maybe_text()?;
        self.present(text)
    }

    fn maybe_int(&mut self) -> rusqlite::Result<Option<i64>> {
        self.maybe(|v| v.as_i64())
    }

    fn int(&mut self) -> rusqlite::Result<i64> {
        let int = self.maybe_int()?;
        self.present(int)
    }

    fn maybe_count(&mut self) -> rusqlite::Result<Option<u64>> {
        Ok(self.maybe_int()?.map(i64::cast_unsigned))
    }

    fn count(&mut self) -> rusqlite::Result<u64> {
        Ok(self.int()?.cast_unsigned())
    }

    /// A number that is narrower than 64 bits.
    fn maybe_narrow<T: TryFrom<i64, Error: Display>>(&mut self) -> rusqlite::Result<Option<T>> {
        let value = self.maybe_int()?;
        value.map(T::try_from).transpose().map_err(|e| fault(self.next - 1, Type::Integer, e))
    }

    fn maybe_time(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.maybe_int()?.map(Timestamp))
    }

    fn time(&mut self) -> rusqlite::Result<Timestamp> {
        Ok(Timestamp(self.int()?))
    }

    fn maybe_parsed<T: FromStr<Err: Display>>(&mut self) -> rusqlite::Result<Option<T>> {
        let text = self.maybe_str()?;
        text.map(T::from_str).transpose().map_err(|e| fault(self.next - 1, Type::Text, e))
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self) -> rusqlite::Result<T> {
        let value = self.maybe_parsed()?;
        self.present(value)
    }

    /// One of the words of `table`.
    fn maybe_word<T: Copy>(&mut self, table: &[(T, &str)]) -> rusqlite::Result<Option<T>> {
        let Some(text) = self.maybe_str()? else { return Ok(None) };
        match table.iter().find(|(_, word)| *word == text) {
            Some((value, _)) => Ok(Some(*value)),
            None => Err(fault(self.next - 1, Type::Text, format!("unknown word `{text}`"))),
        }
    }

    fn word<T: Copy>(&mut self, table: &[(T, &str)]) -> rusqlite::Result<T> {
        let value = self.maybe_word(table)?;
        self.present(value)
    }

    /// A JSON array of strings.
    fn list<T: FromStr<Err: Display>>(&mut self) -> rusqlite::Result<Vec<T>> {
        let text = self.maybe_str()?;
        let text = self.present(text)?;
        if text == "[]" {
            return Ok(Vec::new());
        }
        let column = self.next - 1;
        // Without an escape in it, a quote in the text is the end or the beginning of an item.
        let plain = text.strip_prefix("[\"").and_then(|t| t.strip_suffix("\"]"));
        if let Some(plain) = plain.filter(|t| !t.contains('\\')) {
            return plain
                .split("\",\"")
                .map(|item| item.parse().map_err(|e| fault(column, Type::Text, e)))
                .collect();
        }
        let items: Vec<String> = serde_json::from_str(text).map_err(|e| fault(column, Type::Text, e))?;
        items.iter().map(|item| item.parse().map_err(|e| fault(column, Type::Text, e))).collect()
    }

    fn maybe_process(&mut self) -> rusqlite::Result<Option<ProcessIdentity>> {
        let Some(text) = self.maybe_str()? else { return Ok(None) };
        let mut parts = text.splitn(3, ' ');
        let identity = (|| {
            let pid = parts.next()?.parse().ok()?;
            let start_time = parts.next()?.parse().ok()?;
            Some(ProcessIdentity { boot_id: parts.next()?.to_owned(), pid, start_time })
        })();
        identity.map(Some).ok_or_else(|| fault(self.next - 1, Type::Text, format!("`{text}` is no process")))
    }
}

/// The failure to make sense of a column.
fn fault(column: usize, kind: Type, why: impl Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, why.to_string().into())
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::from(text)
}

fn owned<'a>(text: impl Into<String>) -> ToSqlOutput<'a> {
    ToSqlOutput::from(text.into())
}

fn int<'a>(value: i64) -> ToSqlOutput<'a> {
    ToSqlOutput::from(value)
}

fn count<'a>(value: u64) -> ToSqlOutput<'a> {
    int(value.cast_signed())
}

fn time<'a>(at: Timestamp) -> ToSqlOutput<'a> {
    int(at.0)
}

fn maybe<'a, T>(value: Option<T>, convert: impl FnOnce(T) -> ToSqlOutput<'a>) -> ToSqlOutput<'a> {
    value.map_or(ToSqlOutput::Borrowed(ValueRef::Null), convert)
}

fn word<'a, T: PartialEq>(table: &[(T, &'static str)], value: T) -> ToSqlOutput<'a> {
    let (_, word) = table.iter().find(|(v, _)| *v == value).expect("the table has every variant");
    ToSqlOutput::from(*word)
}

fn process<'a>(p: &ProcessIdentity) -> ToSqlOutput<'a> {
    owned(format!("{} {} {}", p.pid, p.start_time, p.boot_id))
}

/// A JSON array of strings.
pub(super) fn list<'a, 'i>(items: impl Iterator<Item = &'i str>) -> ToSqlOutput<'a> {
    owned(serde_json::Value::from_iter(items).to_string())
}
