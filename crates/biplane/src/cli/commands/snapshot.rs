//! `biplane worktree restore` and `biplane worktree snapshots`.

use biplane_coordination::{
    Access, ListedSnapshot, Pruned, Restoration, RestoreRequest,
    answers::{RestoredWorktree, SnapshotEntry},
};
use biplane_model::Timestamp;
use serde_json::json;

use crate::cli::{
    App,
    args::{WorktreeRestoreArgs, WorktreeSnapshotsArgs},
    table::table,
    words,
};

pub(super) fn restore(app: &App, args: WorktreeRestoreArgs) -> anyhow::Result<()> {
    let request = RestoreRequest {
        name: args.name,
        number: args.snapshot,
        new_name: args.new_name,
        force: args.force,
        dry_run: args.dry_run,
    };
    let restored = app.service(Access::Work)?.worktree_restore(&request)?;
    if app.printer.is_json() {
        return app.printer.json(&RestoredWorktree::from(&restored));
    }
    app.printer.answer(&restored_words(&restored))
}

fn restored_words(restored: &Restoration) -> String {
    let Some(worktree) = &restored.worktree else {
        return format!("restoring {} would:\n- {}", restored.snapshot, restored.would.join("\n- "));
    };
    let task = worktree.task_id.as_ref().map(|id| format!(", bound to task {id}")).unwrap_or_default();
    let mut text =
        format!("restored worktree {} from {}{task}\n{}", worktree.name, restored.snapshot, worktree.path);
    if let Some(replaced) = &restored.replaced {
        text.push_str(&format!("\nwhat was there is in {replaced}"));
    }
    text
}

pub(super) fn snapshots(app: &App, args: &WorktreeSnapshotsArgs) -> anyhow::Result<()> {
    if args.prune {
        let service = app.service(Access::Write)?;
        let pruned = service.snapshots_prune(args.name.as_ref(), args.dry_run)?;
        let refs: Vec<&String> = pruned.refs.iter().map(|(name, _)| name).collect();
        let value = json!({ "pruned": refs, "kept": pruned.kept, "dry_run": args.dry_run });
        return app.printer.value(&value, || pruned_words(&pruned, args.dry_run));
    }
    let service = app.service(Access::Read)?;
    let list = service.snapshots(args.name.as_ref())?;
    if app.printer.is_json() {
        return app.printer.json(&list.iter().map(SnapshotEntry::from).collect::<Vec<_>>());
    }
    if list.is_empty() {
        app.printer.note("no snapshots");
        return Ok(());
    }
    app.printer.answer(&listed(&list, service.now()))
}

fn listed(list: &[ListedSnapshot], now: Timestamp) -> String {
    let head = ["NAME", "N", "TAKEN", "BRANCH", "HEAD", "FILES", "LANDED", "WHY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let has_repos = list.iter().any(|one| !one.repo.is_default());
    if has_repos {
        rows[0].push("REPO".to_owned());
    }
    for one in list {
        rows.push(vec![
            one.name.to_string(),
            one.number.to_string(),
            words::ago(one.taken_at, now),
            one.branch.clone(),
            one.head.as_ref().map_or("-", |head| head.short()).to_owned(),
            one.files.map_or("-".to_owned(), |files| files.to_string()),
            if one.landed { "yes" } else { "no" }.to_owned(),
            biplane_model::clip(&one.why, 40),
        ]);
        if let Some(row) = rows.last_mut().filter(|_| has_repos) {
            row.push(one.repo.to_string());
        }
    }
    table(&rows)
}

fn pruned_words(pruned: &Pruned, dry_run: bool) -> String {
    let word = if dry_run { "would delete" } else { "deleted" };
    let mut lines: Vec<String> =
        pruned.refs.iter().map(|(name, commit)| format!("{word} {name} (at {})", commit.short())).collect();
    lines.extend(pruned.kept.iter().map(|name| format!("kept {name}: the target lacks work that it holds")));
    if lines.is_empty() {
        lines.push("no snapshot is older, or more, than the settings keep".to_owned());
    }
    lines.join("\n")
}
