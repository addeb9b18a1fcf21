//! The request that a policy judges: as the caller gives it, and as a script can hold it.

mod framing;
mod owned;

use std::net::SocketAddr;
use std::sync::Arc;

use doxy_filter::Verdict;
use doxy_filter::api::schema;

pub(crate) use self::framing::refuse_framing;
pub(crate) use self::owned::{Content, OwnedRequest, Pairs, UsedProperties};
use crate::json::{self, Doc};

/// A request for a policy to judge.
#[derive(Debug, Clone)]
pub struct ScriptRequest<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as [`doxy_filter::canonical_path`] gave it.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: Option<&'a str>,
    /// Names and values of the end-to-end headers, in the order received.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Who connected, as the kernel reports it; `None` if that is not known.
    pub peer: Option<Peer>,
    /// The container that the peer is in.
    pub container: &'a PeerContainer,
    /// The socket that received the request.
    pub socket: &'a str,
    /// Whether the request has a body: a length above zero, or a transfer coding.
    pub has_body: bool,
    /// Whether the policy has changed it already. It must not make a body that could be read in two
    /// ways, even if it does not read that itself.
    pub changed: bool,
    /// What the rules say.
    pub verdict: Verdict<'a>,
}

/// Who connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process, over a unix socket.
    Unix {
        /// Its user.
        uid: u32,
        /// Its primary group.
        gid: u32,
        /// Its process id, if the kernel knows it. For logs only: the id may have been reused.
        pid: Option<i32>,
    },
    /// Somebody on a network, over TCP.
    Net {
        /// Where the connection comes from.
        address: SocketAddr,
        /// What the client has shown over TLS, if it was asked.
        certificate: Option<Certificate>,
    },
}

/// A client's certificate, which was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: `CN=alice,O=ops`.
    pub subject: Arc<str>,
    /// Its alternative names: `dns:NAME`, `uri:URI`.
    pub sans: Arc<[String]>,
    /// The SHA-256 hash of its public key.
    pub spki: [u8; 32],
}

/// Which container a peer is in.
#[derive(Debug, Clone, Default)]
pub enum PeerContainer {
    /// Nobody has asked yet. If the policy wants to know, the decision is
    /// [`Decision::NeedsContainer`](crate::Decision::NeedsContainer).
    #[default]
    NotAsked,
    /// It is in none, or that cannot be told.
    Unknown,
    /// This one.
    Known(Container),
}

/// The description of a container.
#[derive(Debug, Clone)]
pub struct Container(pub(crate) Arc<Doc>);

impl PeerContainer {
    /// The container that is described in this JSON, with the fields that scripts see: `id`, `name`,
    /// `image`, `labels`, `project` and `service`. A description that cannot be read is none.
    #[must_use]
    pub fn known(json: &[u8]) -> Self {
        match json::parse(json, &schema::PEER_CONTAINER) {
            Ok(doc) => Self::Known(Container(Arc::new(doc))),
            Err(_) => Self::Unknown,
        }
    }
}

/// What is known of the body.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Not read yet. If the policy needs it, the decision is
    /// [`Decision::NeedsBody`](crate::Decision::NeedsBody).
    NotRead,
    /// The whole body: exactly the bytes that will be forwarded.
    Read(&'a [u8]),
    /// Unreadable: too long or incomplete. The reason goes to the client.
    Unreadable(&'a str),
}

impl<'a> ScriptRequest<'a> {
    /// The values of a header. The name is case-insensitive.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}
