//! Step two, parse: a request's head is read in one way, or the request is refused.
//!
//! Whatever the engine, in any version, could read in another way is refused before the policy is
//! asked. Nothing is repaired: a request is forwarded as it came, or not at all.

use std::borrow::Cow;
use std::mem::MaybeUninit;
#[cfg(feature = "script")]
use std::ops::Range;

use doxy_filter::api::{escapes_matter, query_matters};
use doxy_filter::{PathError, Request as Judged, canonical_path, merge_slashes};
use memchr::memchr2;

use crate::http::collect::RequestBody;
use crate::http::framing::{Framing, parse_length};
use crate::http::head::MAX_HEADERS;
use crate::http::headers::{self, Line, values};
use crate::http::malformed::{Ambiguous, BadRequest, Malformed};
#[cfg(feature = "script")]
use crate::http::rewritten::Rewritten;
use crate::http::target;

/// Space for the header lines of one head.
pub(crate) type HeaderSlots<'b> = [MaybeUninit<Line<'b>>; MAX_HEADERS];

/// Empty slots. They take 8 KiB: keep them on the stack, never across an `await`.
pub(crate) fn header_slots<'b>() -> HeaderSlots<'b> {
    [const { MaybeUninit::uninit() }; MAX_HEADERS]
}

/// The parts of a request's head, as sent.
///
/// `'b` is the life of the bytes they were read from, `'s` that of the slots the lines are in.
#[derive(Debug, Clone)]
pub(crate) struct Head<'s, 'b> {
    /// The whole head.
    pub(crate) bytes: &'b [u8],
    pub(crate) method: &'b str,
    pub(crate) target: &'b str,
    /// 0 or 1: the version is HTTP/1.0 or HTTP/1.1.
    pub(crate) minor: u8,
    pub(crate) lines: Cow<'s, [Line<'b>]>,
}

/// What a head says about how the request and its response are framed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) framing: Framing,
    /// The response cannot be chunked, and ends the connection.
    pub(crate) http10: bool,
    /// The response has no body, whatever its head says.
    pub(crate) is_head: bool,
    /// The client may send another request on the connection.
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expect_continue: bool,
    /// The engine may take the connection out of HTTP. Not before a permit says so.
    pub(crate) may_upgrade: bool,
}

/// A request that can be read in one way only. No policy has judged it yet.
#[derive(Debug)]
pub(crate) struct ValidRequest<'s, 'b> {
    pub(crate) head: Head<'s, 'b>,
    /// Path and query, as sent; the object that the path names has its full id if it was looked up.
    pub(crate) path_and_query: Cow<'b, str>,
    /// The canonical path.
    path: Cow<'b, str>,
    query: Option<&'b str>,
    pub(crate) exchange: Exchange,
    pub(crate) body: RequestBody,
    /// Whether a policy may have judged it by its query, as Docker reads it.
    pub(crate) query_judged: bool,
    /// What a policy has changed of it.
    #[cfg(feature = "script")]
    pub(crate) rewritten: Option<Box<Rewritten>>,
}

/// A request that is answered before the policy is asked.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) error: BadRequest,
    /// None if nothing is known about how the request is framed.
    pub(crate) exchange: Option<Exchange>,
}

impl From<BadRequest> for Rejected {
    fn from(error: BadRequest) -> Self {
        Self {
            error,
            exchange: None,
        }
    }
}

impl From<Malformed> for Rejected {
    fn from(error: Malformed) -> Self {
        BadRequest::from(error).into()
    }
}

