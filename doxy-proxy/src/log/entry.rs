//! A record as an entry of the journal: fields whose names begin with `DOXY_`, and those that every
//! entry has.
//!
//! What is unknown has no field, so that a search for a field finds the records that have it.

use crate::facts::{Reason, Verdict};
use crate::log::date;
use crate::log::escape::escaped;
use crate::log::format::{LogLine, address, by, micros, named, subject};
use crate::log::journal::{ERROR, INFO, NOTICE, WARNING, begin, field, number};
use crate::net::peer::Peer;

impl LogLine<'_> {
    pub(super) fn entry(&self, entry: &mut Vec<u8>) {
        let Self { text, traffic, .. } = self;
        begin(entry, self.priority(), &self.message());
        entry.extend_from_slice(b"DOXY_TIME=");
        date::append_rfc3339(entry);
        entry.extend_from_slice(b"\nDOXY_REQUEST_ID=");
        entry.extend_from_slice(&self.id.digits());
        entry.push(b'\n');
        field(entry, "DOXY_CLIENT_REQUEST_ID", text.get(text.client_id));
        field(entry, "DOXY_VERDICT", self.verdict.name());
        field(entry, "DOXY_METHOD", text.get(text.method));
        field(entry, "DOXY_PATH", text.get(text.path));
        field(entry, "DOXY_ENDPOINT", self.template());
        field(entry, "DOXY_OBJECT", text.get(text.object));
        field(entry, "DOXY_RULE", text.get(text.rule));
        field(entry, "DOXY_REASON", self.reason());
        field(entry, "DOXY_REASON_CODE", self.reason_code());
        if let Some(start) = self.response_start {
            number(entry, "DOXY_STATUS", start.status);
            number(entry, "DOXY_FIRST_BYTE_US", start.micros);
        }
        number(entry, "DOXY_TOOK_US", micros(self.duration));
        number(entry, "DOXY_TO_ENGINE", traffic.to_engine.get());
        number(entry, "DOXY_TO_CLIENT", traffic.to_client.get());
        field(entry, "DOXY_OUTCOME", self.outcome.name());
        entry.extend_from_slice(self.context.noted().peer_text.get_or_init(|| {
            let mut entry = Vec::new();
            self.peer(&mut entry);
            entry.into()
        }));
        if let Some(container) = self.container() {
            let (name, id) = (container.name.as_bytes(), container.id.as_bytes());
            field(entry, "DOXY_CONTAINER", &escaped(name));
            field(entry, "DOXY_CONTAINER_ID", &escaped(id));
        }
    }

    /// What the records of one connection have in common.
    fn peer(&self, entry: &mut Vec<u8>) {
        field(entry, "DOXY_SOCKET", &self.socket());
        match &self.context.peer {
            Peer::Unix(peer) => {
                number(entry, "DOXY_PEER_UID", peer.uid);
                number(entry, "DOXY_PEER_GID", peer.gid);
                number(entry, "DOXY_PEER_PID", peer.pid);
                field(entry, "DOXY_PEER_COMMAND", &escaped(peer.comm.as_bytes()));
            }
            Peer::Net(peer) => {
                field(entry, "DOXY_PEER_ADDRESS", &address(peer));
                number(entry, "DOXY_PEER_PORT", peer.address.port());
                if let Some(certificate) = &peer.certificate {
                    let subject = escaped(subject(peer).as_bytes());
                    field(entry, "DOXY_PEER_SUBJECT", &subject);
                    field(entry, "DOXY_PEER_CERTIFICATE", &named(certificate));
                    field(entry, "DOXY_PEER_SPKI", &certificate.spki_text());
                }
            }
        }
    }

    fn priority(&self) -> u8 {
        match (self.reason, self.verdict) {
            (Reason::Internal, _) => ERROR,
            (
                Reason::ScriptFailed
                | Reason::EngineUnreachable
                | Reason::EngineTimeout
                | Reason::EngineFailed,
                _,
            ) => WARNING,
            (_, Verdict::Allowed) => INFO,
            (_, Verdict::Denied | Verdict::WouldDeny | Verdict::Refused) => NOTICE,
        }
    }

    /// What `journalctl` shows: `denied GET /info: 403, by rules:4`.
    fn message(&self) -> String {
        let text = self.text;
        let mut message = self.verdict.name().to_owned();
        for part in [text.get(text.method), text.get(text.path)] {
            if !part.is_empty() {
                message.extend([" ", part]);
            }
        }
        message.push_str(": ");
        match self.response_start {
            Some(start) => message.push_str(itoa::Buffer::new().format(start.status)),
            None => message.push_str("no response"),
        }
        let why = by(text.get(text.rule), self.reason());
        if !why.is_empty() {
            message.extend([", ", &why]);
        }
        message
    }
}
