//! Tools that only the lead has, beside those of the board: to start agents, and to wait for news.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use biplane_agent::{
    cancel::Cancel,
    tools::{Answer, Spec, Tool, Wish},
};
use biplane_coordination::{Access, Error, Service, UpStart};
use biplane_mcp::{Direct, Setting, Watch};
use biplane_model::{AgentName, Seq};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    board::{Tell, summary},
    bounds,
};

/// A service that is opened for one call.
fn service(setting: &Setting, access: Access, told: &Tell) -> Result<Service, Error> {
    let told = Arc::clone(told);
    Service::open((setting.outside)(Arc::new(move |notice| told(&notice.0))), access)
}

fn failed(error: &Error) -> Answer {
    Answer::failed(biplane_mcp::failure(error))
}

/// The input, as what it stands for.
fn read<T: for<'a> Deserialize<'a>>(input: &Value) -> Result<T, Answer> {
    T::deserialize(input).map_err(|fault| Answer::failed(format!("error: the arguments are wrong: {fault}")))
}

/// `up`.
pub(crate) struct Up {
    pub(crate) setting: Arc<Setting>,
    pub(crate) told: Tell,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpInput {
    agents: Option<usize>,
    #[serde(default)]
    names: Vec<AgentName>,
}

impl Tool for Up {
    fn spec(&self) -> Spec {
        Spec {
            name: "up".to_owned(),
            description: "Start agents on the tasks that are ready, in the background: they work, their work is tested and landed, until nothing \
                 is ready any more. They go on when this conversation ends. `up_state` steers them, `stop` stops one, `wait` waits for news."
                .to_owned(),
            input: json!({
                "type": "object",
                "properties": {
                    "agents": {"type": "integer", "minimum": 1, "description": "How many at once; the settings' number unless given."},
                    "names": {"type": "array", "items": {"type": "string"}, "description": "Which agents, by their names in the settings; the settings' team unless given."},
                },
                "additionalProperties": false,
            }),
        }
    }

    fn wish(&self, _: &Value) -> Wish {
        Wish::Other
    }

    fn summary(&self, input: &Value) -> String {
        summary(&Value::Null, input)
    }

    fn call(&mut self, input: &Value, _: &Cancel) -> Answer {
        let input: UpInput = match read(input) {
            Ok(input) => input,
            Err(answer) => return answer,
        };
        let wish = UpStart { parallel: input.agents, agents: input.names };
        match service(&self.setting, Access::Work, &self.told).and_then(|service| service.up_start(&wish)) {
            Ok(began) => Answer::done(
                json!({
                    "state": if began { "started" } else { "at work already" },
                    "started": began,
                })
                .to_string(),
            ),
            Err(error) => failed(&error),
        }
    }
}

/// `wait`.
pub(crate) struct Wait {
    pub(crate) setting: Arc<Setting>,
    pub(crate) direct: Direct,
    pub(crate) told: Tell,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitInput {
    since: u64,
    seconds: Option<u64>,
}

impl Tool for Wait {
    fn spec(&self) -> Spec {
        Spec {
            name: "wait".to_owned(),
            description: "Wait until something happens on the board after an event, at most so long, and give the events behind it. For when agents \
                 are at work: mail, plans and what becomes of tasks are events."
                .to_owned(),
            input: json!({
                "type": "object",
                "properties": {
                    "since": {"type": "integer", "minimum": 0, "description": "The `last_seq` of `worktree_events`, or of the wait before."},
                    "seconds": {"type": "integer", "minimum": 1, "maximum": bounds::WAIT.as_secs(), "description": "How long at most; 60 unless given."},
                },
                "required": ["since"],
                "additionalProperties": false,
            }),
        }
    }

    fn wish(&self, _: &Value) -> Wish {
        Wish::Other
    }

    fn summary(&self, input: &Value) -> String {
        summary(&self.spec().input, input)
    }

    fn call(&mut self, input: &Value, cancel: &Cancel) -> Answer {
        let input: WaitInput = match read(input) {
            Ok(input) => input,
            Err(answer) => return answer,
        };
        let wished = input.seconds.map_or(bounds::WAIT_USUAL, Duration::from_secs).min(bounds::WAIT);
        if let Err(error) = self.wait(Seq(input.since), wished, cancel) {
            return failed(&error);
        }
        let (cancel, told) = (cancel.clone(), Arc::clone(&self.told));
        let watch = Watch::new(move || cancel.is_cancelled(), move |line| told(&line));
        let arguments = json!({"since": input.since, "limit": 50}).as_object().cloned().unwrap_or_default();
        match self.direct.call("worktree_events", arguments, watch) {
            Ok(text) => Answer::done(text),
            Err(text) => Answer::failed(text),
        }
    }
}

impl Wait {
    fn wait(&self, since: Seq, wished: Duration, cancel: &Cancel) -> Result<(), Error> {
        let service = service(&self.setting, Access::Read, &self.told)?;
        let until = Instant::now() + wished;
        while Instant::now() < until && !cancel.is_cancelled() {
            if service.wait_for_events(since, bounds::WAIT_LOOK)? > since {
                break;
            }
        }
        Ok(())
    }
}
