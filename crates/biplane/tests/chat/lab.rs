//! A repository whose lead is the built-in one with a scripted model.

use std::time::Duration;

use biplane_testkit::{
    Call, Output, Records, Repo, TestEnv,
    standin::{Answer, StandIn, Turn},
};
use serde_json::Value;

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The program.
pub(crate) const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    pub(crate) model: StandIn,
}

impl Lab {
    pub(crate) fn new(script: impl Fn(&Turn) -> Answer + Send + Sync + 'static) -> Self {
        Self::of("anthropic", "", script)
    }

    /// `more` are further settings.
    pub(crate) fn of(
        protocol: &str,
        more: &str,
        script: impl Fn(&Turn) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let model = StandIn::start(script);
        let settings = format!(
            "{more}\n[up]\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n\
             [agents.builtin]\nmodel = \"stand-in\"\nprotocol = \"{protocol}\"\nendpoint = \"{}\"\n",
            model.url()
        );
        repo.write("biplane.toml", settings);
        repo.commit("settings");
        Self { env, repo, model }
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        self.env.biplane(BIPLANE).in_dir(self.repo.path()).args(args).env("USER", "ann").patience(DEADLINE)
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> Output {
        self.call(args).run().success()
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.call(args).arg("--json").run().success().json()
    }

    /// The words of the events, in their order.
    pub(crate) fn events(&self) -> Vec<String> {
        let told = self.ok(&["events", "--limit", "500", "--json"]).stdout;
        let word =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned();
        told.lines().map(word).collect()
    }

    /// A file of the views, as JSON.
    pub(crate) fn view(&self, path: &str) -> Value {
        serde_json::from_str(&self.repo.read(path)).unwrap()
    }

    /// Nothing is wrong in the records, no process is left, and nobody but the model was asked for anything.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_eq!(Records::read(self.repo.path()).report(), [""; 0]);
        assert_eq!(self.env.processes(), [""; 0]);
        assert_eq!(self.model.strange(), [""; 0]);
    }
}

/// What the person said last, without what the program says before it.
pub(crate) fn said(turn: &Turn) -> &str {
    turn.prompt.rsplit("The person says:\n\n").next().unwrap_or_default()
}
