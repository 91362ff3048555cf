//! Any number of clients, on a port.
//!
//! Who may speak is decided before anything is read: the `Host` and `Origin` that a browser can be made to send (403), then the
//! token (401). Every request stands for itself, whatever revision of the protocol its client speaks.
//!
//! Source: the section "Security Warning" of the transport in the protocol's specification.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use biplane_coordination::{AccessToken, Error};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderName},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Setting, bounds,
    server::Server,
    stdio::{Ended, Signals, runtime},
};

/// The path that the protocol is spoken at.
pub const PATH: &str = "/mcp";

/// How to serve.
pub struct HttpOptions {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether others than this machine may reach it.
    pub exposure: Exposure,
    /// The names by which it is reached, beyond the address and the names of this machine.
    pub hosts: Vec<String>,
    /// The pages that may speak with it, as `https://name:port`.
    pub origins: Vec<String>,
    /// What everybody must show.
    pub token: AccessToken,
}

/// Whether others than this machine may reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// They may not.
    Loopback,
    /// They may.
    Network,
}

/// A server that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The address to give to clients.
    pub url: String,
}

type Body = BoxBody<Bytes, Infallible>;
type Speaks = StreamableHttpService<Server, NeverSessionManager>;

/// Who may speak.
struct Door {
    hosts: Vec<String>,
    origins: Vec<String>,
    /// The digest of the token: comparing digests tells nothing of the token by the time it takes.
    token: [u8; 32],
}

/// Serves until a signal comes; what is at work then is ended. `ready` is told where, once it listens.
///
/// # Errors
/// When the address is none of this machine's own and nobody said that it may be, it is taken, or the system gives no threads.
pub fn serve(setting: Setting, options: HttpOptions, ready: impl FnOnce(&Bound)) -> Result<Ended, Error> {
    if !options.address.ip().is_loopback() && options.exposure == Exposure::Loopback {
        return Err(Error::refused(format!("`{}` can be reached from other machines", options.address))
            .hint("use `127.0.0.1`, or say `--expose`, and put something that encrypts in front of it"));
    }
    let runtime = runtime()?;
    let ended = runtime.block_on(run(setting, options, ready));
    runtime.shutdown_background();
    ended
}

async fn run(setting: Setting, options: HttpOptions, ready: impl FnOnce(&Bound)) -> Result<Ended, Error> {
    let address = options.address;
    let io = |e| Error::io("listened on", address, e);
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let ends = CancellationToken::new();
    let server = Server::new(setting, ends.clone())?;
    let door = Arc::new(Door::new(&options, address));
    let speaks = speaks(server.clone(), &door, ends.child_token());
    let mut signals = Signals::new()?;
    ready(&Bound { url: format!("http://{address}{PATH}") });
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(bounds::CONNECTIONS));
    let signal = loop {
        let accepted = async {
            // Who finds no room waits in the system's line.
            let room = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, room)
        };
        let (stream, room) = tokio::select! {
            (Ok((stream, _)), Ok(room)) = accepted => (stream, room),
            signal = signals.next() => break signal,
            // As when there are no more descriptors: a moment later there may be.
            else => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (door, speaks, ends) = (Arc::clone(&door), speaks.clone(), ends.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&door), speaks.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(bounds::HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // A client that breaks off is nobody's fault.
                _ = connection => {}
                () = ends.cancelled() => {}
            }
            drop(room);
        });
    };
    server.end().await;
    connections.close();
    let _ = tokio::time::timeout(bounds::END_WAIT, connections.wait()).await;
    Ok(Ended::Signal(signal))
}

fn speaks(server: Server, door: &Door, ends: CancellationToken) -> Speaks {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_keep_alive(Some(bounds::KEEP_ALIVE))
        .with_allowed_hosts(door.hosts.clone())
        .with_allowed_origins(door.origins.clone())
        .enforce_origin_validation()
        .with_max_request_body_bytes(bounds::REQUEST)
        .with_cancellation_token(ends);
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config)
}

