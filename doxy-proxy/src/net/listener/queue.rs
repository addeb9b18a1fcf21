//! The kernel's queue of connections that wait to be accepted. Nothing is accepted here.

use std::io;

/// Connections that may wait. The kernel may lower it.
pub(super) const BACKLOG: i32 = 4096;

/// Whether an error of `accept` means that there is no connection: perhaps the client has gone again.
pub(super) fn is_empty(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}
