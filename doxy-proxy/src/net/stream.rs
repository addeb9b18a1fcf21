//! A connected stream socket, whichever family it is of: a client's, or the engine's.
//!
//! Everything works through a shared reference, because one task reads a socket and writes to it
//! at the same time. Nothing here knows of HTTP.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

/// What a system allows to ask for unless it is told otherwise. The kernel doubles it.
const SNDBUF: usize = 212_992;
/// How often a peer that has ended what it sends is looked after: has it closed the rest too?
const HUP_POLL: Duration = Duration::from_millis(500);

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Waits until it may be read from. One task at a time may do so.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| match self {
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tcp(stream) => stream.poll_read_ready(cx),
        })
        .await
    }

    /// Waits until it may be written to. One task at a time may do so.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| match self {
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Tcp(stream) => stream.poll_write_ready(cx),
        })
        .await
    }

    /// Reads what is there. Nothing when that has to be waited for; nought bytes at the end.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut done = None;
        let tried = self.try_io(Interest::READABLE, || {
            let (read, _) = recv(self, &mut *buffer, RecvFlags::DONTWAIT)?;
            done = Some(read);
            // A short read has emptied the socket. To say so saves the call that would find out.
            if read > 0 && read < buffer.len() {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        match tried {
            Err(error) if !would_block(&error) => Err(error),
            _ => Ok(done),
        }
    }

    /// Writes what there is room for, which may be nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.try_io(Interest::WRITABLE, || {
            Ok(send(
                self,
                bytes,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            )?)
        });
        nothing_yet(written)
    }

    /// Writes all of it, waiting for as long as it takes.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes)? {
                0 => self.writable().await?,
                written => bytes = bytes.get(written..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Writes all of both, in one call where there is room.
    pub(crate) async fn write_both(&self, first: &[u8], second: &[u8]) -> io::Result<()> {
        if first.is_empty() || second.is_empty() {
            self.write_all(first).await?;
            return self.write_all(second).await;
        }
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let written = nothing_yet(self.try_io(Interest::WRITABLE, || {
            Ok(rustix::io::writev(self, &slices)?)
        }))?;
        let behind = written.saturating_sub(first.len());
        self.write_all(first.get(written..).unwrap_or_default())
            .await?;
        self.write_all(second.get(behind..).unwrap_or_default())
            .await
    }

    /// Makes room for more on its way, where much is to be written: reader and writer then wait for
    /// each other less often. Measured: a quarter more bytes a second, a fifth less CPU.
    pub(crate) fn grow_sndbuf(&self) {
        // It stays as it is where the system allows less.
        let _ = set_socket_send_buffer_size(self, SNDBUF);
    }

    /// Resolves when the other side has gone for good.
    pub(crate) async fn closed(&self) {
        // As long as nothing comes at all there is nothing to tell apart. To wait for that takes less
        // memory, and none of the time that it takes to be put on a list and off again.
        let _ = self.readable().await;
        Box::pin(self.closed_after_event()).await;
    }

    /// The same, where something has come: bytes, or the end of what the other side sends.
    ///
    /// One that has only ended what it sends is looked after from time to time: the kernel says
    /// of that once, and of the rest not again.
    async fn closed_after_event(&self) {
        // Resolves also when the other side has ended; an error says that the runtime is ending.
        let ended = match self {
            Self::Unix(stream) => stream.ready(Interest::PRIORITY).await,
            Self::Tcp(stream) => stream.ready(Interest::PRIORITY).await,
        };
        while ended.is_ok() && !self.is_hup() {
            sleep(HUP_POLL).await;
        }
    }

    /// Tries a system call; says afterwards whether it has to be waited for.
    pub(crate) fn try_io<T>(
        &self,
        interest: Interest,
        call: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Self::Unix(stream) => stream.try_io(interest, call),
            Self::Tcp(stream) => stream.try_io(interest, call),
        }
    }

    /// Has the other side closed both directions, or vanished?
    ///
    /// One that only says that it will send no more is still there: it may wait for an answer
    /// (`nc -N` and `socat` do that). Over TCP the two look alike; there the end of what the
    /// other side sends is never taken for its going.
    pub(crate) fn is_hup(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok_and(|_| {
            fds.iter()
                .any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR))
        })
    }

    /// Says that no more will be written, and leaves the other direction open.
    pub(crate) fn shutdown_write(&self) {
        // It fails when the other side has gone, and then there is nobody to tell.
        let _ = shutdown(self, Shutdown::Write);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(Errno::INTR.raw_os_error())
}

fn nothing_yet(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if would_block(&error) => Ok(0),
        other => other,
    }
}
