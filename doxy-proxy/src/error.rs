//! Everything that keeps a request from being answered by the engine, and whose doing it was.
//!
//! The texts here are what the client reads, behind `Error response from daemon:`. They never
//! carry a query value, a header value or a byte of a body. What status goes with which error
//! is said in `respond`, nowhere else.

use std::io;

use doxy_filter::PathError;

/// Why doxy answers a request itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request can be read in more than one way, or in none.
    #[error("malformed request: {0}")]
    Malformed(#[from] Malformed),
    /// The head is larger than doxy reads.
    #[error("the head of the request is too large, the limit is {bytes} bytes and {lines} lines")]
    HeadTooLarge {
        /// The largest head that is read, in bytes.
        bytes: usize,
        /// The most header lines that are read.
        lines: usize,
    },
    /// It did not come to its end.
    #[error("the head of the request did not come within {seconds} s")]
    HeadTimeout { seconds: u64 },
    /// Doxy serves as many connections as it may.
    #[error("doxy is at its limit of {limit} connections")]
    Busy { limit: usize },
    /// Whoever has connected may not.
    #[error("user {uid} may not use this socket")]
    Peer { uid: u32 },
    /// A body that could not be read was to be forwarded, or one that was read asked for again.
    #[error("the request cannot be judged, which is a fault of doxy")]
    Unjudged,
    /// The policy does not allow the request.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The engine could not be asked, or did not answer.
    #[error(transparent)]
    Upstream(#[from] Upstream),
}

/// What is wrong with a request that is refused before any rule is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("{0} is never passed on")]
    Method(String),
    #[error("the target must be a path, or an http:// address with one")]
    Target,
    #[error("the target has a fragment (`#`)")]
    Fragment,
    #[error("HTTP/2 is not spoken here, use HTTP/1.1")]
    Http2,
    #[error("the Host header is missing")]
    HostMissing,
    #[error("there is more than one Host header")]
    HostRepeated,
    #[error("the Host header is not a host name")]
    HostInvalid,
    #[error("a transfer coding other than `chunked`")]
    TransferEncoding,
    #[error("a transfer coding in version 1.0 of HTTP")]
    OldCoding,
    #[error("a Content-Length that is not one plain number")]
    ContentLength,
    #[error("both a Content-Length and a Transfer-Encoding")]
    TwoFramings,
    #[error("an expectation other than `100-continue`")]
    Expectation,
    #[error("a trailer that may not come behind the body")]
    Trailer,
    #[error("a Content-Type with letters beyond ASCII")]
    ContentType,
    #[error("the body ended early or is not framed correctly")]
    Body,
    #[error("a chunk that is not framed correctly")]
    Chunk,
    #[error("the head has an empty line in it")]
    HeadEnd,
    #[error("{}", words(*.0))]
    Http(httparse::Error),
}

/// What the parser of heads found, said to somebody who did not write it.
fn words(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header line without a proper name",
        httparse::Error::HeaderValue => "a header value with a control character in it",
        httparse::Error::NewLine => "a line that does not end in CR LF",
        httparse::Error::Version => "a version of HTTP other than 1.1 and 1.0",
        _ => "a first line that is not a method, a target and a version",
    }
}

/// What is said of a path that is not allowed, before it and behind it.
pub(crate) const PATH_DENIED: [&str; 2] = ["'", "' is not allowed."];

/// What the policy says no to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denial {
    /// No rule allows this method on any path. The words are those of the original doxy.
    #[error("Only {allowed} requests are allowed, req.Method: {method}")]
    Method { allowed: String, method: String },
    /// No rule allows this path, or a `!` rule (named for the log) denies it.
    #[error("{}{path}{}", PATH_DENIED[0], PATH_DENIED[1])]
    Path { path: String, rule: Option<String> },
    /// The policy script says no, in its own words, or has failed (its place is named for the log).
    #[error("{reason}")]
    #[cfg_attr(
        not(feature = "script"),
        expect(dead_code, reason = "there is none then")
    )]
    Script {
        reason: String,
        status: u16,
        place: Option<String>,
        /// Is it for a fault in the script, or a limit, and not because the script says so?
        failed: bool,
    },
    /// The engine would merge such a body over the query that was judged.
    #[error(
        "a form body is not allowed: the Docker engine would read it as part of the query; \
         send the parameters in the query, or a body of type application/json"
    )]
    FormBody,
}

/// What went wrong between doxy and the engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Upstream {
    #[error("cannot reach the Docker engine at {engine}: {}", plain(reason))]
    Unreachable { engine: String, reason: io::Error },
    #[error("the Docker engine at {engine} does not accept connections: gave up after {seconds} s")]
    NotAccepting { engine: String, seconds: u64 },
    #[error("the Docker engine at {engine} broke off before it answered: {reason}")]
    BrokeOff { engine: String, reason: String },
}

/// An operating system's error without its number, which tells users nothing.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
