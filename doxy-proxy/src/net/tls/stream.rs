//! A TLS connection with the operations of a socket.
//!
//! Reading takes bytes off the socket and deciphers all of them at once, so there is never a whole
//! record left. Writing enciphers and then writes; while a part of that waits for room on the socket,
//! the last byte counts as not written. So whoever has written everything has it on the socket, and
//! nobody has to flush. What TLS has to say on its own account (tickets, alerts, new keys) goes out
//! with the next bytes, or while somebody waits for something to read.
//!
//! A stream that is dropped is cut, and the other side sees that: an end has to be said.

use std::io::{self, IoSlice, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustls::Connection;
use rustls::pki_types::CertificateDer;

use crate::net::socket::Socket;

/// The most that waits for room on the socket, in bytes.
const BUFFER_LIMIT: usize = 32 * 1024;
/// Beyond this rustls's own buffer has grown, in bytes.
const SMALL_READ: usize = 4096;

/// A TLS connection, of either side.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: Socket,
    session: Mutex<Session>,
}

#[derive(Debug)]
struct Session {
    tls: Connection,
    /// Whether the last byte that was enciphered has not been reported as written.
    owed: bool,
}

/// What one look at the socket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    /// Bytes, and there may be more.
    Bytes,
    /// Bytes, and that was all.
    Last,
    Nothing,
    End,
}

impl TlsStream {
    pub(crate) fn new(socket: Socket, mut tls: Connection) -> Self {
        tls.set_buffer_limit(Some(BUFFER_LIMIT));
        let session = Mutex::new(Session { tls, owed: false });
        Self { socket, session }
    }

    /// Goes through the handshake.
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        loop {
            // A lock is not held while anything is waited for.
            let (flushed, done) = {
                let mut session = self.session();
                (self.flush(&mut session)?, !session.tls.is_handshaking())
            };
            if !flushed {
                std::future::poll_fn(|cx| self.socket.poll_writable(cx)).await?;
                continue;
            }
            if done {
                return Ok(());
            }
            let received = {
                let mut session = self.session();
                self.receive(&mut session)?
            };
            match received {
                Received::Bytes | Received::Last => {}
                Received::Nothing => {
                    std::future::poll_fn(|cx| self.socket.poll_readable(cx)).await?;
                }
                Received::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Has what is read from the certificate of the other side, if it has shown one.
    pub(crate) fn peer_certificate<T>(
        &self,
        read: impl FnOnce(&CertificateDer<'_>) -> T,
    ) -> Option<T> {
        let session = self.session();
        session.tls.peer_certificates()?.first().map(read)
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut session = self.session();
        match session.tls.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
            // Reading gives it, the end of the stream, or the error.
            _ => return Poll::Ready(Ok(())),
        }
        while !self.flush(&mut session)? {
            if self.socket.poll_writable(cx)?.is_pending() {
                break;
            }
        }
        self.socket.poll_readable(cx)
    }

    /// Reads without waiting: `None` if nothing has come, 0 bytes at the end of the stream. A stream
    /// that ends without a word that this is its end is cut, which is an error.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut session = self.session();
        // What was wrong before stays wrong.
        session.tls.process_new_packets().map_err(broken)?;
        let mut filled = 0;
        let mut received = Received::Bytes;
        loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            if room.is_empty() {
                return Ok(Some(filled));
            }
            match session.tls.reader().read(room) {
                Ok(0) => return Ok(Some(filled)),
                Ok(read) => {
                    filled += read;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The next read finds it again.
                Err(_) if filled > 0 => return Ok(Some(filled)),
                Err(error) => return Err(error),
            }
            match received {
                Received::Bytes => {}
                Received::Last | Received::Nothing | Received::End => {
                    if filled > SMALL_READ {
                        session.shrink();
                    }
                    return Ok((filled > 0).then_some(filled));
                }
            }
            received = match self.receive(&mut session) {
                Err(_) if filled > 0 => return Ok(Some(filled)),
                received => received?,
            };
        }
    }

    /// Writes as much of both slices as the socket takes without waiting.
    pub(crate) fn try_write(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let all = first.len() + second.len();
        let mut session = self.session();
        if !self.flush(&mut session)? || all == 0 {
            return Ok(0);
        }
        // The byte that was owed is the first one of these.
        let mut written = usize::from(std::mem::take(&mut session.owed));
        while written < all {
            let behind = written.saturating_sub(first.len());
            let slices = [
                IoSlice::new(first.get(written..).unwrap_or_default()),
                IoSlice::new(second.get(behind..).unwrap_or_default()),
            ];
            let taken = session.tls.writer().write_vectored(&slices)?;
            if taken == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            written += taken;
            if !self.flush(&mut session)? {
                session.owed = true;
                return Ok(written - 1);
            }
        }
        Ok(written)
    }

    /// Says that nothing more comes, and leaves the other direction open.
    pub(crate) fn shutdown_write(&self) {
        let mut session = self.session();
        session.tls.send_close_notify();
        // What the socket does not take now goes out while somebody waits to read.
        let _ = self.flush(&mut session);
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is enciphered. Says whether that was all of it.
    fn flush(&self, session: &mut Session) -> io::Result<bool> {
        while session.tls.wants_write() {
            match session.tls.write_tls(&mut Sink(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes bytes off the socket, once, and deciphers them.
    fn receive(&self, session: &mut Session) -> io::Result<Received> {
        let mut source = Source {
            socket: &self.socket,
            short: false,
        };
        match session.tls.read_tls(&mut source) {
            Ok(0) => return Ok(Received::End),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Received::Nothing);
            }
            Err(error) => return Err(error),
        }
        if let Err(error) = session.tls.process_new_packets() {
            // An alert tells the other side why.
            let _ = self.flush(session);
            return Err(broken(error));
        }
        Ok(if source.short {
            Received::Last
        } else {
            Received::Bytes
        })
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Session {
    /// Has rustls give back what its buffer has grown by, which it does before it reads.
    fn shrink(&mut self) {
        let _ = self.tls.read_tls(&mut Empty);
    }
}

struct Source<'s> {
    socket: &'s Socket,
    /// Whether there was less than room for.
    short: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.try_read(buffer)?;
        let read = read.ok_or(io::ErrorKind::WouldBlock)?;
        self.short = read < buffer.len();
        Ok(read)
    }
}

struct Sink<'s>(&'s Socket);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        taken(self.0.try_write(bytes)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.write(one),
            many => taken(self.0.try_write_all(many)?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn taken(written: usize) -> io::Result<usize> {
    match written {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        written => Ok(written),
    }
}

/// A socket on which nothing has come.
struct Empty;

impl Read for Empty {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
