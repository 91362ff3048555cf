//! Every key of the settings file, for the reference.
//!
//! **Contract.** The list is complete and its defaults are the real ones: tests compare it with the reader of the file.

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// This value, as it would be written in the file.
    Means(&'static str),
    /// What the words say; an example of a value follows.
    Otherwise(&'static str, &'static str),
}

/// A key of the settings file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its table and name: `up.agents`; `NAME` stands for a name of the user's.
    pub name: &'static str,
    /// What kind of value it has.
    pub kind: &'static str,
    /// What holds without it.
    pub absent: Absent,
    /// What it says.
    pub meaning: &'static str,
}

const fn key(name: &'static str, kind: &'static str, absent: Absent, meaning: &'static str) -> Key {
    Key { name, kind, absent, meaning }
}

use Absent::{Means, Otherwise};

/// Every key, in the order of the starter file.
pub const KEYS: &[Key] = &[
    key(
        "target",
        "string",
        Otherwise("the branch checked out in the main checkout", "\"main\""),
        "The branch that work lands on.",
    ),
    key(
        "gate",
        "string",
        Otherwise("none: work lands untested", "\"make test\""),
        "The command that must pass on the merged result before it lands; run by `sh -c` in a scratch worktree.",
    ),
    key("gate_timeout", "duration", Means("\"30m\""), "How long the gate may take."),
    key(
        "strategy",
        "`\"merge\"`, `\"squash\"` or `\"rebase\"`",
        Means("\"merge\""),
        "How a branch is brought onto the target. `rebase` needs git 2.40 or newer and a branch without merges.",
    ),
    key(
        "agent",
        "string",
        Otherwise("`up` needs `--agent` or a command", "\"mine\""),
        "The agent that `up` starts: the NAME of one of `[agents.NAME]`, or a known program: `claude`, `codex`, `gemini`, `qwen`, `opencode`, `copilot`, or `builtin`, which needs a table with its `model`.",
    ),
    key(
        "agents.NAME.driver",
        "`\"claude\"`, `\"codex\"`, `\"acp\"`, `\"builtin\"` or `\"command\"`",
        Otherwise("that of the known program NAME, `command` otherwise", "\"acp\""),
        "How the program is driven: as Claude Code, as Codex, by the Agent Client Protocol, as the built-in agent, or as any command.",
    ),
    key(
        "agents.NAME.command",
        "array of strings",
        Otherwise("that of the known program NAME; an error otherwise", "[\"my-agent\", \"{prompt}\"]"),
        "The program and the arguments that come first; `{prompt}` in an argument of a plain command stands for the prompt.",
    ),
    key(
        "agents.NAME.args",
        "array of strings",
        Means("[]"),
        "Arguments that come behind those of the driver.",
    ),
    key(
        "agents.NAME.permissions",
        "`\"edits\"` or `\"all\"`",
        Means("\"edits\""),
        "What it may do without asking: read, and change files in its worktree; or everything that you may do. What it asks for beyond that is refused.",
    ),
    key(
        "agents.NAME.prompt",
        "`\"argument\"`, `\"stdin\"` or `\"file\"`",
        Otherwise("`argument` when the command has `{prompt}` in it, `stdin` otherwise", "\"file\""),
        "How a plain command gets its prompt. `BIPLANE_PROMPT_FILE` names a file with it in every case.",
    ),
    key("agents.NAME.timeout", "duration", Means("\"1h\""), "How long one attempt may take."),
    key("agents.NAME.env", "table of strings", Means("{}"), "Variables set in the agent's environment."),
    key(
        "agents.NAME.resume",
        "boolean",
        Otherwise("`false` for plain commands, `true` otherwise", "true"),
        "Whether a new attempt goes on in the worktree of the last one, instead of in a fresh one.",
    ),
    key("agents.NAME.max", "integer from 1 to 256", Means("256"), "How many of it `up` runs at once."),
    key(
        "agents.NAME.memory",
        "size",
        Otherwise("that of the known program NAME, unknown otherwise", "\"400M\""),
        "The memory that one of it needs: `up` starts none while less is free.",
    ),
    key(
        "agents.NAME.labels",
        "array of strings",
        Means("[]"),
        "What it is good for: tasks with one of these labels go to it before others; it gets none without.",
    ),
    key(
        "agents.NAME.model",
        "string",
        Otherwise("the built-in agent needs one; others take none", "\"a-model\""),
        "The model of the built-in agent, by its server's name for it.",
    ),
    key(
        "agents.NAME.endpoint",
        "string",
        Otherwise("the server of the protocol's maker", "\"http://127.0.0.1:11434/v1\""),
        "The address of the built-in agent's model server. A key is sent over `https` only, or to this machine.",
    ),
    key(
        "agents.NAME.protocol",
        "`\"anthropic\"`, `\"openai\"` or `\"responses\"`",
        Otherwise("`\"anthropic\"`", "\"openai\""),
        "How that server is spoken to: Anthropic's messages; OpenAI's chat completions, as most other and local servers; OpenAI's responses.",
    ),
    key(
        "agents.NAME.key",
        "string",
        Otherwise("`ANTHROPIC_API_KEY` or `OPENAI_API_KEY`; with an `endpoint`, none", "\"MY_API_KEY\""),
        "The variable of the environment that holds the key for that server. Its value is masked in logs, and commands that the agent runs do not see it.",
    ),
    key(
        "agents.NAME.context",
        "integer from 4000 to 10000000",
        Otherwise("`128000`", "200000"),
        "How many tokens that model can hold: near to that, what was said is put together.",
    ),
    key(
        "agents.NAME.role",
        "string",
        Means("\"\""),
        "What it is there for, in a line of at most 200 characters: it stands in its prompts, and where the team is shown.",
    ),
    key(
        "agents.NAME.plan",
        "`required` or `none`",
        Otherwise("as the task's profile says", "\"required\""),
        "Whether it has to have a plan approved before it begins the work on a task. `required` here or in the profile is enough; a task's own `--plan` overrules both.",
    ),
    key(
        "agents.NAME.mcp",
        "boolean",
        Otherwise("`true`; plain commands get none", "false"),
        "Whether an agent that `up` starts gets biplane's tools: the board, its own task, mail.",
    ),
    key(
        "profile",
        "string",
        Otherwise("an agent does the work, and the gate tests it", "\"careful\""),
        "The roles that tasks go through: the NAME of one of `[profiles.NAME]`.",
    ),
    key(
        "profiles.NAME.plan",
        "`required` or `none`",
        Otherwise("as the agent's settings say", "\"required\""),
        "Whether a plan has to be approved before the work begins.",
    ),
    key(
        "profiles.NAME.implement.agent",
        "string",
        Otherwise("any agent of `up`", "\"mine\""),
        "Who does the work.",
    ),
    key(
        "profiles.NAME.verify.command",
        "string",
        Otherwise("nothing is tested before the gate", "\"make test\""),
        "What tests the work in its worktree, before it is submitted; run by `sh -c`. It must leave the work as it is.",
    ),
    key(
        "profiles.NAME.verify.agent",
        "string",
        Otherwise("`command`", "\"mine\""),
        "The agent that tests the work, instead of a command.",
    ),
    key(
        "profiles.NAME.verify.timeout",
        "duration",
        Otherwise("`\"30m\"`", "\"10m\""),
        "How long the command may take.",
    ),
    key(
        "profiles.NAME.review.agent",
        "string",
        Otherwise("nobody reads the work before it is submitted", "\"mine\""),
        "The agent that reads the work and writes down its findings. It must leave the work as it is.",
    ),
    key(
        "profiles.NAME.review.block_on",
        "`\"critical\"`, `\"major\"` or `\"minor\"`",
        Otherwise("`\"critical\"`", "\"major\""),
        "From which findings on the work goes back to who did it.",
    ),
    key(
        "prompts.implement",
        "string",
        Otherwise("the built-in one", "\"{task} {subject}\""),
        "The template of the prompt of who does the work. `{task}`, `{subject}`, `{description}`, `{dependencies}`, `{findings}`, `{progress}`, `{branch}`, `{diff}`, `{finish}`, `{identity}`, `{tools}`, `{plan}` and `{mail}` are filled in; mail is delivered by a prompt that has `{mail}`, and by no other.",
    ),
    key(
        "prompts.plan",
        "string",
        Otherwise("the built-in one", "\"{task} {subject}\""),
        "The same for who is to plan it and change nothing.",
    ),
    key(
        "prompts.verify",
        "string",
        Otherwise("the built-in one", "\"{task} {subject}\""),
        "The same for who tests it.",
    ),
    key(
        "prompts.review",
        "string",
        Otherwise("the built-in one", "\"{task} {subject}\""),
        "The same for who reads it.",
    ),
    key("up.agents", "integer from 1 to 256", Means("2"), "How many agents `up` runs at once."),
    key(
        "up.revisions",
        "integer",
        Means("2"),
        "How often a bounced task goes back to its agent before it waits for a person.",
    ),
    key(
        "up.commit_leftovers",
        "boolean",
        Means("true"),
        "Whether `up` commits what an agent left uncommitted.",
    ),
    key(
        "up.remove_landed",
        "boolean",
        Means("true"),
        "Whether `up` removes a worktree whose work has landed.",
    ),
    key(
        "up.team",
        "array of strings",
        Otherwise("the one of `agent`", "[\"mine\"]"),
        "The agents that `up` may start, those named first before the others.",
    ),
    key(
        "up.ageing",
        "duration",
        Means("\"1h\""),
        "A ready task gains one in priority each time it has waited so long.",
    ),
    key(
        "up.merge_target",
        "boolean",
        Means("true"),
        "Whether the target is merged into a worktree before the next attempt in it; conflicts are left to the agent.",
    ),
    key(
        "up.min_memory",
        "size",
        Means("\"256M\""),
        "Free memory that `up` leaves for others when it starts an agent.",
    ),
    key(
        "up.min_disk",
        "size",
        Means("\"64M\""),
        "Free space on the disk that `up` leaves when it starts an agent.",
    ),
    key(
        "up.max_load",
        "number from 0 to 1000",
        Means("16.0"),
        "The load for each processor from which on `up` starts no agent; 0: any.",
    ),
    key(
        "up.lease",
        "duration from 2s to 1h",
        Means("\"90s\""),
        "How long the claim of a run holds unless it is renewed. A run that does not renew it is ended, and its task goes back.",
    ),
    key(
        "up.recoveries",
        "integer from 1 on",
        Means("3"),
        "How often a run of a task may be lost, with its supervisor or its claim, until the task waits for a person.",
    ),
    key(
        "up.outside",
        "`\"block\"` or `\"tell\"`",
        Means("\"block\""),
        "What becomes of an attempt when files or refs outside of its worktree were changed while it ran and nothing explains that: its task waits for a person, or it is only told.",
    ),
    key(
        "worktrees.dir",
        "string",
        Means("\".worktrees\""),
        "Where worktrees are made: below the top directory, or elsewhere (`\"../app-worktrees\"`). The views stay in `.worktrees`.",
    ),
    key(
        "setup.copy",
        "array of strings",
        Means("[]"),
        "Ignored files that a new worktree gets a copy of, as patterns like those of `.gitignore`; `.worktreeinclude` may have more, a line each. Tracked files are never replaced.",
    ),
    key(
        "setup.clone",
        "array of strings",
        Means("[]"),
        "Ignored directories that a new worktree gets a copy of: copy-on-write where the file system can.",
    ),
    key(
        "setup.share",
        "array of strings",
        Means("[]"),
        "Ignored directories of the main checkout that a new worktree links to, and that all share.",
    ),
    key(
        "setup.run",
        "array of strings",
        Means("[]"),
        "Commands to run in a new worktree, each by `sh -c`, in order. A person approves exactly this text once; until then they are not run.",
    ),
    key("setup.timeout", "duration", Means("\"10m\""), "How long each of these commands may take."),
    key(
        "setup.env",
        "table of strings",
        Means("{}"),
        "Variables of every run in a worktree. `{name}`, `{branch}`, `{path}`, `{root}`, `{task}`, `{port}`, `{port_1}`, … are filled in.",
    ),
    key("ports.count", "integer from 0 to 32", Means("0"), "How many ports each worktree leases."),
    key("ports.range", "string", Means("\"20000-29999\""), "The range that ports are leased from."),
    key(
        "snapshots.leave_out",
        "array of strings",
        Means(
            "[\"target\", \"node_modules\", \".venv\", \"venv\", \"__pycache__\", \".pytest_cache\", \".mypy_cache\", \
             \".ruff_cache\", \".tox\", \".gradle\", \".next\", \".nuxt\", \".turbo\", \".cache\", \".parcel-cache\", \
             \".DS_Store\", \"Thumbs.db\"]",
        ),
        "Names of ignored directories and files that can be made again: snapshots leave them out.",
    ),
    key(
        "snapshots.max_size",
        "size",
        Means("\"1G\""),
        "The most of untracked and ignored files that a snapshot takes in. What has more is not discarded.",
    ),
    key("snapshots.keep_for", "duration", Means("\"90d\""), "How long a snapshot is kept."),
    key(
        "snapshots.keep_count",
        "integer from 1 on",
        Means("50"),
        "How many snapshots of one name are kept. The last one of work that has not landed is kept in any case.",
    ),
    key("pool.size", "integer from 0 to 64", Means("2"), "How many spare worktrees are kept ready; 0: none."),
    key(
        "pool.keep",
        "array of strings",
        Means("[]"),
        "Names of ignored directories, such as `target`, that stay in a removed worktree when it becomes a spare one.",
    ),
    key(
        "logs.keep",
        "size",
        Means("\"1G\""),
        "The most that the logs of all runs may take. Beyond it those of the oldest runs are deleted, but never those of tasks that are not closed.",
    ),
    key(
        "logs.keep_for",
        "duration",
        Means("\"90d\""),
        "How long the logs of a run are kept, with the same exception.",
    ),
    key(
        "logs.secrets",
        "array of strings",
        Means("[]"),
        "Names of variables whose values are masked in everything that is kept of runs, beside those whose names give them away.",
    ),
    key(
        "limits.run_timeout",
        "duration",
        Means("\"300s\""),
        "How long a command of `biplane run` may take unless `--timeout` says otherwise.",
    ),
    key("limits.log", "size", Means("\"10M\""), "The most that is kept of a run's output."),
    key(
        "limits.task_attempts",
        "integer from 1 on",
        Means("10"),
        "How many runs of agents one task may have until it waits for a person, since it was last opened. Those that somebody stopped, or that came to nothing because their provider asked to slow down, don't count.",
    ),
    key(
        "limits.task_cost",
        "string",
        Otherwise("no limit", "\"5.00\""),
        "What these runs may cost together, in US dollars, as far as the agents tell.",
    ),
    key(
        "limits.task_time",
        "duration",
        Otherwise("no limit", "\"4h\""),
        "How long these runs may take together.",
    ),
    key(
        "limits.disk",
        "size",
        Means("\"20G\""),
        "The most that spare and recycled worktrees may take; beyond it none is kept.",
    ),
    key(
        "repo.name",
        "string",
        Otherwise("an error: every `[[repo]]` has one", "\"lib\""),
        "What a further repository of this home is called. There may be several tables `[[repo]]`; each one's work is made, tested and landed in its own repository.",
    ),
    key(
        "repo.path",
        "string",
        Otherwise("an error: every `[[repo]]` has one", "\"../lib\""),
        "The top directory of its main checkout: relative to the home, or absolute. Its worktrees lie in its own `.worktrees`.",
    ),
    key(
        "repo.target",
        "string",
        Otherwise("the branch checked out in its main checkout", "\"main\""),
        "The branch of it that work lands on.",
    ),
    key(
        "repo.gate",
        "string",
        Otherwise("none: work lands untested", "\"npm test\""),
        "Its gate, as `gate` is the one of the home's own repository.",
    ),
    key(
        "repo.gate_timeout",
        "duration",
        Otherwise("that of the home", "\"30m\""),
        "How long its gate may take.",
    ),
    key(
        "repo.strategy",
        "`\"merge\"`, `\"squash\"` or `\"rebase\"`",
        Otherwise("that of the home", "\"merge\""),
        "How a branch is brought onto its target.",
    ),
    key(
        "repo.setup",
        "table",
        Otherwise("no set-up", "{ clone = [\"node_modules\"] }"),
        "What makes a worktree of it ready to build: keys as in `[setup]`.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const TABLES: [&str; 9] =
        ["prompts", "up", "worktrees", "setup", "ports", "snapshots", "pool", "logs", "limits"];

    /// A settings file with these values, and an agent for the keys of agents.
    fn file(values: &[(&str, &str)]) -> String {
        let lines = |of: &dyn Fn(&str) -> Option<String>| -> String {
            values.iter().filter_map(|(name, value)| Some(format!("{} = {value}\n", of(name)?))).collect()
        };
        let below = |table: &'static str| move |name: &str| name.strip_prefix(table).map(str::to_owned);
        let top = lines(&|name| (!name.contains('.')).then(|| name.to_owned()));
        let agent = lines(&below("agents.NAME."));
        let is_builtin = |line: &str| ["model", "endpoint", "protocol", "key", "context"].contains(&line);
        let command = match agent.split(' ').next().unwrap_or_default() {
            "command" => "",
            "model" => "driver = \"builtin\"\n",
            key if is_builtin(key) => "driver = \"builtin\"\nmodel = \"m\"\n",
            _ => "command = [\"x\"]\n",
        };
        let profile = lines(&below("profiles.NAME."));
        let verify = if profile.contains("verify.timeout") { "verify.command = \"x\"\n" } else { "" };
        let review = if profile.contains("review.block_on") { "review.agent = \"mine\"\n" } else { "" };
        let profile = format!("[profiles.careful]\n{verify}{review}{profile}");
        let tables = TABLES.map(|table| {
            let body = lines(&|name| name.strip_prefix(table)?.strip_prefix('.').map(str::to_owned));
            format!("[{table}]\n{body}")
        });
        let repo = lines(&below("repo."));
        let needed = [("name", "\"x\""), ("path", "\"y\"")].map(|(name, value)| {
            let is_there = repo.contains(&format!("{name} = "));
            if is_there || repo.is_empty() { String::new() } else { format!("{name} = {value}\n") }
        });
        let repo = if repo.is_empty() { repo } else { format!("[[repo]]\n{}{repo}", needed.concat()) };
        format!("{top}[agents.mine]\n{command}{agent}{profile}{}{repo}", tables.concat())
    }

    #[test]
    fn every_key_is_read() {
        for key in KEYS {
            let (Means(value) | Otherwise(_, value)) = key.absent;
            let text = file(&[(key.name, value)]);
            assert!(Settings::parse(&text).is_ok(), "{}: {text}", key.name);
        }
    }

    #[test]
    fn the_defaults_are_the_real_ones() {
        let values: Vec<_> = KEYS
            .iter()
            .filter_map(|key| match key.absent {
                Means(value) => Some((key.name, value)),
                Otherwise(..) => None,
            })
            .collect();
        let [said, real] =
            [file(&values), file(&[])].map(|text| format!("{:?}", Settings::parse(&text).unwrap()));
        assert_eq!(said, real);
    }

    #[test]
    fn no_key_is_missing() {
        let tables = TABLES.map(|table| (format!("{table}."), format!("[{table}]\n")));
        let others = [
            ("", ""),
            ("agents.NAME.", "[agents.a]\n"),
            ("profiles.NAME.", "[profiles.a]\n"),
            ("repo.", "[[repo]]\n"),
        ]
        .map(|(t, b)| (t.to_owned(), b.to_owned()));
        for (table, before) in others.into_iter().chain(tables) {
            let error = Settings::parse(&format!("{before}nonsense = 1\n")).unwrap_err().to_string();
            let (_, known) = error.split_once("expected ").unwrap();
            for name in known.split('`').skip(1).step_by(2) {
                let full = format!("{table}{name}");
                let is_table = KEYS.iter().any(|key| key.name.starts_with(&format!("{full}.")));
                assert!(is_table || KEYS.iter().any(|key| key.name == full), "{full}");
            }
        }
    }
}
