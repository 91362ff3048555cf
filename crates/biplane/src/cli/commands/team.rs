//! `biplane team …`

use std::process::ExitCode;

use biplane_coordination::Access;
use biplane_model::{Answer, view::RequestView};

use crate::cli::{
    App,
    args::{RespondArgs, ShutdownArgs, TeamCommand, YesOrNo},
    table, words,
};

pub(super) fn run(app: &App, command: Option<TeamCommand>) -> anyhow::Result<ExitCode> {
    match command {
        None | Some(TeamCommand::List) => list(app)?,
        Some(TeamCommand::Shutdown(args)) => shutdown(app, &args)?,
        Some(TeamCommand::Recall { agent }) => {
            let request = app.service(Access::Write)?.shutdown_recall(None, &agent)?;
            app.printer.value(&request, || match &request {
                Some(request) => format!("{agent} takes tasks again ({} is withdrawn)", request.request_id),
                None => format!("{agent} takes tasks already"),
            })?;
        }
        Some(TeamCommand::Respond(args)) => respond(app, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(app: &App) -> anyhow::Result<()> {
    let team = app.service(Access::Read)?.team()?;
    if app.printer.is_json() {
        return app.printer.json(&team);
    }
    let mut rows = vec![["NAME", "STATUS", "TASKS", "UNREAD", "ROLE"].map(str::to_owned).to_vec()];
    for member in &team {
        let tasks = if member.tasks.is_empty() { "-".to_owned() } else { words::ids(&member.tasks) };
        let status = match member.shutdown {
            Some(request) => format!("{} ({request})", member.status),
            None => member.status.to_string(),
        };
        let role = biplane_model::sanitize_line(&member.role);
        rows.push(vec![member.name.to_string(), status, tasks, member.unread.to_string(), role]);
    }
    app.printer.answer(table::table(&rows).trim_end())
}

fn shutdown(app: &App, args: &ShutdownArgs) -> anyhow::Result<()> {
    if args.dry_run {
        let request = app.service(Access::Read)?.shutdown_would(None, &args.agent)?;
        return app.printer.value(&request, || format!("would be: {}", state_words(&request)));
    }
    let request = app.service(Access::Write)?.shutdown_request(None, &args.agent, &args.reason)?;
    app.printer.value(&request, || format!("{}: {}", request.request_id, state_words(&request)))
}

fn state_words(request: &RequestView) -> String {
    if request.status == "requested" {
        format!(
            "{} is asked to shut down: its work goes on to its end, and it gets no further task",
            request.to
        )
    } else {
        format!(
            "{} is shut down: it gets no further task until `biplane team recall` calls it back",
            request.to
        )
    }
}

fn respond(app: &App, args: &RespondArgs) -> anyhow::Result<()> {
    let answer = match args.answer {
        YesOrNo::Approve => Answer::Approve,
        YesOrNo::Reject => Answer::Reject,
    };
    let service = app.service(Access::Write)?;
    let request = service.shutdown_respond(args.speaker.as_ref(), args.request, answer, &args.reason)?;
    app.printer.value(&request, || format!("request {} is {}", request.request_id, request.status))
}
