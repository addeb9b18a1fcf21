//! Where a request comes from.

use crate::net::peer::Peer;

/// Where a request comes from. Scripts may ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The name of the socket that it came in on.
    pub(crate) socket: &'a str,
    pub(crate) peer: &'a Peer,
}
