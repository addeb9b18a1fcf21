//! How a record is written: as the line of `--debug`, and in the access log as text or JSON.
//!
//! Nothing is decided or looked up here. Everything written was noted in the record.

use std::borrow::Cow;
use std::time::Duration;

use doxy_filter::api::Endpoint;

use crate::facts::{Outcome, Reason, Verdict};
use crate::log::context::{LogContext, ResponseStart, Traffic, debugging};
use crate::log::date;
use crate::log::escape::escaped;
use crate::log::json;
use crate::log::request_id::RequestId;
use crate::log::text::Text;
use crate::net::container::Container;
use crate::net::peer::{NetPeer, Peer, UnixPeer};
use crate::net::tls::certificate::Certificate;

/// What is written about a request that has ended.
pub(crate) struct LogLine<'a> {
    pub(crate) id: RequestId,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    pub(crate) endpoint: Option<&'static Endpoint>,
    pub(crate) text: &'a Text,
    pub(crate) context: &'a LogContext,
    pub(crate) traffic: &'a Traffic,
    pub(crate) duration: Duration,
    pub(crate) response_start: Option<ResponseStart>,
    pub(crate) outcome: Outcome,
}

impl LogLine<'_> {
    pub(super) fn reason(&self) -> &str {
        match &*self.text.detail {
            "" => self.reason.words(),
            detail => detail,
        }
    }

    /// The code of the reason, as metrics have it; empty if the engine answered.
    pub(super) fn reason_code(&self) -> &'static str {
        match self.reason {
            Reason::None => "",
            reason => reason.name(),
        }
    }

    /// The endpoint's template; empty if the engine serves nothing at the path.
    pub(super) fn template(&self) -> &'static str {
        self.endpoint.map_or("", |endpoint| endpoint.template)
    }

    /// The name of the socket that it came in at.
    pub(super) fn socket(&self) -> Cow<'_, str> {
        escaped(self.context.denials.socket().as_bytes())
    }

    /// The container that the peer is in, where it is known.
    pub(super) fn container(&self) -> Option<&Container> {
        self.context.container()?.as_ref().ok()
    }

    /// The columns of the original, then the reason and the peer.
    pub(crate) fn debug(&self) {
        if !debugging() {
            return;
        }
        let Self { text, duration, .. } = self;
        let status = self
            .response_start
            .map_or_else(|| "-".to_owned(), |start| start.status.to_string());
        let or_dash = |span| match text.get(span) {
            "" => "-",
            text => text,
        };
        let verdict = self.verdict.name();
        let rule = text.get(text.rule);
        let why = match self.verdict {
            Verdict::Refused => self.reason().to_owned(),
            _ if rule.is_empty() => format!("{verdict}: {}", self.reason()),
            _ => format!("{verdict} {}", by(rule, self.reason())),
        };
        let said = match text.get(text.said) {
            "" => String::new(),
            said => format!("; it said: {said}"),
        };
        let end = match self.outcome {
            Outcome::ClientGone => "; the client went away",
            Outcome::EngineGone => "; the engine broke off",
            Outcome::Cut => "; cut",
            Outcome::Complete | Outcome::Tunnel => "",
        };
        let peer = match &self.context.peer {
            Peer::Unix(UnixPeer {
                uid,
                gid,
                pid,
                comm,
            }) => {
                let comm = escaped(comm.as_bytes());
                format!("uid {uid}, gid {gid}, pid {pid} {comm}")
            }
            Peer::Net(peer) => {
                let subject = escaped(subject(peer).as_bytes());
                format!("address {} {subject}", peer.address)
            }
        };
        let container = self.container();
        let container = container.map(|it| format!(", container {}", escaped(it.name.as_bytes())));
        let container = container.unwrap_or_default();
        tracing::debug!(
            "{status} | {duration:.3?} | {} | {} {} | {why}{said}{end} | {peer}{container}, request {}",
            or_dash(text.host),
            or_dash(text.method),
            or_dash(text.path),
            self.id,
        );
    }

    pub(crate) fn text(&self, line: &mut Vec<u8>) {
        let Self { text, .. } = self;
        date::append_rfc3339(line);
        let status = self.response_start.map(|start| start.status);
        number_or(line, " ", status, "-");
        word(line, " ", self.verdict.name());
        word(line, " ", text.get(text.method));
        word(line, " ", text.get(text.path));
        put(line, " request_id=");
        line.extend_from_slice(&self.id.digits());
        word(line, " client_request_id=", text.get(text.client_id));
        line.extend_from_slice(self.context.noted().peer_text.get_or_init(|| {
            let mut line = Vec::new();
            word(&mut line, " socket=", &self.socket());
            match &self.context.peer {
                Peer::Unix(peer) => {
                    number(&mut line, " uid=", peer.uid);
                    number(&mut line, " gid=", peer.gid);
                    number(&mut line, " pid=", peer.pid);
                    word(&mut line, " command=", &escaped(peer.comm.as_bytes()));
                }
                Peer::Net(peer) => {
                    word(&mut line, " address=", &address(peer));
                    number(&mut line, " port=", peer.address.port());
                    if let Some(certificate) = &peer.certificate {
                        word(&mut line, " subject=", &escaped(subject(peer).as_bytes()));
                        word(&mut line, " certificate=", &named(certificate));
                        word(&mut line, " spki=", &certificate.spki_text());
                    }
                }
            }
            line.into()
        }));
        if let Some(container) = self.container() {
            word(line, " container=", &escaped(container.name.as_bytes()));
            word(line, " container_id=", &escaped(container.id.as_bytes()));
        }
        word(line, " endpoint=", self.template());
        word(line, " rule=", text.get(text.rule));
        word(line, " object=", text.get(text.object));
        word(line, " reason_code=", self.reason_code());
        number(line, " to_engine=", self.traffic.to_engine.get());
        number(line, " to_client=", self.traffic.to_client.get());
        let first_byte = self.response_start.map(|start| start.micros);
        number_or(line, " first_byte=", first_byte, "-");
        number(line, " took=", micros(self.duration));
        word(line, " ", self.outcome.name());
        // The last field, and the only one with blanks in it.
        put(line, " ");
        put(
            line,
            match self.reason() {
                "" => "-",
                reason => reason,
            },
        );
        put(line, "\n");
    }

    pub(crate) fn json(&self, line: &mut Vec<u8>) {
        let Self { text, .. } = self;
        put(line, "{\"time\":\"");
        date::append_rfc3339(line);
        put(line, "\",\"request_id\":\"");
        line.extend_from_slice(&self.id.digits());
        put(line, "\"");
        let client_id = text.get(text.client_id);
        quoted(line, ",\"client_request_id\":", client_id, text.escapes);
        line.extend_from_slice(self.context.noted().peer_text.get_or_init(|| {
            let mut line = Vec::new();
            quoted(&mut line, ",\"socket\":", &self.socket(), true);
            match &self.context.peer {
                Peer::Unix(peer) => {
                    number(&mut line, ",\"uid\":", peer.uid);
                    number(&mut line, ",\"gid\":", peer.gid);
                    number(&mut line, ",\"pid\":", peer.pid);
                    let comm = escaped(peer.comm.as_bytes());
                    quoted(&mut line, ",\"command\":", &comm, true);
                }
                Peer::Net(peer) => {
                    quoted(&mut line, ",\"address\":", &address(peer), false);
                    number(&mut line, ",\"port\":", peer.address.port());
                    if let Some(certificate) = &peer.certificate {
                        let subject = escaped(subject(peer).as_bytes());
                        quoted(&mut line, ",\"subject\":", &subject, true);
                        let named = named(certificate);
                        quoted(&mut line, ",\"certificate\":", &named, true);
                        quoted(&mut line, ",\"spki\":", &certificate.spki_text(), false);
                    }
                }
            }
            line.into()
        }));
        if let Some(container) = self.container() {
            let (name, id) = (&container.name, &container.id);
            quoted(line, ",\"container\":", &escaped(name.as_bytes()), true);
            quoted(line, ",\"container_id\":", &escaped(id.as_bytes()), true);
        }
        quoted(line, ",\"method\":", text.get(text.method), text.escapes);
        quoted(line, ",\"path\":", text.get(text.path), text.escapes);
        quoted(line, ",\"endpoint\":", self.template(), false);
        quoted(line, ",\"object\":", text.get(text.object), text.escapes);
        put(line, ",\"verdict\":\"");
        put(line, self.verdict.name());
        put(line, "\"");
        quoted(line, ",\"rule\":", text.get(text.rule), text.escapes);
        // A detail may have any character in it; the words of a reason have none that JSON escapes.
        let escapes = !text.detail.is_empty();
        quoted(line, ",\"reason\":", self.reason(), escapes);
        quoted(line, ",\"reason_code\":", self.reason_code(), false);
        let status = self.response_start.map(|start| start.status);
        number_or(line, ",\"status\":", status, "null");
        let to_engine = self.traffic.to_engine.get();
        number(line, ",\"to_engine\":", to_engine);
        let to_client = self.traffic.to_client.get();
        number(line, ",\"to_client\":", to_client);
        let first_byte = self.response_start.map(|start| start.micros);
        number_or(line, ",\"first_byte_us\":", first_byte, "null");
        number(line, ",\"took_us\":", micros(self.duration));
        put(line, ",\"outcome\":\"");
        put(line, self.outcome.name());
        put(line, "\"}\n");
    }
}

