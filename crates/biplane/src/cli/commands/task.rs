//! `biplane task …`

use std::process::ExitCode;

use biplane_coordination::{
    Access, ClaimRequest, Finished, ListedTask, NewTask, TaskChange, TaskFilter, TaskUpdate, Used,
    answers::{FinishedTask, ShownTask},
};
use biplane_model::{Role, TaskId, sanitize, view::TaskView};

use crate::cli::{
    App,
    args::{RoleArg, TaskClaimArgs, TaskCommand, TaskCreateArgs, TaskListArgs, TaskUpdateArgs},
    words,
};

pub(super) fn run(app: &App, command: TaskCommand) -> anyhow::Result<ExitCode> {
    match command {
        TaskCommand::Create(args) => create(app, args)?,
        TaskCommand::List(args) => list(app, args)?,
        TaskCommand::Show { id } => show(app, &id)?,
        TaskCommand::Prompt { id, role } => prompt(app, &id, role)?,
        TaskCommand::Update(args) => update(app, args)?,
        TaskCommand::Claim(args) => claim(app, args)?,
        TaskCommand::Release { id } => change(app, &id, &TaskChange::Release, "released")?,
        TaskCommand::Complete { id } => change(app, &id, &TaskChange::Complete, "completed")?,
        TaskCommand::Fail(a) => change(app, &a.id, &TaskChange::Fail { reason: a.reason }, "failed")?,
        TaskCommand::Cancel(a) => change(app, &a.id, &TaskChange::Cancel { reason: a.reason }, "cancelled")?,
        TaskCommand::Block(a) => change(app, &a.id, &TaskChange::Block { reason: a.reason }, "blocked")?,
        TaskCommand::Reopen { id } => change(app, &id, &TaskChange::Reopen, "reopened")?,
        TaskCommand::Retry { id } => {
            let task = app.service(Access::Write)?.task_retry(&id)?;
            app.printer
                .value(&task, || format!("{}: {}, to be tried again", words::named(&task), task.status))?;
        }
        TaskCommand::Return(args) => {
            let task = app.service(Access::Write)?.task_return(&args.id, &args.reason)?;
            app.printer.value(&task, || format!("sent back {}: {}", words::named(&task), task.status))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(app: &App, args: TaskCreateArgs) -> anyhow::Result<()> {
    let service = app.service(Access::Write)?;
    let new = NewTask {
        subject: args.subject,
        description: args.description,
        prefix: args.prefix,
        after: args.after,
        priority: args.priority,
        labels: args.labels,
        owner: args.owner,
        gate: args.gate,
        profile: args.profile,
        plan: args.plan,
        repo: service.repo_meant(None, args.repo.as_ref())?,
    };
    let task = service.task_create(&new)?;
    app.printer.value(&task, || format!("created {}{}", words::named(&task), words::in_repo(&task.repo)))
}

fn list(app: &App, args: TaskListArgs) -> anyhow::Result<()> {
    let service = app.service(Access::Read)?;
    let listed = if args.ready {
        service.task_ready()?
    } else {
        service.task_list(&TaskFilter { status: args.status, owner: args.owner, label: args.label })?
    };
    if app.printer.is_json() {
        let tasks: Vec<&TaskView> = listed.iter().map(|l| &l.task).collect();
        return app.printer.json(&tasks);
    }
    if listed.is_empty() {
        app.printer.note("no tasks");
        return Ok(());
    }
    let lines: Vec<String> = listed.iter().map(words::task_line).collect();
    app.printer.answer(&lines.join("\n"))
}

fn show(app: &App, id: &TaskId) -> anyhow::Result<()> {
    let service = app.service(Access::Read)?;
    let (listed, dependents) = service.task_show(id)?;
    let used = service.task_used(id)?;
    let now = service.now();
    if app.printer.is_json() {
        return app.printer.json(&ShownTask::new(&listed.task, &used));
    }
    app.printer.answer(&shown(&listed, &dependents, &used, now))
}

fn prompt(app: &App, id: &TaskId, role: RoleArg) -> anyhow::Result<()> {
    let role = match role {
        RoleArg::Plan => Role::Plan,
        RoleArg::Implement => Role::Implement,
        RoleArg::Verify => Role::Verify,
        RoleArg::Review => Role::Review,
    };
    let prompt = app.service(Access::Read)?.task_prompt(id, role)?;
    let value = serde_json::json!({ "task_id": id, "role": role, "prompt": prompt });
    app.printer.value(&value, || sanitize(&prompt))
}

fn shown(listed: &ListedTask, dependents: &[TaskId], used: &Used, now: biplane_model::Timestamp) -> String {
    let task = &listed.task;
    let mut text = format!(
        "{}\n",
        words::task_line(&ListedTask {
            waits_for: listed.waits_for.clone(),
            out_of_reach: listed.out_of_reach.clone(),
            task: TaskView { reason: String::new(), ..task.clone() }
        })
    );
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            // A text of several lines must not look like other facts.
            let value = value.replace('\n', &format!("\n{:12}", ""));
            text.push_str(&format!("{name:<12}{value}\n"));
        }
    };
    fact("state", task.status.to_string());
    fact("meant for", task.assignee.clone());
    fact("repository", if task.repo.is_default() { String::new() } else { task.repo.to_string() });
    fact("reason", sanitize(&task.reason));
    fact("after", words::ids(&task.blocked_by));
    fact("before", words::ids(dependents));
    fact("last tree", if task.worktree.is_empty() { task.last_worktree.clone() } else { String::new() });
    fact("gate", task.gate.clone().map(|g| sanitize(&g)).unwrap_or_default());
    fact("profile", task.profile.as_ref().map(ToString::to_string).unwrap_or_default());
    fact("plan", task.plan.map(|plan| plan.to_string()).unwrap_or_default());
    fact("claim", claim_words(task, now));
    fact(
        "sent back",
        if task.attempts > 0 { words::count(task.attempts.into(), "time") } else { String::new() },
    );
    fact("used", used_words(used));
    fact("created", words::clock(task.created_at, now));
    fact("updated", words::clock(task.updated_at, now));
    if !task.description.trim().is_empty() {
        text.push_str(&format!("\n{}\n", sanitize(task.description.trim())));
    }
    text
}

/// What its agents have used: `2 attempts, 90 s, $0.25`.
fn used_words(used: &Used) -> String {
    if *used == Used::default() {
        return String::new();
    }
    let mut text = format!("{}, {} s", words::count(used.attempts.into(), "attempt"), used.time.as_secs());
    if used.cost_microusd > 0 {
        let cents = used.cost_microusd.div_ceil(10_000);
        text.push_str(&format!(", ${}.{:02}", cents / 100, cents % 100));
    }
    text
}

fn claim_words(task: &TaskView, now: biplane_model::Timestamp) -> String {
    let until = task.lease_until.map(|at| format!("until {}", words::clock(at, now)));
    match (until, task.epoch) {
        (_, 0) => String::new(),
        (Some(until), epoch) => format!("epoch {epoch}, {until}"),
        (None, epoch) => format!("epoch {epoch}"),
    }
}

fn update(app: &App, args: TaskUpdateArgs) -> anyhow::Result<()> {
    let update = TaskUpdate {
        status: args.status,
        owner: args.owner.map(Some).or(args.no_owner.then_some(None)),
        subject: args.subject,
        description: args.description,
        priority: args.priority,
        labels: (!args.labels.is_empty() || args.no_labels).then_some(args.labels),
        after: (!args.after.is_empty() || args.no_after).then_some(args.after),
        gate: args.gate.map(Some).or(args.no_gate.then_some(None)),
        profile: args.profile.map(Some).or(args.no_profile.then_some(None)),
        plan: args.plan.map(Some).or(args.no_plan.then_some(None)),
        reason: args.reason,
    };
    let done = app.service(Access::Write)?.task_update(&args.id, &update, args.rev)?;
    finished(app, &done, "updated")
}

fn claim(app: &App, args: TaskClaimArgs) -> anyhow::Result<()> {
    let request =
        ClaimRequest { id: args.id, owner: args.owner, lease_s: args.lease.map(|lease| lease.as_secs()) };
    let task = app.service(Access::Write)?.task_claim(&request)?;
    app.printer
        .value(&task, || format!("{} claimed {} (epoch {})", task.owner, words::named(&task), task.epoch))
}

fn change(app: &App, id: &TaskId, change: &TaskChange, done: &str) -> anyhow::Result<()> {
    let finish = app.service(Access::Write)?.task_change(id, change)?;
    finished(app, &finish, done)
}

/// The task as it is now; in JSON with what became ready.
fn finished(app: &App, done: &Finished, what: &str) -> anyhow::Result<()> {
    if app.printer.is_json() {
        return app.printer.json(&FinishedTask::from(done));
    }
    let unblocked = words::unblocked(&done.unblocked);
    let named = words::named(&done.task);
    let word = done.task.status;
    let state = if word.as_str() == what { String::new() } else { format!(", {word} now") };
    app.printer.answer(&format!("{what} {named}{state}{unblocked}"))
}
