//! Whom something is counted for: a peer of a socket. Nothing is counted here.

use crate::net::peer::Identity;

/// A peer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharer {
    /// The number of the socket.
    pub(crate) socket: usize,
    pub(crate) identity: Identity,
}

impl Sharer {
    /// Doxy itself, which shares with nobody: for an answer of the engine to doxy.
    pub(crate) const DOXY: Self = Self {
        socket: usize::MAX,
        identity: Identity::Unknown,
    };
}
