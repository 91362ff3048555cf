//! Asking over HTTP: the request, the stream of its answer, and asking again.

use std::{
    io::{self, BufReader},
    sync::Arc,
    time::Duration,
};

use biplane_model::{clip, sanitize_line};
use serde_json::Value;
use ureq::{
    Agent,
    http::{HeaderMap, Response},
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{
    Delta, Endpoint, Fault, ModelError, Protocol, Reader, Reply, Request, anthropic, chat, responses, sse,
};
use crate::{bounds, cancel::Cancel};

/// How often a server is asked in vain, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often it is asked, the first time too.
    pub tries: u32,
    /// The first pause; each is twice as long as the one before.
    pub first: Duration,
    /// The longest pause of our own choice.
    pub longest: Duration,
    /// The longest pause that a server may wish; when it wishes for more, we give up at once.
    pub wished: Duration,
    /// How long a server may be silent.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 6,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            wished: Duration::from_secs(120),
            silence: Duration::from_secs(300),
        }
    }
}

/// Asks one endpoint.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    url: String,
    patience: Patience,
    agent: Option<Agent>,
}

impl Client {
    /// A client for `endpoint`. Nothing is asked yet.
    ///
    /// # Errors
    /// When the endpoint makes no sense.
    pub fn new(endpoint: Endpoint, patience: Patience) -> Result<Self, ModelError> {
        let url = endpoint.url()?;
        Ok(Self { endpoint, url, patience, agent: None })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.endpoint.model
    }

    /// Asks until there is a whole answer. What is said meanwhile goes to `sink`.
    ///
    /// # Errors
    /// When the server refuses, when it was asked in vain as often as it may be, or when it was cancelled.
    pub fn ask(
        &mut self,
        request: &Request<'_>,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Delta),
    ) -> Result<Reply, ModelError> {
        let body = match self.endpoint.protocol {
            Protocol::Anthropic => anthropic::body(&self.endpoint.model, request),
            Protocol::Openai => chat::body(&self.endpoint, request),
            Protocol::Responses => responses::body(&self.endpoint.model, request),
        };
        let body = body.to_string();
        let mut pause = self.patience.first;
        for left in (0..self.patience.tries).rev() {
            if cancel.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let fault = match self.once(&body, cancel, sink) {
                Ok(reply) => return Ok(reply),
                Err(_) if cancel.is_cancelled() => return Err(ModelError::Cancelled),
                Err(fault) => fault,
            };
            let (error, wish) = match fault {
                Fault::Final(error) => return Err(error),
                Fault::Broken(text) => (ModelError::Broken(text), None),
                Fault::Passing { status, text, retry_after_ms } => {
                    let retry_after_s = retry_after_ms.map(|ms| ms.div_ceil(1000));
                    (
                        ModelError::Busy { status, text, retry_after_s },
                        retry_after_ms.map(Duration::from_millis),
                    )
                }
            };
            let wait = wish.unwrap_or(pause).max(self.patience.first.min(Duration::from_millis(100)));
            if left == 0 || wait > self.patience.wished {
                return Err(error);
            }
            let busy = matches!(error, ModelError::Busy { .. });
            sink(Delta::Again { why: error.to_string(), wait_ms: wait.as_millis() as u64, busy });
            if cancel.wait(wait) {
                return Err(ModelError::Cancelled);
            }
            pause = (pause * 2).min(self.patience.longest);
        }
        Err(ModelError::Broken("it was never asked".to_owned()))
    }

    /// One try.
    fn once(&mut self, body: &str, cancel: &Cancel, sink: &mut dyn FnMut(Delta)) -> Result<Reply, Fault> {
        let agent = match &self.agent {
            Some(agent) => agent.clone(),
            None => self.agent.insert(connector(&self.endpoint, self.patience)?).clone(),
        };
        let during = {
            let agent = agent.clone();
            cancel.during(move || agent.shutdown())
        };
        let answer = self.post(&agent, body).and_then(|response| self.read(response, sink));
        drop(during);
        if answer.is_err() {
            // A connection that failed, or was hung up, is not used again.
            self.agent = None;
        }
        answer
    }

