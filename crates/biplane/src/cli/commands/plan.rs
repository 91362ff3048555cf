//! `biplane plan …`

use std::process::ExitCode;

use biplane_coordination::{Access, ListedPlan, PlanQuery, PlanText};
use biplane_model::{Answer, sanitize, sanitize_line};
use serde_json::json;

use super::mail;
use crate::cli::{
    App,
    args::{DecideArgs, PlanCommand, PlanListArgs},
    words,
};

pub(super) fn run(app: &App, command: PlanCommand) -> anyhow::Result<ExitCode> {
    match command {
        PlanCommand::List(args) => list(app, args)?,
        PlanCommand::Show { plan } => {
            let service = app.service(Access::Read)?;
            let (listed, now) = (service.plan_show(plan)?, service.now());
            app.printer.value(&value(&listed)?, || shown(&listed, now))?;
        }
        PlanCommand::Approve(args) => decide(app, &args, Answer::Approve)?,
        PlanCommand::Reject(args) => decide(app, &args, Answer::Reject)?,
        PlanCommand::Submit { task, text, speaker } => {
            let plan = PlanText { task, from: speaker, text: mail::text(text)? };
            let request = app.service(Access::Write)?.plan_submit(&plan)?;
            let words = || format!("submitted plan {} for task {}", request.request_id, plan.task);
            app.printer.value(&request, words)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(app: &App, args: PlanListArgs) -> anyhow::Result<()> {
    let query = PlanQuery { task: args.task, all: args.all, limit: usize::try_from(args.limit).ok() };
    let plans = app.service(Access::Read)?.plan_list(&query)?;
    if app.printer.is_json() {
        return app.printer.json(&plans.iter().map(value).collect::<anyhow::Result<Vec<_>>>()?);
    }
    if plans.is_empty() {
        app.printer.note("no plan waits for approval");
        return Ok(());
    }
    let lines: Vec<String> = plans.iter().map(line).collect();
    app.printer.answer(&lines.join("\n"))
}

fn decide(app: &App, args: &DecideArgs, answer: Answer) -> anyhow::Result<()> {
    let request = app.service(Access::Write)?.plan_decide(args.plan, answer, &args.feedback)?;
    let task = request.task_id.as_ref().map(|id| format!(" of task {id}")).unwrap_or_default();
    app.printer.value(&request, || format!("plan {}{task} is {}", request.request_id, request.status))
}

fn value(plan: &ListedPlan) -> anyhow::Result<serde_json::Value> {
    let mut value = serde_json::to_value(&plan.request)?;
    value["awaited"] = json!(plan.is_awaited);
    Ok(value)
}

fn heading(plan: &ListedPlan) -> String {
    let request = &plan.request;
    let task = request.task_id.as_ref().map(|id| format!("task {id}, ")).unwrap_or_default();
    let waits = if plan.is_awaited { ", awaited" } else { "" };
    format!("{}  {task}by {}: {}{waits}", request.request_id, request.from, request.status)
}

fn line(plan: &ListedPlan) -> String {
    let first = plan.request.content.trim().lines().next().unwrap_or_default();
    format!("{}  {}", heading(plan), biplane_model::clip(&sanitize_line(first), 80))
}

/// The plan with all that it says. What its author wrote can't look like a fact: each of its lines is indented.
fn shown(plan: &ListedPlan, now: biplane_model::Timestamp) -> String {
    let request = &plan.request;
    let indent = |text: &str| {
        let safe = sanitize(text.trim_end());
        safe.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
    };
    let mut text =
        format!("{}\n{:<12}{}\n", heading(plan), "submitted", words::clock(request.created_at, now));
    if let Some(run) = request.run {
        text.push_str(&format!("{:<12}{run}\n", "run"));
    }
    text.push_str(&format!("\n{}\n", indent(&request.content)));
    if !request.feedback.trim().is_empty() {
        text.push_str(&format!("\nfeedback\n{}\n", indent(&request.feedback)));
    }
    text
}
