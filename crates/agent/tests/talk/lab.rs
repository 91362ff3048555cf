//! A directory, a scripted model, and a conversation.

use std::{sync::Arc, time::Duration};

use biplane_agent::{
    cancel::Cancel,
    model::{Call, Client, Endpoint, Key, Patience, Protocol},
    session::{Ended, Event, Host, Identity, Limits, Permit, Session, TurnError, With},
    tools::{self, Shell, Toolbox, Wish},
    tree::Tree,
};
use biplane_testkit::{
    Repo, TestEnv,
    standin::{Answer, StandIn, Turn},
};

/// A sort of event.
pub(crate) type Sort = fn(&Event) -> bool;

/// Sees everything, and permits what it is told to.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) denies: bool,
    /// Cancels at the first event of this sort.
    pub(crate) cancels_at: Option<(Sort, Cancel)>,
}

impl Host for Seen {
    fn event(&mut self, event: Event) {
        if let Some((sort, cancel)) = &self.cancels_at
            && sort(&event)
        {
            cancel.cancel();
        }
        self.events.push(event);
    }

    fn permit(&mut self, _: &Call, wish: &Wish, _: &str) -> Permit {
        self.wishes.push(wish.clone());
        if self.denies { Permit::Denied("Not here.".to_owned()) } else { Permit::Granted }
    }
}

impl Seen {
    pub(crate) fn again(&self) -> Vec<&str> {
        let again = self.events.iter().filter_map(|event| match event {
            Event::Again { why, .. } => Some(why.as_str()),
            _ => None,
        });
        again.collect()
    }

    /// What the tools said, and whether they failed.
    pub(crate) fn answers(&self) -> Vec<(String, bool)> {
        let answers = self.events.iter().filter_map(|event| match event {
            Event::Answered { answer, .. } => Some((answer.text.clone(), answer.failed)),
            _ => None,
        });
        answers.collect()
    }
}

pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    pub(crate) model: StandIn,
    pub(crate) protocol: Protocol,
    pub(crate) limits: Limits,
    pub(crate) patience: Patience,
    pub(crate) seen: Seen,
    pub(crate) cancel: Cancel,
}

impl Lab {
    pub(crate) fn new(protocol: Protocol, script: impl Fn(&Turn) -> Answer + Send + Sync + 'static) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let patience = Patience {
            tries: 3,
            first: Duration::from_millis(5),
            longest: Duration::from_millis(20),
            wished: Duration::from_secs(5),
            silence: Duration::from_secs(20),
        };
        Self {
            env,
            repo,
            model: StandIn::start(script),
            protocol,
            limits: Limits::default(),
            patience,
            seen: Seen::default(),
            cancel: Cancel::new(),
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let base = self.model.url();
        Endpoint { protocol: self.protocol, base, model: "stand-in".to_owned(), key: Key::new("k") }
    }

    pub(crate) fn tools(&self) -> Toolbox {
        let tree = Arc::new(Tree::open(self.repo.path()).unwrap());
        tools::in_directory(&tree, Shell::default())
    }

    pub(crate) fn session(&self) -> Session {
        let identity = Identity {
            name: "ann".to_owned(),
            role: "implementer".to_owned(),
            task: "t7".to_owned(),
            directory: self.repo.path().to_string(),
            rules: "Be brief.".to_owned(),
        };
        Session::new(identity, None, Vec::new())
    }

    pub(crate) fn turn_of(&mut self, session: &mut Session, prompt: &str) -> Result<Ended, TurnError> {
        let mut client = Client::new(self.endpoint(), self.patience).unwrap();
        let mut tools = self.tools();
        let with = With {
            client: &mut client,
            tools: &mut tools,
            limits: self.limits,
            host: &mut self.seen,
            cancel: &self.cancel,
        };
        session.turn(prompt, with)
    }

    pub(crate) fn turn(&mut self, prompt: &str) -> Result<Ended, TurnError> {
        let mut session = self.session();
        self.turn_of(&mut session, prompt)
    }
}
