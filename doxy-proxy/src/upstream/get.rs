//! Asks whatever listens at an address a question of one of doxy's tools, and reads the whole answer.
//!
//! The tools ask the engine so, and a doxy too: that is one more server of HTTP. Nothing of a client goes
//! out, and nobody is answered with what comes back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::reason::io_reason;
use crate::net::stream::Stream;
use crate::upstream::{Upstream, UpstreamError};

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// Why there is no answer. The texts are reasons, to stand behind the address.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is no connection.
    #[error("{0}")]
    NotReached(String),
    /// The connection was closed before the answer began.
    #[error("it closes connections without an answer")]
    Closed,
    /// What came is no whole answer of HTTP.
    #[error("{0}")]
    Broken(String),
}

impl Upstream {
    /// Gets `target`, on a connection of its own. `asker` is the name of the tool. It takes as long as
    /// that takes: the caller has a clock.
    ///
    /// # Errors
    /// There is no connection, or no whole answer.
    pub async fn get(&self, target: &str, asker: &str) -> Result<Response<Bytes>, GetError> {
        let stream = self.dial().await.map_err(not_reached)?;
        let stream = AskFirst {
            stream,
            has_asked: false,
            reader: None,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        let answered = async {
            let request = Request::get(target)
                .header(header::HOST, "docker")
                .header(
                    header::USER_AGENT,
                    format!("{asker}/{}", env!("CARGO_PKG_VERSION")),
                )
                .header("x-request-id", asker)
                // There is no second question.
                .header(header::CONNECTION, "close")
                .body(Empty::<Bytes>::new())
                .map_err(|error| GetError::Broken(error.to_string()))?;
            let (head, body) = sender
                .send_request(request)
                .await
                .map_err(failed)?
                .into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let cut = |error| GetError::Broken(format!("its answer is cut or too long: {error}"));
            Ok(Response::from_parts(head, body.map_err(cut)?.to_bytes()))
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            // Its errors also come out of the exchange, which ends first.
            () = async { let _ = connection.await; std::future::pending().await } => Err(GetError::Closed),
        }
    }
}

fn not_reached(error: UpstreamError) -> GetError {
    GetError::NotReached(match error {
        UpstreamError::Unreachable { reason, .. } => io_reason(&reason),
        UpstreamError::NotAccepting { .. } => "it does not accept connections".to_owned(),
        UpstreamError::NoTls { reason, .. } | UpstreamError::BrokeOff { reason, .. } => reason,
    })
}

fn failed(error: hyper::Error) -> GetError {
    use std::error::Error as _;
    let source = error.source().and_then(|it| it.downcast_ref::<io::Error>());
    match source {
        _ if error.is_incomplete_message() || error.is_canceled() => GetError::Closed,
        // The other side was gone before it had read the request.
        Some(source) => match source.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => GetError::Closed,
            _ => GetError::Broken(io_reason(source)),
        },
        None if error.is_parse() => GetError::Broken(format!("its answer is no HTTP: {error}")),
        None => GetError::Broken(error.to_string()),
    }
}

/// A connection that gives nothing to read until something was written. A doxy that is full answers before
/// it is asked, and hyper takes that for a fault.
struct AskFirst {
    stream: Stream,
    has_asked: bool,
    reader: Option<Waker>,
}

impl AsyncRead for AskFirst {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_asked {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for AskFirst {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        // Of what cannot be written either, reading says why.
        if written.is_ready() {
            self.has_asked = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
