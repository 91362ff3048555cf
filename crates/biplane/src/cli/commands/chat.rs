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
use biplane_coordination::{Access, Error, LeadAt, LeadBy, LeadConversation, LeadFree, LeadRequest, Scope};
use biplane_mcp::{Direct, Setting, own_words};
use biplane_model::sanitize_line;
use clap::Parser;

use super::builtin;
use crate::cli::{
    App,
    args::{BuiltinArgs, ChatArgs},
    exit, setting, surroundings,
};

pub(super) fn run(app: &App, args: ChatArgs) -> anyhow::Result<ExitCode> {
    let prompt = prompt(args.prompt.as_deref())?;
    let mut here = surroundings::read(app.directory.as_deref())?;
    let started_in = surroundings::read(None)?.cwd;
    let service = app.service(Access::Write)?;
    let own = match service.lead_by(args.agent.as_ref())? {
        LeadBy::Builtin(own) => own,
        LeadBy::Program(name) => {
            let setting = Arc::new(setting(&service, here, &started_in, None)?);
            let request = request(app, args, prompt, &setting)?;
            return Err(service.become_lead(&name, request).into());
        }
    };
    let model = model(&args, &own)?;
    // No command that the lead thinks of is handed what lets it in.
    here.secrets.extend(model.key.clone());
    let setting = Arc::new(setting(&service, here.clone(), &started_in, None)?);
    drop(service);
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
    app.printer.spoken()?;
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
    app.printer.line(&sanitize_line(&greeting));
    if let Scope::Own(own) = setting.scope()? {
        let words = own_words(&own);
        app.printer
            .line(&format!("You stand in {words}: the lead reads the board, and changes nothing else."));
    }
    app.printer.line("");
    converse::converse(&mut lead, &setting, person, interrupts, surroundings::clock, &mut out)?;
    Ok(if interrupts.ends().is_some() { ExitCode::from(exit::STOPPED) } else { ExitCode::SUCCESS })
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
    let found = found(own)?;
    let missing = || {
        Error::usage("no model is named for the lead")
            .hint("`biplane chat --model NAME` has its maker's server asked; `--protocol`, `--endpoint` and `--key` name others")
            .hint("a table `[agents.builtin]` in biplane.toml keeps it: `model`, `protocol`, `endpoint`, `key`")
            .hint("`biplane chat --agent claude` has Claude Code lead")
    };
    let found = found.as_ref();
    let model = args.model.clone().or_else(|| found.map(|found| found.model.clone()));
    let protocol = args.protocol.or(found.map(|found| found.protocol)).unwrap_or(Protocol::Anthropic);
    let endpoint = args.endpoint.clone().or_else(|| found.and_then(|found| found.endpoint.clone()));
    let is_same = |found: &&BuiltinArgs| {
        args.endpoint.is_none() && (found.endpoint.is_some() || found.protocol.base() == protocol.base())
    };
    let key = args.key.clone().or_else(|| match found.filter(is_same) {
        Some(found) => found.key.clone(),
        None => endpoint.is_none().then(|| protocol.key_variable().to_owned()),
    });
    let context = args.context.or(found.and_then(|found| found.context));
    Ok(BuiltinArgs { model: model.ok_or_else(missing)?, protocol, endpoint, key, context })
}

/// What the settings say of the model, when they do.
fn found(own: &[String]) -> anyhow::Result<Option<BuiltinArgs>> {
    if own.is_empty() {
        return Ok(None);
    }
    let words = std::iter::once("builtin").chain(own.iter().map(String::as_str));
    let command = Command::try_parse_from(words).map_err(|fault| {
        let text = fault.to_string();
        let line = text.lines().next().unwrap_or_default();
        let line = sanitize_line(line.strip_prefix("error: ").unwrap_or(line));
        Error::usage(format!("what the settings say of the built-in agent can't be read: {line}"))
            .hint("look at its table in `biplane.toml`")
    })?;
    Ok(Some(command.model))
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
        // The program would take it for an option.
        Which::Named(id) if id.starts_with('-') => {
            return Err(Error::usage("no conversation has a name that begins with `-`").into());
        }
        Which::Named(id) => LeadConversation::Named(id),
    };
    Ok(LeadRequest { role: biplane_mcp::LEAD.to_owned(), free, which, prompt, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is typed, the settings, and the protocol, endpoint and key that they mean.
    type Case = (&'static [&'static str], &'static [&'static str], Meant<&'static str>);
    type Meant<T> = (Protocol, Option<T>, Option<T>);

    /// What it comes to when this is typed before these settings.
    fn meant(typed: &[&str], own: &[&str]) -> Meant<String> {
        #[derive(Parser)]
        struct Typed {
            #[command(flatten)]
            args: ChatArgs,
        }
        let typed = Typed::try_parse_from([&["chat"], typed].concat()).unwrap();
        let own: Vec<String> = own.iter().map(|word| (*word).to_owned()).collect();
        let model = model(&typed.args, &own).unwrap();
        (model.protocol, model.endpoint, model.key)
    }

    #[test]
    fn what_is_typed_goes_before_the_settings_and_a_key_stays_with_its_server() {
        use Protocol::{Anthropic, Openai, Responses};
        let local: &[&str] =
            &["--model", "m", "--protocol", "openai", "--endpoint", "http://l", "--key", "MINE"];
        let hosted: &[&str] = &["--model", "m", "--protocol", "anthropic", "--key", "MINE"];
        let openai: &[&str] = &["--model", "m", "--protocol", "openai", "--key", "MINE"];
        let table: &[Case] = &[
            (&[], local, (Openai, Some("http://l"), Some("MINE"))),
            (&["--protocol", "responses"], local, (Responses, Some("http://l"), Some("MINE"))),
            (&["--endpoint", "http://o"], local, (Openai, Some("http://o"), None)),
            (&["--endpoint", "http://o", "--key", "K"], local, (Openai, Some("http://o"), Some("K"))),
            (&["--model", "n"], hosted, (Anthropic, None, Some("MINE"))),
            (&["--protocol", "anthropic"], hosted, (Anthropic, None, Some("MINE"))),
            (&["--protocol", "openai"], hosted, (Openai, None, Some("OPENAI_API_KEY"))),
            (&["--protocol", "responses"], openai, (Responses, None, Some("MINE"))),
            (&["--endpoint", "http://o"], hosted, (Anthropic, Some("http://o"), None)),
            (&["--model", "n"], &[], (Anthropic, None, Some("ANTHROPIC_API_KEY"))),
            (&["--model", "n", "--endpoint", "http://o"], &[], (Anthropic, Some("http://o"), None)),
        ];
        for (typed, own, (protocol, endpoint, key)) in table {
            let (endpoint, key) = (endpoint.map(str::to_owned), key.map(str::to_owned));
            assert_eq!(meant(typed, own), (*protocol, endpoint, key), "{typed:?} before {own:?}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_told_of() {
        let own = ["--model", "m", "--protocol", "openai", "--nonsense"].map(str::to_owned);
        let fault = found(&own).unwrap_err().to_string();
        assert!(fault.contains("unexpected argument '--nonsense'"), "{fault}");
        assert!(found(&[]).unwrap().is_none());
    }
}
