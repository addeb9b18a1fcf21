//! What is wrong with a request that doxy refuses before the policy is asked.
//!
//! The texts are for the client. They never carry a header value, a query value or a byte of a body.

use doxy_filter::PathError;

use crate::http::head::{MAX_HEAD, MAX_HEADERS};

/// Why a request is refused before the policy is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    /// It can be read in more than one way, or in none.
    #[error("malformed request: {0}")]
    Malformed(#[from] Malformed),
    #[error(
        "the head of the request is too large, the limit is {MAX_HEAD} bytes and {MAX_HEADERS} lines"
    )]
    HeadTooLarge,
    /// The engine would merge such a body over the query that was judged.
    #[error(
        "a form body is not allowed: the Docker engine would read it as part of the query; \
         send the parameters in the query, or a body of type application/json"
    )]
    FormBody,
    /// Repeated slashes are all that is wrong, in a GET or HEAD without a body. `location` is what to
    /// ask for instead: path and query, without them.
    #[error("the path has repeated slashes, ask for the one in the header Location")]
    Redirect { location: String },
}

/// What makes a request malformed or ambiguous.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("{0}")]
    Path(#[from] PathError),
    #[error(
        "the path means something else with its escapes (`%`) than without, and the engine is not \
         known to be Docker; send it without them"
    )]
    Escapes,
    #[error(
        "the query has a parameter twice, or in other letters than Docker's, and the engine is not \
         known to be Docker; send it once, and spelled like it"
    )]
    Parameter,
    #[error("{0} is never forwarded")]
    Method(String),
    #[error("the target must be a path, or an http:// address with one")]
    Target,
    #[error("the target has a fragment (`#`)")]
    Fragment,
    #[error("HTTP/2 is not supported, use HTTP/1.1")]
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
    #[error("a header that is not allowed in a trailer")]
    Trailer,
    #[error("a Content-Type that is not ASCII")]
    ContentType,
    #[error("the body ended early or is not framed correctly")]
    Body,
    #[error("a chunk that is not framed correctly")]
    Chunk,
    #[error("the head has an empty line in it")]
    HeadEnd,
    #[error("the connection ended before the head did")]
    HeadCut,
    #[error("{}", parse_error(*.0))]
    Http(httparse::Error),
}

/// What another engine than Docker could read otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ambiguous {
    /// The path, by its escapes.
    Path,
    /// A query parameter.
    Query,
}

impl From<Ambiguous> for Malformed {
    fn from(what: Ambiguous) -> Self {
        match what {
            Ambiguous::Path => Self::Escapes,
            Ambiguous::Query => Self::Parameter,
        }
    }
}

/// The parser's errors, for a reader who did not write the client.
fn parse_error(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header line without a valid name",
        httparse::Error::HeaderValue => "a header value with a control character in it",
        httparse::Error::NewLine => "a line that does not end in CR LF",
        httparse::Error::Version => "a version of HTTP other than 1.1 and 1.0",
        _ => "a first line that is not a method, a target and a version",
    }
}
