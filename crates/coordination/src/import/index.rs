//! `.worktrees/index.json`, in every generation's form and in our own.

use biplane_model::{
    RepoName, TaskId, Timestamp, Worktree, WorktreeId, WorktreeName, WorktreeStatus, clip, sanitize_line,
};
use camino::Utf8PathBuf;
use serde_json::{Map, Value};

use super::{
    Generation,
    notes::Notes,
    read::{self, Fields, Found},
};
use crate::{
    bounds,
    error::{Error, Result},
    home::Home,
};

/// The file, for messages.
pub(super) const FILE: &str = ".worktrees/index.json";

/// A worktree as the index has it. Nothing of it is proved.
#[derive(Debug)]
pub(super) struct OldWorktree {
    pub(super) name: WorktreeName,
    pub(super) path: Utf8PathBuf,
    pub(super) branch: String,
    pub(super) task: Option<TaskId>,
    pub(super) status: WorktreeStatus,
    pub(super) reason: String,
    pub(super) created_at: Option<Timestamp>,
    pub(super) kept_at: Option<Timestamp>,
    pub(super) removed_at: Option<Timestamp>,
    pub(super) last_entered_at: Option<Timestamp>,
    pub(super) last_command_at: Option<Timestamp>,
    pub(super) last_command_preview: String,
}

/// Reads the index. One that is damaged is a problem and gives nothing.
///
/// # Errors
/// When it is a link, too big, or can't be read.
pub(super) fn read(home: &Home, notes: &mut Notes) -> Result<Vec<OldWorktree>> {
    let bytes = match read::file(&home.views_dir().join("index.json"), bounds::IMPORT_INDEX_BYTES) {
        Found::Nothing => return Ok(Vec::new()),
        Found::Unread(why) => return Err(unread(FILE, &why)),
        Found::File(bytes) => bytes,
    };
    let place = format!("`{FILE}`");
    let json = match read::object(&bytes) {
        Ok(json) => json,
        Err(why) => {
            notes.problem(place, format_args!("{why}; the worktrees that git has are taken over without it"));
            return Ok(Vec::new());
        }
    };
    let Some(Value::Array(list)) = json.get("worktrees") else {
        notes.problem(
            place,
            "it has no list `worktrees`; the worktrees that git has are taken over without it",
        );
        return Ok(Vec::new());
    };
    if list.len() > bounds::IMPORT_WORKTREES {
        return Err(unread(FILE, &format!("it has more than {} worktrees", bounds::IMPORT_WORKTREES)));
    }
    let mut old = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let place = format!("{place} entry {}", at + 1);
        let entry = value.as_object().ok_or_else(|| "it is no object".to_owned());
        match entry.and_then(|json| worktree(json, &place, notes)) {
            // Git's side of it lies where it is not looked for.
            Ok(worktree) if !read::repo(value.get("repo")).is_default() => notes.problem(
                format_args!("{place} (worktree `{}`)", worktree.name),
                "it is one of a further repository; left out: `biplane wt adopt` takes it over",
            ),
            Ok(worktree) => old.push(worktree),
            Err(why) => notes.problem(&place, format_args!("{why}; left out")),
        }
    }
    Ok(old)
}

/// The refusal of a file without which too much would be missing.
pub(super) fn unread(file: &str, why: &str) -> Error {
    Error::refused(format!("`{file}` is not read: {why}")).hint("move it away to import the rest")
}

fn worktree(
    json: &Map<String, Value>,
    place: &str,
    notes: &mut Notes,
) -> std::result::Result<OldWorktree, String> {
    let name = json.get("name").and_then(Value::as_str).ok_or("it has no name")?;
    let name: WorktreeName = name.parse().map_err(|why: biplane_model::InvalidName| why.to_string())?;
    let place = format!("{place} (worktree `{name}`)");
    let fields = Fields { json, place: &place };
    if fields.has(&["last_entered_at", "last_command_at", "last_command_preview"]) {
        notes.mark(Generation::Second);
    }
    if fields.has(&["rev"]) {
        notes.mark(Generation::Biplane);
    }
    let status = match fields.raw("status", notes).as_str() {
        "" | "creating" => WorktreeStatus::Active,
        word => word.parse().unwrap_or_else(|why| {
            notes.problem(&place, format_args!("its status {why}; taken over as active if git has it"));
            WorktreeStatus::Active
        }),
    };
    let branch = fields.text("branch", 255, notes);
    Ok(OldWorktree {
        branch: if branch.is_empty() { name.branch() } else { sanitize_line(&branch) },
        path: fields.raw("path", notes).into(),
        task: fields.task("task_id", notes),
        status,
        reason: fields.text("reason", 1000, notes),
        created_at: fields.time("created_at", notes),
        kept_at: fields.time("kept_at", notes),
        removed_at: fields.time("removed_at", notes),
        last_entered_at: fields.time("last_entered_at", notes),
        last_command_at: fields.time("last_command_at", notes),
        last_command_preview: clip(&sanitize_line(&fields.raw("last_command_preview", notes)), 120),
        name,
    })
}

impl OldWorktree {
    /// One of which only its name and its branch are known.
    pub(super) fn unlisted(name: WorktreeName, branch: String) -> Self {
        Self {
            name,
            path: Utf8PathBuf::new(),
            branch,
            task: None,
            status: WorktreeStatus::Active,
            reason: String::new(),
            created_at: None,
            kept_at: None,
            removed_at: None,
            last_entered_at: None,
            last_command_at: None,
            last_command_preview: String::new(),
        }
    }

    /// A record of it as removed. What it was created at is not known: git's null id stands for it.
    pub(super) fn record(&self, home: &Home, base_ref: &str, now: Timestamp) -> Worktree {
        let first = [self.created_at, self.kept_at, self.removed_at].into_iter().flatten().min();
        let newest =
            [self.removed_at, self.kept_at, self.last_entered_at, self.last_command_at, self.created_at];
        Worktree {
            id: WorktreeId(0),
            repo: RepoName::default(),
            name: self.name.clone(),
            branch: self.branch.clone(),
            base: "0".repeat(40).parse().expect("forty digits are a commit id"),
            base_ref: base_ref.to_owned(),
            path: home.recorded(&home.worktrees_dir().join(self.name.as_str())),
            git_entry: String::new(),
            ports: Vec::new(),
            status: WorktreeStatus::Removed,
            task: self.task.clone(),
            operation: None,
            reason: self.reason.clone(),
            created_at: first.unwrap_or(now),
            updated_at: newest.into_iter().flatten().max().unwrap_or(now),
            kept_at: self.kept_at,
            removed_at: self.removed_at.or(Some(now)),
            looked_at: None,
            last_entered_at: self.last_entered_at,
            last_command_at: self.last_command_at,
            last_command_preview: self.last_command_preview.clone(),
            rev: 0,
        }
    }
}
