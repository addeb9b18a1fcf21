//! The way to the engine: dialling, and connections kept for the next request.
//!
//! A connection goes back only when the whole answer has been read from it, and is used again only
//! when nothing has come on it since. A request is sent again only if not a byte of it could be
//! written: nothing is ever delivered twice. Where the engine may take a connection out of HTTP it
//! gets a fresh one, which is never kept.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, Upstream as Failure, plain};
use crate::net::stream::Stream;

/// The longest pause between two attempts to reach an engine that does not accept.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How many connections are kept. More are closed when their answer has been read.
const KEPT: usize = 512;
/// How long a connection is kept without being used, at the most, and half of that at the least.
const KEEP: Duration = Duration::from_secs(30);

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddr {
    /// A unix socket.
    Unix(PathBuf),
    /// `HOST:PORT`, without TLS.
    Tcp(String),
}

impl fmt::Display for UpstreamAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// The engine, and the connections to it that wait for work.
#[derive(Debug)]
pub struct Upstream {
    engine: UpstreamAddr,
    /// How long the engine may take to accept a connection. Never a limit on an answer.
    connect_timeout: Duration,
    idle: Mutex<Idle>,
}

/// Connections that wait for a request.
#[derive(Debug, Default)]
struct Idle {
    /// Since which round each has waited, the longest first.
    kept: VecDeque<(u64, Stream)>,
    /// Of those in which connections are closed whose time is up. To look at the clock for each request
    /// instead would cost more than all else here.
    round: u64,
    /// Is there a task that does that?
    watched: bool,
}

/// A connection on which a part of a head has been written, and how much, if there is one.
type Begun = Option<(Stream, usize)>;

impl Upstream {
    /// An engine that gets `connect_timeout` to accept a connection.
    pub fn new(engine: UpstreamAddr, connect_timeout: Duration) -> Self {
        Self {
            engine,
            connect_timeout,
            idle: Mutex::default(),
        }
    }

    /// The same engine for another thread, with connections of its own.
    pub(crate) fn for_another_thread(&self) -> Self {
        Self::new(self.engine.clone(), self.connect_timeout)
    }

    /// Writes the head of a request to a connection that was kept, and gives the connection out. If
    /// that would have to be waited for, or there is none, `open` goes on with what this leaves.
    pub(crate) fn reuse(&self, head: &[u8]) -> Result<Stream, Begun> {
        while let Some(socket) = self.take() {
            // What the engine has closed takes nothing; then the next one is tried.
            if let Ok(written) = socket.try_write(head) {
                return if written == head.len() {
                    Ok(socket)
                } else {
                    Err(Some((socket, written)))
                };
            }
        }
        Err(None)
    }

    /// Writes the head of a request, or what is left of it, to the connection that was begun with, or
    /// to a new one.
    ///
    /// Dropped, the connection is closed, and the engine sees that nobody waits any more.
    pub(crate) async fn open(&self, begun: Begun, head: &[u8]) -> Result<Stream, Error> {
        let (socket, written) = match begun {
            Some(begun) => begun,
            None => (self.dial().await?, 0),
        };
        let rest = head.get(written..).unwrap_or_default();
        let written = socket.write_all(rest).await;
        written.map_err(|error| self.broke_off(&plain(&error)))?;
        Ok(socket)
    }

