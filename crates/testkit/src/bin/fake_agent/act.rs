//! Does the orders, one after the other.

use std::{
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    files::{self, Came},
    handed,
    orders::{Order, When},
    vices,
    voice::{Tool, Voice},
};

/// The longest that it hangs.
const HANG: Duration = Duration::from_secs(3600);
/// The longest that it waits for a file.
const AWAIT: Duration = Duration::from_secs(300);

/// What came of all orders.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Done {
    /// What it said last.
    pub(crate) said: String,
    /// How many tools it called.
    pub(crate) calls: usize,
    /// The tools that were refused.
    pub(crate) denied: Vec<Tool>,
    /// Whether the model's server refused.
    pub(crate) limited: Option<Duration>,
    /// Tokens read and written, and the cost in cents.
    pub(crate) usage: (u64, u64, u64),
    /// The exit code it is going to have.
    pub(crate) code: u8,
}

/// How it ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Done(Done),
    /// It left in the middle.
    Left(u8),
}

/// Does all of them.
pub(crate) fn all(orders: &[Order], resumed: bool, voice: &mut dyn Voice) -> io::Result<End> {
    let mut done = Done { usage: (100, 10, 0), ..Done::default() };
    let attempt = std::env::var("BIPLANE_ATTEMPT").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    voice.begin()?;
    for order in orders {
        let order = match order {
            Order::Only { when, order } => {
                let meant = match when {
                    When::First => attempt == 1,
                    When::Again => attempt > 1,
                    When::Resumed => resumed,
                };
                if !meant {
                    continue;
                }
                order
            }
            order => order,
        };
        if let Some(code) = one(order, &mut done, voice)? {
            return Ok(End::Left(code));
        }
        if done.limited.is_some() {
            break;
        }
    }
    Ok(End::Done(done))
}

/// Does one of them; an exit code when it is to leave.
fn one(order: &Order, done: &mut Done, voice: &mut dyn Voice) -> io::Result<Option<u8>> {
    match order {
        Order::Say { text } => say(text, done, voice)?,
        Order::Sleep { time } => thread::sleep(*time),
        Order::Hang => thread::sleep(HANG),
        Order::Await { path } => wait_for(Path::new(path)),
        Order::Deaf => vices::deafen()?,
        Order::Signal { number } => vices::signal(*number)?,
        Order::Flood => loop {
            voice.say("There is always more to say, and nobody asked.")?;
        },
        Order::FloodLine => loop {
            raw(&[b'x'; 64 << 10])?;
        },
        Order::Garbage => raw(vices::GARBAGE)?,
        Order::Deny { count } => {
            for _ in 0..*count {
                let tool = next_tool(done, Tool::command("touch denied"));
                voice.call(&tool)?;
                voice.denied(&tool)?;
                done.denied.push(tool);
            }
        }
        Order::Limit { wait } => {
            voice.limit(*wait)?;
            done.limited = Some(*wait);
        }
        Order::Usage { input, output, cents } => done.usage = (*input, *output, *cents),
        Order::Code { code } => done.code = *code,
        Order::Exit { code } => return Ok(Some(*code)),
        Order::Unknown { text } => say(&format!("I don't know how to `{text}`."), done, voice)?,
        _ => tool(order, done, voice)?,
    }
    Ok(None)
}

/// What is told as the call of a tool.
fn tool(order: &Order, done: &mut Done, voice: &mut dyn Voice) -> io::Result<()> {
    let what = match order {
        Order::Write { path, text } | Order::Append { path, text } => Tool::edit(path, text),
        Order::Conflict { path } => Tool::edit(path, "…"),
        Order::Run { command } | Order::Ask { command } => Tool::command(command),
        Order::Commit { message } => Tool::command(&format!("git commit -am {message:?}")),
        Order::Tool { name, .. } => Tool::command(name),
        other => Tool::command(&format!("{other:?}")),
    };
    let tool = next_tool(done, what);
    voice.call(&tool)?;
    if matches!(order, Order::Ask { .. }) && !voice.ask(&tool)? {
        voice.denied(&tool)?;
        done.denied.push(tool);
        return Ok(());
    }
    let came = effect(order).unwrap_or_else(|e| Came { text: e.to_string(), code: 1 });
    voice.result(&tool, &came)
}

fn effect(order: &Order) -> io::Result<Came> {
    Ok(match order {
        Order::Write { path, text } => Came::from(files::write(Path::new(path), text), "written"),
        Order::Append { path, text } => Came::from(files::append(Path::new(path), text), "written"),
        Order::Delete { path } => Came::from(std::fs::remove_file(path), "deleted"),
        Order::Conflict { path } => Came::from(vices::conflict(Path::new(path)), "written"),
        Order::Commit { message } => files::commit(message)?,
        Order::Run { command } | Order::Ask { command } => files::shell(command)?,
        Order::Tool { name, arguments } => handed::call(name, arguments)?,
        Order::Child => Came::from(vices::child(), "started"),
        Order::Daemon { path, away } => Came::from(vices::daemon(path, *away), "started"),
        Order::Outside { place, path } => vices::outside(*place, path)?,
        Order::OnMain { path } => vices::on_main(path)?,
        Order::MoveMain => vices::move_main()?,
        _ => Came::good(""),
    })
}

fn say(text: &str, done: &mut Done, voice: &mut dyn Voice) -> io::Result<()> {
    text.clone_into(&mut done.said);
    voice.say(text)
}

fn next_tool(done: &mut Done, tool: Tool) -> Tool {
    static CALLS: AtomicUsize = AtomicUsize::new(1);
    done.calls += 1;
    Tool { id: format!("call-{}", CALLS.fetch_add(1, Ordering::Relaxed)), ..tool }
}

fn wait_for(path: &Path) {
    let until = Instant::now() + AWAIT;
    while !path.exists() && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Bytes as they are, past the protocol.
fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
