//! The stand-in engine: answers of the same form as Docker's, with padding as content.
//!
//! One thread, one task per connection. The query `?n=BYTES` sets sizes. It answers every request
//! and denies nothing: that is the proxy's task.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::time::sleep;

use crate::http::chunked::{LAST, push_chunk};
use crate::http::wire::{Framing, Head, READ_SIZE, Wire, parse_number, to_u64};

/// The size of a list of containers or networks.
pub(crate) const LIST: usize = 3 * 1024;
/// The size of a large body, if the request does not say.
const BIG: u64 = 64 * 1024 * 1024;
/// One event.
const EVENT: &[u8] = br#"{"status":"start","id":"4e9f0e1f3bbd44b0","from":"busybox","Type":"container","Action":"start","scope":"local","time":1790000000,"timeNano":1790000000123456789}
"#;

/// The endpoint of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Ping,
    List,
    ListChunked,
    Big,
    BigChunked,
    Load,
    Attach(Mode),
    Events,
    Unknown,
}

/// What the engine does at its end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Source,
    Sink,
    Echo,
}

#[derive(Debug)]
struct Request {
    route: Route,
    /// `?n=`: the size in bytes.
    n: Option<u64>,
    /// `?every=`: the interval of events in milliseconds.
    every: Option<u64>,
    /// `?stay=1`: a source stays open after it has sent everything.
    stay: bool,
    framing: Framing,
    upgrade: bool,
    expects: bool,
    last: bool,
}

impl Request {
    fn read(head: Head<'_>) -> io::Result<Self> {
        let mut words = head.words();
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let mut parts = target.splitn(2, |&byte| byte == b'?');
        let path = parts.next().unwrap_or_default();
        let query = parts.next().unwrap_or_default();
        Ok(Self {
            route: route(method, path),
            n: parameter(query, b"n="),
            every: parameter(query, b"every="),
            stay: parameter(query, b"stay=").is_some_and(|stay| stay > 0),
            framing: head.framing()?,
            upgrade: head.field("upgrade").is_some(),
            expects: head.field("expect").is_some(),
            last: head
                .field("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case(b"close")),
        })
    }
}

fn route(method: &[u8], path: &[u8]) -> Route {
    match (method, path) {
        (b"GET", b"/_ping") => Route::Ping,
        (b"GET", b"/v1.41/containers/json") => Route::List,
        (b"GET", b"/v1.41/networks") => Route::ListChunked,
        (b"GET", b"/v1.41/containers/big/json") => Route::Big,
        (b"GET", b"/v1.41/containers/big/export") => Route::BigChunked,
        (b"GET", b"/v1.41/events") => Route::Events,
        (b"POST", b"/v1.41/images/load") => Route::Load,
        (b"POST", b"/v1.41/containers/source/attach") => Route::Attach(Mode::Source),
        (b"POST", b"/v1.41/containers/sink/attach") => Route::Attach(Mode::Sink),
        (b"POST", b"/v1.41/containers/echo/attach") => Route::Attach(Mode::Echo),
        _ => Route::Unknown,
    }
}

fn parameter(query: &[u8], name: &[u8]) -> Option<u64> {
    query
        .split(|&byte| byte == b'&')
        .find_map(|pair| pair.strip_prefix(name))
        .and_then(parse_number)
}

/// The list in both framings, rendered once, so that connections stay cheap.
#[derive(Debug)]
struct Lists {
    plain: Vec<u8>,
    chunked: Vec<u8>,
}

impl Lists {
    fn new() -> Self {
        let list = "x".repeat(LIST);
        let plain = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {LIST}\r\n\r\n{list}"
        );
        let mut chunked = CHUNKED_HEAD.to_vec();
        // Go sends an answer that exceeds its buffer of 2 KiB in chunks of that size.
        for piece in list.as_bytes().chunks(2048) {
            push_chunk(&mut chunked, piece);
        }
        chunked.extend_from_slice(LAST);
        Self {
            plain: plain.into_bytes(),
            chunked,
        }
    }
}

