//! The settings file that `biplane init` writes.

/// The tables about worktrees, and about what is kept.
const PLACES: &str = r#"# [worktrees]
# dir = ".worktrees"         # where worktrees are made; may lie elsewhere: "../app-worktrees"

# [setup]                    # what makes a new worktree ready to build
# copy = [".env*"]           # ignored files to copy; `.worktreeinclude` may have more, a pattern a line
# clone = ["node_modules"]   # ignored directories to copy, copy-on-write where possible
# share = ["vendor/cache"]   # ignored directories to link to
# run = ["npm ci"]           # commands to run, once a person has approved them
# timeout = "10m"            # for each of them
# env = { DEV_URL = "http://localhost:{port}" }

# [ports]
# count = 1                  # how many ports each worktree leases, as BIPLANE_PORT, BIPLANE_PORT_1, …
# range = "20000-29999"

# [snapshots]                # what is taken of a worktree before anything in it is discarded
# leave_out = ["target", "node_modules"]   # names of ignored files and directories that can be made again
# max_size = "1G"            # what has more untracked and ignored files is not discarded
# keep_for = "90d"
# keep_count = 50            # of one name

# [pool]                     # spare worktrees, so that a new one is there at once
# size = 2                   # 0: none
# keep = ["target"]          # ignored directories that stay when a removed worktree becomes a spare one

# [logs]                     # what is kept of runs
# keep = "1G"                # of all together; those of the oldest runs go first
# keep_for = "90d"
# secrets = ["MY_PHRASE"]    # variables to mask, beside MY_API_KEY, MY_TOKEN, MY_PASSWORD and the like

# [limits]
# run_timeout = "300s"       # for `biplane run`
# log = "10M"                # the most that is kept of a run's output
# task_attempts = 10         # how many runs of agents one task may have until it waits for a person
# task_cost = "5.00"         # what they may cost together, in US dollars; no limit without it
# task_time = "4h"           # how long they may take together; no limit without it
# disk = "20G"               # the most that spare and recycled worktrees may take

# [[repo]]                   # a further repository with tasks on this board; may be there several times
# name = "lib"               # `biplane task create --repo lib`
# path = "../lib"            # its top directory; its worktrees lie in its own `.worktrees`
# target = "main"
# gate = "make check"        # its own; without one its work lands untested
# setup = { clone = ["node_modules"] }   # as the table above
"#;

/// A commented settings file with this target and gate.
pub fn starter_file(target: Option<&str>, gate: Option<&str>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let target = target.map_or("# target = \"main\"".to_owned(), |t| format!("target = {}", quoted(t)));
    let gate = gate.map_or("# gate = \"make test\"".to_owned(), |g| format!("gate = {}", quoted(g)));
    format!(
        r#"# biplane's settings. Every line may be left out.

# The branch that work lands on. Without it: the branch checked out in the main checkout.
{target}

# The command that must pass on the merged result before it lands; run by `sh -c` in a scratch worktree.
{gate}
# gate_timeout = "30m"

# How a branch is brought onto the target: "merge", "squash" or "rebase".
# strategy = "merge"

# The agent that `biplane up` starts. `{{prompt}}` in its command stands for the prompt; without it the prompt comes on
# standard input. BIPLANE_PROMPT_FILE names a file with the prompt in every case.
# Known programs need no table: "claude", "codex", "gemini", "qwen", "opencode", "copilot".
# "builtin" needs one that says which model.
# agent = "mine"

# The roles that a task's work goes through; without it an agent does the work, and the gate tests it.
# profile = "careful"

# [agents.mine]
# driver = "command"         # or "claude", "codex", "acp", "builtin"
# command = ["my-agent", "--message", "{{prompt}}"]
# args = []                  # behind those of the driver
# permissions = "edits"      # what it may do without asking: "edits" in its worktree, or "all"
# prompt = "argument"        # or "stdin", or "file"
# timeout = "1h"
# env = {{ MY_AGENT_MODE = "batch" }}
# resume = false             # true: a new attempt goes on where the last one stopped, instead of in a fresh worktree
# max = 4                    # how many of it at once
# memory = "400M"            # none is started while less is free
# labels = ["frontend"]      # tasks with such a label go to it first
# mcp = false                # it gets none of biplane's tools

# [agents.builtin]           # the built-in agent: nothing but a model's server
# model = "a-model"
# protocol = "openai"        # or "anthropic", "responses"
# endpoint = "http://127.0.0.1:11434/v1"   # the maker's own server without
# key = "MY_API_KEY"         # the variable that holds the key, never the key itself
# context = 128000           # how many tokens the model can hold

# [profiles.careful]
# implement.agent = "mine"
# verify.command = "make test"   # or verify.agent
# review.agent = "mine"
# review.block_on = "critical"   # or "major", "minor"

# [prompts]                  # templates; the built-in ones without
# implement = "{{task}} {{subject}}"

# [up]
# agents = 2                 # how many at once
# team = ["mine"]            # which; those named first before the others
# ageing = "1h"              # a ready task gains one in priority each time it has waited so long
# merge_target = true        # merge the target into a worktree before the next attempt in it
# min_memory = "256M"        # free memory that is left for others when an agent is started
# min_disk = "64M"          # and free space on the disk
# max_load = 16.0            # the load for each processor from which on no agent is started
# lease = "90s"              # a run that does not renew its claim for so long is ended, and its task goes back
# recoveries = 3             # how often a run of a task may be lost until the task waits for a person
# outside = "block"          # "tell": only tell what agents change outside of their worktrees; for who works on beside them
# revisions = 2              # how often a bounced task goes back to its agent before it waits for a person
# commit_leftovers = true    # commit what an agent left uncommitted
# remove_landed = true       # remove a worktree whose work has landed

{PLACES}"#
    )
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    #[test]
    fn the_starter_file_is_valid_with_and_without_its_comments() {
        let text = super::starter_file(Some("ma\"in"), Some("cargo test"));
        let settings = Settings::parse(&text).unwrap();
        assert_eq!(settings.gate.as_deref(), Some("cargo test"));
        assert_eq!(settings.target.as_deref(), Some("ma\"in"));
        let is_setting = |l: &str| l.contains(" = ") || l.starts_with('[');
        let bare: Vec<_> = super::starter_file(None, None)
            .lines()
            .map(|l| l.trim_start_matches("# ").to_owned())
            .filter(|l| is_setting(l) && !l.contains("in its command"))
            .collect();
        let settings = Settings::parse(&bare.join("\n")).unwrap();
        assert_eq!(settings.agents.len(), 2);
        assert_eq!(settings.gate.as_deref(), Some("make test"));
    }
}
