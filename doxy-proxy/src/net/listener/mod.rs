//! Sockets that doxy listens on.
//!
//! A listener knows neither who may connect nor what is served.

mod lock;
pub(crate) mod unix;

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::task::{Context, Poll};

use crate::net::listener::unix::UnixListener;
use crate::net::stream::DetachedStream;

/// A socket that doxy listens on. Dropped, it is closed, and removes what it created.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Whether `path`, through any links, leads to this socket.
    pub fn is_at(&self, path: &Path) -> bool {
        let Self::Unix(listener) = self;
        listener.is_at(path)
    }

    /// The same socket, for another thread.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        let Self::Unix(listener) = self;
        listener.as_fd().try_clone_to_owned()
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<DetachedStream>> {
        let Self::Unix(listener) = self;
        listener.poll_accept(cx).map_ok(DetachedStream::Unix)
    }
}

/// Accepts a connection that has come already.
pub(crate) fn accept_now(listener: &OwnedFd) -> io::Result<Option<DetachedStream>> {
    let accepted = unix::accept(listener);
    match accepted {
        Ok(stream) => Ok(Some(DetachedStream::Unix(stream))),
        Err(error) if unix::is_none(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Unix(listener) = self;
        listener.path().display().fmt(f)
    }
}
