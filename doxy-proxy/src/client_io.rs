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
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// One client's connection, known to hyper, to the requests on it and to `connection`.
#[derive(Debug)]
pub(crate) struct Client {
    /// Never contended: everything about a connection happens in its one task.
    stream: Mutex<UnixStream>,
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
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream: Mutex::new(stream),
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

    pub(crate) fn in_service(&self) -> bool {
        self.in_service.load(Relaxed)
    }

    /// Has hyper refused a head by itself, with an answer that was held back?
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// May there be bytes of the client's that nobody is going to read?
    pub(crate) fn may_be_unread(&self) -> bool {
        self.refused() || self.has_body.load(Relaxed)
    }

    /// Has the client closed its socket, in both directions?
    ///
    /// A client that only says that it will send no more is still there: it may wait for its
    /// answer (`nc -N` and `socat` do that). hyper cannot tell the two apart.
    pub(crate) fn hung_up(&self) -> bool {
        let stream = self.stream();
        let mut fds = [PollFd::new(&*stream, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok_and(|_| {
            fds.iter()
                .any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR))
        })
    }

    /// Writes past hyper, which has given the connection up.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written =
                std::future::poll_fn(|cx| Pin::new(&mut *self.stream()).poll_write(cx, bytes))
                    .await?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Says that no more will be written, and leaves the other direction open.
    pub(crate) fn end(&self) {
        // It fails when the client has gone, and then there is nobody to tell.
        let _ = shutdown(&*self.stream(), Shutdown::Write);
    }

    /// Reads and throws away what the client still sends, until it ends.
    pub(crate) async fn drain(&self) {
        let mut scratch = [0; 8192];
        loop {
            let read = std::future::poll_fn(|cx| {
                let mut buffer = ReadBuf::new(&mut scratch);
                ready!(Pin::new(&mut *self.stream()).poll_read(cx, &mut buffer))?;
                Poll::Ready(io::Result::Ok(buffer.filled().len()))
            });
            if matches!(read.await, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    fn stream(&self) -> MutexGuard<'_, UnixStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this what hyper says by itself about a head that it cannot read?
    ///
    /// It says so only between two answers, at the start of a write, in a head with neither a
    /// date nor a body; every answer that doxy passes on or makes has a date.
    fn holds_back(&self, bytes: &[u8]) -> bool {
        if self.refused() {
            return true;
        }
        let between = self.flushed.load(Relaxed) && !self.in_service();
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
        Pin::new(&mut *self.0.stream()).poll_read(cx, buf)
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
        Pin::new(&mut *self.0.stream()).poll_write(cx, bytes)
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
        Pin::new(&mut *self.0.stream()).poll_write_vectored(cx, slices)
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
