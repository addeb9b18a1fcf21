//! Everything that keeps a request from being answered by the engine.
//!
//! The texts are what the client reads, behind `Error response from daemon:`. They never carry a
//! query value, a header value or a byte of a body. Which status goes with which error stands in
//! `respond` alone.

use crate::facts::{Reason, Verdict};
use crate::http::malformed::{BadRequest, Malformed};
use crate::log::context::LogContext;
use crate::log::record::RequestRecord;
use crate::net::peer::Identity;
use crate::policy::Denial;
use crate::proxy::browser::FromWeb;
use crate::upstream::UpstreamError;

/// Why doxy answers a request itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It was refused before the policy was asked.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    #[error("the head of the request did not come within {seconds} s")]
    HeadTimeout { seconds: u64 },
    #[error("doxy is at its limit of {limit} connections")]
    ConnectionLimit { limit: usize },
    #[error("{peer} may not use this socket")]
    PeerNotAllowed { peer: Identity },
    #[error("{}", not_allowed(.container))]
    ContainerNotAllowed {
        /// Its name, or why it is not known.
        container: Result<String, String>,
    },
    /// A web page may have had a browser ask.
    #[error(transparent)]
    FromWeb(#[from] FromWeb),
    #[error("this is a TLS port: use https, or the docker CLI with --tlsverify")]
    NotTls,
    #[error(
        "this port does not speak TLS: use http, or the docker CLI without --tls and --tlsverify"
    )]
    NotPlain,
    /// A body that could not be read was to be forwarded, or one that was read was asked for again.
    #[error("the request cannot be judged, which is a fault of doxy")]
    Internal,
    /// The policy does not allow it.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The engine gave no response.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

fn not_allowed(container: &Result<String, String>) -> String {
    match container {
        Ok(name) => format!("container {name} may not use this socket"),
        Err(why) => format!(
            "only certain containers may use this socket, and it is not known which one this is: {why}"
        ),
    }
}

impl Error {
    /// Says in the log of the process that a peer may not connect: as a rule nobody reads an access log.
    pub(crate) fn tell(&self, log: &LogContext) {
        if let Self::PeerNotAllowed { .. } | Self::ContainerNotAllowed { .. } = self {
            log.denials.not_connected(log.peer.named(), self);
        }
    }

    /// Why doxy answers the request itself, and the rule or the place in the script that decided it.
    pub(crate) fn reason(&self) -> (Reason, Option<&str>) {
        match self {
            Self::BadRequest(BadRequest::Malformed(_)) => (Reason::Malformed, None),
            Self::BadRequest(BadRequest::HeadTooLarge) => (Reason::HeadTooLarge, None),
            Self::BadRequest(BadRequest::FormBody) => (Reason::FormBody, None),
            Self::BadRequest(BadRequest::Redirect { .. }) => (Reason::Redirected, None),
            Self::HeadTimeout { .. } => (Reason::HeadTimeout, None),
            Self::ConnectionLimit { .. } => (Reason::ConnectionLimit, None),
            Self::PeerNotAllowed { .. } | Self::ContainerNotAllowed { .. } => {
                (Reason::PeerNotAllowed, None)
            }
            Self::FromWeb(_) => (Reason::FromWeb, None),
            Self::NotTls => (Reason::NotTls, None),
            Self::NotPlain => (Reason::NotPlain, None),
            Self::Internal => (Reason::Internal, None),
            Self::Denied(Denial::Method { .. }) => (Reason::Method, None),
            Self::Denied(Denial::Path { rule: None, .. }) => (Reason::Path, None),
            Self::Denied(Denial::Path { rule, .. }) => (Reason::DenyRule, rule.as_deref()),
            Self::Denied(Denial::MethodOnPath { .. }) => (Reason::MethodOnPath, None),
            Self::Denied(Denial::Script { place, failed, .. }) => {
                let reason = match (place, failed) {
                    (None, _) => Reason::BodyNotAllowed,
                    (_, true) => Reason::ScriptFailed,
                    (_, false) => Reason::Script,
                };
                (reason, place.as_deref())
            }
            Self::Upstream(UpstreamError::Unreachable { .. } | UpstreamError::NoTls { .. }) => {
                (Reason::EngineUnreachable, None)
            }
            Self::Upstream(UpstreamError::NotAccepting { .. }) => (Reason::EngineTimeout, None),
            Self::Upstream(UpstreamError::BrokeOff { .. }) => (Reason::EngineFailed, None),
        }
    }

    /// Notes in the record that doxy answers the request itself, and why.
    pub(crate) fn note(&self, record: &mut RequestRecord<'_>) {
        let (reason, rule) = self.reason();
        if let Self::BadRequest(BadRequest::Malformed(Malformed::Escapes | Malformed::Parameter)) =
            self
        {
            record.revoke();
        }
        if let Self::Denied(Denial::Script {
            reason: words,
            template,
            failed: false,
            ..
        }) = self
            && words != template
        {
            record.said(words);
        }
        match self {
            Self::Denied(Denial::MethodOnPath {
                method, allowed, ..
            }) => record.refused(Verdict::Denied, reason, rule, || {
                Some(format!("not allowed for {method}, only for {allowed}"))
            }),
            // What a script says may be made of what is in a body. What is written in it is not.
            Self::Denied(Denial::Script {
                template, place, ..
            }) if place.is_some() && !template.is_empty() => {
                record.refused(Verdict::Denied, reason, rule, || Some(template.clone()));
            }
            Self::Denied(_) => record.refused(Verdict::Denied, reason, rule, || None),
            Self::BadRequest(BadRequest::Redirect { .. }) => {
                record.refused(Verdict::Refused, reason, rule, || None);
            }
            _ => record.refused(Verdict::Refused, reason, rule, || Some(self.to_string())),
        }
    }
}
