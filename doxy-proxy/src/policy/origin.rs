//! Where a request comes from.

use crate::net::peer::Peer;

/// Where a request comes from. Scripts may ask.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "script"),
    expect(dead_code, reason = "only scripts ask where a request comes from")
)]
pub(crate) struct Origin<'a> {
    /// The name of the socket that it came in on.
    pub(crate) socket: &'a str,
    pub(crate) peer: &'a Peer,
}
