//! What the views say, read as they were written, and nothing judged yet.

use std::collections::BTreeMap;

use biplane_model::{
    Event, TaskId,
    view::{MailView, MemberView, TaskView, WorktreeIndex, WorktreeView},
};
use serde_json::Value;

use super::{
    events,
    runs::{self, RunFile},
    team,
};
use crate::{
    bounds,
    error::{Error, Result},
    home::Home,
    import::{
        notes::Notes,
        read::{self, Found},
    },
    views,
};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) tasks: Vec<SeenTask>,
    /// The ids in the names of task files that could not be read.
    pub(super) unread: Vec<TaskId>,
    pub(super) worktrees: Vec<WorktreeView>,
    pub(super) events: Vec<Event>,
    pub(super) runs: BTreeMap<u64, RunFile>,
    pub(super) members: Vec<MemberView>,
    /// What waits in the inboxes.
    pub(super) mail: Vec<MailView>,
}

/// A task's view.
#[derive(Debug)]
pub(super) struct SeenTask {
    pub(super) view: TaskView,
    /// Whether the file carries our stamp: whoever changed it since would have had to mean to.
    pub(super) is_stamped: bool,
}

impl Seen {
    /// Reads everything.
    ///
    /// # Errors
    /// When a directory can't be read, or a file is a link or too big: without it too much would be missing.
    pub(super) fn read(home: &Home, notes: &mut Notes) -> Result<Self> {
        let mut seen = Self { events: events::read(home, notes)?, ..Self::default() };
        seen.read_tasks(home, notes)?;
        seen.read_index(home, notes)?;
        seen.runs = runs::read(home, notes)?;
        team::read(home, &mut seen, notes)?;
        Ok(seen)
    }

    fn read_tasks(&mut self, home: &Home, notes: &mut Notes) -> Result<()> {
        for (name, id) in task_files(home)? {
            let path = home.tasks_dir().join(&name);
            let found = match read::file(&path, bounds::IMPORT_TASK_BYTES) {
                Found::Nothing => continue,
                Found::Unread(why) => Err(why),
                Found::File(bytes) => {
                    serde_json::from_slice::<TaskView>(&bytes).map_err(|e| format!("it is damaged: {e}"))
                }
            };
            match found {
                Ok(view) if view.id == id => {
                    let is_stamped = views::is_stamped_task(home, &id, view.rev);
                    self.tasks.push(SeenTask { view, is_stamped });
                }
                other => {
                    let why = other.err().unwrap_or_else(|| "it is of another task".to_owned());
                    notes.problem(format_args!("`.tasks/{name}`"), why);
                    self.unread.push(id);
                }
            }
        }
        Ok(())
    }

    fn read_index(&mut self, home: &Home, notes: &mut Notes) -> Result<()> {
        let place = "`.worktrees/index.json`";
        let bytes = match read::file(&home.views_dir().join("index.json"), bounds::IMPORT_INDEX_BYTES) {
            Found::Nothing => return Ok(()),
            Found::Unread(why) => return Err(Error::refused(format!("{place} is not read: {why}"))),
            Found::File(bytes) => bytes,
        };
        // One by one: a damaged entry is not the end of the others.
        let list = read::object(&bytes).map(|mut json| json.remove("worktrees"));
        let Ok(Some(Value::Array(list))) = list else {
            notes.problem(place, "it is damaged; the worktrees are brought back from the events");
            return Ok(());
        };
        for (at, value) in (1..).zip(list.into_iter().take(bounds::IMPORT_WORKTREES)) {
            match serde_json::from_value::<WorktreeView>(value) {
                Ok(view) => self.worktrees.push(view),
                Err(why) => notes.problem(format_args!("{place} entry {at}"), why),
            }
        }
        Ok(())
    }
}

/// The files of `.tasks/` that are named like views, with the ids in their names.
fn task_files(home: &Home) -> Result<Vec<(String, TaskId)>> {
    let dir = home.tasks_dir();
    let io = |e| Error::io("read", &dir, e);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let Ok(name) = entry.map_err(io)?.file_name().into_string() else { continue };
        let id =
            name.strip_prefix("task_").and_then(|n| n.strip_suffix(".json")).and_then(|n| n.parse().ok());
        // `task_007.json` is not where task 7 lies.
        let id = id.filter(|id: &TaskId| name == format!("task_{id}.json"));
        files.extend(id.map(|id| (name, id)));
        if files.len() > bounds::IMPORT_TASKS {
            return Err(Error::refused(format!("`.tasks/` has more than {} tasks", bounds::IMPORT_TASKS)));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Whether the views in the home are ones that biplane has written: a board of another tool has no revisions and no
/// numbered events.
pub(crate) fn is_own_board(home: &Home) -> bool {
    let text = |path: camino::Utf8PathBuf, most| match read::file(&path, most) {
        Found::File(bytes) => bytes,
        _ => Vec::new(),
    };
    let log = text(home.views_dir().join("events.jsonl"), bounds::IMPORT_EVENTS_BYTES);
    let first = log.split(|b| *b == b'\n').next().unwrap_or_default();
    let is_ours =
        |json: &serde_json::Map<String, Value>| json.contains_key("seq") && json.contains_key("actor");
    if read::object(first).is_ok_and(|json| is_ours(&json)) {
        return true;
    }
    let index = text(home.views_dir().join("index.json"), bounds::IMPORT_INDEX_BYTES);
    if serde_json::from_slice::<WorktreeIndex>(&index).is_ok_and(|index| !index.worktrees.is_empty()) {
        return true;
    }
    let files = task_files(home).unwrap_or_default();
    let is_view = |name: &String| {
        let bytes = text(home.tasks_dir().join(name), bounds::IMPORT_TASK_BYTES);
        serde_json::from_slice::<TaskView>(&bytes).is_ok()
    };
    files.iter().take(bounds::IMPORT_PROBLEMS).any(|(name, _)| is_view(name))
}
