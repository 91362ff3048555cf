//! The lead: a conversation with a model that has the tools of the board.
//!
//! **Contract.** [`Lead::turn`] tells the model what a person says and does what it calls for, as far as that is permitted. What was
//! said is kept in the home's private directory, so that a later process can go on with it; the oldest conversations are forgotten.

use std::{
    sync::{Arc, mpsc},
    time::SystemTime,
};

use biplane_agent::{
    cancel::Cancel,
    model::{Client, Endpoint, Patience},
    program,
    session::{Ended, Identity, Limits, Session, TurnError, With},
    tools::{self, Tool, Toolbox},
    transcript::{self, Transcript, TranscriptError},
    tree::Tree,
};
use biplane_coordination::{Access, Error, LEAD, Scope, Service};
use biplane_mcp::{Direct, Setting};
use biplane_model::{TaskId, clip, sanitize, sanitize_line};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    board, bounds,
    consent::{Consent, Person},
    events::{How, Told, Voice},
    own,
    stage::{Shared, Stage},
    words,
};

/// What a lead is made with.
pub struct Options {
    /// Where it belongs, and what its tools need.
    pub setting: Arc<Setting>,
    /// The model.
    pub endpoint: Endpoint,
    /// How far a turn may go.
    pub limits: Limits,
    /// Which conversation.
    pub which: Which,
    /// The clock's time.
    pub now: SystemTime,
}

/// Which conversation a lead has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// A new one.
    New,
    /// The one that was gone on with last.
    Newest,
    /// The one of this name.
    Named(String),
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// How it ended.
    pub how: How,
    /// How many calls were refused, as there was nobody to ask.
    pub unasked: usize,
}

/// A lead, in a conversation.
pub struct Lead {
    setting: Arc<Setting>,
    client: Client,
    tools: Toolbox,
    session: Session,
    identity: Identity,
    limits: Limits,
    consent: Consent,
    voice: Shared,
    /// Whether it was told in this process how the board stands.
    knows_board: bool,
}

impl std::fmt::Debug for Lead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lead").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Where the conversations of a home lie, and the history of its editor.
pub fn directory(service: &Service) -> Utf8PathBuf {
    service.home().state_dir().join("chat")
}

/// A service on the home as it is now, which tells nobody anything.
pub(crate) fn service(setting: &Setting, access: Access) -> Result<Service, Error> {
    Service::open((setting.outside)(Arc::new(|_| {})), access)
}

impl Lead {
    /// A lead that tells `voice` what happens.
    ///
    /// # Errors
    /// When the home can't be opened, the endpoint makes no sense, or there is no such conversation.
    pub fn new(options: Options, voice: Box<dyn Voice>) -> Result<Self, Error> {
        let Options { setting, endpoint, limits, which, now } = options;
        let service = service(&setting, Access::Read)?;
        let (dir, root) = (directory(&service), service.home().root.clone());
        let client = Client::new(endpoint, Patience::default()).map_err(|fault| {
            Error::usage(fault.to_string()).hint("`biplane chat --help` says how a model is named")
        })?;
        let voice = Shared::new(voice);
        let mut consent = Consent::default();
        let tools = toolbox(&setting, &service, &voice, &mut consent)?;
        let identity = Identity {
            name: LEAD.to_owned(),
            role: "you lead the work on this repository".to_owned(),
            task: String::new(),
            directory: root.to_string(),
            rules: format!("\n{}\n\n{}", biplane_mcp::LEAD, words::RULES),
        };
        transcript::forget_old(&dir, bounds::KEPT, now);
        let (transcript, messages) = open(&dir, &which, now)?;
        transcript::keep_newest(&dir, bounds::CONVERSATIONS);
        let id = transcript.id().to_owned();
        let resumed = !messages.is_empty();
        voice.tell(&Told::Conversation { id, model: name_of(&client), resumed });
        let session = Session::new(identity.clone(), Some(transcript), messages);
        Ok(Self { setting, client, tools, session, identity, limits, consent, voice, knows_board: false })
    }

    /// A new conversation; what was agreed to for the former one is forgotten.
    ///
    /// # Errors
    /// When its transcript can't be begun.
    pub fn begin_anew(&mut self, now: SystemTime) -> Result<(), Error> {
        let dir = directory(&service(&self.setting, Access::Read)?);
        let (transcript, messages) = open(&dir, &Which::New, now)?;
        transcript::keep_newest(&dir, bounds::CONVERSATIONS);
        self.consent.forget();
        self.knows_board = false;
        let id = transcript.id().to_owned();
        self.session = Session::new(self.identity.clone(), Some(transcript), messages);
        self.voice.tell(&Told::Conversation { id, model: name_of(&self.client), resumed: false });
        Ok(())
    }

