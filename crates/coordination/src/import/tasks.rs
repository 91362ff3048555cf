//! `.tasks/task_<id>.json`, in every generation's form and in our own.

use std::collections::{BTreeMap, HashSet};

use biplane_model::{
    Closeout, CloseoutAction, Label, Task, TaskId, TaskPrefix, TaskStatus, Timestamp, WorktreeState,
    sanitize_line,
};
use serde_json::{Map, Value};

use super::{
    Generation, depend,
    notes::Notes,
    read::{self, Fields, Found},
};
use crate::{
    bounds,
    error::{Error, Result},
    home::Home,
};

/// Numbers above this move no counter: they are exact in every JSON reader, and leave room to count on.
const MOST_COUNTED: u64 = 1 << 53;

/// The tasks of an old board.
#[derive(Debug, Default)]
pub(super) struct OldTasks {
    /// In the order of their creation. Their `worktree` is what their file claims.
    pub(super) tasks: Vec<Task>,
    /// Every id in use, those of files that could not be read among them.
    taken: HashSet<TaskId>,
}

/// A file and what its name says.
struct Entry {
    name: String,
    /// The id in the name.
    id: Option<TaskId>,
}

impl Entry {
    fn new(name: String) -> Option<Self> {
        let id = name.strip_prefix("task_")?.strip_suffix(".json")?.parse().ok();
        Some(Self { name, id })
    }

    /// Whether a task with this id belongs into this file.
    fn is_home_of(&self, id: &TaskId) -> bool {
        self.name == format!("task_{id}.json")
    }

    /// The file, for messages.
    fn place(&self) -> String {
        format!("`.tasks/{}`", self.name)
    }
}

/// Reads the tasks. What can't be read is a problem each, and its id stays taken.
///
/// # Errors
/// When the directory can't be read, or holds too many.
pub(super) fn read(home: &Home, now: Timestamp, notes: &mut Notes) -> Result<OldTasks> {
    let (mut old, mut strays) = (OldTasks::default(), Vec::new());
    for entry in entries(home, notes)? {
        let bytes = match read::file(&home.tasks_dir().join(&entry.name), bounds::IMPORT_TASK_BYTES) {
            Found::Nothing => continue,
            Found::Unread(why) => Err(why),
            Found::File(bytes) => Ok(bytes),
        };
        match bytes.and_then(|bytes| task(&read::object(&bytes)?, &entry, notes)) {
            Ok(task) if entry.is_home_of(&task.id) => old.add(task),
            Ok(task) => strays.push((task, entry)),
            Err(why) => {
                notes.problem(entry.place(), format_args!("{why}; left where it is"));
                old.taken.extend(entry.id);
            }
        }
    }
    old.add_strays(strays, notes);
    // Files from before there were times are the oldest.
    old.tasks.sort_by_cached_key(|t| (t.created_at, t.id.counter().map(|(_, n)| n), t.id.clone()));
    for task in &mut old.tasks {
        let known = [task.created_at, task.updated_at].into_iter().filter(|t| *t != Timestamp(0));
        let first = known.clone().min().unwrap_or(now);
        task.created_at = first;
        task.updated_at = known.max().unwrap_or(now);
    }
    depend::settle(&mut old.tasks, notes);
    Ok(old)
}

/// The files in `.tasks/`, by name.
fn entries(home: &Home, notes: &mut Notes) -> Result<Vec<Entry>> {
    let dir = home.tasks_dir();
    let mut entries = Vec::new();
    let listing = match std::fs::read_dir(&dir) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(entries),
        Err(e) => return Err(Error::io("read", &dir, e)),
    };
    for found in listing {
        let name = found.map_err(|e| Error::io("read", &dir, e))?.file_name();
        match name.into_string() {
            Ok(name) => entries.extend(Entry::new(name)),
            Err(name) => {
                notes.problem(
                    format_args!("`.tasks/{}`", name.display()),
                    "its name is not UTF-8; left where it is",
                );
            }
        }
        if entries.len() > bounds::IMPORT_TASKS {
            let most = bounds::IMPORT_TASKS;
            return Err(Error::refused(format!("`.tasks/` has more than {most} tasks"))
                .hint("move those that are done away, then try again"));
        }
    }
    entries.sort_by_cached_key(|e| e.name.clone());
    Ok(entries)
}

impl OldTasks {
    fn add(&mut self, task: Task) {
        self.taken.insert(task.id.clone());
        self.tasks.push(task);
    }

    /// Adds tasks that lie in another file than their id says, unless their id is in use.
    fn add_strays(&mut self, strays: Vec<(Task, Entry)>, notes: &mut Notes) {
        let mut names = Vec::new();
        for (task, entry) in strays {
            let id = &task.id;
            if self.taken.contains(id) {
                let what = format!("it holds task {id}, as another file does; left where it is");
                notes.problem(entry.place(), what);
            } else {
                let what = format!("it holds task {id}, which is written to `task_{id}.json` from now on");
                notes.problem(entry.place(), what);
                self.add(task);
            }
            names.extend(entry.id);
        }
        // A new task must not be written over these files.
        self.taken.extend(names);
    }

    /// The counters of new ids, each after the highest id in use.
    pub(super) fn counters(&self) -> Vec<(String, u64)> {
        let mut highest = BTreeMap::new();
        for (prefix, number) in self.taken.iter().filter_map(TaskId::counter) {
            let name = match prefix {
                "" => "task".to_owned(),
                prefix if prefix.parse::<TaskPrefix>().is_ok() => format!("task:{prefix}"),
                _ => continue,
            };
            if number <= MOST_COUNTED {
                let most = highest.entry(name).or_insert(0);
                *most = number.max(*most);
            }
        }
        highest.into_iter().collect()
    }
}

