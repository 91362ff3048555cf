//! What `--json` answers look like, from the types that are written.

use biplane_model::view::{
    EventView, MailView, MemberView, RequestView, RunView, SubmissionView, TaskView, TeamConfig,
    WorktreeIndex, WorktreeView,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::{code, table};

/// Answers: the command, and what it gives.
const ANSWERS: &[(&str, &str)] = &[
    ("init", "`settings`, `wrote_settings`, `excluded`, `target`, `gate`"),
    (
        "init --agent",
        "`command` (what starts biplane, as written into the files), `changes` (`path`, `effect` (`create`, `change`, `delete`) and \
         `diff` of each file), `unchanged` (paths), `notes` (sentences), `written` (whether the changes were made)",
    ),
    ("task create, claim, retry, return", "a [TaskView](#taskview)"),
    (
        "task show",
        "a [TaskView](#taskview) with `used`, since it was last opened: `attempts` (runs of agents), `time_s` (how long they \
         took together), `cost_microusd` (what they cost, in millionths of a US dollar, as far as the agents tell)",
    ),
    ("task list", "an array of [TaskView](#taskview)"),
    (
        "task update, release, complete, fail, cancel, block, reopen",
        "a [TaskView](#taskview) with `unblocked`: the ids of the tasks that became ready",
    ),
    (
        "worktree create, setup",
        "a [WorktreeView](#worktreeview); where the settings ask for a set-up with `setup`: `state` (`complete`, `unapproved`, \
         `failed`), `done` and `notes` (sentences), `ran` (commands), `failed` (null, or `command`, `run`, `ending`, `log`, `tail`)",
    ),
    ("worktree adopt, bind, unbind, path, keep", "a [WorktreeView](#worktreeview)"),
    (
        "worktree list",
        "an array of [WorktreeView](#worktreeview), each with `merged` (as in `worktree status`; null without commits of \
         its own, `unknown` also when it was not looked into)",
    ),
    (
        "worktree status",
        "a [WorktreeView](#worktreeview) with `commits` (since the base), `unlanded` (commits that the target lacks), \
         `merged` (how the target has them: `same_commit`, `ancestor`, `nothing_of_its_own`, `equal_trees`, \
         `merge_adds_nothing`, `squash`, `picked`; or `no`, `unknown`), `merged_by` (the commit that is the squash, or \
         null), `merged_only_in` (the remote's branch that has them while the target has not, or null), \
         `head`, `clean`, `changed` (`letters` and `path` of each), `untracked`, `setup` (`none`, `complete`, `incomplete`)",
    ),
    ("worktree diff", "`base`, `files` (`path`, `added`, `removed`; null for a binary file), `patch`"),
    (
        "conflicts",
        "`conflicts`: `repo`, `worktree`, `task_id`, `with` (a worktree; null: the target), `with_task_id`, `target`, `files` (`path`, \
         `how` (`both_changed`, `both_added`, `changed_and_deleted`, `moved`) and `uncommitted` of each), `files_left_out` (how many \
         more); `worktrees` (how many were looked into), `unknown` (`worktree` and `reason` of each that could not be), `left_out` \
         (how many `worktrees` and `pairs` of them were not)",
    ),
    (
        "worktree remove",
        "a [WorktreeView](#worktreeview) with `snapshot` (a ref or null), `branch_left` (a branch or null), `unblocked`, \
         `would` (sentences of a dry run), `plan` (null but in a dry run: `snapshot` (null, or how many `uncommitted` and \
         `ignored` paths and unlanded `commits` it would hold), `left_out` (ignored paths that nothing holds), `bytes`, \
         `bytes_complete`, `branch`, `branch_stays` (why, or null), `processes` (`pid`, `command`, `what` of each), \
         `processes_unseen` (a sentence, empty when all were looked at), `task` (an id or null), `completes_task`)",
    ),
    (
        "worktree restore",
        "`worktree` (a [WorktreeView](#worktreeview); null after a dry run), `snapshot` (a ref), `commit`, `replaced` (the \
         snapshot of the worktree that was replaced, or null), `would` (sentences of a dry run)",
    ),
    (
        "worktree snapshots",
        "an array: `name`, `number`, `ref`, `commit`, `taken_at`, `why`, `branch`, `head` (or null), `files` and `bytes` \
         (uncommitted and ignored ones; null for older snapshots), `landed` (whether the target has everything); with \
         `--prune`: `pruned` (refs), `kept` (refs that are past their time and hold the last of unlanded work), `dry_run`",
    ),
    (
        "run",
        "a [RunView](#runview) with `log` (a path) and `left_behind` (processes that were stopped); the command's output is in the log",
    ),
    ("setup show", "null without set-up commands; else `run`, `env`, `timeout_s`, `hash`, `approved`"),
    ("setup approve", "null without set-up commands; else `hash`, `approved`"),
    ("setup revoke", "`revoked`: how many approvals there were"),
    ("submit, merge", "a [SubmissionView](#submissionview)"),
    (
        "up",
        "`started`, `landed`, `bounced`, `unlanded` (tasks of attempts that came to nothing), `open` (submissions that still wait to land), \
         `stuck` (those of them that could not be landed), `stopped`, `waiting` (`id`, `status`, `subject`, `why` of each task that is not done)",
    ),
    ("stop", "`runs` (each a [RunView](#runview)), `task` (a [TaskView](#taskview), or null)"),
    (
        "pause, resume, drain",
        "`state` (`running`, `paused`, `draining`), `changed` (whether it was another one before), `at_work` (whether there is an `up`)",
    ),
    ("mail send", "a [MailView](#mailview)"),
    ("mail broadcast", "`mail` (an array of [MailView](#mailview)), `skipped` (names: too much waits there)"),
    (
        "mail read",
        "`of` (whose it is), `mail` (an array of [MailView](#mailview)), `left` (how many still wait)",
    ),
    ("mail list", "an array of [MailView](#mailview)"),
    (
        "plan list",
        "an array of [RequestView](#requestview), each with `awaited` (whether its task waits for it)",
    ),
    ("plan show", "a [RequestView](#requestview) with `awaited`"),
    ("plan approve, reject, submit", "a [RequestView](#requestview)"),
    ("team list", "an array of [MemberView](#memberview)"),
    ("team shutdown, respond", "a [RequestView](#requestview)"),
    ("team recall", "a [RequestView](#requestview); null when the agent takes tasks already"),
    ("chat -p", "an event of the conversation a line; [their kinds](../chat.md#in-scripts)"),
    ("events", "an [EventView](#eventview) a line"),
    (
        "log",
        "a line for each event of the transcript: `v` (1), `at` (null where it is not known), `event`: `type` and what belongs to it: \
         `started` (`session`, `model`), `message` (`text`), `tool_call` (`id`, `tool`, `summary`, `paths`), `tool_result` (`id`, \
         `failed`, `text`), `permission_asked` (`id`, `tool`, `summary`), `permission_denied` (`tool`, `summary`), `usage` \
         (`input_tokens`, `output_tokens`, `cached_tokens`, `cost_microusd`), `rate_limited` (`retry_after_s`, `text`), \
         `finished` (`success`, `text`), `raw` (`line`), `left_out` (`lines`, `bytes`); with `--raw`, and where no agent told \
         anything, each line of the output as a `raw`",
    ),
    ("log --list", "an array of [RunView](#runview)"),
    (
        "usage",
        "`by` (`task`, `day`, `agent`), `rows` and `total`: each `key` (the task's id, the day, the agent), `subject`, `runs`, `attempts` (runs \
         that neither verified nor reviewed), `told` and `told_cost` (how many runs told tokens, and a cost), `took_ms`, `usage` \
         (`input_tokens`, `output_tokens`, `cached_tokens`, `cost_microusd`: millionths of a dollar)",
    ),
    (
        "doctor",
        "`findings`, each with `code`, `area`, `severity`, `subject`, `verdict`, `remedy`, `fixable`, `fixed`: see \
         [what doctor finds](findings.md)",
    ),
    (
        "doctor --rebuild",
        "`tasks`, `worktrees`, `runs`, `submissions`, `events` (how many), `problems` (sentences), `damaged` (where the damaged \
         ledger was moved, or null), `dry_run`",
    ),
    (
        "import",
        "`tasks`, `worktrees`, `events` (how many), `problems` (sentences), `saved` (where the old files are, or null), `dry_run`",
    ),
];

pub(super) fn text() -> String {
    let mut shapes = Shapes::new();
    shapes.add::<TaskView>();
    shapes.add::<WorktreeView>();
    shapes.add::<WorktreeIndex>();
    shapes.add::<RunView>();
    shapes.add::<SubmissionView>();
    shapes.add::<EventView<'_>>();
    shapes.add::<MailView>();
    shapes.add::<RequestView>();
    shapes.add::<MemberView>();
    shapes.add::<TeamConfig>();
    let answers = ANSWERS.iter().map(|(command, answer)| {
        let (first, rest) = command.split_once(' ').unwrap_or((command, ""));
        [code(&format!("biplane {first} {rest}").trim_end().replace(", ", "|")), (*answer).to_owned()]
    });
    format!(
        "With `--json` the answer on `stdout` is one JSON value on a line; `biplane events` gives a line for each event. \
         Fields may be added; the ones listed here keep their names and types. A time is in seconds since 1970, with a \
         fraction.\n\n\
         An error stands on `stderr` as `{{\"error\": …, \"hints\": […]}}`, with the [exit code](exit-codes.md) that it has \
         without `--json`. Other narration on `stderr` stays text.\n\n{}{}",
        table(["command", "answer"], answers),
        shapes.sections()
    )
}

/// The words of an enum with the meaning of each.
pub(super) fn words_of<T: JsonSchema>() -> Vec<(String, String)> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = T::json_schema(&mut generator);
    words(schema.as_value())
}

