//! The client's socket, as hyper's server half sees it.
//!
//! It differs from the bare socket in two things. What hyper answers by itself to a head that
//! it cannot read, a status without a word, is held back: `connection` says it better. And the
//! socket is never shut down from here: `connection` does that when the last word is said.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http_body::Body as _;
use hyper::Request;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::record::Record;
use crate::socket::Socket;
use crate::upstream::Switched;

/// One client's connection, known to hyper, to the requests on it and to `connection`.
#[derive(Debug)]
pub(crate) struct Client {
    /// Never contended: everything about a connection happens in its one task.
    socket: Mutex<Socket>,
    /// The engine has switched: what is on the connection is no HTTP any more.
    switched: Mutex<Option<Box<(Switched, Record)>>>,
    /// A request has been taken and its answer has not been handed to hyper whole.
    in_service: AtomicBool,
    /// The request that was taken last has a body. It may lie unread when the answer is out.
    has_body: AtomicBool,
    /// Nothing has been written since the last flush: the next write begins an answer.
    flushed: AtomicBool,
    /// hyper has refused a head by itself.
    refused: AtomicBool,
}

/// What is given to hyper.
#[derive(Debug)]
pub(crate) struct ClientIo(Arc<Client>);

impl Client {
    pub(crate) fn new(socket: Socket) -> Self {
        Self {
            socket: Mutex::new(socket),
            switched: Mutex::new(None),
            in_service: AtomicBool::new(false),
            has_body: AtomicBool::new(false),
            flushed: AtomicBool::new(true),
            refused: AtomicBool::new(false),
        }
    }

    pub(crate) fn io(self: &Arc<Self>) -> ClientIo {
        ClientIo(Arc::clone(self))
    }

    /// A request has been taken.
    pub(crate) fn serving(&self, request: &Request<Incoming>) {
        self.in_service.store(true, Relaxed);
        self.has_body
            .store(!request.body().is_end_stream(), Relaxed);
    }

    /// Its answer is done with.
    pub(crate) fn answered(&self) {
        self.in_service.store(false, Relaxed);
    }

    /// Could the client go without hyper noticing? While a request is in service hyper does not
    /// read, and behind an early answer it may wait for the engine to take the rest of a body.
    pub(crate) fn may_leave_unseen(&self) -> bool {
        self.in_service.load(Relaxed) || self.has_body.load(Relaxed)
    }

    /// Has hyper refused a head by itself, with an answer that was held back?
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// May there be bytes of the client's that nobody is going to read?
    pub(crate) fn may_be_unread(&self) -> bool {
        self.refused() || self.has_body.load(Relaxed)
    }

    /// The engine has switched the connection; it is taken over when the handler has returned.
    pub(crate) fn switch(&self, switched: Switched, record: Record) {
        *self.switched.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Box::new((switched, record)));
    }

    pub(crate) fn take_switched(&self) -> Option<Box<(Switched, Record)>> {
        self.switched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The socket, when nobody else knows of it any more.
    pub(crate) fn into_socket(self: Arc<Self>) -> Option<Socket> {
        let client = Arc::into_inner(self)?;
        Some(
            client
                .socket
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) fn hung_up(&self) -> bool {
        self.socket().hung_up()
    }

    /// Writes past hyper, which has given the connection up.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written =
                std::future::poll_fn(|cx| Pin::new(&mut *self.socket()).poll_write(cx, bytes))
                    .await?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Says that no more will be written.
    pub(crate) fn end(&self) {
        self.socket().end();
    }

    /// Reads and throws away what the client still sends, until it ends.
    pub(crate) async fn drain(&self) {
        // On the heap: every connection's task would have room for it otherwise, from the start.
        let mut scratch = vec![0; 8192];
        loop {
            let read = std::future::poll_fn(|cx| {
                let mut buffer = ReadBuf::new(&mut scratch);
                ready!(Pin::new(&mut *self.socket()).poll_read(cx, &mut buffer))?;
                Poll::Ready(io::Result::Ok(buffer.filled().len()))
            });
            if matches!(read.await, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this what hyper says by itself about a head that it cannot read?
    ///
    /// It says so only between two answers, at the start of a write, in a head with neither a
    /// date nor a body; every answer that doxy passes on or makes has a date.
    fn holds_back(&self, bytes: &[u8]) -> bool {
        if self.refused() {
            return true;
        }
        let between = self.flushed.load(Relaxed) && !self.in_service.load(Relaxed);
        if between && is_automatic(bytes) {
            self.refused.store(true, Relaxed);
            return true;
        }
        false
    }
}

/// A status line from 400 up and no other header than these two, in hyper's spelling.
fn is_automatic(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"HTTP/1.") else {
        return false;
    };
    if !matches!(rest, [b'0' | b'1', b' ', b'4', ..]) {
        return false;
    }
    let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
        return false;
    };
    let mut lines = rest.get(end + 2..).unwrap_or_default();
    for line in [&b"connection: close\r\n"[..], b"content-length: 0\r\n"] {
        lines = lines.strip_prefix(line).unwrap_or(lines);
    }
    lines == b"\r\n"
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.socket()).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.0.holds_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.0.flushed.store(false, Relaxed);
        Pin::new(&mut *self.0.socket()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = slices
            && self.0.holds_back(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.0.flushed.store(false, Relaxed);
        Pin::new(&mut *self.0.socket()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written all that it had.
        self.0.flushed.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::is_automatic;

    #[test]
    fn only_a_bare_refusal_is_hypers_own() {
        for (bytes, automatic) in [
            (
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                true,
            ),
            (
                "HTTP/1.0 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n",
                true,
            ),
            (
                "HTTP/1.1 414 URI Too Long\r\nconnection: close\r\n\r\n",
                true,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n",
                false,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello",
                false,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n", false),
            ("", false),
        ] {
            assert_eq!(is_automatic(bytes.as_bytes()), automatic, "{bytes:?}");
        }
    }
}
