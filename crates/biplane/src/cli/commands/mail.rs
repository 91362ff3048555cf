//! `biplane mail …`

use std::{io::Read, process::ExitCode};

use biplane_coordination::{Access, Error, MailBox, MailQuery, MailRequest, MailShare};
use biplane_model::{AgentName, Mail, Timestamp, sanitize, view::MailView};
use serde_json::json;

use crate::cli::{
    App,
    args::{MailCommand, MailListArgs, MailReadArgs, MailSendArgs},
    words,
};

pub(super) fn run(app: &App, command: MailCommand) -> anyhow::Result<ExitCode> {
    match command {
        MailCommand::Send(args) => send(app, args)?,
        MailCommand::Broadcast(args) => broadcast(app, args.speaker.as_ref(), &text(args.text)?)?,
        MailCommand::Read(args) => read(app, &args)?,
        MailCommand::List(args) => list(app, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn send(app: &App, args: MailSendArgs) -> anyhow::Result<()> {
    let request = MailRequest { from: args.speaker, to: args.to, content: text(args.text)? };
    let mail = app.service(Access::Write)?.mail_send(&request)?;
    app.printer.value(&mail, || format!("sent {} to {}", mail.id, mail.to))
}

fn broadcast(app: &App, from: Option<&AgentName>, content: &str) -> anyhow::Result<()> {
    let sent = app.service(Access::Write)?.mail_broadcast(from, content)?;
    let value = json!({ "mail": sent.mail, "skipped": sent.skipped });
    app.printer.value(&value, || {
        let to = sent.mail.iter().map(|mail| format!("{} to {}", mail.id, mail.to)).collect::<Vec<_>>();
        let skipped: Vec<String> = sent.skipped.iter().map(ToString::to_string).collect();
        let skipped = match skipped.as_slice() {
            [] => String::new(),
            names => format!("\nnot to {}: too much waits there", names.join(", ")),
        };
        format!("sent {}{skipped}", if to.is_empty() { "nothing".to_owned() } else { to.join(", ") })
    })
}

fn read(app: &App, args: &MailReadArgs) -> anyhow::Result<()> {
    let share = MailShare::of(usize::try_from(args.limit).ok());
    if args.dry_run {
        let service = app.service(Access::Read)?;
        return show(app, &service.mail_peek(args.reader.as_ref(), share)?, service.now());
    }
    let service = app.service(Access::Write)?;
    // It is read once it was written where somebody can read it.
    service.mail_read(args.reader.as_ref(), share, |mailbox| {
        show(app, mailbox, service.now()).map_err(|error| Error::failed(format!("{error:#}")))?;
        if app.printer.is_unread() {
            return Err(Error::failed("nobody took the answer: the mail waits on"));
        }
        Ok(())
    })?;
    Ok(())
}

fn show(app: &App, mailbox: &MailBox, now: Timestamp) -> anyhow::Result<()> {
    let MailBox { of, mail, left } = mailbox;
    if app.printer.is_json() {
        return app.printer.json(&json!({ "of": of, "mail": mail, "left": left }));
    }
    if mail.is_empty() {
        app.printer.note(&format!("no mail for {of}"));
        return Ok(());
    }
    let texts: Vec<String> = mail.iter().map(|mail| whole(mail, now)).collect();
    app.printer.answer(texts.join("\n\n").trim_end())?;
    if *left > 0 {
        app.printer.note(&format!("{} more for {of}", words::count(*left, "message")));
    }
    Ok(())
}

fn list(app: &App, args: MailListArgs) -> anyhow::Result<()> {
    let query = MailQuery {
        to: args.to,
        from: args.from,
        waiting: args.unread,
        request: args.request,
        limit: usize::try_from(args.limit).ok(),
    };
    let service = app.service(Access::Read)?;
    let mail = service.mail_list(&query)?;
    if app.printer.is_json() {
        return app.printer.json(&mail);
    }
    if mail.is_empty() {
        app.printer.note("no mail");
        return Ok(());
    }
    let now = service.now();
    let lines: Vec<String> = mail.iter().map(|mail| line(mail, now)).collect();
    app.printer.answer(&lines.join("\n"))
}

/// `m3  12:00:00  lead → bob  plan_approval_response (q2, approve)`.
fn heading(mail: &MailView, now: Timestamp) -> String {
    let mut facts = Vec::new();
    facts.extend(mail.request_id.map(|id| id.to_string()));
    facts.extend(mail.approve.map(|yes| if yes { "approve" } else { "reject" }.to_owned()));
    facts.extend(mail.task_id.as_ref().map(|id| format!("task {id}")));
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    let at = words::clock(mail.timestamp, now);
    format!("{}  {at}  {} → {}  {}{facts}", mail.id, mail.from, mail.to, mail.kind)
}

/// A message with all that it says. What the sender wrote can't look like a heading: each of its lines is indented.
fn whole(mail: &MailView, now: Timestamp) -> String {
    let content = sanitize(mail.content.trim_end());
    let lines: Vec<String> = content.lines().map(|line| format!("    {line}")).collect();
    format!("{}\n{}", heading(mail, now), lines.join("\n"))
}

/// A message in a line.
fn line(mail: &MailView, now: Timestamp) -> String {
    let first = mail.content.trim().lines().next().unwrap_or_default();
    let state = match (mail.delivered_at, mail.run) {
        (None, _) => "waits".to_owned(),
        (Some(_), None) => "read".to_owned(),
        (Some(_), Some(run)) => format!("handed to {run}"),
    };
    let said = biplane_model::clip(&biplane_model::sanitize_line(first), 80);
    format!("{}  [{state}]  {said}", heading(mail, now))
}

/// What was typed, or what stands on standard input for `-`.
pub(super) fn text(typed: String) -> anyhow::Result<String> {
    if typed != "-" {
        return Ok(typed);
    }
    let mut text = String::new();
    // One byte more than a message may have: what is longer is refused, not cut.
    std::io::stdin().lock().take(Mail::MAX_CONTENT as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