async fn answer(
    door: Arc<Door>,
    mut speaks: Speaks,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if let Err((status, text)) = door.lets_in(request.headers(), request.uri().path()) {
        return Ok(refusal(status, text));
    }
    let (parts, body) = request.into_parts();
    // The place of a connection is not for who never says what he wants.
    let body = match tokio::time::timeout(bounds::BODY, Limited::new(body, bounds::REQUEST).collect()).await {
        Ok(Ok(body)) => Full::new(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "The request is larger than 1 MiB.\n"));
        }
        Ok(Err(_)) => return Ok(refusal(StatusCode::BAD_REQUEST, "The request broke off.\n")),
        Err(_) => return Ok(refusal(StatusCode::REQUEST_TIMEOUT, "The request took too long to arrive.\n")),
    };
    tower_service::Service::call(&mut speaks, Request::from_parts(parts, body)).await
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    // Others may be waiting for the place.
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        let bearer = header::HeaderValue::from_static("Bearer realm=\"biplane\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

impl Door {
    fn new(options: &HttpOptions, address: SocketAddr) -> Self {
        let port = address.port();
        let mut hosts = vec![address.to_string()];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}")));
        }
        for host in &options.hosts {
            hosts.push(host.to_lowercase());
        }
        let origins =
            options.origins.iter().map(|origin| origin.trim_end_matches('/').to_lowercase()).collect();
        Self { hosts, origins, token: Sha256::digest(options.token.token.as_bytes()).into() }
    }

    /// Who may go on; what is said to the others.
    fn lets_in(&self, headers: &HeaderMap, path: &str) -> Result<(), (StatusCode, &'static str)> {
        let host = only(headers, header::HOST).map(str::to_lowercase);
        if !host.is_some_and(|host| self.hosts.contains(&host)) {
            return Err((
                StatusCode::FORBIDDEN,
                "The Host header names another server; `--host` adds a name.\n",
            ));
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = only(headers, header::ORIGIN).map(str::to_lowercase);
            if !origin.is_some_and(|origin| self.origins.contains(&origin)) {
                return Err((
                    StatusCode::FORBIDDEN,
                    "This Origin may not speak with the server; `--origin` lets one.\n",
                ));
            }
        }
        let shown = only(headers, header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let digest = |token: &str| <[u8; 32]>::from(Sha256::digest(token.as_bytes()));
        if shown.map(digest) != Some(self.token) {
            let text = "Send `Authorization: Bearer TOKEN`; the server has said where the token lies.\n";
            return Err((StatusCode::UNAUTHORIZED, text));
        }
        if path != PATH {
            return Err((StatusCode::NOT_FOUND, "The protocol is spoken at /mcp.\n"));
        }
        Ok(())
    }
}

/// The value of a header that stands there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        let token = AccessToken { token: "0123456789abcdef".to_owned(), path: "x".into() };
        let options = HttpOptions {
            address: "127.0.0.1:0".parse().unwrap(),
            exposure: Exposure::Loopback,
            hosts: vec!["Board.example".to_owned()],
            origins: vec!["https://board.example/".to_owned()],
            token,
        };
        Door::new(&options, "127.0.0.1:4000".parse().unwrap())
    }

    fn said(headers: &[(&str, &str)], path: &str) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        door().lets_in(&map, path).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    /// Headers, a path, and the status.
    type Row = (&'static [(&'static str, &'static str)], &'static str, u16);

    #[test]
    fn who_is_let_in() {
        const TOKEN: (&str, &str) = ("authorization", "Bearer 0123456789abcdef");
        const HOST: (&str, &str) = ("host", "127.0.0.1:4000");
        let table: &[Row] = &[
            (&[HOST, TOKEN], "/mcp", 200),
            (&[("host", "LOCALHOST:4000"), TOKEN], "/mcp", 200),
            (&[("host", "[::1]:4000"), TOKEN], "/mcp", 200),
            (&[("host", "board.example"), TOKEN], "/mcp", 200),
            (&[("host", "evil.example:4000"), TOKEN], "/mcp", 403),
            (&[("host", "127.0.0.1"), TOKEN], "/mcp", 403),
            (&[("host", "127.0.0.1:4001"), TOKEN], "/mcp", 403),
            (&[HOST, HOST, TOKEN], "/mcp", 403),
            (&[TOKEN], "/mcp", 403),
            (&[HOST, TOKEN, ("origin", "https://board.example")], "/mcp", 200),
            (&[HOST, TOKEN, ("origin", "http://localhost:4000")], "/mcp", 403),
            (&[HOST, TOKEN, ("origin", "null")], "/mcp", 403),
            (&[HOST], "/mcp", 401),
            (&[HOST, ("authorization", "Bearer 0123456789abcdeg")], "/mcp", 401),
            (&[HOST, ("authorization", "Basic 0123456789abcdef")], "/mcp", 401),
            (&[HOST, ("authorization", "Bearer ")], "/mcp", 401),
            (&[HOST, TOKEN, TOKEN], "/mcp", 401),
            (&[HOST, TOKEN], "/", 404),
            (&[HOST, TOKEN], "/mcp/", 404),
        ];
        for (headers, path, status) in table {
            assert_eq!(said(headers, path), *status, "{headers:?} {path}");
        }
    }
}
