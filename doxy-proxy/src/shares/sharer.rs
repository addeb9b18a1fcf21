//! Whom something is counted for: a peer of a socket. Nothing is counted here.

use crate::net::peer::Identity;

/// A peer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharer {
    /// The number of the socket.
    pub(crate) socket: usize,
    pub(crate) identity: Identity,
}
