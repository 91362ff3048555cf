//! A repository whose agent is the built-in one with a scripted model.

use std::time::Duration;

use biplane_testkit::{
    Call, Output, Records, Repo, TestEnv,
    standin::{Answer, StandIn, Turn},
};
use serde_json::Value;

/// How long a whole `up` may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long is waited for something that is sure to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What lets in at the model's server.
pub(crate) const KEY: &str = "open-sesame-0815-4711";

pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    pub(crate) model: StandIn,
}

impl Lab {
    /// `top` are settings for the first lines of the file.
    pub(crate) fn new(
        protocol: &str,
        permissions: &str,
        top: &str,
        script: impl Fn(&Turn) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::with_settings(script, |url| {
            format!(
                "agent = \"builtin\"\n{top}\n[up]\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n\
                 [agents.builtin]\nmodel = \"stand-in\"\nprotocol = \"{protocol}\"\nendpoint = \"{url}\"\nkey = \"MY_MODEL\"\n\
                 permissions = \"{permissions}\"\n"
            )
        })
    }

    /// `settings` for the model at an address.
    pub(crate) fn with_settings(
        script: impl Fn(&Turn) -> Answer + Send + Sync + 'static,
        settings: impl FnOnce(&str) -> String,
    ) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let model = StandIn::start(script);
        repo.write("biplane.toml", settings(&model.url()));
        repo.commit("settings");
        Self { env, repo, model }
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(self.repo.path()).args(args);
        call.env("MY_MODEL", KEY).patience(PATIENCE)
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> Output {
        self.call(args).run().success()
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.call(args).arg("--json").run().success().json()
    }

    pub(crate) fn task(&self, id: usize) -> Value {
        self.json(&["task", "show", &id.to_string()])
    }

    /// The events of this kind so far.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let records = Records::read(self.repo.path());
        records.events().iter().filter(|event| event["event"] == kind).cloned().collect()
    }

    /// Nothing is wrong in the records, no process is left, and nobody but the model was asked for anything.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_eq!(Records::read(self.repo.path()).report(), [""; 0]);
        assert_eq!(self.env.processes(), [""; 0]);
        assert_eq!(self.model.strange(), [""; 0]);
    }
}
