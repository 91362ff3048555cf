//! What the sample is made of: its files and its tasks.

use biplane_control::board::NewTask;
use biplane_model::TaskId;

/// How many agents work at once.
pub const AGENTS: usize = 4;

macro_rules! files {
    ($( $to:literal from $from:literal ),+ $(,)?) => {
        &[$( ($to, include_str!($from)) ),+]
    };
}

/// The files, each with its place in the sample's directory.
pub(super) const FILES: &[(&str, &str)] = files! {
    "repo/.gitignore" from "project/gitignore.txt",
    "repo/Cargo.toml" from "project/Cargo.toml.txt",
    "repo/README.md" from "project/README.md",
    "repo/biplane.toml" from "project/biplane.toml",
    "repo/test.sh" from "project/test.sh",
    "repo/src/format.rs" from "project/src/format.rs",
    "repo/src/lib.rs" from "project/src/lib.rs",
    "repo/src/parse.rs" from "project/src/parse.rs",
    "repo/src/report.rs" from "project/src/report.rs",
    "repo/src/stats.rs" from "project/src/stats.rs",
    "agents/agent.sh" from "agents/agent.sh",
    "agents/task-1.sh" from "agents/task-1.sh",
    "agents/task-2.sh" from "agents/task-2.sh",
    "agents/task-3.sh" from "agents/task-3.sh",
    "agents/task-4.sh" from "agents/task-4.sh",
    "agents/task-5.sh" from "agents/task-5.sh",
    "agents/task-6.sh" from "agents/task-6.sh",
};

/// Subject, description, and what must be completed first.
const TASKS: [(&str, &str, &[u64]); 6] = [
    ("Show one decimal", "21.5 °C and 19 °C under each other look ragged.", &[]),
    ("Show the unit", "A number alone may be anything.", &[]),
    ("Tell an empty day from 0 °C", "`mean` gives 0.0 for a day without readings.", &[]),
    ("Add the excess of the peak", "How far is a day's peak above its mean?", &[]),
    ("Print a week as a table", "A line for each day, in the new format.", &[1, 2]),
    ("Explain the excess", "A section in README.md.", &[4]),
];

/// How many tasks there are.
pub(super) const TASK_COUNT: usize = TASKS.len();

/// The tasks, in the order in which they are created.
pub(super) fn tasks() -> impl Iterator<Item = NewTask> {
    TASKS.iter().map(|(subject, description, after)| NewTask {
        subject: (*subject).to_owned(),
        description: (*description).to_owned(),
        after: after.iter().map(|id| TaskId::numbered(*id)).collect(),
        ..NewTask::default()
    })
}
