//! `biplane stop`, `pause`, `resume` and `drain`.

use std::process::ExitCode;

use biplane_coordination::{Access, Steered, StopRequest, Stopped, UpState};
use serde_json::json;

use crate::cli::{App, args::StopArgs, words};

pub(super) fn stop(app: &App, args: StopArgs) -> anyhow::Result<ExitCode> {
    let request = StopRequest { target: args.target, reason: args.reason };
    let stopped = app.service(Access::Write)?.stop(&request)?;
    let value = json!({ "runs": stopped.runs, "task": stopped.task });
    app.printer.value(&value, || stopped_words(&stopped))?;
    Ok(ExitCode::SUCCESS)
}

fn stopped_words(stopped: &Stopped) -> String {
    let runs = stopped.runs.iter().map(|run| format!("{} of `{}`: {}", run.id, run.worktree, run.status));
    let task = stopped.task.iter().map(|task| format!("{}: {}", words::named(task), task.status));
    let lines: Vec<String> = runs.chain(task).collect();
    format!("stopped {}", lines.join("\n        "))
}

pub(super) fn steer(app: &App, wish: UpState) -> anyhow::Result<ExitCode> {
    let steered = app.service(Access::Write)?.steer(wish)?;
    let value = json!({
        "state": steered.state.as_str(),
        "changed": steered.changed,
        "at_work": steered.at_work,
    });
    app.printer.value(&value, || steered_words(wish, steered))?;
    Ok(ExitCode::SUCCESS)
}

fn steered_words(wish: UpState, steered: Steered) -> String {
    let again = if steered.changed { "" } else { " already" };
    match (wish, steered.at_work) {
        (UpState::Running, true) => format!("agents are started{again}"),
        (UpState::Running, false) => format!("agents are started{again}, as soon as there is an `up`"),
        (UpState::Paused, _) => {
            format!("no agents are started{again}; what is at work goes on; `biplane resume` ends the pause")
        }
        (UpState::Draining, true) => {
            format!("every `up` ends{again} when what is at work is done; `biplane resume` has them go on")
        }
        (UpState::Draining, false) => "no `up` is at work: there is nothing to drain".to_owned(),
    }
}
