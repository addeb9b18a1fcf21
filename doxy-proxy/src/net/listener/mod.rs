//! Sockets that doxy listens on.
//!
//! A listener knows neither who may connect nor what is served.

pub(crate) mod error;
pub(crate) mod inherited;
mod lock;
mod passed;
pub(crate) mod place;
mod prepared;
pub(crate) mod present;
mod queue;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::task::{Context, Poll};

use crate::net::listener::error::ListenError;
use crate::net::listener::tcp::TcpListener;
use crate::net::listener::unix::{Mark, UnixListenConfig, UnixListener};
use crate::net::stream::DetachedStream;

/// Where to listen.
#[derive(Debug, Clone)]
pub enum ListenConfig {
    /// On a unix socket, which doxy creates.
    Unix(UnixListenConfig),
    /// On a TCP address. `[::]` serves both families, another IPv6 address its own alone.
    Tcp(SocketAddr),
}

/// A socket that doxy listens on. Dropped, it is closed, and removes what it created.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP socket.
    Tcp(TcpListener),
}

impl ListenConfig {
    /// Listens. To be called within a tokio runtime.
    ///
    /// # Errors
    /// Those of [`UnixListenConfig::listen`] and [`TcpListener::listen`].
    pub fn listen(&self) -> Result<Listener, ListenError> {
        match self {
            Self::Unix(config) => config.listen().map(Listener::Unix),
            Self::Tcp(address) => TcpListener::listen(*address).map(Listener::Tcp),
        }
    }
}

impl Listener {
    /// Whether `path`, through any links, leads to this socket.
    pub fn is_at(&self, path: &Path) -> bool {
        match self {
            Self::Unix(listener) => listener.is_at(path),
            Self::Tcp(_) => false,
        }
    }

    /// Device and inode of the socket at its path, if it is a unix socket.
    pub fn identity(&self) -> Option<(u64, u64)> {
        match self {
            Self::Unix(listener) => listener.identity(),
            Self::Tcp(_) => None,
        }
    }

    /// What tells whether another socket has taken its place, for one that doxy has created at a path.
    pub(crate) fn mark(&self) -> Option<Mark> {
        match self {
            Self::Unix(listener) => listener.mark(),
            Self::Tcp(_) => None,
        }
    }

    /// The same socket, for another thread.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        let socket = match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        };
        socket.try_clone_to_owned()
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<DetachedStream>> {
        match self {
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(DetachedStream::Unix),
            Self::Tcp(listener) => listener.poll_accept(cx),
        }
    }
}

/// Accepts a connection that has come already, of either kind.
pub(crate) fn accept_now(listener: &OwnedFd) -> io::Result<Option<DetachedStream>> {
    match tcp::accept(listener) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if queue::is_empty(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(listener) => listener.path().display().fmt(f),
            Self::Tcp(listener) => write!(f, "tcp://{}", listener.address()),
        }
    }
}