impl<'s, 'b> Head<'s, 'b> {
    /// Parses a complete head.
    pub(crate) fn parse(
        bytes: &'b [u8],
        slots: &'s mut HeaderSlots<'b>,
    ) -> Result<Self, BadRequest> {
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, slots) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            // A head ends at its first empty line.
            Ok(_) => return Err(Malformed::HeadEnd.into()),
            Err(_) if bytes.trim_ascii_start().starts_with(b"PRI * HTTP/2") => {
                return Err(Malformed::Http2.into());
            }
            Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::HeadTooLarge),
            Err(error) => return Err(Malformed::Http(error).into()),
        }
        match parsed {
            httparse::Request {
                method: Some(method),
                path: Some(target),
                version: Some(minor),
                headers: lines,
            } => Ok(Self {
                bytes,
                method,
                target,
                minor,
                lines: Cow::Borrowed(lines),
            }),
            _ => Err(Malformed::HeadEnd.into()),
        }
    }

    /// Checks everything that could be read in two ways.
    pub(crate) fn validate(self) -> Result<ValidRequest<'s, 'b>, Rejected> {
        // No rule can name these two, but `*` would allow them.
        if let "CONNECT" | "TRACE" = self.method {
            return Err(Malformed::Method(self.method.to_owned()).into());
        }
        // One search for both: most targets have neither.
        let marked = memchr2(b'?', b'#', self.target.as_bytes()).is_some();
        // The engine takes a fragment as a part of the path; other readers drop it.
        if marked && self.target.contains('#') {
            return Err(Malformed::Fragment.into());
        }
        let path_and_query = target::path_and_query(self.target)?;
        let (path, query) = match marked.then(|| path_and_query.split_once('?')).flatten() {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let canonical = canonical_path(path);
        if let Err(error) = &canonical
            && !matches!(error, PathError::EmptySegment)
        {
            return Err(Malformed::from(*error).into());
        }
        let exchange = self.exchange()?;
        let Ok(path) = canonical else {
            return Err(self.redirect(path, query, exchange));
        };
        Ok(ValidRequest {
            head: self,
            path_and_query: Cow::Borrowed(path_and_query),
            path,
            query,
            exchange,
            body: RequestBody::Unread,
            query_judged: false,
            #[cfg(feature = "script")]
            rewritten: None,
        })
    }

    /// Checks what is not the target, and says how the request is framed.
    fn exchange(&self) -> Result<Exchange, BadRequest> {
        self.check_host()?;
        let framing = self.framing()?;
        self.check_expectation()?;
        self.check_trailers()?;
        self.check_content_type(framing)?;
        let http10 = self.minor == 0;
        Ok(Exchange {
            framing,
            http10,
            is_head: self.method == "HEAD",
            keep_alive: !http10 && !headers::contains_token(&self.lines, "connection", "close"),
            expect_continue: !http10 && values(&self.lines, "expect").next().is_some(),
            may_upgrade: false,
        })
    }

    /// What becomes of a path with an empty segment. Some clients put the name of a container into a
    /// path as the engine lists it, with a slash in front (`/containers//web/json`), and live on the
    /// engine's redirect.
    #[cold]
    fn redirect(&self, path: &str, query: Option<&str>, exchange: Exchange) -> Rejected {
        let merged = match self.method {
            "GET" | "HEAD" if exchange.framing.length() == Some(0) => merge_slashes(path),
            _ => None,
        };
        let Some(mut location) = merged else {
            return Malformed::from(PathError::EmptySegment).into();
        };
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        Rejected {
            error: BadRequest::Redirect { location },
            exchange: Some(exchange),
        }
    }

    /// Doxy replaces `Host` on the way to the engine. It is checked all the same, because the
    /// engine refuses these requests, as RFC 9112 section 3.2 demands.
    fn check_host(&self) -> Result<(), Malformed> {
        let mut hosts = values(&self.lines, "host");
        let Some(host) = hosts.next() else {
            return if self.minor == 1 {
                Err(Malformed::HostMissing)
            } else {
                Ok(())
            };
        };
        if hosts.next().is_some() {
            return Err(Malformed::HostRepeated);
        }
        // The bytes of RFC 3986's host and port; the engine's own check is the same.
        let named =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(byte);
        if host.iter().all(named) {
            Ok(())
        } else {
            Err(Malformed::HostInvalid)
        }
    }

    /// One length, or one transfer coding, or neither. The engine picks one of two; a proxy in
    /// between might pick the other.
    fn framing(&self) -> Result<Framing, Malformed> {
        let mut codings = values(&self.lines, "transfer-encoding");
        let mut lengths = values(&self.lines, "content-length");
        let framing = match (codings.next(), lengths.next()) {
            (None, None) => Framing::None,
            (None, Some(length)) => Framing::Length(parse_length(length)?),
            (Some(_), Some(_)) => return Err(Malformed::TwoFramings),
            (Some(_), None) if self.minor == 0 => return Err(Malformed::OldCoding),
            // The engine knows one coding, and takes it once.
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
            (Some(_), None) => return Err(Malformed::TransferEncoding),
        };
        if codings.next().is_some() {
            return Err(Malformed::TransferEncoding);
        }
        if lengths.next().is_some() {
            return Err(Malformed::ContentLength);
        }
        Ok(framing)
    }

    fn check_expectation(&self) -> Result<(), Malformed> {
        let known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        if values(&self.lines, "expect").all(known) {
            Ok(())
        } else {
            Err(Malformed::Expectation)
        }
    }

    fn check_trailers(&self) -> Result<(), Malformed> {
        let forbidden = values(&self.lines, "trailer")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|name| headers::forbidden_in_trailer(name.trim_ascii()));
        if forbidden {
            Err(Malformed::Trailer)
        } else {
            Ok(())
        }
    }

    /// Refuses a body that the engine would merge over the query, whoever allows the request: what
    /// was judged would not be what the engine reads.
    ///
    /// Go's `ParseForm` merges urlencoded bodies of POST, PUT and PATCH, its `FormValue` merges
    /// multipart bodies of any method. Go goes by the media type of the first `Content-Type` line;
    /// here any line that mentions one of the two types counts. Go also folds letters beyond ASCII
    /// when it compares media types: `mult\u{130}part` is `multipart` to it, so those are refused
    /// first.
    fn check_content_type(&self, framing: Framing) -> Result<(), BadRequest> {
        for value in values(&self.lines, "content-type") {
            if !value.is_ascii() {
                return Err(Malformed::ContentType.into());
            }
            if matches!(framing, Framing::None | Framing::Length(0)) {
                continue;
            }
            let merged = matches!(self.method, "POST" | "PUT" | "PATCH");
            let value = value.to_ascii_lowercase();
            if mentions(&value, b"multipart/form-data")
                || (merged && mentions(&value, b"x-www-form-urlencoded"))
            {
                return Err(BadRequest::FormBody);
            }
        }
        Ok(())
    }
}

