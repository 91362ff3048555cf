//! A stand-in for the servers of models, on loopback, that does what a script says.
//!
//! It speaks what agent programs speak: Anthropic's messages, OpenAI's responses, OpenAI's chat completions, and Gemini's
//! `generateContent`, streaming and not, and answers the side requests that they make. [`StandIn::url`] is what a program is
//! told instead of the real address; it adds the rest of the path.
//!
//! **Contract.** A script is a function from a [`Turn`] to an [`Answer`]. A turn is computed from the request alone: what was
//! prompted, how many answers the model has given, what the tools said. So any number of conversations may go on at once.
//! The one thing that is counted is [`Turn::attempt`]: how often this very turn was asked for, for scripts that refuse at first.
//! Requests that offer no tools (for a title, a summary) are side requests and never reach the script.
//!
//! Bounds: a request has at most 64 MiB, the bodies of the first 1,000 requests are kept, and nothing outlives the [`StandIn`].
//!
//! **Deliberately absent:** a check of keys, of models, of what a request may contain; TLS; any sense.

mod http;
mod script;
mod serve;

mod anthropic;
mod chat;
mod gemini;
mod responses;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::JoinHandle,
};

pub use script::{Answer, Part, ToolResult, Turn, Usage, steps};
pub use serve::Request;
pub use wire::Protocol;

use serve::Shared;

/// A server at work. Dropping it ends it, and cuts what it was about to say.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Starts it on a free port of loopback.
    pub fn start(script: impl Fn(&Turn) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::new(Box::new(script)));
        let listening = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || serve::listen(&listener, &shared)
        });
        Self { address, shared, listening: Some(listening) }
    }

    /// Its address, such as `http://127.0.0.1:40123`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked until now, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests()
    }

    /// The paths that were asked for and are none of a model's.
    pub fn strange(&self) -> Vec<String> {
        self.requests().into_iter().filter(|r| r.status == 404).map(|r| r.path).collect()
    }

    /// The requests that the script answered or refused: those with tools.
    pub fn turns(&self) -> Vec<Turn> {
        self.requests().into_iter().filter_map(|r| r.turn).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.stop();
        // Wakes it, so that it sees that it is to stop.
        drop(TcpStream::connect(self.address));
        if let Some(listening) = self.listening.take() {
            // A script that panicked has failed its test by then, or is to be seen in the output.
            let _ = listening.join();
        }
    }
}
