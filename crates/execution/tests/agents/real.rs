//! The real programs against a stand-in model server on loopback.
//!
//! `bash .ci/agents` installs them; then `cargo test -p biplane-execution --test agents -- --ignored`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use biplane_execution::{
    agents::{Brief, Conversation, Permissions, PromptBy, Told as Tally, find, presets},
    supervise::{EnvChanges, How, Marker, Reply, RunObserver, RunSpec, StopReason, StreamName, Tick, run},
};
use biplane_model::{AgentEvent, Told, Usage};
use biplane_testkit::{
    Repo, TestEnv, real_agent, real_agents_path,
    standin::{Answer, StandIn, Turn, steps},
};
use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::short;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A linked worktree, and a model that does what a script says.
struct Stage {
    env: TestEnv,
    worktree: Repo,
    model: StandIn,
}

/// What came of a run.
struct Run {
    events: Vec<AgentEvent>,
    tally: Tally,
    told: Told,
    how: How,
}

impl Stage {
    fn new(script: impl Fn(&Turn) -> Answer + Send + Sync + 'static) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.write("README.md", "an app\n");
        repo.write("src/a.rs", "");
        repo.commit("begin");
        repo.git(&["worktree", "add", "-q", "-b", "wt/a", "../wt"]);
        let hook = repo.path().join(".git/hooks/post-commit");
        fs_err::create_dir_all(hook.parent().expect("it has one")).expect("it is ours");
        fs_err::write(&hook, "#!/bin/sh\ntouch ../hook-ran\n").expect("it is ours");
        fs_err::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let worktree = repo.at(env.root().join("wt"));
        fs_err::create_dir_all(env.home().join(".codex")).expect("it is ours");
        Self { env, worktree, model: StandIn::start(script) }
    }

    fn outside(&self, name: &str) -> Utf8PathBuf {
        self.env.root().join(name)
    }

    fn run(&self, name: &str, permissions: Permissions) -> Run {
        self.go_on(name, permissions, None)
    }

