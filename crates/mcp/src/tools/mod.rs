//! The tools, in the order in which they are listed: a file for each family.

mod runs;
mod tasks;
mod team;
mod worktrees;

use std::sync::LazyLock;

use biplane_coordination::{Access, Error};
use biplane_model::{clip, sanitize_line};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    page::{self, Page},
    permit::{Concerns, Right},
    tool::{Again, Effect, Prepared, Sort, Tool},
};

/// Reads the board.
const BOARD: Sort = Sort {
    right: Right::Board,
    access: Access::Read,
    effect: Effect::Reads,
    again: Again::Nothing,
    open_world: false,
};
/// Reads what is in something of one's own.
const LOOK: Sort = Sort { right: Right::Look, ..BOARD };
/// Changes what is one's own.
const WORK: Sort =
    Sort { right: Right::Work, access: Access::Write, effect: Effect::Changes, again: Again::More, ..BOARD };
/// Changes the board.
const LEAD: Sort = Sort { right: Right::Lead, ..WORK };
/// Changes worktrees.
const PLACE: Sort = Sort { access: Access::Work, ..LEAD };

pub(crate) use runs::{events_of, whole_output};

static ALL: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let mut all = tasks::tools();
    all.extend(worktrees::tools());
    all.extend(runs::tools());
    all.extend(team::tools());
    all
});

/// Every tool.
pub(crate) fn all() -> &'static [Tool] {
    &ALL
}

/// The tool called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    ALL.iter().find(|tool| tool.name == name)
}

/// The tool called `name`, and its call with these arguments.
///
/// # Errors
/// When there is no such tool, or the arguments are wrong: in a sentence that is fit to be shown.
pub(crate) fn understand(name: &str, arguments: JsonObject) -> Result<(&'static Tool, Prepared), String> {
    let Some(tool) = find(name) else {
        return Err(format!(
            "there is no tool `{}`; `tools/list` shows them",
            clip(&sanitize_line(name), 80)
        ));
    };
    let prepared = tool.prepare(arguments).map_err(|fault| {
        format!("the arguments of `{}` are wrong: {}", tool.name, clip(&sanitize_line(&fault), 500))
    })?;
    Ok((tool, prepared))
}

/// Takes nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Concerns for Nothing {}

/// Where a list goes on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// At most so many records: 1 to 500; 100 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Concerns for Listing {}

/// The page of `all` that was asked for.
fn page_of<T: Serialize>(
    list: &str,
    all: Vec<T>,
    key: impl Fn(&T) -> String,
    (limit, cursor): (Option<usize>, Option<&str>),
) -> Result<Page<T>, Error> {
    let most = within("limit", limit.unwrap_or(bounds::PAGE), bounds::MOST_PAGE)?;
    page::page(list, all, key, cursor, most)
        .map_err(|fault| Error::usage(fault).hint("leave out `cursor` to begin at the first page"))
}

/// A number that has to be at least one.
fn within(name: &str, number: usize, most: usize) -> Result<usize, Error> {
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::usage(format!("`{name}` is {number}; it takes 1 to {most}")))
}

/// A text as what it stands for.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Error>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| Error::usage(e.to_string()))
}