fn task(json: &Map<String, Value>, entry: &Entry, notes: &mut Notes) -> std::result::Result<Task, String> {
    let fields = &Fields { json, place: &entry.place() };
    let id = match fields.json.get("id") {
        Some(id) => read::task_id(id)?,
        None => entry.id.clone().ok_or("neither it nor its name says which task it is")?,
    };
    let (status, mut reason) = status(fields, notes)?;
    if fields.has(&["worktree_state", "last_worktree", "closeout"]) {
        notes.mark(Generation::Third);
    }
    if fields.has(&["rev"]) {
        notes.mark(Generation::Biplane);
    }
    if fields.json.get("gate").is_some_and(|gate| !gate.is_null()) {
        notes.problem(fields.place, "its own gate is a command, which is not taken over");
    }
    if reason.is_empty() {
        reason = fields.text("reason", 4000, notes);
    }
    let created_at = fields.time("created_at", notes).unwrap_or_default();
    let owner = fields.agent("owner", notes);
    // Other tools know an owner only: of a task that nobody has begun, that is who it is meant for.
    let given = owner.clone().filter(|_| status == TaskStatus::Pending);
    let assignee = fields.agent("assignee", notes).or(given);
    Ok(Task {
        id,
        repo: read::repo(fields.json.get("repo")),
        subject: subject(fields, notes),
        description: description(fields, notes),
        status,
        assignee,
        owner,
        priority: fields.json.get("priority").and_then(Value::as_i64).unwrap_or(0),
        labels: labels(fields.json),
        after: blocked_by(fields, notes),
        worktree: fields.worktree("worktree", notes),
        worktree_state: match fields.raw("worktree_state", notes).as_str() {
            "removed" => WorktreeState::Removed,
            _ => WorktreeState::Unbound,
        },
        last_worktree: fields.worktree("last_worktree", notes),
        closeout: closeout(fields, notes),
        reason,
        gate: None,
        profile: None,
        plan: None,
        // A run of a lost ledger may still hold it. One that no board can reach is none.
        epoch: fields.json.get("epoch").and_then(Value::as_u64).filter(|n| *n <= MOST_COUNTED).unwrap_or(0),
        lease_until: None,
        holder: None,
        run: None,
        attempts: 0,
        opened_at: created_at,
        created_at,
        updated_at: fields.time("updated_at", notes).unwrap_or_default(),
        rev: 0,
    })
}

/// The state, and the reason that comes with it.
fn status(fields: &Fields<'_>, notes: &mut Notes) -> std::result::Result<(TaskStatus, String), String> {
    match fields.json.get("status") {
        None => {
            notes.problem(fields.place, "it has no status; taken over as pending");
            Ok((TaskStatus::Pending, String::new()))
        }
        Some(Value::String(word)) if word == "deleted" => {
            notes.mark(Generation::Third);
            Ok((TaskStatus::Cancelled, "deleted in the imported board".to_owned()))
        }
        Some(Value::String(word)) => {
            word.parse().map(|status| (status, String::new())).map_err(|why| format!("its status {why}"))
        }
        Some(_) => Err("its status is no text".to_owned()),
    }
}

fn subject(fields: &Fields<'_>, notes: &mut Notes) -> String {
    let text = fields.text("subject", Task::MAX_SUBJECT, notes);
    let subject = sanitize_line(&text).trim().to_owned();
    if subject.is_empty() {
        notes.problem(fields.place, "it has no subject");
        return "(no subject)".to_owned();
    }
    subject
}

fn description(fields: &Fields<'_>, notes: &mut Notes) -> String {
    let mut text = fields.text("description", usize::MAX, notes);
    if text.len() > Task::MAX_DESCRIPTION {
        notes.problem(
            fields.place,
            format_args!("`description` has more than {} bytes; cut", Task::MAX_DESCRIPTION),
        );
        text.truncate(text.floor_char_boundary(Task::MAX_DESCRIPTION));
    }
    text
}

fn labels(json: &Map<String, Value>) -> Vec<Label> {
    let words = json.get("labels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut labels: Vec<Label> = Vec::new();
    for label in words.take(100).filter_map(|word| word.parse().ok()) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

fn blocked_by(fields: &Fields<'_>, notes: &mut Notes) -> Vec<TaskId> {
    let list = match fields.json.get("blockedBy") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            notes.problem(fields.place, "`blockedBy` is no list; left out");
            return Vec::new();
        }
    };
    let mut ids = Vec::new();
    for value in list {
        match read::task_id(value) {
            Ok(id) => ids.push(id),
            Err(why) => notes.problem(fields.place, format_args!("an id in `blockedBy` is left out: {why}")),
        }
    }
    ids
}

fn closeout(fields: &Fields<'_>, notes: &mut Notes) -> Option<Closeout> {
    let json = fields.json.get("closeout").filter(|value| !value.is_null())?.as_object();
    let said = json.and_then(|json| {
        let inner = Fields { json, place: fields.place };
        let action = match json.get("action").and_then(Value::as_str)? {
            "keep" => CloseoutAction::Keep,
            "remove" => CloseoutAction::Remove,
            _ => return None,
        };
        Some(Closeout { action, reason: inner.text("reason", 1000, notes), at: inner.time("at", notes)? })
    });
    if said.is_none() {
        notes.problem(fields.place, "`closeout` does not say what was done when; left out");
    }
    said
}