    /// Runs the preset `name`, with the conversation of an earlier run.
    #[expect(clippy::print_stderr, reason = "what a real program said is to be seen when a test fails")]
    fn go_on(&self, name: &str, permissions: Permissions, before: Option<&Tally>) -> Run {
        let preset = presets::preset(name).expect("it is known");
        let driver = preset.driver.driver(PromptBy::Stdin);
        let brief = Brief {
            command: preset.command(),
            args: self.args(name),
            cwd: self.worktree.path().to_owned(),
            prompt: "Do what there is to do.".to_owned(),
            session: before.and_then(|tally| tally.session.clone()),
            used: before.map(|tally| tally.usage).unwrap_or_default(),
            permissions,
            server: None,
        };
        let launch = driver.launch(&brief);
        let (program, first) = launch.command.split_first().expect("there is a program");
        let mut spec =
            RunSpec::new(real_agent(program), Marker::new("BIPLANE_TEST_AGENT", self.env.root().as_str()));
        spec.args = first.iter().map(OsString::from).collect();
        spec.cwd = Some(brief.cwd.clone());
        spec.input = launch.input;
        spec.timeout = Some(PATIENCE);
        let mut set = self.variables(name);
        set.insert("PATH".to_owned(), real_agents_path().into_string().expect("it is text"));
        set.extend(preset.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        set.extend(launch.env);
        spec.env = EnvChanges {
            remove: std::env::vars_os().map(|(name, _)| name).collect(),
            set: set.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        };
        let mut watch = Watch { talk: Conversation::new(&*driver, &brief), events: Vec::new() };
        let exit = run(&spec, &mut watch).expect("the program can be started");
        let Watch { mut talk, mut events } = watch;
        talk.end(Instant::now(), &mut |event| events.push(event));
        let mut told = Told::default();
        events.iter().for_each(|event| told.hear(event));
        let run = Run { events, tally: talk.told().clone(), told, how: exit.how };
        eprintln!("{name} {permissions:?} after {:?}: {:?}\n{:#?}", exit.elapsed, run.how, run.short());
        run
    }

    fn args(&self, name: &str) -> Vec<String> {
        let url = self.model.url();
        let args: Vec<String> = match name {
            "codex" => [
                "model_provider=\"f\"".to_owned(),
                "model_providers.f.name=\"f\"".to_owned(),
                format!("model_providers.f.base_url=\"{url}/v1\""),
                "model_providers.f.env_key=\"K\"".to_owned(),
                "model_providers.f.wire_api=\"responses\"".to_owned(),
                "model_providers.f.request_max_retries=1".to_owned(),
                "model_providers.f.stream_max_retries=1".to_owned(),
                "model=\"stand-in\"".to_owned(),
            ]
            .into_iter()
            .flat_map(|setting| ["-c".to_owned(), setting])
            .collect(),
            _ => Vec::new(),
        };
        args
    }

    fn variables(&self, name: &str) -> BTreeMap<String, String> {
        let home = self.env.home();
        let url = self.model.url();
        let mut set: Vec<(&str, String)> = vec![
            ("HOME", home.to_string()),
            ("TMPDIR", self.outside("tmp").to_string()),
            ("GIT_CONFIG_GLOBAL", home.join(".gitconfig").to_string()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            // As a run's environment has it.
            ("GIT_CONFIG_COUNT", "1".to_owned()),
            ("GIT_CONFIG_KEY_0", "gc.auto".to_owned()),
            ("GIT_CONFIG_VALUE_0", "0".to_owned()),
        ];
        match name {
            "claude" => set.extend([
                ("ANTHROPIC_BASE_URL", url),
                ("ANTHROPIC_API_KEY", "k".to_owned()),
                ("CLAUDE_CODE_MAX_RETRIES", "1".to_owned()),
            ]),
            "codex" => set.extend([("CODEX_HOME", home.join(".codex").to_string()), ("K", "k".to_owned())]),
            "gemini" => set.extend([
                ("GOOGLE_GEMINI_BASE_URL", url),
                ("GEMINI_API_KEY", "k".to_owned()),
                ("GEMINI_MODEL", "gemini-2.5-pro".to_owned()),
            ]),
            "copilot" => set.extend([
                ("COPILOT_OFFLINE", "true".to_owned()),
                ("COPILOT_PROVIDER_TYPE", "anthropic".to_owned()),
                ("COPILOT_PROVIDER_BASE_URL", url),
                ("COPILOT_MODEL", "stand-in".to_owned()),
            ]),
            "opencode" => {
                let options = json!({"baseURL": format!("{url}/v1"), "apiKey": "k"});
                let config = json!({"model": "anthropic/claude-sonnet-4-5", "small_model": "anthropic/claude-sonnet-4-5",
                    "provider": {"anthropic": {"options": options}}});
                set.push(("OPENCODE_CONFIG_CONTENT", config.to_string()));
                set.push(("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()));
            }
            _ => set.extend([
                ("OPENAI_BASE_URL", format!("{url}/v1")),
                ("OPENAI_API_KEY", "k".to_owned()),
                ("OPENAI_MODEL", "stand-in".to_owned()),
            ]),
        }
        set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What the programs told the model that their tools said.
    fn results(&self) -> Vec<String> {
        self.model.turns().into_iter().flat_map(|turn| turn.results).map(|result| result.text).collect()
    }

    fn subjects(&self) -> String {
        self.worktree.git(&["log", "--format=%s"])
    }
}

impl Run {
    fn short(&self) -> Vec<String> {
        self.events.iter().map(short).collect()
    }

    fn denied(&self) -> Vec<String> {
        self.short().into_iter().filter(|event| event.starts_with("denied")).collect()
    }

    /// Whether it says that it succeeded.
    fn success(&self) -> Option<bool> {
        self.told.claim.as_ref().map(|claim| claim.success)
    }
}

/// What the dispatcher will do.
struct Watch {
    talk: Conversation,
    events: Vec<AgentEvent>,
}

impl RunObserver for Watch {
    fn tick(&mut self) -> Tick {
        if self.talk.is_overdue(Instant::now()) { Tick::Stop(StopReason::Finished) } else { Tick::Continue }
    }

    fn output(&mut self, stream: StreamName, bytes: &[u8]) -> Reply {
        let events = &mut self.events;
        self.talk.output(stream, bytes, Instant::now(), &mut |event| events.push(event))
    }
}

fn bash(command: &str) -> Answer {
    Answer::call("Bash", json!({"command": command, "description": "x"}))
}

const COMMIT: &str = "git add -A && git commit -m \"$(cat <<'EOF'\nIt's done\n\nReally $HOME.\nEOF\n)\"";

/// Claude writes, commits, and tries what it may not.
fn claude_script(turn: &Turn) -> Answer {
    let write = |path: &str| Answer::call("Write", json!({"file_path": path, "content": "hi\n"}));
    match turn.step {
        0 if turn.offers("Write") => write("a.txt"),
        0 => bash("echo hi > a.txt"),
        1 => bash(COMMIT),
        2 => write("../outside.txt"),
        3 => bash("touch ../outside.txt"),
        4 => bash("ls; exit 3"),
        5 => bash("cd src"),
        6 => bash("touch b.txt"),
        _ => Answer::text("All done."),
    }
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_edits_and_commits_and_no_more() {
    let stage = Stage::new(claude_script);
    let run = stage.run("claude", Permissions::Edits);
    assert_eq!(run.how, How::Exited(0));
    assert_eq!(stage.worktree.read("a.txt"), "hi\n");
    assert_eq!(stage.subjects().lines().next(), Some("It's done"));
    assert!(!stage.outside("outside.txt").exists());
    assert!(!stage.outside("hook-ran").exists(), "an agent that may not run commands runs no hooks");
    assert_eq!(run.success(), Some(true));
    let denied = run.denied().join("|");
    assert!(denied.contains("outside.txt") && denied.contains("exit 3"), "{denied}");
    assert!(stage.worktree.path().join("b.txt").exists(), "commands begin in the worktree's own directory");
    let offered = |tool: &str| stage.model.turns().iter().any(|turn| turn.offers(tool));
    assert!(offered("Write") && !offered("EnterWorktree") && !offered("AskUserQuestion"));
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_may_do_all_when_told() {
    let stage = Stage::new(claude_script);
    let run = stage.run("claude", Permissions::All);
    assert!(stage.outside("outside.txt").exists());
    assert!(stage.outside("hook-ran").exists());
    assert_eq!((run.told.denied.count, run.success()), (0, Some(true)));
    assert!(run.told.failed.count >= 1, "a failed command is told");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_only_reads_when_told() {
    let stage = Stage::new(claude_script);
    let run = stage.run("claude", Permissions::Read);
    assert_eq!(stage.worktree.git(&["status", "--porcelain"]), "");
    assert_eq!(stage.subjects().lines().next(), Some("begin"));
    assert!(run.told.denied.count >= 3, "{:?}", run.denied());
    assert!(!stage.model.turns().iter().any(|turn| turn.offers("Write")));
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_goes_on_with_its_conversation() {
    let stage = Stage::new(steps([]));
    let first = stage.run("claude", Permissions::Edits);
    let second = stage.go_on("claude", Permissions::Edits, Some(&first.tally));
    assert_eq!(first.tally.session, second.tally.session);
    assert_eq!(first.tally.usage, second.tally.usage, "each tells its own");
    assert_eq!(stage.model.turns().last().map(|turn| turn.number), Some(1));
    let lost = Tally { session: Some("11111111-1111-4111-8111-111111111111".to_owned()), ..first.tally };
    assert!(stage.go_on("claude", Permissions::Edits, Some(&lost)).tally.lost_session);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_tells_of_limits() {
    for status in [429, 529] {
        let stage = Stage::new(move |_| Answer::refuse(status));
        let run = stage.run("claude", Permissions::Edits);
        assert!(run.tally.rate_limited.is_some() && run.success() == Some(false), "{status}");
    }
}

fn exec(command: &str) -> Answer {
    Answer::call("exec_command", json!({"cmd": command}))
}

/// Codex writes, commits, fails, and asks for more.
fn codex_script(turn: &Turn) -> Answer {
    match turn.step {
        0 => exec("apply_patch <<'EOP'\n*** Begin Patch\n*** Add File: a.txt\n+hi\n*** End Patch\nEOP"),
        1 => exec("git add -A && git commit -m done"),
        2 => exec("ls; exit 3"),
        3 => Answer::call(
            "exec_command",
            json!({"cmd": "touch /x", "sandbox_permissions": "require_escalated", "justification": "x"}),
        ),
        _ => Answer::text("All done."),
    }
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_edits_and_no_more() {
    let stage = Stage::new(codex_script);
    let run = stage.run("codex", Permissions::Edits);
    assert_eq!(run.how, How::Exited(0));
    assert_eq!(stage.worktree.read("a.txt"), "hi\n");
    assert_eq!(stage.subjects().lines().next(), Some("begin"), "its sandbox does not let it commit");
    assert!(run.told.denied.count >= 1 && run.told.failed.count >= 1, "{:?}", run.told);
    assert_eq!(run.success(), Some(true));
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_may_do_all_when_told() {
    let stage = Stage::new(codex_script);
    let run = stage.run("codex", Permissions::All);
    assert_eq!(stage.subjects().lines().next(), Some("done"));
    assert_eq!(run.told.failed.count, 1, "{:?}", run.short());
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_only_reads_when_told() {
    let stage = Stage::new(codex_script);
    let run = stage.run("codex", Permissions::Read);
    assert_eq!(stage.worktree.git(&["status", "--porcelain"]), "");
    assert!(run.told.denied.count >= 1, "{:?}", run.short());
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_goes_on_with_its_conversation() {
    let stage = Stage::new(steps([]));
    let first = stage.run("codex", Permissions::All);
    let second = stage.go_on("codex", Permissions::All, Some(&first.tally));
    assert_eq!(first.tally.session, second.tally.session);
    assert_eq!(first.tally.usage, second.tally.usage, "sums are taken apart");
    let lost = Tally { session: Some("01a210c4-4d7c-7e10-8aca-b4dbb14af5b3".to_owned()), ..first.tally };
    assert!(stage.go_on("codex", Permissions::All, Some(&lost)).tally.lost_session);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_tells_of_limits() {
    let stage = Stage::new(|_| Answer::refuse(429));
    let run = stage.run("codex", Permissions::All);
    assert!(run.tally.rate_limited.is_some() && run.success() == Some(false), "{:?}", run.short());
}

/// An agent that speaks the protocol writes, commits, fails, and tries what it may not. Its tools want whole paths.
fn acp_script(turn: &Turn) -> Answer {
    let root = root_in(&turn.body);
    let write = |name: &str| {
        let path = format!("{root}/{name}");
        match ["write_file", "create", "write"].into_iter().find(|tool| turn.offers(tool)) {
            Some("create") => Answer::call("create", json!({"path": path, "file_text": "hi\n"})),
            Some("write") => Answer::call("write", json!({"filePath": path, "content": "hi\n"})),
            _ => Answer::call("write_file", json!({"file_path": path, "content": "hi\n"})),
        }
    };
    let shell = |command: &str| {
        let tool = if turn.offers("bash") { "bash" } else { "run_shell_command" };
        Answer::call(tool, json!({"command": command, "is_background": false, "description": "x"}))
    };
    // Some end the turn at a refusal, and are told to go on.
    let told = "not permitted";
    let went_on = turn.earlier.iter().chain([&turn.prompt]).filter(|text| text.contains(told)).count();
    match (went_on, turn.step) {
        (0, 0) => write("a.txt"),
        (0, 1) => shell("git add -A && git commit -m done"),
        (0, 2) => shell("ls; exit 3"),
        (0, 3) | (1, 0) => write("../outside.txt"),
        _ => Answer::text("All done."),
    }
}

/// The worktree, as the program tells its model.
fn root_in(body: &Value) -> String {
    let text = body.to_string();
    // Gemini has a directory of its own that ends in the same name.
    let end = text
        .match_indices("/wt")
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with("/tmp"))
        .map_or(0, |at| at + 3);
    let start = text[..end]
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)))
        .map_or(0, |at| at + 1);
    text[start..end].to_owned()
}

fn acp_edits_and_commits_and_no_more(name: &str) {
    let stage = Stage::new(acp_script);
    let run = stage.run(name, Permissions::Edits);
    assert_eq!(run.how, How::Exited(0));
    assert_eq!(stage.worktree.read("a.txt"), "hi\n");
    assert_eq!(stage.subjects().lines().next(), Some("done"), "{:?}", stage.results());
    assert!(!stage.outside("outside.txt").exists());
    assert_eq!(run.told.denied.count, 2, "{:?}", run.denied());
    assert_eq!(run.success(), Some(true));
    assert_ne!(run.tally.usage, Usage::default());
}

fn acp_may_do_all_when_told(name: &str) {
    let stage = Stage::new(acp_script);
    let run = stage.run(name, Permissions::All);
    assert!(stage.outside("outside.txt").exists());
    assert_eq!((run.told.denied.count, run.told.failed.count), (0, 1), "{:?}", run.short());
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn qwen_works() {
    acp_edits_and_commits_and_no_more("qwen");
    acp_may_do_all_when_told("qwen");
}

fn acp_goes_on(name: &str) {
    let stage = Stage::new(steps([]));
    let first = stage.run(name, Permissions::Edits);
    let second = stage.go_on(name, Permissions::Edits, Some(&first.tally));
    assert_eq!(first.tally.session, second.tally.session);
    assert_eq!(first.tally.usage, second.tally.usage, "each tells its own");
    assert_eq!(stage.model.turns().last().map(|turn| turn.number), Some(1), "it remembers");
    let lost = Tally { session: Some("11111111-1111-4111-8111-111111111111".to_owned()), ..first.tally };
    assert!(stage.go_on(name, Permissions::Edits, Some(&lost)).tally.lost_session);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn gemini_works() {
    // It does not say which command it asks for, so it may run none; and leaves its directory for nobody.
    let stage = Stage::new(acp_script);
    let run = stage.run("gemini", Permissions::Edits);
    assert_eq!(stage.worktree.read("a.txt"), "hi\n");
    assert_eq!(stage.subjects().lines().next(), Some("begin"));
    assert_eq!((run.told.denied.count, run.told.failed.count), (2, 1), "{:?}", run.denied());
    assert_eq!(run.success(), Some(true));
    assert_ne!(run.tally.usage, Usage::default());

    let stage = Stage::new(acp_script);
    // It keeps git from the user's own settings.
    stage.worktree.git(&["config", "user.name", "a"]);
    stage.worktree.git(&["config", "user.email", "a@example.com"]);
    let run = stage.run("gemini", Permissions::All);
    assert_eq!(stage.subjects().lines().next(), Some("done"), "{:?}", stage.results());
    assert!(run.told.denied.count == 0 && run.tally.finished, "{:?}", run.short());
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn opencode_works() {
    acp_edits_and_commits_and_no_more("opencode");
    acp_may_do_all_when_told("opencode");
    acp_goes_on("opencode");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn copilot_works() {
    acp_edits_and_commits_and_no_more("copilot");
    acp_may_do_all_when_told("copilot");
    acp_goes_on("copilot");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn qwen_only_reads_when_told_and_goes_on() {
    let stage = Stage::new(acp_script);
    let run = stage.run("qwen", Permissions::Read);
    assert_eq!(stage.worktree.git(&["status", "--porcelain"]), "");
    assert_eq!(run.told.denied.count, 4, "{:?}", run.denied());
    let second = stage.go_on("qwen", Permissions::Read, Some(&run.tally));
    assert_eq!(second.tally.session, run.tally.session);
    assert!(!second.tally.lost_session && second.tally.finished);
    // It sends the model what was prompted before, but not what was answered; and a session that it does not know it takes for an
    // empty one.
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn versions_are_told() {
    let path = real_agents_path();
    for preset in &presets::PRESETS {
        let fitness = find::check(preset, preset.program, Some(&path), &EnvChanges::default());
        assert!(matches!(fitness, find::Fitness::Fits { .. }), "{fitness:?}");
    }
}
