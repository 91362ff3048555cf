//! Tasks: what is to be done.

use biplane_coordination::{
    ClaimRequest, Error, ListedTask, NewTask, StopRequest, TaskChange, TaskFilter, TaskUpdate,
    answers::{FinishedTask, ShownTask},
};
use biplane_model::{
    AgentName, Label, PlanPolicy, ProfileName, RepoName, Role, TaskId, TaskStatus,
    view::{RunView, TaskView},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BOARD, LEAD, WORK, page_of, parsed};
use crate::{
    call::Call,
    permit::{Concern, Concerns},
    tool::{Again, Effect, Sort, Tool},
};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn tools() -> Vec<Tool> {
    let again = Sort { again: Again::Nothing, ..LEAD };
    let stops = Sort { effect: Effect::Destroys, ..again };
    vec![
        Tool::new(
            "task_create",
            LEAD,
            (
                "Create a task",
                "Create a task; it is pending until somebody claims it or a worktree is made for it.",
            ),
            create,
        ),
        Tool::new(
            "task_list",
            BOARD,
            (
                "List tasks",
                "List the tasks, or only those of a state, an owner, a label, or that can be begun now (`ready`).",
            ),
            list,
        ),
        Tool::new(
            "task_get",
            BOARD,
            ("Show a task", "Show one task whole, what it still waits for, and what its agents have used."),
            get,
        ),
        Tool::new(
            "task_update",
            WORK,
            (
                "Change a task",
                "Change what a task says, who owns it, or its state. Within a run: only the state of one's own task, with a reason, such as `blocked` when a person is needed.",
            ),
            update,
        ),
        Tool::new(
            "claim_task",
            LEAD,
            (
                "Claim a task",
                "Become the owner of a task, or of the next ready one when none is named. Nobody else has it then.",
            ),
            claim,
        ),
        Tool::new(
            "release_task",
            LEAD,
            ("Give a claim back", "Give a claim back; the task is pending again."),
            release,
        ),
        Tool::new(
            "complete_task",
            WORK,
            (
                "Complete a task",
                "Mark a task as done, and say which tasks became ready by it. The agent at work on it can't: its work is tested and landed first.",
            ),
            complete,
        ),
        Tool::new(
            "task_retry",
            LEAD,
            (
                "Try a task again",
                "Have a blocked, failed or cancelled task tried again; its attempts, time and cost are counted anew.",
            ),
            retry,
        ),
        Tool::new(
            "task_return",
            LEAD,
            (
                "Send work back",
                "Send the work on a task back with comments: from review, or when it is blocked or has failed. It counts as a revision.",
            ),
            give_back,
        ),
        Tool::new(
            "task_prompt",
            BOARD,
            ("Show a task's prompt", "Show the prompt that an agent would get for a task now."),
            prompt,
        ),
        Tool::new(
            "stop",
            stops,
            (
                "Stop work",
                "Stop a run, or what is at work on a task; the task is blocked then and waits for a person.",
            ),
            stop,
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// What to do, in a line.
    subject: String,
    /// What to do, at length.
    #[serde(default)]
    description: String,
    /// The tasks that must be completed first.
    #[serde(default)]
    after: Vec<TaskId>,
    /// Number it in a family of its own: `auth` gives `auth_001`.
    prefix: Option<String>,
    /// Higher goes first.
    #[serde(default)]
    priority: i64,
    /// Its labels.
    #[serde(default)]
    labels: Vec<Label>,
    /// Who it is meant for: whose it is whenever nobody has claimed it.
    owner: Option<AgentName>,
    /// The command that must pass on its merged work, instead of the settings' one.
    gate: Option<String>,
    /// The profile its work goes through, instead of the settings' one.
    profile: Option<ProfileName>,
    /// Whether a plan must be approved before the work begins, instead of what the settings say.
    plan: Option<PlanPolicy>,
    /// The repository it is about, when the home has several.
    repo: Option<RepoName>,
}

impl Concerns for Create {}

fn create(call: &Call, input: Create) -> Result<TaskView, Error> {
    call.service.task_create(&NewTask {
        subject: input.subject,
        description: input.description,
        prefix: input.prefix.as_deref().map(parsed).transpose()?,
        after: input.after,
        priority: input.priority,
        labels: input.labels,
        owner: input.owner,
        gate: input.gate,
        profile: input.profile,
        plan: input.plan,
        repo: call.service.repo_meant(None, input.repo.as_ref())?,
    })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Only tasks in this state.
    status: Option<TaskStatus>,
    /// Only tasks of this owner.
    owner: Option<String>,
    /// Only tasks with this label.
    label: Option<String>,
    /// Only tasks that can be begun now, in the order in which they would be; the other filters don't go with it.
    #[serde(default)]
    ready: bool,
    /// At most so many: 1 to 500; 100 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Concerns for List {}

#[derive(Debug, Serialize, JsonSchema)]
struct Tasks {
    /// The tasks.
    tasks: Vec<TaskView>,
    /// What leads to the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn list(call: &Call, input: List) -> Result<Tasks, Error> {
    let filter = TaskFilter { status: input.status, owner: input.owner, label: input.label };
    let listed = match input.ready {
        true if filter.status.is_some() || filter.owner.is_some() || filter.label.is_some() => {
            return Err(Error::usage("`ready` goes with no other filter"));
        }
        true => call.service.task_ready()?,
        false => call.service.task_list(&filter)?,
    };
    let tasks = listed.into_iter().map(|ListedTask { task, .. }| task).collect();
    let key = |task: &TaskView| task.id.to_string();
    let page = page_of("tasks", tasks, key, (input.limit, input.cursor.as_deref()))?;
    Ok(Tasks { tasks: page.records, next_cursor: page.next })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneTask {
    /// The task: a number such as `7`, or a name such as `auth_001`.
    task_id: TaskId,
}

impl Concerns for OneTask {
    fn concern(&self) -> Concern {
        Concern { tasks: vec![self.task_id.clone()], ..Concern::default() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct WholeTask {
    /// The task.
    #[serde(flatten)]
    task: ShownTask,
    /// The tasks that it still waits for.
    waits_for: Vec<TaskId>,
    /// The tasks that wait for it.
    dependents: Vec<TaskId>,
}

fn get(call: &Call, input: OneTask) -> Result<WholeTask, Error> {
    let (listed, dependents) = call.service.task_show(&input.task_id)?;
    let used = call.service.task_used(&input.task_id)?;
    let mut waits_for = listed.waits_for.open;
    waits_for.extend(listed.waits_for.dead.into_iter().map(|(id, _)| id));
    Ok(WholeTask { task: ShownTask::new(&listed.task, &used), waits_for, dependents })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    /// The task.
    task_id: TaskId,
    /// The state to go to.
    status: Option<TaskStatus>,
    /// Who is given it, and has it back whenever nobody has claimed it; `""` for nobody. With `in_progress`, who takes it up.
    owner: Option<String>,
    /// What to do, in a line.
    subject: Option<String>,
    /// What to do, at length.
    description: Option<String>,
    /// Higher goes first.
    priority: Option<i64>,
    /// The labels, all of them.
    labels: Option<Vec<Label>>,
    /// The tasks that must be completed first, all of them.
    after: Option<Vec<TaskId>>,
    /// The gate of this task alone; `""` for the settings' one.
    gate: Option<String>,
    /// The profile of this task alone; `""` for the settings' one.
    profile: Option<String>,
    /// Whether a plan must be approved before the work begins.
    plan: Option<PlanPolicy>,
    /// Why, for the moves that have a reason.
    #[serde(default)]
    reason: String,
    /// Only if the task is still at this revision.
    rev: Option<u64>,
}

/// The states that whoever works on a task may give it; `completed` is judged by the verb.
const OWN_STATES: [TaskStatus; 4] =
    [TaskStatus::InProgress, TaskStatus::Blocked, TaskStatus::Failed, TaskStatus::Completed];

impl Concerns for Update {
    fn concern(&self) -> Concern {
        let given = [
            ("owner", self.owner.is_some()),
            ("subject", self.subject.is_some()),
            ("description", self.description.is_some()),
            ("priority", self.priority.is_some()),
            ("labels", self.labels.is_some()),
            ("after", self.after.is_some()),
            ("gate", self.gate.is_some()),
            ("profile", self.profile.is_some()),
            ("plan", self.plan.is_some()),
            ("status", self.status.is_some_and(|status| !OWN_STATES.contains(&status))),
        ];
        let beyond = given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect();
        Concern { tasks: vec![self.task_id.clone()], beyond, ..Concern::default() }
    }
}

/// A value that may be taken away by an empty text.
fn or_none<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<Option<T>>, Error>
where
    T::Err: std::fmt::Display,
{
    match text {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => Ok(Some(Some(parsed(text)?))),
    }
}

fn update(call: &Call, input: Update) -> Result<FinishedTask, Error> {
    let update = TaskUpdate {
        status: input.status,
        owner: or_none(input.owner.as_deref())?,
        subject: input.subject,
        description: input.description,
        priority: input.priority,
        labels: input.labels,
        after: input.after,
        gate: or_none(input.gate.as_deref())?,
        profile: or_none(input.profile.as_deref())?,
        plan: input.plan.map(Some),
        reason: input.reason,
    };
    Ok((&call.service.task_update(&input.task_id, &update, input.rev)?).into())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// The task; the next ready one when absent.
    task_id: Option<TaskId>,
    /// Who claims; the caller's own name when absent.
    owner: Option<String>,
    /// How long the claim holds, in seconds; a day unless given.
    #[schemars(range(min = 1, max = 31_536_000))]
    lease_s: Option<u64>,
}

impl Concerns for Claim {}

fn claim(call: &Call, input: Claim) -> Result<TaskView, Error> {
    let owner = input.owner.as_deref().unwrap_or_else(|| call.service.actor().as_str());
    let lease_s = match input.lease_s {
        Some(0) => return Err(Error::usage("`lease_s` is 0; it takes at least 1")),
        other => other,
    };
    call.service.task_claim(&ClaimRequest { id: input.task_id, owner: parsed(owner)?, lease_s })
}

fn release(call: &Call, input: OneTask) -> Result<FinishedTask, Error> {
    Ok((&call.service.task_change(&input.task_id, &TaskChange::Release)?).into())
}

fn complete(call: &Call, input: OneTask) -> Result<FinishedTask, Error> {
    Ok((&call.service.task_change(&input.task_id, &TaskChange::Complete)?).into())
}

fn retry(call: &Call, input: OneTask) -> Result<TaskView, Error> {
    call.service.task_retry(&input.task_id)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Return {
    /// The task.
    task_id: TaskId,
    /// What is to be done differently; the next attempt reads it.
    reason: String,
}

impl Concerns for Return {
    fn concern(&self) -> Concern {
        Concern { tasks: vec![self.task_id.clone()], ..Concern::default() }
    }
}

fn give_back(call: &Call, input: Return) -> Result<TaskView, Error> {
    call.service.task_return(&input.task_id, &input.reason)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PromptOf {
    /// The task.
    task_id: TaskId,
    /// What the agent is to do for it; the work itself unless given.
    role: Option<Role>,
}

impl Concerns for PromptOf {}

#[derive(Debug, Serialize, JsonSchema)]
struct PromptText {
    /// The task.
    task_id: TaskId,
    /// What the agent is to do.
    role: Role,
    /// The prompt.
    prompt: String,
}

fn prompt(call: &Call, input: PromptOf) -> Result<PromptText, Error> {
    let role = input.role.unwrap_or(Role::Implement);
    let prompt = call.service.task_prompt(&input.task_id, role)?;
    Ok(PromptText { task_id: input.task_id, role, prompt })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stop {
    /// A run, such as `r17`, or a task.
    target: String,
    /// Why.
    #[serde(default)]
    reason: String,
}

impl Concerns for Stop {}

#[derive(Debug, Serialize, JsonSchema)]
struct StoppedWork {
    /// The runs, as they are now.
    runs: Vec<RunView>,
    /// The task, as it is now.
    task: Option<TaskView>,
}

fn stop(call: &Call, input: Stop) -> Result<StoppedWork, Error> {
    let stopped = call.service.stop(&StopRequest { target: parsed(&input.target)?, reason: input.reason })?;
    Ok(StoppedWork { runs: stopped.runs, task: stopped.task })
}