/// The address without its port.
pub(super) fn address(peer: &NetPeer) -> String {
    peer.address.ip().to_string()
}

/// Whose certificate it has shown; empty if it has shown none, or one without a name.
pub(super) fn subject(peer: &NetPeer) -> &str {
    let certificate = peer.certificate.as_ref();
    certificate.map_or("", |certificate| &certificate.subject)
}

/// What `allow-cert` can name a certificate by: its alternative names, or else its key.
pub(super) fn named(certificate: &Certificate) -> String {
    let names = match &*certificate.sans {
        [] => format!("spki:{}", certificate.spki_text()),
        names => names.join(","),
    };
    escaped(names.as_bytes()).into_owned()
}

/// Why a request was denied: by which rule, if one decided, and the reason, if there is more to say.
pub(crate) fn by(rule: &str, reason: &str) -> String {
    match (rule, reason) {
        ("", reason) => reason.to_owned(),
        (rule, "") => format!("by {rule}"),
        (rule, reason) => format!("by {rule}; {reason}"),
    }
}

// A record is written for every request, piece by piece: `write!` costs three times as much.

fn put(line: &mut Vec<u8>, text: &str) {
    line.extend_from_slice(text.as_bytes());
}

fn number(line: &mut Vec<u8>, before: &str, number: impl itoa::Integer) {
    put(line, before);
    put(line, itoa::Buffer::new().format(number));
}

fn number_or(line: &mut Vec<u8>, before: &str, value: Option<impl itoa::Integer>, none: &str) {
    match value {
        Some(value) => number(line, before, value),
        None => {
            put(line, before);
            put(line, none);
        }
    }
}

/// One word: blanks in it are escaped.
fn word(line: &mut Vec<u8>, before: &str, text: &str) {
    put(line, before);
    match text {
        "" => put(line, "-"),
        text if text.contains(' ') => put(line, &text.replace(' ', "\\u{20}")),
        text => put(line, text),
    }
}

/// A JSON string, or null if it is empty. It is searched for characters to escape only if it
/// `escapes`.
fn quoted(line: &mut Vec<u8>, before: &str, text: &str, escapes: bool) {
    put(line, before);
    if text.is_empty() {
        put(line, "null");
    } else if escapes {
        json::write_text(line, text);
    } else {
        put(line, "\"");
        put(line, text);
        put(line, "\"");
    }
}

/// A duration in microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    // `as_micros` computes with 128 bits.
    time.as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(u64::from(time.subsec_micros()))
}