impl<'b> ValidRequest<'_, 'b> {
    /// What the policy judges.
    pub(crate) fn judged(&self) -> Judged<'_> {
        Judged {
            method: self.head.method,
            path: &self.path,
            query: self.query(),
        }
    }

    /// The query, without its `?`.
    fn query(&self) -> Option<&str> {
        #[cfg(feature = "script")]
        if let Some(query) = self.rewritten.as_ref().and_then(|it| it.query.as_deref()) {
            return Some(query).filter(|query| !query.is_empty());
        }
        self.query
    }

    /// What only Docker is sure to read as the policy did, if there is anything: it decodes the path
    /// first, and takes the first of a repeated parameter.
    pub(crate) fn needs_docker(&self) -> Option<Ambiguous> {
        if self.query_judged
            && let Some(query) = self.query()
            && query_matters(self.head.method, &self.path, query)
        {
            return Some(Ambiguous::Query);
        }
        let Cow::Owned(path) = &self.path else {
            return None;
        };
        let sent = self.path_and_query.split('?').next().unwrap_or_default();
        escapes_matter(self.head.method, sent, path).then_some(Ambiguous::Path)
    }

    /// Puts a full id where the canonical path has the name of an object, so that what was judged is
    /// what is touched. Everything else of the target stays as sent. `name` is the name's place in
    /// the canonical path. False if that cannot be done: then the request must not be forwarded.
    #[cfg(feature = "script")]
    #[must_use]
    pub(crate) fn identify(&mut self, name: &Range<usize>, id: &str) -> bool {
        let Some(target) = target::with_id(&self.path_and_query, &self.path, name, id) else {
            return false;
        };
        self.path_and_query = Cow::Owned(target);
        true
    }

    /// The length of the body that is still to be read from the client, if it is known.
    pub(crate) fn unread_body(&self) -> Option<usize> {
        self.body.unread(self.exchange.framing)
    }

    /// The same request, with header lines of its own: it may be kept while a body is read.
    pub(crate) fn detach(self) -> ValidRequest<'b, 'b> {
        let Head {
            bytes,
            method,
            target,
            minor,
            lines,
        } = self.head;
        ValidRequest {
            head: Head {
                bytes,
                method,
                target,
                minor,
                lines: Cow::Owned(lines.into_owned()),
            },
            path_and_query: self.path_and_query,
            path: self.path,
            query: self.query,
            exchange: self.exchange,
            body: self.body,
            query_judged: self.query_judged,
            #[cfg(feature = "script")]
            rewritten: self.rewritten,
        }
    }
}

fn mentions(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part == word)
}
