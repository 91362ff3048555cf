//! As much of HTTP/1.1 as is needed: requests with a length or in chunks, answers with a length or in chunks, one after the
//! other on a connection.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// The most bytes of a request's body.
const MAX_BODY: usize = 64 << 20;
/// The most bytes of a line of a request's head.
const MAX_LINE: u64 = 64 << 10;
/// The most headers of a request.
const MAX_HEADERS: usize = 200;

/// What was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// The next request on a connection; nothing when the other side has closed it.
pub(super) fn read(from: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let first = line(from)?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut chunked) = (0, false);
    for _ in 0..MAX_HEADERS {
        let header = line(from)?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            "expect" => from.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
            _ => {}
        }
    }
    let body = if chunked { chunks(from)? } else { exactly(from, length)? };
    Ok(Some(Asked { method: method.to_owned(), path: path.to_owned(), body }))
}

fn chunks(from: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            while !line(from)?.is_empty() {}
            return Ok(body);
        }
        if body.len() + size > MAX_BODY {
            return Err(io::Error::other("the request is too long"));
        }
        body.extend(exactly(from, size)?);
        line(from)?;
    }
}

fn exactly(from: &mut BufReader<TcpStream>, length: usize) -> io::Result<Vec<u8>> {
    if length > MAX_BODY {
        return Err(io::Error::other("the request is too long"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// A line without its end; empty at the end of the stream.
fn line(from: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    let line = String::from_utf8(line).map_err(io::Error::other)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// An answer with a body of known length.
pub(super) fn answer(
    to: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &str,
) -> io::Result<()> {
    let length =
        [("content-type", "application/json".to_owned()), ("content-length", body.len().to_string())];
    let head = head(status, headers.iter().chain(&length));
    to.write_all((head + body).as_bytes())
}

/// The beginning of an answer that comes bit by bit.
pub(super) fn begin_stream(to: &mut TcpStream) -> io::Result<()> {
    let headers = [
        ("content-type", "text/event-stream".to_owned()),
        ("cache-control", "no-cache".to_owned()),
        ("transfer-encoding", "chunked".to_owned()),
    ];
    to.write_all(head(200, headers.iter()).as_bytes())
}

/// A bit of it; an empty one is left out, since it would be the end.
pub(super) fn stream(to: &mut TcpStream, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    to.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

/// The end of it.
pub(super) fn end_stream(to: &mut TcpStream) -> io::Result<()> {
    to.write_all(b"0\r\n\r\n")
}

fn head<'a>(status: u16, headers: impl Iterator<Item = &'a (&'a str, String)>) -> String {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", if status < 400 { "OK" } else { "Refused" });
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}
