//! What the policy answers when it denies a request.

/// The message for a path that is not allowed, before the path and behind it.
pub(crate) const PATH_DENIED: [&str; 2] = ["'", "' is not allowed."];

/// Why the policy denies a request. The message is for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denial {
    /// No rule allows this method on any path. The words are those of the original doxy.
    #[error("Only {allowed} requests are allowed, req.Method: {method}")]
    Method { allowed: String, method: String },
    /// No rule allows this path, or a `!` rule denies it: then `rule` is its file and line, for the
    /// log.
    #[error("{}{path}{}", PATH_DENIED[0], PATH_DENIED[1])]
    Path { path: String, rule: Option<String> },
    /// No rule allows this path with this method; some allow it with others.
    #[error("'{path}' is not allowed for {method}, only for {allowed}.")]
    MethodOnPath {
        path: String,
        method: String,
        allowed: String,
    },
    /// The script denies the request in its own words, or it has failed.
    #[error("{reason}")]
    #[cfg_attr(
        not(feature = "script"),
        expect(dead_code, reason = "nothing makes one without scripts")
    )]
    Script {
        reason: String,
        /// The reason for logs: as it is written in the script, with nothing of the request in it.
        template: String,
        status: u16,
        /// The script's file, and the line if it is known, for the log. None if the body alone
        /// decided.
        place: Option<String>,
        /// Whether the script failed, or ran past a limit.
        failed: bool,
    },
}

impl Denial {
    /// Whether a rule is all that is missing: no `!` rule and no script stands against it.
    pub(crate) fn wants_a_rule(&self) -> bool {
        match self {
            Self::Method { .. } | Self::MethodOnPath { .. } | Self::Path { rule: None, .. } => true,
            Self::Path { rule: Some(_), .. } | Self::Script { .. } => false,
        }
    }
}

impl Denial {
    /// Where the script denied the request.
    pub(crate) fn place(&self) -> Option<&str> {
        match self {
            Self::Script { place, .. } => place.as_deref(),
            _ => None,
        }
    }
}
