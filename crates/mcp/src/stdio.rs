//! One client, on standard input and output.

use biplane_coordination::Error;
use rmcp::{
    service::{ServerInitializeError, serve_server_with_ct},
    transport::stdio_pipes,
};
use tokio_util::sync::CancellationToken;

use crate::{Setting, bounds, lines::Lines, server::Server};

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client has closed its end.
    Closed,
    /// This signal came.
    Signal(i32),
}

/// Serves the client on standard input and output until that ends or a signal comes; what is at work then is ended.
///
/// # Errors
/// When the system gives no threads, or what comes is not the protocol.
pub fn stdio(setting: Setting) -> Result<Ended, Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(serve(setting));
    // A pending read of standard input can't be taken back; it does not hold up the end.
    runtime.shutdown_background();
    ended
}

/// The threads of a server.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(bounds::CALLS + 8)
        .enable_all()
        .build()
        .map_err(|e| Error::failed(format!("no threads can be had: {e}")))
}

async fn serve(setting: Setting) -> Result<Ended, Error> {
    let ends = CancellationToken::new();
    let server = Server::new(setting, ends.clone())?;
    let mut signals = Signals::new()?;
    let (input, output) = stdio_pipes();
    let transport = Lines::new(input, output);
    let serving = async {
        match serve_server_with_ct(server.clone(), transport, ends.child_token()).await {
            Ok(running) => {
                let _ = running.waiting().await;
                Ok(Ended::Closed)
            }
            // It was opened and closed, as when a client only looks whether it starts.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                Ok(Ended::Closed)
            }
            Err(error) => Err(Error::usage(format!(
                "what came on standard input is not the Model Context Protocol: {}",
                biplane_model::clip(&biplane_model::sanitize_line(&error.to_string()), 300)
            ))
            .hint("an agent program starts `biplane mcp`; docs/mcp.md says how")),
        }
    };
    let ended = tokio::select! {
        ended = serving => ended,
        signal = signals.next() => Ok(Ended::Signal(signal)),
    };
    server.end().await;
    ended
}

/// The signals that end a server.
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let take =
            |kind| signal(kind).map_err(|e| Error::failed(format!("the signals can't be taken over: {e}")));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        }
    }
}