fn words(schema: &Value) -> Vec<(String, String)> {
    let one = |value: &Value| {
        let word = value["const"].as_str()?.to_owned();
        Some((word, value["description"].as_str().unwrap_or_default().to_owned()))
    };
    schema["oneOf"].as_array().into_iter().flatten().filter_map(one).collect()
}

/// Types with their schemas, in the order in which they were first named.
struct Shapes {
    schemas: Vec<(String, Value)>,
}

impl Shapes {
    fn new() -> Self {
        Self { schemas: Vec::new() }
    }

    fn add<T: JsonSchema>(&mut self) {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut schema = generator.into_root_schema_for::<T>().to_value();
        let below = schema.as_object_mut().and_then(|object| object.remove("$defs"));
        self.put(T::schema_name().into_owned(), schema);
        for (name, schema) in below.as_ref().and_then(Value::as_object).into_iter().flatten() {
            self.put(name.clone(), schema.clone());
        }
    }

    fn put(&mut self, name: String, schema: Value) {
        if !self.schemas.iter().any(|(known, _)| *known == name) {
            self.schemas.push((name, schema));
        }
    }

    fn sections(&self) -> String {
        let objects = self.schemas.iter().filter(|(_, schema)| schema["properties"].is_object());
        objects.map(|(name, schema)| self.section(name, schema)).collect()
    }

