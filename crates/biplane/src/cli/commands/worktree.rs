//! `biplane worktree …`

use std::{io::IsTerminal, process::ExitCode};

use biplane_coordination::{
    Access, AdoptRequest, CheckoutState, Closing, CreateWorktree, Diff, Echo, Input, Merged, Processes,
    Removal, RemoveRequest, RunRequest, Service, SetupState, Start, WorktreeStatusReport,
    answers::{ListedWorktree, RemovedWorktree, WorktreeDiff, WorktreeStanding},
};
use biplane_model::{Timestamp, WorktreeName, sanitize, sanitize_line, view::WorktreeView};

use crate::cli::{
    App,
    args::{WorktreeAdoptArgs, WorktreeBindArgs, WorktreeCommand, WorktreeCreateArgs, WorktreeRemoveArgs},
    table::table,
    words,
};

/// Where the column of ports stands in the list, when any worktree has one.
const PORTS_AT: usize = 3;

/// Where the column of repositories stands, when any worktree is one of a further repository.
const REPO_AT: usize = 1;

/// The most paths that `status` lists of each kind.
const PATHS_SHOWN: usize = 50;

pub(super) fn run(app: &App, command: WorktreeCommand) -> anyhow::Result<ExitCode> {
    match command {
        WorktreeCommand::Create(args) => create(app, args)?,
        WorktreeCommand::Bind(args) => bind(app, &args)?,
        WorktreeCommand::Unbind { name } => {
            let worktree = app.service(Access::Write)?.worktree_unbind(&name)?;
            app.printer.value(&worktree, || format!("unbound worktree {name}"))?;
        }
        WorktreeCommand::List { all } => list(app, all)?,
        WorktreeCommand::Status { name } => status(app, &name)?,
        WorktreeCommand::Diff { name, stat } => diff(app, &name, stat)?,
        WorktreeCommand::Path { name } => {
            let worktree = app.service(Access::Read)?.worktree_path(&name)?;
            app.printer.value(&worktree, || worktree.path.clone())?;
        }
        WorktreeCommand::Setup { name } => super::ready::again(app, &name)?,
        WorktreeCommand::Enter { name } => return enter(app, name),
        WorktreeCommand::Keep { name, reason } => {
            let worktree = app.service(Access::Write)?.worktree_keep(&name, &reason)?;
            app.printer
                .value(&worktree, || format!("kept worktree {name} for review at {}", worktree.path))?;
        }
        WorktreeCommand::Adopt(args) => adopt(app, args)?,
        WorktreeCommand::Remove(args) => remove(app, args)?,
        WorktreeCommand::Restore(args) => super::snapshot::restore(app, args)?,
        WorktreeCommand::Snapshots(args) => super::snapshot::snapshots(app, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn start(no_start: bool) -> Start {
    if no_start { Start::No } else { Start::Yes }
}

fn create(app: &App, args: WorktreeCreateArgs) -> anyhow::Result<()> {
    let wish = CreateWorktree {
        name: args.name,
        task: args.task,
        base: args.base,
        start: start(args.no_start),
        owner: args.owner,
    };
    let service = app.service(Access::Work)?;
    let repo = service.repo_meant(wish.task.as_ref(), args.repo.as_ref())?;
    let service = service.in_repo(&repo)?;
    if args.fetch {
        service.fetch_base(wish.base.as_deref())?;
    }
    let worktree = service.worktree_create(&wish)?;
    service.say_behind(wish.base.as_deref());
    service.say_submodules(&worktree);
    let task = worktree.task_id.as_ref().map(|id| format!(", bound to task {id}")).unwrap_or_default();
    let answer = format!(
        "created worktree {}{} on {} at {}{task}\n{}",
        worktree.name,
        words::in_repo(&worktree.repo),
        worktree.branch,
        worktree.base.short(),
        worktree.path
    );
    if args.no_setup {
        return app.printer.value(&worktree, || answer);
    }
    super::ready::after_create(app, &service, &worktree, &answer)
}

fn bind(app: &App, args: &WorktreeBindArgs) -> anyhow::Result<()> {
    let service = app.service(Access::Write)?;
    let worktree =
        service.worktree_bind(&args.name, &args.task, args.owner.as_ref(), start(args.no_start))?;
    app.printer.value(&worktree, || format!("bound worktree {} to task {}", args.name, args.task))
}

fn list(app: &App, all: bool) -> anyhow::Result<()> {
    let service = app.service(Access::Read)?;
    let worktrees = service.worktree_list(all)?;
    if worktrees.is_empty() && !app.printer.is_json() {
        app.printer.note("no worktrees");
        return Ok(());
    }
    let now = service.now();
    let merged = service.worktrees_merged(&worktrees);
    if app.printer.is_json() {
        let values: Vec<_> =
            worktrees.iter().zip(&merged).map(|(w, m)| ListedWorktree::new(w, m.as_ref())).collect();
        return app.printer.json(&values);
    }
    app.printer.answer(&listed(&worktrees, &merged, now))
}

fn listed(worktrees: &[WorktreeView], merged: &[Option<Merged>], now: Timestamp) -> String {
    let mut head = ["NAME", "STATE", "TASK", "BRANCH", "BASE", "MERGED", "AGE", "LAST COMMAND"]
        .map(str::to_owned)
        .to_vec();
    let has_ports = worktrees.iter().any(|w| !w.ports.is_empty());
    if has_ports {
        head.insert(PORTS_AT, "PORTS".to_owned());
    }
    let has_repos = worktrees.iter().any(|w| !w.repo.is_default());
    if has_repos {
        head.insert(REPO_AT, "REPO".to_owned());
    }
    let mut rows = vec![head];
    for (w, merged) in worktrees.iter().zip(merged) {
        let task = w.task_id.as_ref().map_or("-".to_owned(), ToString::to_string);
        let command = biplane_model::clip(&sanitize_line(&w.last_command_preview), 40);
        let age = words::ago(w.created_at, now);
        let mut row = vec![
            w.name.to_string(),
            w.status.to_string(),
            task,
            w.branch.clone(),
            w.base.short().to_owned(),
            merged_short(merged.as_ref()),
            age,
            command,
        ];
        if has_ports {
            row.insert(PORTS_AT, words::ports(&w.ports));
        }
        if has_repos {
            row.insert(REPO_AT, w.repo.to_string());
        }
        rows.push(row);
    }
    table(&rows)
}

fn status(app: &App, name: &WorktreeName) -> anyhow::Result<()> {
    let report = app.service(Access::Read)?.worktree_status(name)?;
    if app.printer.is_json() {
        return app.printer.json(&WorktreeStanding::from(&report));
    }
    app.printer.answer(&status_words(&report))
}

fn status_words(report: &WorktreeStatusReport) -> String {
    let w = &report.worktree;
    let task = w.task_id.as_ref().map(|id| format!(", task {id}")).unwrap_or_default();
    let commits = words::count(report.commits, "commit");
    let landed = match (report.commits, report.unlanded) {
        (0, _) => String::new(),
        (_, 0) => ", all landed".to_owned(),
        (_, n) => format!(", {n} not landed"),
    };
    let mut text = format!("{} ({}{task})\n{} since {}{landed}\n", w.name, w.status, commits, w.base.short());
    text.push_str(&merged_words(report));
    let branch = report.state.branch.as_deref().map_or("no branch".to_owned(), sanitize_line);
    if branch != w.branch {
        text.push_str(&format!("on {branch}, not on its branch {}\n", w.branch));
    }
    if !w.ports.is_empty() {
        let word = if w.ports.len() == 1 { "port" } else { "ports" };
        text.push_str(&format!("{word} {}\n", words::ports(&w.ports)));
    }
    if report.setup == SetupState::Incomplete {
        text.push_str(&format!(
            "set-up incomplete; `biplane worktree setup {}` does what is missing\n",
            w.name
        ));
    }
    text.push_str(&paths(&report.state));
    text
}

/// In a column: `-` without commits of its own.
fn merged_short(merged: Option<&Merged>) -> String {
    match merged {
        None => "-".to_owned(),
        Some(Merged::SquashOf(_)) => merged.map(Merged::reason).unwrap_or_default(),
        Some(merged) => merged.word().replace('_', " "),
    }
}

/// Whether, and how, the target has the commits; nothing while there are none.
fn merged_words(report: &WorktreeStatusReport) -> String {
    let reason = report.merged.reason();
    match (&report.only_in, report.merged.is_merged()) {
        _ if report.commits == 0 => String::new(),
        (Some(remote), _) => format!("merged into {}, not here yet: {reason}\n", sanitize_line(remote)),
        (None, true) => format!("merged: {reason}\n"),
        (None, false) => format!("not merged: {reason}\n"),
    }
}

fn paths(state: &CheckoutState) -> String {
    if state.is_clean() {
        return "clean\n".to_owned();
    }
    let mut text = String::new();
    for change in state.changed.iter().take(PATHS_SHOWN) {
        text.push_str(&format!("{} {}\n", change.letters, sanitize_line(&change.path)));
    }
    for path in state.untracked.iter().take(PATHS_SHOWN) {
        text.push_str(&format!("?? {}\n", sanitize_line(path)));
    }
    let left =
        state.changed.len().saturating_sub(PATHS_SHOWN) + state.untracked.len().saturating_sub(PATHS_SHOWN);
    if left > 0 {
        text.push_str(&format!("… and {left} more\n"));
    }
    text
}

fn diff(app: &App, name: &WorktreeName, stat: bool) -> anyhow::Result<()> {
    let diff = app.service(Access::Read)?.worktree_diff(name)?;
    if app.printer.is_json() {
        return app.printer.json(&WorktreeDiff::from(&diff));
    }
    if stat {
        return app.printer.answer(&stat_words(&diff));
    }
    // What a program reads is byte for byte git's patch; what a terminal shows can't steer it.
    if std::io::stdout().is_terminal() {
        return app.printer.answer(&sanitize(&String::from_utf8_lossy(&diff.patch)));
    }
    app.printer.bytes(&diff.patch)
}

fn stat_words(diff: &Diff) -> String {
    let rows: Vec<Vec<String>> = diff
        .files
        .iter()
        .map(|(path, lines)| {
            let counts = lines.map_or("binary".to_owned(), |(added, removed)| format!("+{added} -{removed}"));
            vec![counts, sanitize_line(path)]
        })
        .collect();
    table(&rows)
}

fn enter(app: &App, name: WorktreeName) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Work)?;
    let worktree = service.worktree_enter(&name)?;
    let shell = shell(&service);
    app.printer.note(&format!("{shell} in {}; leave it with `exit`", worktree.path));
    let report = service.run(RunRequest {
        name,
        command: vec![shell],
        timeout: None,
        input: Input::Inherit,
        echo: Echo::default(),
        foreground: true,
        interactive: true,
        observer: &mut (),
    })?;
    Ok(super::run::exit_code(report.how))
}

/// The person's shell.
fn shell(service: &Service) -> String {
    service.variable("SHELL").unwrap_or("/bin/sh").to_owned()
}

fn adopt(app: &App, args: WorktreeAdoptArgs) -> anyhow::Result<()> {
    let access = if args.dry_run { Access::Read } else { Access::Work };
    let request = AdoptRequest { path: args.path, name: args.name, task: args.task, dry_run: args.dry_run };
    let worktree = app.service(access)?.worktree_adopt(&request)?;
    app.printer.value(&worktree, || {
        let verb = if request.dry_run { "would take over" } else { "took over" };
        let task = worktree.task_id.as_ref().map(|id| format!(", bound to task {id}")).unwrap_or_default();
        format!(
            "{verb} worktree {} on {}, from {}{task}\n{}",
            worktree.name,
            sanitize_line(&worktree.branch),
            worktree.base.short(),
            sanitize_line(&worktree.path)
        )
    })
}

fn remove(app: &App, args: WorktreeRemoveArgs) -> anyhow::Result<()> {
    let request = RemoveRequest {
        name: args.name,
        force: args.force,
        processes: if args.kill { Processes::End } else { Processes::Refuse },
        closing: if args.complete_task { Closing::CompleteTask } else { Closing::LeaveTask },
        reason: args.reason,
        dry_run: args.dry_run,
    };
    let removal = app.service(Access::Work)?.worktree_remove(&request)?;
    if app.printer.is_json() {
        return app.printer.json(&RemovedWorktree::from(&removal));
    }
    app.printer.answer(&removed(&request, &removal))
}

fn removed(request: &RemoveRequest, removal: &Removal) -> String {
    let name = &removal.worktree.name;
    if request.dry_run {
        return format!("removing worktree {name} would:\n- {}", removal.would.join("\n- "));
    }
    let mut text = format!("removed worktree {name}");
    if let Some(snapshot) = &removal.snapshot {
        text.push_str(&format!("\nits work is in {snapshot}"));
    }
    if let Some(branch) = &removal.branch_left {
        text.push_str(&format!(
            "\nthe branch {branch} was left: it moved, is checked out elsewhere, or is what work lands on"
        ));
    }
    if request.closing == Closing::CompleteTask {
        text.push_str("\nits task is completed");
    }
    text + &words::unblocked(&removal.unblocked)
}
