//! Where a request comes from.

use crate::net::container::{Container, Unknown};
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
    /// The container that the peer is in, or why that is not known. None if nobody has asked.
    pub(crate) container: Option<&'a Result<Container, Unknown>>,
}
