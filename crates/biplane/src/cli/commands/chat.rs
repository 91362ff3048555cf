//! `biplane chat`

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use biplane_agent::model::Protocol;
use biplane_chat::{
    bounds,
    consent::{Agreed, Nobody, Person, is_asked},
    converse,
    editor::AtTerminal,
    events::{How, JsonLines, Voice},
    interrupt::Interrupts,
    lead::{Lead, Options, Turned, Which},
    screen::{self, Lines, Screen},
};
use biplane_coordination::{
    Access, Error, LeadAt, LeadBy, LeadConversation, LeadFree, LeadRequest, Outside, Scope, Surroundings,
};
use biplane_mcp::{Direct, Setting, own_words};
use clap::Parser;

use super::builtin;
use crate::cli::{
    App,
    args::{BuiltinArgs, ChatArgs},
    exit, surroundings,
};

pub(super) fn run(app: &App, args: ChatArgs) -> anyhow::Result<ExitCode> {
    let prompt = prompt(args.prompt.as_deref())?;
    let here = surroundings::read(app.directory.as_deref())?;
    let setting = Arc::new(setting(app, &here)?);
    let service = app.service(Access::Write)?;
    let own = match service.lead_by(args.agent.as_ref())? {
        LeadBy::Builtin(own) => own,
        LeadBy::Program(name) => {
            let request = request(app, args, prompt, &setting)?;
            return Err(service.become_lead(&name, request).into());
        }
    };
    drop(service);
    let model = model(&args, &own)?;
    let options = Options {
        setting: Arc::clone(&setting),
        endpoint: builtin::endpoint(&model, &here)?,
        limits: builtin::limits(&model),
        which: which(&args),
        now: surroundings::clock(),
    };
    let interrupts = Interrupts::install().context("the signals can't be taken over")?;
    // The answers of a person are read from the terminal: it must be there, and no text may come from it.
    let is_there = std::io::stdin().is_terminal() && app.printer.is_watched() && !app.printer.is_json();
    let mut person: Box<dyn Person> = match (args.yes, is_there) {
        (true, _) => Box::new(Agreed),
        (false, true) => Box::new(AtTerminal { out: app.printer.narrator() }),
        (false, false) => Box::new(Nobody),
    };
    let Some(prompt) = prompt else {
        return converse(app, options, person.as_mut(), &interrupts);
    };
    let mut lead = Lead::new(options, voice(app))?;
    let turned = converse::turn(&mut lead, &prompt, person.as_mut(), &interrupts)?;
    Ok(exit_code(&turned))
}

/// At the terminal, until the person leaves.
fn converse(
    app: &App,
    options: Options,
    person: &mut dyn Person,
    interrupts: &Interrupts,
) -> anyhow::Result<ExitCode> {
    let on_terminal = std::io::stdin().is_terminal() && app.printer.is_on_terminal();
    if !on_terminal || app.printer.is_json() {
        let hint = "`biplane chat -p TEXT` does one turn without one, `-p -` reads it from standard input";
        return Err(Error::usage("a conversation needs a terminal").hint(hint).into());
    }
    let setting = Arc::clone(&options.setting);
    let mut out = app.printer.narrator();
    let greeting = format!(
        "The lead is {}. Say what is to be done; /help says more, ^D leaves.",
        options.endpoint.model
    );
    let mut lead = Lead::new(options, voice(app))?;
    app.printer.line(&biplane_model::sanitize_line(&greeting));
    if let Scope::Own(own) = setting.scope()? {
        let words = own_words(&own);
        app.printer
            .line(&format!("You stand in {words}: the lead reads the board, and changes nothing else."));
    }
    app.printer.line("");
    converse::converse(&mut lead, &setting, person, interrupts, surroundings::clock, &mut out)?;
    Ok(if interrupts.ends().is_some() { ExitCode::from(exit::STOPPED) } else { ExitCode::SUCCESS })
}

/// Where the lead belongs, and what its tools need.
fn setting(app: &App, here: &Surroundings) -> anyhow::Result<Setting> {
    let started_in = surroundings::read(None)?.cwd;
    let stand = app.service(Access::Read)?.stand(&started_in, None)?;
    let here = here.clone();
    let outside = Box::new(move |narrate| Outside {
        surroundings: here.clone(),
        now: Box::new(surroundings::now),
        narrate,
    });
    Ok(Setting { outside, stand })
}