/// Serves until the task is aborted.
pub(crate) async fn serve(socket: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let lists = Arc::new(Lists::new());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let lists = Arc::clone(&lists);
                tokio::spawn(async move {
                    // An error means that the client has gone away.
                    let _ = connection(Wire::new(stream), &lists).await;
                });
            }
            // Probably out of descriptors: other connections must close first.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(mut wire: Wire, lists: &Lists) -> io::Result<()> {
    while let Some(request) = wire.head(Request::read).await? {
        if request.expects {
            wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let size = request.n.unwrap_or(BIG);
        match request.route {
            Route::Attach(mode) => return attached(wire, mode, &request).await,
            Route::Events => return events(wire, &request).await,
            Route::Ping => wire.write(PING).await?,
            Route::List => wire.write(&lists.plain).await?,
            Route::ListChunked => wire.write(&lists.chunked).await?,
            Route::Big => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
                );
                wire.write(head.as_bytes()).await?;
                wire.fill(size).await?;
            }
            Route::BigChunked => {
                wire.write(CHUNKED_HEAD).await?;
                wire.fill_chunked(size).await?;
            }
            Route::Load => {
                // Returns the size, so that the driver can check that everything arrived.
                let size = wire.body(request.framing).await?.to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Size: {size}\r\nContent-Length: 2\r\n\r\n{{}}"
                );
                wire.write(answer.as_bytes()).await?;
            }
            Route::Unknown => wire.write(UNKNOWN).await?,
        }
        if request.last {
            return wire.end().await;
        }
    }
    Ok(())
}

const PING: &[u8] = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nOK";
const CHUNKED_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
const UNKNOWN: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"message\":\"page not found\"}\n";

/// The raw stream after an attach.
async fn attached(mut wire: Wire, mode: Mode, request: &Request) -> io::Result<()> {
    wire.write(if request.upgrade {
        b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    } else {
        b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
    })
    .await?;
    match mode {
        Mode::Source => {
            wire.fill(request.n.unwrap_or(u64::MAX)).await?;
            if request.stay {
                while wire.some(READ_SIZE).await? > 0 {}
            }
        }
        Mode::Sink => {
            let mut left = request.n.unwrap_or(u64::MAX);
            while left > 0 {
                match wire.some(READ_SIZE).await? {
                    0 => break,
                    read => left = left.saturating_sub(to_u64(read)),
                }
            }
        }
        Mode::Echo => {
            let mut back = Vec::new();
            loop {
                back.clear();
                let read = wire
                    .take(READ_SIZE, |bytes| {
                        back.extend_from_slice(bytes);
                        Ok(bytes.len())
                    })
                    .await?;
                if read == 0 {
                    break;
                }
                wire.write(&back).await?;
            }
        }
    }
    wire.end().await
}

/// Endless events: one at once, then one per interval.
async fn events(mut wire: Wire, request: &Request) -> io::Result<()> {
    let every = Duration::from_millis(request.every.unwrap_or(1000));
    let mut frame = Vec::new();
    push_chunk(&mut frame, EVENT);
    wire.write(CHUNKED_HEAD).await?;
    loop {
        wire.write(&frame).await?;
        tokio::select! {
            () = sleep(every) => {}
            gone = wire.some(READ_SIZE) => if gone? == 0 {
                return Ok(());
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let head = b"POST /v1.41/containers/source/attach?stream=1&n=7&stay=1 HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
        let request = Request::read(Head::new(head)).unwrap();
        assert_eq!(request.route, Route::Attach(Mode::Source));
        assert_eq!((request.n, request.every), (Some(7), None));
        assert!(request.stay && request.upgrade && !request.last);
        let head = b"GET /v1.41/secrets HTTP/1.1\r\nConnection: close\r\n\r\n";
        let request = Request::read(Head::new(head)).unwrap();
        assert_eq!(request.route, Route::Unknown);
        assert!(request.last);
    }

    #[test]
    fn lengths_are_right() {
        for answer in [PING, UNKNOWN] {
            let split = answer.windows(4).position(|four| four == b"\r\n\r\n");
            let (head, body) = answer.split_at(split.unwrap() + 4);
            let framing = Head::new(head).framing().unwrap();
            assert_eq!(framing, Framing::Length(to_u64(body.len())));
        }
    }
}