    /// The whole answer has been read: the connection may serve the next request.
    pub(crate) fn keep(self: &Arc<Self>, socket: Stream) {
        let mut idle = self.idle();
        if idle.kept.len() < KEPT {
            let round = idle.round;
            idle.kept.push_back((round, socket));
        }
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(Self::close_unused(Arc::downgrade(self)));
        }
    }

    /// The engine took the request and gave no answer that can be passed on.
    pub(crate) fn broke_off(&self, reason: &str) -> Error {
        let engine = self.engine.to_string();
        Error::Upstream(Failure::BrokeOff {
            engine,
            reason: reason.to_owned(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes kept connections when their time is up. Ends when there are none.
    async fn close_unused(upstream: Weak<Self>) {
        loop {
            sleep(KEEP / 2).await;
            let Some(upstream) = upstream.upgrade() else {
                return;
            };
            let mut idle = upstream.idle();
            idle.round += 1;
            // One was a whole round here, and a part of another before it.
            let round = idle.round;
            while matches!(idle.kept.front(), Some((since, _)) if round - since >= 2) {
                idle.kept.pop_front();
            }
            if idle.kept.is_empty() {
                idle.watched = false;
                return;
            }
        }
    }

    /// The connection that was used last of those that are still good.
    fn take(&self) -> Option<Stream> {
        loop {
            let (_, socket) = self.idle().kept.pop_back()?;
            // The end of it, or bytes that nobody asked for, and it is closed.
            if let Ok(None) = socket.try_read(&mut [0]) {
                return Some(socket);
            }
        }
    }

    /// Closes the connections that wait for a request. Says whether there were any.
    pub(crate) fn close_idle(&self) -> bool {
        !std::mem::take(&mut self.idle().kept).is_empty()
    }

    async fn dial(&self) -> Result<Stream, Error> {
        match &self.engine {
            UpstreamAddr::Unix(path) => {
                let deadline = Instant::now() + self.connect_timeout;
                let mut pause = Duration::from_millis(5);
                loop {
                    match UnixStream::connect(path).await {
                        Ok(stream) => return Ok(Stream::Unix(stream)),
                        // The queue of the engine's socket is full: it is not accepting.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            if Instant::now() >= deadline {
                                return Err(self.not_accepting());
                            }
                            sleep(pause).await;
                            pause = (pause * 2).min(LONGEST_PAUSE);
                        }
                        Err(error) if out_of_descriptors(&error) && self.close_idle() => {}
                        Err(error) => return Err(self.unreachable(error)),
                    }
                }
            }
            UpstreamAddr::Tcp(address) => {
                match timeout(self.connect_timeout, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        stream
                            .set_nodelay(true)
                            .map_err(|error| self.unreachable(error))?;
                        Ok(Stream::Tcp(stream))
                    }
                    Ok(Err(error)) => Err(self.unreachable(error)),
                    Err(_) => Err(self.not_accepting()),
                }
            }
        }
    }

    fn unreachable(&self, reason: io::Error) -> Error {
        Error::Upstream(Failure::Unreachable {
            engine: self.engine.to_string(),
            reason,
        })
    }

    fn not_accepting(&self) -> Error {
        let seconds = self.connect_timeout.as_secs();
        Error::Upstream(Failure::NotAccepting {
            engine: self.engine.to_string(),
            seconds,
        })
    }
}

fn out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::UnixStream;
    use tokio::time::sleep;

    use super::{KEEP, Upstream, UpstreamAddr};
    use crate::net::stream::Stream;

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_closed_when_its_time_is_up() -> io::Result<()> {
        let engine = UpstreamAddr::Tcp("127.0.0.1:1".to_owned());
        let upstream = Arc::new(Upstream::new(engine, Duration::ZERO));
        let kept = |count| upstream.idle().kept.len() == count;
        let mut others = Vec::new();
        let mut keep = || -> io::Result<()> {
            let (one, other) = UnixStream::pair()?;
            others.push(other);
            upstream.keep(Stream::Unix(one));
            Ok(())
        };
        // The first begins a round, the second comes somewhere within it.
        for within in [0, 4, 9, 14].map(Duration::from_secs) {
            keep()?;
            sleep(within).await;
            keep()?;
            sleep(KEEP / 2 - Duration::from_millis(50)).await;
            assert!(kept(2), "closed too early: {within:?}");
            sleep(KEEP / 2 + Duration::from_millis(100)).await;
            assert!(kept(0), "kept too long: {within:?}");
        }
        assert!(!upstream.idle().watched, "there is nothing to look after");
        Ok(())
    }
}
