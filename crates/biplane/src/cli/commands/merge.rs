//! `biplane submit` and `biplane merge`.

use std::process::ExitCode;

use anyhow::Context;
use biplane_coordination::{
    Access, BounceKind, Examined, Landing, MergeRequest, RunObserver, StopFlag, StopReason, Submitted, Tick,
};
use biplane_model::{SubmissionStatus, sanitize, sanitize_line};

use crate::cli::{App, args::MergeArgs, exit, words};

fn request(args: MergeArgs) -> MergeRequest {
    MergeRequest {
        gate: args.gate.map(Some).or(args.no_gate.then_some(None)),
        strategy: args.strategy,
        examined: if args.unexamined { Examined::NotAsked } else { Examined::Required },
        ..MergeRequest::new(args.name)
    }
}

pub(super) fn submit(app: &App, args: MergeArgs) -> anyhow::Result<ExitCode> {
    let submitted = app.service(Access::Work)?.submit(&request(args))?;
    let s = &submitted.submission;
    app.printer.value(s, || {
        format!(
            "submitted {} as {} to land on {}\ngate: {}",
            s.head.short(),
            s.id,
            sanitize_line(&s.target),
            gate(&submitted)
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn gate(submitted: &Submitted) -> String {
    match &submitted.submission.gate {
        Some(gate) => format!("`{}` ({})", sanitize_line(gate), submitted.gate_from),
        None => format!("none ({}): it will land untested", submitted.gate_from),
    }
}

pub(super) fn merge(app: &App, args: MergeArgs) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Work)?;
    let stop = StopFlag::install().context("the signals can't be taken over")?;
    let submitted = service.submit(&request(args))?;
    app.printer.note(&format!("{}: gate {}", submitted.submission.id, gate(&submitted)));
    let mut stoppable = Stoppable(stop);
    let landing = service.land(submitted.submission.id, &mut stoppable)?;
    app.printer.value(&landing.submission, || landed(&landing))?;
    if landing.submission.status == SubmissionStatus::Landed {
        return Ok(ExitCode::SUCCESS);
    }
    if landing.submission.status == SubmissionStatus::Queued && stoppable.0.requested().is_some() {
        app.printer.note(&format!("stopped; `biplane merge {}` goes on", landing.submission.worktree));
        return Ok(ExitCode::from(exit::STOPPED));
    }
    app.printer.note(&biplane_model::clip(&sanitize(&landing.submission.reason), 4000));
    if let Some(gate) = landing.gate.filter(|g| !g.passed) {
        app.printer.note(&format!("`biplane log {}` shows the gate's whole output", gate.run));
    }
    Ok(ExitCode::from(match landing.bounced {
        Some(BounceKind::Gate) => exit::FAILED,
        Some(BounceKind::Conflict) => exit::CONFLICT,
        Some(BounceKind::Forbidden) => exit::REFUSED,
        None if landing.submission.status == SubmissionStatus::Withdrawn => exit::CONFLICT,
        None => exit::BUSY,
    }))
}

fn landed(landing: &Landing) -> String {
    let s = &landing.submission;
    let target = sanitize_line(&s.target);
    match s.status {
        SubmissionStatus::Landed => {
            let commit = s.candidate.as_ref().map(|c| c.short().to_owned()).unwrap_or_default();
            let task = s.task_id.as_ref().map(|id| format!("; task {id} is completed")).unwrap_or_default();
            format!(
                "landed {} on {target} as {commit}{task}{}",
                s.worktree,
                words::unblocked(&landing.unblocked)
            )
        }
        status => format!("{} {status}: {target} is as it was", s.worktree),
    }
}

/// Stops the gate when somebody asks.
struct Stoppable(StopFlag);

impl RunObserver for Stoppable {
    fn tick(&mut self) -> Tick {
        match (self.0.requested(), self.0.count()) {
            (None, _) => Tick::Continue,
            (Some(_), 0 | 1) => Tick::Stop(StopReason::Cancelled),
            (Some(_), _) => Tick::Kill(StopReason::Cancelled),
        }
    }
}
