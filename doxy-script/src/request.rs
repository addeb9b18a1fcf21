//! What a policy is asked about: as the caller gives it, and as the script can hold it.

mod framing;
mod owned;

use doxy_filter::Verdict;

pub(crate) use self::framing::refuse_framing;
pub(crate) use self::owned::{Content, OwnedRequest, Pairs, UsedProperties};

/// A request as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct ScriptRequest<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as [`doxy_filter::canonical_path`] gave it.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: Option<&'a str>,
    /// The headers that are passed on, in the order in which they came: names and values.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Who connected, as the kernel tells; `None` over TCP.
    pub peer: Option<Peer>,
    /// The socket on which the request came.
    pub socket: &'a str,
    /// Whether the request has a body, or may have one: a length beyond zero, or a transfer coding.
    pub has_body: bool,
    /// What the patterns say.
    pub verdict: Verdict<'a>,
}

/// The process that connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its number, where the kernel can tell. Good for a log; another process may have it by now.
    pub pid: Option<i32>,
}

/// What there is of the body.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// It was not read yet. If the policy asks for it, the decision is [`Decision::NeedsBody`](crate::Decision).
    NotRead,
    /// All of it: the very bytes that will be forwarded.
    Read(&'a [u8]),
    /// It could not be read: longer than the limit, broken off. The reason goes to the client.
    Unreadable(&'a str),
}

impl<'a> ScriptRequest<'a> {
    /// The values of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}
