//! A connection of any kind, a client's or the engine's: bytes in the clear, whatever carries them.
//!
//! Every operation takes a shared reference, because one task reads a stream and writes to it at the
//! same time. Nothing here knows HTTP.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::net::socket::Socket;
use crate::net::tls::stream::TlsStream;

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// What is on the socket are the bytes themselves.
    Plain(Socket),
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Waits until there is something to read. Only one task at a time may wait. What TLS has left to
    /// write is written meanwhile.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_readable(cx),
            Self::Tls(stream) => stream.poll_readable(cx),
        }
    }

    /// Waits until the socket is writable. Only one task at a time may wait.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket().poll_writable(cx)).await
    }

    /// Reads without waiting: `None` if nothing has come, 0 bytes at the end of the stream.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(socket) => socket.try_read(buffer),
            Self::Tls(stream) => stream.try_read(buffer),
        }
    }

    /// Reads without waiting, and without asking tokio: what came before a new connection is watched,
    /// tokio learns only later.
    pub(crate) fn try_read_new(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(socket) => socket.try_read_new(buffer),
            // It has been watched since its handshake.
            Self::Tls(stream) => stream.try_read(buffer),
        }
    }

    /// Writes as much as the socket takes without waiting, which may be nothing.
    ///
    /// Whoever goes on writing goes on behind what was written.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes),
            Self::Tls(stream) => stream.try_write(bytes, &[]),
        }
    }

    /// Writes everything, however long that takes.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes)? {
                0 => self.writable().await?,
                written => bytes = bytes.get(written..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Writes both slices, with one system call if the socket takes them.
    pub(crate) async fn write_both(&self, first: &[u8], second: &[u8]) -> io::Result<()> {
        if first.is_empty() || second.is_empty() {
            self.write_all(first).await?;
            return self.write_all(second).await;
        }
        let written = match self {
            Self::Plain(socket) => {
                socket.try_write_all(&[IoSlice::new(first), IoSlice::new(second)])
            }
            Self::Tls(stream) => stream.try_write(first, second),
        }?;
        let behind = written.saturating_sub(first.len());
        self.write_all(first.get(written..).unwrap_or_default())
            .await?;
        self.write_all(second.get(behind..).unwrap_or_default())
            .await
    }

    /// Enlarges the send buffer, for large bodies: reader and writer then wait for each other less
    /// often. Measured: a quarter more bytes a second, a fifth less CPU.
    pub(crate) fn grow_sndbuf(&self) {
        self.socket().grow_sndbuf();
    }

    /// Resolves when the other side has closed the connection altogether.
    pub(crate) async fn closed(&self) {
        // Without any readiness event the other side cannot have hung up. Waiting for `readable`
        // first avoids registering a PRIORITY interest for every request.
        let _ = self.readable().await;
        Box::pin(self.socket().closed_after_event()).await;
    }

    /// Whether the other side has closed both directions. See [`Socket::is_hup`].
    pub(crate) fn is_hup(&self) -> bool {
        self.socket().is_hup()
    }

    /// Closes the writing direction and leaves the other one open.
    pub(crate) fn shutdown_write(&self) {
        match self {
            Self::Plain(socket) => socket.shutdown_write(),
            Self::Tls(stream) => stream.shutdown_write(),
        }
    }

    /// Says that the other side has got everything, where that can be said: over TLS, a stream that is
    /// dropped without this was cut.
    pub(crate) fn end(&self) {
        if let Self::Tls(stream) = self {
            stream.shutdown_write();
        }
    }

    /// The socket, if what is on it are the bytes themselves.
    pub(crate) fn plain(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.socket(),
        }
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Plain(Socket::Unix(stream))
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(Socket::Tcp(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(read) = self.try_read(buffer.initialize_unfilled())? {
                buffer.advance(read);
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_readable(cx))?;
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes)? {
                0 if !bytes.is_empty() => ready!(self.socket().poll_writable(cx))?,
                written => return Poll::Ready(Ok(written)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was not written yet was not reported as written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown_write();
        Poll::Ready(Ok(()))
    }
}

/// A connected socket that no runtime watches.
#[derive(Debug)]
pub(crate) enum DetachedStream {
    Unix(std::os::unix::net::UnixStream),
    /// With the address of the other side.
    Tcp(std::net::TcpStream, SocketAddr),
}

impl DetachedStream {
    /// Has this thread's runtime watch the socket.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Unix(stream) => UnixStream::from_std(stream)?.into(),
            Self::Tcp(stream, _) => TcpStream::from_std(stream)?.into(),
        })
    }
}

impl AsFd for DetachedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream, _) => stream.as_fd(),
        }
    }
}
