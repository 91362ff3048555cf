//! Running commands, landing work, and what happened.

use std::time::Duration;

use biplane_coordination::{
    Access, BounceKind, Echo, Error, EventQuery, Input, MergeRequest, RunQuery, RunRequest, UpState,
    answers::FinishedRun, logs::Lines,
};
use biplane_model::{
    RunId, Seq, Strategy, TaskId, WorktreeName, sanitize,
    view::{EventView, RunView, SubmissionView},
    without_escapes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BOARD, LEAD, LOOK, Listing, PLACE, WORK, page_of, within};
use crate::{
    answer::{floor, middle_cut},
    bounds,
    call::Call,
    page,
    permit::{Concern, Concerns},
    tool::{Again, Sort, Tool},
};

pub(super) fn tools() -> Vec<Tool> {
    let runs = Sort { open_world: true, ..PLACE };
    let submits = Sort { access: Access::Work, again: Again::Nothing, ..WORK };
    let steers = Sort { again: Again::Nothing, ..LEAD };
    vec![
        Tool::new(
            "worktree_run",
            runs,
            (
                "Run a command",
                "Run a shell command in a worktree, with a time limit, and give its output. Every process that it started is ended with it.",
            ),
            run,
        ),
        Tool::new(
            "submit",
            submits,
            (
                "Submit work",
                "Freeze a worktree's branch for landing; its task is in review then. The work must be committed.",
            ),
            submit,
        ),
        Tool::new(
            "merge",
            Sort { open_world: true, ..PLACE },
            (
                "Submit and land work",
                "Submit a worktree's branch, test the merged result with the gate, and land it. May take as long as the gate does.",
            ),
            merge,
        ),
        Tool::new(
            "queue",
            BOARD,
            ("List the queue", "List the submissions that wait or are being tested, oldest first."),
            queue,
        ),
        Tool::new(
            "run_list",
            BOARD,
            ("List runs", "List the newest runs, or those of a task, oldest first."),
            list,
        ),
        Tool::new(
            "run_output",
            LOOK,
            ("Read a run's output", "Read what a run wrote: its end, or from its start page by page."),
            output,
        ),
        Tool::new(
            "worktree_events",
            BOARD,
            (
                "List events",
                "List what happened, in order: the newest events, or those after a number; all, or about a task or a worktree.",
            ),
            events,
        ),
        Tool::new(
            "up_state",
            steers,
            (
                "Steer the team",
                "Have every `biplane up` pause, go on, or end when what is at work is done. Says what it was told last when no state is given.",
            ),
            steer,
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    /// The worktree.
    name: WorktreeName,
    /// The command, for `sh`.
    command: String,
    /// How long it may take, in seconds; the settings' time unless given.
    #[schemars(range(min = 1, max = 86_400))]
    timeout_s: Option<u64>,
}

impl Concerns for Run {
    fn concern(&self) -> Concern {
        Concern { worktrees: vec![self.name.clone()], ..Concern::default() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ran {
    /// The run.
    #[serde(flatten)]
    run: FinishedRun,
    /// What it wrote, both streams together.
    output: String,
    /// Whether something of that was left out for its length; `run_output` has it.
    output_cut: bool,
}

fn run(call: &Call, input: Run) -> Result<Ran, Error> {
    if input.command.trim().is_empty() || input.command.len() > bounds::COMMAND {
        return Err(Error::usage(format!("`command` takes 1 to {} bytes", bounds::COMMAND)));
    }
    let timeout =
        input.timeout_s.map(|s| within("timeout_s", usize::try_from(s).unwrap_or(usize::MAX), 86_400));
    let report = call.service.run(RunRequest {
        name: input.name,
        command: vec!["sh".to_owned(), "-c".to_owned(), input.command],
        timeout: timeout.transpose()?.map(|s| Duration::from_secs(s as u64)),
        input: Input::Null,
        echo: Echo::default(),
        foreground: false,
        interactive: false,
        observer: &mut call.watch.clone(),
    })?;
    let (output, output_cut) = middle_cut(&whole_output(call, report.run.id)?, bounds::OUTPUT);
    Ok(Ran { run: (&report).into(), output, output_cut })
}

/// What a run wrote, fit to be shown; at most what is kept of it.
pub(crate) fn whole_output(call: &Call, id: RunId) -> Result<String, Error> {
    let Some(mut lines) = call.service.run_output(id)? else { return Ok(String::new()) };
    let bytes =
        read(&mut lines).map_err(|e| Error::failed(format!("the output of {id} can't be read: {e}")))?;
    Ok(sanitize(&without_escapes(&String::from_utf8_lossy(&bytes))))
}

fn read(lines: &mut Lines) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while all.len() < bounds::OUTPUT_READ {
        let more = lines.bytes()?;
        if more.is_empty() {
            break;
        }
        all.extend(more);
    }
    Ok(all)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Submit {
    /// The worktree.
    name: WorktreeName,
    /// How it is brought onto the target; as the settings say unless given.
    strategy: Option<Strategy>,
}

impl Concerns for Submit {
    fn concern(&self) -> Concern {
        let beyond = self.strategy.iter().map(|_| "strategy").collect();
        Concern { worktrees: vec![self.name.clone()], beyond, ..Concern::default() }
    }
}

impl Submit {
    fn request(self) -> MergeRequest {
        MergeRequest { strategy: self.strategy, ..MergeRequest::new(self.name) }
    }
}

fn submit(call: &Call, input: Submit) -> Result<SubmissionView, Error> {
    Ok(call.service.submit(&input.request())?.submission)
}

#[derive(Debug, Serialize, JsonSchema)]
struct Landed {
    /// The submission; its status is `landed`, or says that it is not.
    #[serde(flatten)]
    submission: SubmissionView,
    /// Why it bounced: `conflict`, `gate` or `forbidden`; null when it did not.
    bounced: Option<&'static str>,
    /// The gate's run, whose output says more.
    gate_run: Option<RunId>,
    /// The tasks that became ready.
    unblocked: Vec<TaskId>,
    /// What became of the checkouts of the target, in sentences.
    checkouts: Vec<String>,
}

fn merge(call: &Call, input: Submit) -> Result<Landed, Error> {
    let submitted = call.service.submit(&input.request())?;
    call.watch.say(&format!("{} is submitted; the merged result is tested", submitted.submission.id));
    let landing = call.service.land(submitted.submission.id, &mut call.watch.clone())?;
    let bounced = landing.bounced.map(|kind| match kind {
        BounceKind::Conflict => "conflict",
        BounceKind::Gate => "gate",
        BounceKind::Forbidden => "forbidden",
    });
    Ok(Landed {
        submission: landing.submission,
        bounced,
        gate_run: landing.gate.map(|gate| gate.run),
        unblocked: landing.unblocked,
        checkouts: landing.checkouts,
    })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Queue {
    /// The submissions.
    submissions: Vec<SubmissionView>,
    /// What leads to the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn queue(call: &Call, input: Listing) -> Result<Queue, Error> {
    let open = call.service.open_submissions()?;
    let page = page_of("queue", open, |s| s.id.to_string(), (input.limit, input.cursor.as_deref()))?;
    Ok(Queue { submissions: page.records, next_cursor: page.next })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunsOf {
    /// Only runs for this task.
    task_id: Option<TaskId>,
    /// The newest so many: 1 to 500; 50 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

impl Concerns for RunsOf {}

#[derive(Debug, Serialize, JsonSchema)]
struct Runs {
    /// The runs.
    runs: Vec<RunView>,
}

fn list(call: &Call, input: RunsOf) -> Result<Runs, Error> {
    let newest = input.limit.map(|limit| within("limit", limit, bounds::MOST_PAGE)).transpose()?;
    Ok(Runs { runs: call.service.runs(&RunQuery { task: input.task_id, newest })? })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OutputOf {
    /// The run, such as `r17`; or a task or a worktree, for its newest run.
    run: String,
    /// Begin at the start instead of giving the end.
    #[serde(default)]
    from_start: bool,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Concerns for OutputOf {
    fn concern(&self) -> Concern {
        Concern { runs: vec![self.run.clone()], ..Concern::default() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// The run.
    run: RunView,
    /// The output, or a part of it.
    output: String,
    /// How many bytes stand before this part.
    before: usize,
    /// What leads to the part behind this one, when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn output(call: &Call, input: OutputOf) -> Result<Output, Error> {
    let run = call.service.find_run(&input.run)?;
    let whole = whole_output(call, run.id)?;
    let list = format!("output-{}", run.id);
    let begin = match &input.cursor {
        Some(cursor) => page::read(&list, cursor).ok_or_else(|| Error::usage(page::NO_CURSOR))?.0,
        None if input.from_start => 0,
        None => whole.len().saturating_sub(bounds::OUTPUT),
    };
    let begin = floor(&whole, begin);
    let end = floor(&whole, begin + bounds::OUTPUT);
    let next_cursor = (end < whole.len()).then(|| page::cursor(&list, end, ""));
    Ok(Output { run, output: whole[begin..end].to_owned(), before: begin, next_cursor })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsOf {
    /// At most so many: 1 to 200; 20 unless given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// Only those after this number, the oldest of them first; the newest ones unless given.
    since: Option<u64>,
    /// Only about this task.
    task_id: Option<TaskId>,
    /// Only about this worktree.
    worktree: Option<WorktreeName>,
}

impl Concerns for EventsOf {}

/// How an [`EventView`] looks; for its schema alone.
#[derive(Serialize, JsonSchema)]
struct EventForm {
    /// The place in the log: 1, 2, 3, … without a gap.
    seq: u64,
    /// What happened.
    event: String,
    /// Unix seconds.
    ts: f64,
    /// Who did it.
    actor: String,
    /// The task as it stood after the event: `id`, `subject`, `status` and more; empty when it is about none.
    task: Map<String, Value>,
    /// The worktree as it stood after the event: `name`, `branch`, `status` and more; empty when it is about none.
    worktree: Map<String, Value>,
    /// The run: `id`, `status`, `exit_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Map<String, Value>>,
    /// The submission: `id`, `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    submission: Option<Map<String, Value>>,
    /// Why it failed, was sent back, was blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Whatever else belongs to the fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Events {
    /// The events, oldest first.
    #[schemars(with = "Vec<EventForm>")]
    pub(crate) events: Vec<Value>,
    /// The number to give as `since` for what comes behind these.
    last_seq: u64,
}

fn events(call: &Call, input: EventsOf) -> Result<Events, Error> {
    let limit = within("limit", input.limit.unwrap_or(bounds::EVENTS), bounds::MOST_EVENTS)?;
    let since = input.since.map(Seq);
    let query = EventQuery { since, limit: Some(limit), task: input.task_id, worktree: input.worktree };
    events_of(call, &query)
}

/// The events that `query` asks for, as far as there is room for them.
pub(crate) fn events_of(call: &Call, query: &EventQuery) -> Result<Events, Error> {
    let all = call.service.events(query)?;
    let mut events = Vec::new();
    let mut last_seq = query.since.map_or(0, |seq| seq.0);
    let mut bytes = 0;
    // The newest are wanted when no beginning was given.
    let mut take = |event: &biplane_model::Event| {
        let value = serde_json::to_value(EventView::new(event)).unwrap_or_default();
        bytes += value.to_string().len();
        let has_room = bytes <= bounds::PAGE_BYTES || events.is_empty();
        if has_room {
            last_seq = last_seq.max(event.seq.0);
            events.push(value);
        }
        has_room
    };
    if query.since.is_some() {
        _ = all.iter().all(&mut take);
    } else {
        _ = all.iter().rev().all(&mut take);
        events.reverse();
    }
    Ok(Events { events, last_seq })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Steer {
    /// What is wished.
    state: Option<Wish>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wish {
    /// Start agents again.
    Running,
    /// Start no more agents; what is at work goes on.
    Paused,
    /// End when what is at work is done.
    Draining,
}

impl Concerns for Steer {}

#[derive(Debug, Serialize, JsonSchema)]
struct Steered {
    /// `running`, `paused` or `draining`.
    state: &'static str,
    /// Whether it was another one before.
    changed: bool,
    /// Whether a `biplane up` is at work; where none is, there is nothing to drain.
    at_work: Option<bool>,
}

fn steer(call: &Call, input: Steer) -> Result<Steered, Error> {
    let wish = match input.state {
        None => {
            return Ok(Steered { state: call.service.up_state()?.as_str(), changed: false, at_work: None });
        }
        Some(Wish::Running) => UpState::Running,
        Some(Wish::Paused) => UpState::Paused,
        Some(Wish::Draining) => UpState::Draining,
    };
    let steered = call.service.steer(wish)?;
    Ok(Steered { state: steered.state.as_str(), changed: steered.changed, at_work: Some(steered.at_work) })
}