    /// How the board stands, in lines.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn board(&self) -> Result<String, Error> {
        words::board(&service(&self.setting, Access::Read)?)
    }

    /// Has the lead do what a person says. How it went is told as an event too.
    ///
    /// # Errors
    /// When it is too long, or the board can't be read; nothing was said to the model then.
    pub fn turn(&mut self, said: &str, person: &mut dyn Person, cancel: &Cancel) -> Result<Turned, Error> {
        let said = words::said(said)?;
        let looked = service(&self.setting, Access::Read)?;
        let board = if self.knows_board { None } else { Some(words::board(&looked)?) };
        let prompt = words::prompt(&said, board.as_deref(), words::mail(&looked));
        drop(looked);
        self.knows_board = true;
        let setting = Arc::clone(&self.setting);
        let is_at_work = |task: &Value| is_at_work(&setting, task);
        let mut stage = Stage {
            voice: &self.voice,
            person,
            consent: &mut self.consent,
            is_at_work: &is_at_work,
            cancel,
            unasked: 0,
        };
        let with = With {
            client: &mut self.client,
            tools: &mut self.tools,
            limits: self.limits,
            host: &mut stage,
            cancel,
        };
        let (session, voice) = (&mut self.session, &self.voice);
        let ended = with_a_clock(voice, || session.turn(&prompt, with));
        let unasked = stage.unasked;
        let (how, text) = match ended {
            Ok(Ended::Done(text)) => (How::Done, text),
            Ok(Ended::Refused(text)) if text.is_empty() => {
                (How::Declined, "the model does not want to go on".to_owned())
            }
            Ok(Ended::Refused(text)) => (How::Declined, text),
            Ok(Ended::Limit(limit)) => (How::Limit, limit.to_string()),
            Ok(Ended::Cancelled) => (How::Cancelled, "cancelled".to_owned()),
            Err(error @ (TurnError::Model(_) | TurnError::Transcript(_))) => (How::Failed, error.to_string()),
        };
        self.voice.tell(&Told::End { outcome: how, text: sanitize(&text) });
        Ok(Turned { how, unasked })
    }
}

/// Whether an agent works on the task that a call names so. What can't be told counts as one.
fn is_at_work(setting: &Setting, task: &Value) -> bool {
    // Of what names no task nothing comes.
    let Ok(id) = TaskId::deserialize(task) else { return false };
    service(setting, Access::Read).and_then(|service| service.is_at_work(&id)).unwrap_or(true)
}

/// The model, fit to be shown.
fn name_of(client: &Client) -> String {
    clip(&sanitize_line(client.model()), bounds::LINE)
}

/// Does `act` while the voice hears that time passes.
fn with_a_clock<T>(voice: &Shared, act: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (under_way, over) = mpsc::sync_channel::<()>(0);
        scope.spawn(move || {
            while over.recv_timeout(bounds::TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                voice.tick();
            }
        });
        let done = act();
        drop(under_way);
        done
    })
}

/// The tools: those of the board that are open to the caller, those that read the main checkout, and where everything may be done the lead's own.
fn toolbox(
    setting: &Arc<Setting>,
    service: &Service,
    voice: &Shared,
    consent: &mut Consent,
) -> Result<Toolbox, Error> {
    let told = voice.progress();
    let home = service.home();
    let mut all = match Tree::open(&home.root) {
        // What lies there is on the board, or is somebody's work.
        Ok(tree) => tools::reading(&Arc::new(tree), &[".tasks", ".team", ".worktrees"]),
        Err(error) => return Err(Error::failed(format!("`{}` can't be opened: {error}", home.root))),
    };
    for tool in board::tools(setting, &told)? {
        consent.knows(tool.fact());
        all.add(Box::new(tool));
    }
    let direct = Direct::new(Arc::clone(setting))?;
    let is_free = *direct.scope() == Scope::Home;
    let wait = own::Wait { setting: Arc::clone(setting), direct, told: Arc::clone(&told) };
    all.add(Box::new(wait) as Box<dyn Tool>);
    if is_free {
        all.add(Box::new(own::Up { setting: Arc::clone(setting), told }));
    }
    Ok(all)
}

/// The transcript to write to, and what was said before.
fn open(
    dir: &Utf8Path,
    which: &Which,
    now: SystemTime,
) -> Result<(Transcript, Vec<biplane_agent::model::Message>), Error> {
    let id = match which {
        Which::New => None,
        Which::Newest => Some(transcript::newest(dir).ok_or_else(|| {
            Error::not_found("there is no conversation to go on with")
                .hint("leave out `--continue` to begin one")
        })?),
        Which::Named(id) => Some(id.clone()),
    };
    let opened = match id {
        None => Transcript::begin(dir, &program::new_id(now)).map(|begun| (begun, Vec::new())),
        Some(id) => Transcript::resume(dir, &id),
    };
    opened.map_err(|fault| match fault {
        TranscriptError::Unknown(_) => {
            Error::not_found(fault.to_string()).hint("`--continue` goes on with the last one")
        }
        TranscriptError::Busy(_) => Error::new(biplane_coordination::ErrorKind::Busy, fault.to_string())
            .hint("leave that one, or begin a new one without `--continue`"),
        _ => Error::failed(fault.to_string()),
    })
}
