//! Whom something is counted for: a peer of a socket. Nothing is counted here.

use crate::net::peer::Identity;

/// A peer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharer {
    /// The number of the socket.
    pub(crate) socket: usize,
    pub(crate) identity: Identity,
}

#[cfg(test)]
impl Sharer {
    /// One that shares with nobody.
    pub(crate) const DOXY: Self = Self {
        socket: usize::MAX,
        identity: Identity::Unknown,
    };
}