    fn section(&self, name: &str, schema: &Value) -> String {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let rows = schema["properties"].as_object().into_iter().flatten().map(|(field, schema)| {
            let mut form = self.form(schema);
            if !required.contains(&field.as_str()) {
                form = format!("{}; absent when there is none", form.trim_end_matches(" or null"));
            }
            [code(field), form, description(schema)]
        });
        format!("\n## {name}\n\n{}\n\n{}", description(schema), table(["field", "type", "meaning"], rows))
    }

    /// A type in words.
    fn form(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
            return self.named(name);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            return choices.iter().map(|choice| self.form(choice)).collect::<Vec<_>>().join(" or ");
        }
        match &schema["type"] {
            Value::String(form) if form == "array" => format!("array of {}", self.form(&schema["items"])),
            Value::String(form) => form.clone(),
            Value::Array(forms) => forms.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ => "any".to_owned(),
        }
    }

    fn named(&self, name: &str) -> String {
        let schema = self.schemas.iter().find(|(known, _)| known == name).map(|(_, schema)| schema);
        let Some(schema) = schema.filter(|schema| !schema["properties"].is_object()) else {
            return format!("[{name}](#{})", name.to_lowercase());
        };
        if let Some(machine) = name.strip_suffix("Status") {
            return format!("string: a [state](states.md#{})", machine.to_lowercase());
        }
        let words = words(schema).iter().map(|(word, _)| code(word)).collect::<Vec<_>>().join(", ");
        format!("string: {words}")
    }
}

/// The text of a description in one line, without links that lead nowhere here.
fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
