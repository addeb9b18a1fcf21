//! The closed sets of values that a record has, and their names in logs and metrics.
//!
//! Nothing here comes from a client, so every name may stand in a log or a metric as it is.

/// What became of a request before it reached the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Doxy refused it before the policy was asked, or could not reach the engine.
    Refused,
    /// The policy allowed it.
    Allowed,
    /// The policy denied it.
    Denied,
    /// The policy denied it, and a dry run forwarded it all the same.
    WouldDeny,
}

impl Verdict {
    /// Every verdict, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Refused, Self::Allowed, Self::Denied, Self::WouldDeny];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::WouldDeny => "would_deny",
        }
    }
}

/// Why doxy answered a request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It did not: the engine answered.
    None,
    Malformed,
    HeadTooLarge,
    HeadTimeout,
    FormBody,
    /// The client was told the path without repeated slashes.
    Redirected,
    ConnectionLimit,
    PeerNotAllowed,
    /// A web page may have had a browser ask.
    FromWeb,
    /// It came in the clear to a port that speaks TLS.
    NotTls,
    /// It came over TLS to a port that does not speak it.
    NotPlain,
    /// No rule allows the method on any path.
    Method,
    /// No rule allows the path.
    Path,
    /// No rule allows the path with this method; some allow it with others.
    MethodOnPath,
    /// A `!` rule denies the request.
    DenyRule,
    /// The script denies the request.
    Script,
    /// The script failed, or ran past a limit.
    ScriptFailed,
    /// The body is of a kind that no script may let pass.
    BodyNotAllowed,
    EngineUnreachable,
    EngineTimeout,
    EngineFailed,
    Internal,
}

impl Reason {
    /// Every reason, in the order of their numbers.
    pub(crate) const ALL: [Self; 22] = [
        Self::None,
        Self::Malformed,
        Self::HeadTooLarge,
        Self::HeadTimeout,
        Self::FormBody,
        Self::Redirected,
        Self::ConnectionLimit,
        Self::PeerNotAllowed,
        Self::FromWeb,
        Self::NotTls,
        Self::NotPlain,
        Self::Method,
        Self::Path,
        Self::MethodOnPath,
        Self::DenyRule,
        Self::Script,
        Self::ScriptFailed,
        Self::BodyNotAllowed,
        Self::EngineUnreachable,
        Self::EngineTimeout,
        Self::EngineFailed,
        Self::Internal,
    ];

    /// The code by which metrics name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::FormBody => "form_body",
            Self::Redirected => "redirected",
            Self::ConnectionLimit => "connection_limit",
            Self::PeerNotAllowed => "peer_not_allowed",
            Self::FromWeb => "from_web",
            Self::NotTls => "not_tls",
            Self::NotPlain => "not_plain",
            Self::Method => "method",
            Self::Path => "path",
            Self::MethodOnPath => "method_on_path",
            Self::DenyRule => "deny_rule",
            Self::Script => "script",
            Self::ScriptFailed => "script_failed",
            Self::BodyNotAllowed => "body_not_allowed",
            Self::EngineUnreachable => "engine_unreachable",
            Self::EngineTimeout => "engine_timeout",
            Self::EngineFailed => "engine_failed",
            Self::Internal => "internal",
        }
    }

    /// Whether a rule is all that is missing: no `!` rule and no script stands against it.
    pub(crate) fn wants_a_rule(self) -> bool {
        matches!(self, Self::Method | Self::Path | Self::MethodOnPath)
    }

    /// What logs say where nothing more exact is known.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::None | Self::DenyRule | Self::Script | Self::MethodOnPath => "",
            Self::Malformed => "malformed request",
            Self::HeadTooLarge => "the head of the request is too large",
            Self::HeadTimeout => "the head of the request did not come in time",
            Self::FormBody => "form body",
            Self::Redirected => "redirected",
            Self::ConnectionLimit => "too many connections",
            Self::PeerNotAllowed => "this peer may not use the socket",
            Self::FromWeb => "a web page may have asked",
            Self::NotTls => "no TLS on a TLS port",
            Self::NotPlain => "TLS on a port without it",
            Self::Method => "no rule allows this method",
            Self::Path => "no rule allows this path",
            Self::ScriptFailed => "the policy failed",
            Self::BodyNotAllowed => "no policy may allow this body",
            Self::EngineUnreachable => "the engine cannot be reached",
            Self::EngineTimeout => "the engine does not accept connections",
            Self::EngineFailed => "the engine gave no valid response",
            Self::Internal => "a fault of doxy",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// Doxy stopped first.
    Cut,
    /// The client has the whole response.
    Complete,
    /// The connection was upgraded, and both sides have ended.
    Tunnel,
    ClientGone,
    EngineGone,
}

impl Outcome {
    /// Every outcome, at the index that is its number.
    pub(crate) const ALL: [Self; 5] = [
        Self::Cut,
        Self::Complete,
        Self::Tunnel,
        Self::ClientGone,
        Self::EngineGone,
    ];

    /// The outcome with this number.
    pub(crate) fn of(number: u8) -> Self {
        let known = Self::ALL.get(usize::from(number));
        known.copied().unwrap_or(Self::Cut)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Tunnel => "tunnel",
            Self::ClientGone => "client_gone",
            Self::EngineGone => "engine_gone",
            Self::Cut => "cut",
        }
    }
}