/// What the lead is told, when it is one turn.
fn prompt(given: Option<&str>) -> anyhow::Result<Option<String>> {
    let text = match given {
        None => return Ok(None),
        Some("-") => {
            let mut bytes = Vec::new();
            let most = bounds::PROMPT as u64 + 1;
            std::io::stdin()
                .lock()
                .take(most)
                .read_to_end(&mut bytes)
                .context("standard input can't be read")?;
            String::from_utf8(bytes).map_err(|_| Error::usage("what came on standard input is no text"))?
        }
        Some(text) => text.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Error::usage("there is nothing to tell the lead").into());
    }
    Ok(Some(text))
}

fn which(args: &ChatArgs) -> Which {
    match (&args.resume, args.go_on) {
        (Some(id), _) => Which::Named(id.clone()),
        (None, true) => Which::Newest,
        (None, false) => Which::New,
    }
}

/// The model: what is typed goes before what the settings say. A key is never sent to another's server.
fn model(args: &ChatArgs, own: &[String]) -> anyhow::Result<BuiltinArgs> {
    let words = std::iter::once("builtin").chain(own.iter().map(String::as_str));
    let found = Command::try_parse_from(words).ok().map(|command| command.model);
    let missing = || {
        Error::usage("no model is named for the lead")
            .hint("`biplane chat --model NAME` has its maker's server asked; `--protocol`, `--endpoint` and `--key` name others")
            .hint("a table `[agents.builtin]` in biplane.toml keeps it: `model`, `protocol`, `endpoint`, `key`")
            .hint("`biplane chat --agent claude` has Claude Code lead")
    };
    let elsewhere = args.endpoint.is_some() || args.protocol.is_some();
    let model = args.model.clone().or_else(|| found.as_ref().map(|found| found.model.clone()));
    let known = found.as_ref().filter(|_| !elsewhere);
    let protocol = args.protocol.or(known.map(|found| found.protocol)).unwrap_or(Protocol::Anthropic);
    let endpoint = args.endpoint.clone().or_else(|| known.and_then(|found| found.endpoint.clone()));
    let key = args.key.clone().or_else(|| match known {
        Some(found) => found.key.clone(),
        None => endpoint.is_none().then(|| protocol.key_variable().to_owned()),
    });
    let context = args.context.or(found.as_ref().and_then(|found| found.context));
    Ok(BuiltinArgs { model: model.ok_or_else(missing)?, protocol, endpoint, key, context })
}

/// The arguments that the settings become.
#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    model: BuiltinArgs,
}

/// Who shows what happens.
fn voice(app: &App) -> Box<dyn Voice> {
    let (out, err) = (app.printer.speaker(), app.printer.narrator());
    if app.printer.is_json() {
        return Box::new(JsonLines(out));
    }
    let lines = if app.printer.is_watched() { Lines::Live(screen::columns) } else { Lines::Plain };
    Box::new(Screen::new(out, err, lines))
}

fn exit_code(turned: &Turned) -> ExitCode {
    match (turned.how, turned.unasked) {
        (How::Done, 0) => ExitCode::SUCCESS,
        (How::Done, _) => ExitCode::from(exit::REFUSED),
        (How::Limit, _) => ExitCode::from(exit::BUSY),
        (How::Cancelled, _) => ExitCode::from(exit::STOPPED),
        (How::Declined | How::Failed, _) => ExitCode::from(exit::FAILED),
    }
}

/// What another program leads with.
fn request(
    app: &App,
    args: ChatArgs,
    prompt: Option<String>,
    setting: &Arc<Setting>,
) -> anyhow::Result<LeadRequest> {
    let is_ours =
        args.endpoint.is_some() || args.model.is_some() || args.key.is_some() || args.protocol.is_some();
    if is_ours || args.context.is_some() || app.printer.is_json() {
        let fault = "`--model`, `--protocol`, `--endpoint`, `--key`, `--context` and `--json` are for the built-in lead";
        return Err(Error::usage(fault).hint("give another program its `args` in `biplane.toml`").into());
    }
    let at = if prompt.is_some() { LeadAt::OneTurn } else { LeadAt::Terminal };
    let free = if args.yes {
        LeadFree::All
    } else {
        let tools = Direct::new(Arc::clone(setting))?.tools();
        LeadFree::These(
            tools.iter().filter(|tool| !is_asked(tool)).map(|tool| tool.name.to_owned()).collect(),
        )
    };
    let which = match which(&args) {
        Which::New => LeadConversation::New,
        Which::Newest => LeadConversation::Newest,
        Which::Named(id) => LeadConversation::Named(id),
    };
    Ok(LeadRequest { role: biplane_mcp::LEAD.to_owned(), free, which, prompt, at })
}
