//! Messages as lines, on any two streams.
//!
//! A line that can't be understood is answered: whoever sent it may wait. `rmcp` has a transport for lines too, which passes over what is
//! no JSON in silence, and leaves out the `id` of an answer that belongs to no request, where JSON-RPC 2.0 wants `null`.
//!
//! Sources: <https://www.jsonrpc.org/specification#error_object> (-32700: what came is no JSON; -32600: it is JSON and no request).

use std::{io, pin::Pin, sync::Arc};

use rmcp::{
    RoleServer,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::Mutex,
};

use crate::bounds;

/// The codes of JSON-RPC.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

/// A client's lines and ours.
pub(crate) struct Lines<R, W> {
    input: BufReader<R>,
    /// What was read of a line; it stays here when the reading is put off.
    line: Vec<u8>,
    /// Whether the rest of a line that is too long is left out.
    skips: bool,
    output: Output<W>,
    /// An answer under way to what can't be understood; nothing more is read before it is out.
    answering: Option<Sending>,
}

type Output<W> = Arc<Mutex<Option<W>>>;
type Sending = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// What the next line is.
#[derive(Debug, PartialEq)]
enum Read {
    /// One that is whole.
    Line,
    /// One that is too long, and was left out.
    TooLong,
    /// There is none any more; a line without its end is none.
    End,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub(crate) fn new(input: R, output: W) -> Self {
        let output = Arc::new(Mutex::new(Some(output)));
        Self { input: BufReader::new(input), line: Vec::new(), skips: false, output, answering: None }
    }

    /// Reads the next line. May be broken off at any wait and begun again: nothing is lost.
    async fn read(&mut self) -> io::Result<Read> {
        loop {
            let found = self.input.fill_buf().await?;
            if found.is_empty() {
                return Ok(Read::End);
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(found.len(), |at| at + 1);
            let too_long = self.line.len() + taken > bounds::LINE;
            if !self.skips && !too_long {
                self.line.extend_from_slice(&found[..taken]);
            }
            self.input.consume(taken);
            if self.skips {
                self.skips = end.is_none();
            } else if too_long {
                self.line = Vec::new();
                self.skips = end.is_none();
                return Ok(Read::TooLong);
            } else if end.is_some() {
                return Ok(Read::Line);
            }
        }
    }

    fn write(&self, message: &Value) -> Sending {
        Box::pin(written(Arc::clone(&self.output), message.to_string().into_bytes()))
    }
}

async fn written<W: AsyncWrite + Unpin>(output: Output<W>, mut line: Vec<u8>) -> io::Result<()> {
    line.push(b'\n');
    match &mut *output.lock().await {
        Some(output) => {
            output.write_all(&line).await?;
            output.flush().await
        }
        None => Err(io::ErrorKind::NotConnected.into()),
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = Arc::clone(&self.output);
        async move { written(output, serde_json::to_vec(&message)?).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(answering) = &mut self.answering {
                let done = answering.await;
                self.answering = None;
                done.ok()?;
            }
            let understood = match self.read().await.ok()? {
                Read::Line => understand(&std::mem::take(&mut self.line)),
                Read::TooLong => Err(fault(
                    (PARSE_ERROR, Value::Null),
                    &format!("a line has at most {} bytes; this one was left out", bounds::LINE),
                )),
                Read::End => return None,
            };
            match understood {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(answer) => self.answering = Some(self.write(&answer)),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        drop(self.output.lock().await.take());
        Ok(())
    }
}

/// The message in a line, if there is one that wants anything; otherwise what is answered to it.
fn understand(line: &[u8]) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Value> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| fault((PARSE_ERROR, Value::Null), &format!("this line is no JSON: {error}")))?;
    let id = value.get("id").filter(|id| id.is_string() || id.is_number()).cloned();
    // Notifications are never answered; of those that nobody knows nothing is wanted.
    let is_notification = id.is_none() && value["method"].is_string();
    match serde_json::from_value(value) {
        Ok(message) => Ok(Some(message)),
        Err(_) if is_notification => Ok(None),
        Err(_) => Err(fault((INVALID_REQUEST, id.unwrap_or_default()), "this is no request of JSON-RPC 2.0")),
    }
}

fn fault((code, id): (i64, Value), message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_answered() {
        for (line, id, code) in [
            ("this is no JSON", json!(null), PARSE_ERROR),
            ("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"ping\"", json!(null), PARSE_ERROR),
            ("\u{1}", json!(null), PARSE_ERROR),
            ("[]", json!(null), INVALID_REQUEST),
            ("17", json!(null), INVALID_REQUEST),
            ("{\"id\": 3}", json!(3), INVALID_REQUEST),
            ("{\"jsonrpc\": \"1.0\", \"id\": \"x\", \"method\": \"ping\"}", json!("x"), INVALID_REQUEST),
        ] {
            let answer = understand(line.as_bytes()).unwrap_err();
            assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{line}: {answer}");
            assert!(answer.as_object().unwrap().contains_key("id"), "{answer}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(understand(deep.as_bytes()).unwrap_err()["error"]["code"], PARSE_ERROR);
        assert_eq!(understand(b"\"\xff\"").unwrap_err()["error"]["code"], PARSE_ERROR);
    }

    #[test]
    fn what_wants_nothing_is_passed_over() {
        for line in ["", "\r\n", " \t\r\n", "{\"method\": \"textDocument/didOpen\"}\n"] {
            assert!(understand(line.as_bytes()).unwrap().is_none(), "{line}");
        }
        let ping = "\u{feff}{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"ping\"}\r\n";
        assert!(understand(ping.as_bytes()).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_left_out() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(server);
        let mut lines = Lines::new(input, output);
        let told = tokio::spawn(async move {
            use tokio::io::AsyncReadExt;
            let long = vec![b'x'; bounds::LINE + 5];
            client.write_all(&long).await.unwrap();
            client
                .write_all(b"\n{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"ping\"}\n{\"id\"")
                .await
                .unwrap();
            client.shutdown().await.unwrap();
            let mut told = String::new();
            client.read_to_string(&mut told).await.unwrap();
            told
        });
        assert!(lines.receive().await.is_some());
        assert!(lines.receive().await.is_none(), "half a line at the end is none");
        lines.close().await.unwrap();
        drop(lines);
        let told = told.await.unwrap();
        let answer: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(PARSE_ERROR)), "{told}");
    }
}
