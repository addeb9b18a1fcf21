//! Step two, parse: one reading of a request, or a refusal.
//!
//! hyper has read the head by the time it arrives here. What hyper lets pass although the
//! engine, or another version of it, would read it otherwise is refused, before any rule is
//! asked. Nothing is repaired: a request is forwarded as it came, or not at all.

use doxy_filter::{Request as Judged, canonical_path};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    EXPECT, HOST, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, Method, Request, Uri, Version};

use crate::error::Malformed;
use crate::hijack;

/// A request that can be read in one way only. It has not been judged.
#[derive(Debug)]
pub(crate) struct Inbound {
    request: Request<Incoming>,
    /// The canonical path, where it is not the one that was sent.
    decoded: Option<String>,
}

/// Reads a request; the error says what is wrong with it.
pub(crate) fn read(request: Request<Incoming>) -> Result<Inbound, Malformed> {
    // No rule can name these two, but `*` would allow them.
    if let method @ (&Method::CONNECT | &Method::TRACE) = request.method() {
        return Err(Malformed::Method(method.clone()));
    }
    target(request.uri())?;
    let raw = request.uri().path();
    let path = canonical_path(raw)?;
    let decoded = (path != raw).then(|| path.into_owned());
    let headers = request.headers();
    host(headers, request.version())?;
    transfer_encoding(headers)?;
    expectation(headers)?;
    trailers(headers)?;
    content_type(headers)?;
    Ok(Inbound { request, decoded })
}

impl Inbound {
    /// What the policy judges.
    pub(crate) fn judged(&self) -> Judged<'_> {
        Judged {
            method: self.request.method().as_str(),
            path: self
                .decoded
                .as_deref()
                .unwrap_or_else(|| self.request.uri().path()),
            query: self.request.uri().query(),
        }
    }

    /// Does the request carry a body that the engine would merge over the query?
    ///
    /// Go's `ParseForm` does that with urlencoded bodies of POST, PUT and PATCH, its
    /// `FormValue` with multipart bodies of any method. It goes by the media type of the first
    /// `Content-Type` line; any line that mentions one of the two types counts here.
    pub(crate) fn has_form_body(&self) -> bool {
        if self.request.body().is_end_stream() {
            return false;
        }
        let merged = matches!(
            *self.request.method(),
            Method::POST | Method::PUT | Method::PATCH
        );
        self.request
            .headers()
            .get_all(CONTENT_TYPE)
            .iter()
            .any(|line| {
                let line = line.as_bytes().to_ascii_lowercase();
                mentions(&line, b"multipart/form-data")
                    || (merged && mentions(&line, b"x-www-form-urlencoded"))
            })
    }

    /// Is this an endpoint where the engine takes the connection out of HTTP?
    pub(crate) fn may_switch(&self) -> bool {
        let judged = self.judged();
        hijack::possible(judged.method, judged.path)
    }

    /// The request as it came, to be forwarded.
    pub(crate) fn into_request(self) -> Request<Incoming> {
        self.request
    }
}

fn mentions(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part == word)
}

/// Origin form, or absolute form with `http`. The engine serves any scheme by its path alone,
/// and cleans `*` and `host:port` into paths.
fn target(uri: &Uri) -> Result<(), Malformed> {
    match (uri.scheme_str(), uri.authority()) {
        (None, None) if uri.path().starts_with('/') => Ok(()),
        (Some("http"), Some(_)) => Ok(()),
        _ => Err(Malformed::Target),
    }
}

/// Host is replaced on the way to the engine. It is looked at all the same, because the engine
/// refuses these requests, as RFC 9112 section 3.2 demands.
fn host(headers: &HeaderMap, version: Version) -> Result<(), Malformed> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        return if version == Version::HTTP_11 {
            Err(Malformed::HostMissing)
        } else {
            Ok(())
        };
    };
    if hosts.next().is_some() {
        return Err(Malformed::HostRepeated);
    }
    // The bytes of RFC 3986's host and port; the engine's own check is the same.
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(byte);
    if host.as_bytes().iter().all(named) {
        Ok(())
    } else {
        Err(Malformed::HostInvalid)
    }
}

/// The engine knows one coding and takes it once; hyper passes on `gzip, chunked` and repeats.
fn transfer_encoding(headers: &HeaderMap) -> Result<(), Malformed> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = codings
        .next()
        .is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if chunked && codings.next().is_none() {
        Ok(())
    } else {
        Err(Malformed::TransferEncoding)
    }
}

fn expectation(headers: &HeaderMap) -> Result<(), Malformed> {
    let known =
        |value: &hyper::header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(known) {
        Ok(())
    } else {
        Err(Malformed::Expectation)
    }
}

/// Go folds letters beyond ASCII when it compares media types: to it, `mult\u{130}part` is
/// `multipart`.
fn content_type(headers: &HeaderMap) -> Result<(), Malformed> {
    let plain = |value: &hyper::header::HeaderValue| value.as_bytes().is_ascii();
    if headers.get_all(CONTENT_TYPE).iter().all(plain) {
        Ok(())
    } else {
        Err(Malformed::ContentType)
    }
}

/// Fields of framing, routing and authentication may not come behind the body (RFC 9110
/// section 6.5.1); the engine refuses some of them, and none may replace what was judged.
fn trailers(headers: &HeaderMap) -> Result<(), Malformed> {
    let forbidden = [
        TRANSFER_ENCODING,
        CONTENT_LENGTH,
        TRAILER,
        HOST,
        TE,
        EXPECT,
        CACHE_CONTROL,
        MAX_FORWARDS,
        AUTHORIZATION,
        SET_COOKIE,
        CONTENT_ENCODING,
        CONTENT_TYPE,
        CONTENT_RANGE,
    ];
    for value in headers.get_all(TRAILER) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            if forbidden
                .iter()
                .any(|field| name.eq_ignore_ascii_case(field.as_str().as_bytes()))
            {
                return Err(Malformed::Trailer);
            }
        }
    }
    Ok(())
}
