//! The question: a request that nobody has sent, with all that a policy may want to know about it.

use std::net::SocketAddr;

use doxy_filter::api::{Body as ApiBody, endpoint_of};
use doxy_filter::canonical_path;
#[cfg(feature = "script")]
use doxy_script::{Certificate, Peer as ScriptPeer};

use crate::http::request::Head;
#[cfg(feature = "script")]
use crate::policy::{Lookup, Unanswered};

/// A request to ask a policy about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The method as a client would send it.
    pub method: &'q str,
    /// The target as a client would send it: the path, with its escapes, and the query.
    pub target: &'q str,
    /// Names and values of the header lines. `Host`, and a length for the body, are added where they
    /// are missing.
    pub headers: &'q [(String, Vec<u8>)],
    /// The body; empty for none. `None` if it is not known: a policy that asks for it then gives
    /// [`Answer::Depends`](crate::Answer::Depends).
    pub body: Option<&'q [u8]>,
    /// Who asks, if that is known.
    pub peer: Option<&'q Asker>,
    /// The container that asks.
    pub container: AskingContainer<'q>,
    /// The name of the socket.
    pub socket: &'q str,
    /// What the engine says to lookups.
    pub lookups: &'q [KnownObject],
    /// Whether there is nothing but what `lookups` has. Otherwise a policy that looks anything else up
    /// gives [`Answer::Depends`](crate::Answer::Depends).
    pub only_these: bool,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// A process, over a unix socket.
    Unix {
        /// Its user.
        uid: u32,
        /// Its primary group.
        gid: u32,
        /// Its process id, if that is known.
        pid: Option<i32>,
    },
    /// Somebody on a network.
    Net {
        /// Where the connection comes from.
        address: SocketAddr,
        /// The client's certificate.
        certificate: Option<AskingCertificate>,
    },
}

/// The certificate that a client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskingCertificate {
    /// Whose it is: `CN=alice,O=ops`.
    pub subject: String,
    /// Its alternative names: `dns:NAME`, `uri:URI`.
    pub sans: Vec<String>,
    /// The SHA-256 hash of its public key.
    pub spki: [u8; 32],
}

/// The container that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskingContainer<'q> {
    /// Whether it is one is left open: a policy that asks gives [`Answer::Depends`](crate::Answer::Depends).
    Open,
    /// None, or one that cannot be told.
    Unknown,
    /// This one: JSON with `id`, `name`, `image`, `labels`, `project` and `service`.
    Known(&'q [u8]),
}

/// What the engine says to one lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownObject {
    /// The kind and the name that are looked up, `container web`; or `engine`.
    pub what: String,
    /// The engine's description, as JSON.
    pub answer: ObjectAnswer,
}

/// An answer of the engine to a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectAnswer {
    /// The description, as JSON.
    Found(Vec<u8>),
    /// There is no such object.
    Absent,
    /// The name is the beginning of several ids.
    NotOne,
    /// The engine cannot say, for this reason.
    Failed(String),
}

impl Question<'_> {
    /// The head that a client would send.
    pub(super) fn head(&self) -> Vec<u8> {
        let has = |name: &str| {
            let mut names = self.headers.iter().map(|(name, _)| name);
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !has("host") {
            head.extend_from_slice(b"Host: docker\r\n");
        }
        for (name, value) in self.headers {
            let line = [name.as_bytes(), b": ", value, b"\r\n"];
            head.extend_from_slice(&line.concat());
        }
        let framed = has("content-length") || has("transfer-encoding");
        match self.body {
            _ if framed => {}
            Some([]) => {}
            Some(body) => {
                let line = format!("Content-Length: {}\r\n", body.len());
                head.extend_from_slice(line.as_bytes());
            }
            None if self.may_have_body() => {
                head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            None => {}
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Whether the engine reads a body here.
    fn may_have_body(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = canonical_path(path).ok();
        let endpoint = path.and_then(|path| endpoint_of(self.method, &path));
        endpoint.is_some_and(|it| !matches!(it.body, ApiBody::None | ApiBody::Refused))
    }

    /// Whether a head that was read is the one that was meant: a line end in a target or a header would
    /// make it another one.
    pub(super) fn is(&self, head: &Head<'_, '_>) -> bool {
        let broken = |text: &[u8]| text.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        let mut headers = self.headers.iter();
        head.method == self.method
            && head.target == self.target
            && !headers.any(|(name, value)| broken(name.as_bytes()) || broken(value))
    }

    /// What the engine says to a lookup; `None` if that is left open.
    #[cfg(feature = "script")]
    pub(super) fn answer_to(&self, lookup: &Lookup) -> Option<Result<Option<&[u8]>, Unanswered>> {
        let wanted = lookup.to_string();
        let engine = |what: &str| what == "engine" && wanted == "the engine";
        let known = self
            .lookups
            .iter()
            .find(|known| known.what == wanted || engine(&known.what));
        match known.map(|known| &known.answer) {
            Some(ObjectAnswer::Found(json)) => Some(Ok(Some(json))),
            Some(ObjectAnswer::Absent) => Some(Ok(None)),
            Some(ObjectAnswer::NotOne) => Some(Err(Unanswered::NotOne)),
            Some(ObjectAnswer::Failed(why)) => Some(Err(Unanswered::Failed(why.clone()))),
            None => self.only_these.then_some(Ok(None)),
        }
    }
}

#[cfg(feature = "script")]
impl Asker {
    /// As scripts see it.
    pub(super) fn shown(&self) -> ScriptPeer {
        match self {
            Self::Unix { uid, gid, pid } => ScriptPeer::Unix {
                uid: *uid,
                gid: *gid,
                pid: *pid,
            },
            Self::Net {
                address,
                certificate,
            } => ScriptPeer::Net {
                address: *address,
                certificate: certificate.as_ref().map(|shown| Certificate {
                    subject: shown.subject.as_str().into(),
                    sans: shown.sans.as_slice().into(),
                    spki: shown.spki,
                }),
            },
        }
    }
}