    fn post(&self, agent: &Agent, body: &str) -> Result<Response<ureq::Body>, Fault> {
        let mut request = agent.post(&self.url).header("content-type", "application/json");
        request = request.header("accept", "text/event-stream");
        if self.endpoint.protocol == Protocol::Anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        if let Some(key) = &self.endpoint.key {
            request = match self.endpoint.protocol {
                Protocol::Anthropic => request.header("x-api-key", key.reveal()),
                _ => request.header("authorization", format!("Bearer {}", key.reveal())),
            };
        }
        let response = request.send(body).map_err(|error| match error {
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => Fault::Final(ModelError::Endpoint(
                "the key or the endpoint has characters that can't be sent".to_owned(),
            )),
            // The certificate is no passing matter.
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
                Fault::Final(ModelError::Endpoint(shown(&error.to_string())))
            }
            other => Fault::Broken(shown(&other.to_string())),
        })?;
        let status = response.status().as_u16();
        if status == 200 { Ok(response) } else { Err(refusal(status, response)) }
    }

    fn read(&self, response: Response<ureq::Body>, sink: &mut dyn FnMut(Delta)) -> Result<Reply, Fault> {
        let mut from = BufReader::new(response.into_body().into_reader());
        match self.endpoint.protocol {
            Protocol::Anthropic => follow(Box::<anthropic::Stream>::default(), &mut from, |_| false, sink),
            Protocol::Openai => {
                follow(Box::<chat::Stream>::default(), &mut from, chat::Stream::is_whole, sink)
            }
            Protocol::Responses => follow(Box::<responses::Stream>::default(), &mut from, |_| false, sink),
        }
    }
}

/// Reads a stream to the end of the answer. `is_whole` says whether the end of the stream is one.
fn follow<R: Reader>(
    mut reader: Box<R>,
    from: &mut dyn io::BufRead,
    is_whole: impl Fn(&R) -> bool,
    sink: &mut dyn FnMut(Delta),
) -> Result<Reply, Fault> {
    let mut left = bounds::REPLY;
    loop {
        let data = match sse::next(from, &mut left) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(Fault::Final(ModelError::Endless(bounds::REPLY)));
            }
            Err(error) => return Err(Fault::Broken(shown(&error.to_string()))),
        };
        match data.as_deref() {
            None | Some("[DONE]") if is_whole(&reader) => return Ok(reader.reply()),
            None => return Err(Fault::Broken("it broke off in the middle of an answer".to_owned())),
            Some("[DONE]") => {}
            Some(text) => {
                let event: Value = serde_json::from_str(text)
                    .map_err(|error| Fault::Final(ModelError::Form(shown(&error.to_string()))))?;
                if reader.event(&event, sink)? {
                    return Ok(reader.reply());
                }
            }
        }
    }
}

/// What a refusal means.
fn refusal(status: u16, response: Response<ureq::Body>) -> Fault {
    let retry_after_ms = wish(response.headers());
    let mut body = Vec::new();
    let mut from = io::Read::take(response.into_body().into_reader(), bounds::REFUSAL);
    // What of it comes is better than nothing.
    let _ = io::Read::read_to_end(&mut from, &mut body);
    let body = String::from_utf8_lossy(&body);
    let parsed: Value = serde_json::from_str(&body).unwrap_or_default();
    let words =
        parsed["error"]["message"].as_str().or(parsed["error"].as_str()).or(parsed["message"].as_str());
    let text = shown(words.unwrap_or(body.trim()));
    match status {
        408 | 409 | 425 | 429 | 500.. => Fault::Passing { status, text, retry_after_ms },
        _ => Fault::Final(ModelError::Refused { status, text }),
    }
}

/// How long a server wishes to be left alone, in milliseconds. A date is not understood, and our own pauses do.
fn wish(headers: &HeaderMap) -> Option<u64> {
    let number =
        |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok().filter(|n| *n >= 0.0);
    let ms = number("retry-after-ms").or_else(|| Some(number("retry-after")? * 1000.0))?;
    Some(ms as u64)
}

/// A server's words, as a line.
pub(super) fn shown(text: &str) -> String {
    clip(&sanitize_line(text), bounds::TOLD)
}

/// What makes connections; TLS with the system's certificates.
fn connector(endpoint: &Endpoint, patience: Patience) -> Result<Agent, Fault> {
    let mut tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    if endpoint.base.starts_with("https://") {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            return Err(Fault::Final(ModelError::Endpoint(shown(&format!(
                "this system has no certificates to know a server by (`SSL_CERT_FILE` names a file of them){why}"
            )))));
        }
        let certs: Vec<_> = found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
        tls = tls.root_certs(RootCerts::from(certs));
    }
    let mut config = Agent::config_builder();
    if endpoint.is_here() {
        // A proxy would be sent what is not to leave this machine, and would look for the server on its own.
        config = config.proxy(None);
    }
    let config = config
        .tls_config(tls.build())
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(bounds::CONNECT))
        .timeout_connect(Some(bounds::CONNECT))
        .timeout_per_read(Some(patience.silence))
        .timeout_per_write(Some(patience.silence))
        .timeout_global(Some(bounds::ASK))
        .user_agent(concat!("biplane/", env!("CARGO_PKG_VERSION")));
    Ok(config.build().new_agent())
}
