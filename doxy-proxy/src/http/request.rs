//! Step two, parse: one reading of a request, or a refusal.
//!
//! What the engine, or another version of it, would read otherwise than doxy is refused, before
//! any rule is asked. Nothing is repaired: a request is forwarded as it came, or not at all.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use doxy_filter::{Request as Judged, canonical_path};
use memchr::memchr2;

use crate::error::{Error, Malformed};
use crate::http::body::Framing;
use crate::http::head::{MAX_HEAD, MAX_HEADERS};
use crate::http::headers::{self, Line, all};
use crate::http::hijack;

/// Room for the header lines of one head.
pub(crate) type HeaderSlots<'b> = [MaybeUninit<Line<'b>>; MAX_HEADERS];

/// Room for header lines, with none in it.
pub(crate) fn header_slots<'b>() -> HeaderSlots<'b> {
    [const { MaybeUninit::uninit() }; MAX_HEADERS]
}

/// The parts of a request's head, as they were sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'b> {
    /// The whole of it.
    pub(crate) bytes: &'b [u8],
    pub(crate) method: &'b str,
    pub(crate) target: &'b str,
    /// 0 or 1: the version is HTTP/1.0 or HTTP/1.1.
    pub(crate) minor: u8,
    pub(crate) lines: &'b [Line<'b>],
}

/// What its head says of how a request and its answer are framed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) body: Framing,
    /// Version 1.0: its answer cannot be chunked, and ends the connection.
    pub(crate) http10: bool,
    /// The answer has no body, whatever its head says.
    pub(crate) is_head: bool,
    /// The client may send another request on the connection.
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expect_continue: bool,
    /// The engine may take the connection out of HTTP.
    pub(crate) may_upgrade: bool,
}

/// A request that can be read in one way only. It has not been judged.
#[derive(Debug)]
pub(crate) struct ValidRequest<'b> {
    head: Head<'b>,
    /// Path and query, as sent.
    path_and_query: &'b str,
    /// The canonical path.
    path: Cow<'b, str>,
    query: Option<&'b str>,
    exchange: Exchange,
}

impl<'b> Head<'b> {
    /// Takes a whole head apart.
    pub(crate) fn parse(bytes: &'b [u8], room: &'b mut HeaderSlots<'b>) -> Result<Self, Error> {
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, room) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            // The head ends where its first empty line does.
            Ok(_) => return Err(Malformed::HeadEnd.into()),
            Err(_) if bytes.trim_ascii_start().starts_with(b"PRI * HTTP/2") => {
                return Err(Malformed::Http2.into());
            }
            Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
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
                lines,
            }),
            _ => Err(Malformed::HeadEnd.into()),
        }
    }

    /// Reads it; the error says what is wrong with it.
    pub(crate) fn validate(self) -> Result<ValidRequest<'b>, Malformed> {
        // No rule can name these two, but `*` would allow them.
        if let "CONNECT" | "TRACE" = self.method {
            return Err(Malformed::Method(self.method.to_owned()));
        }
        // One look for both: most targets have neither.
        let marked = memchr2(b'?', b'#', self.target.as_bytes()).is_some();
        // The engine takes a fragment as a part of the path, and others as none of the target.
        if marked && self.target.contains('#') {
            return Err(Malformed::Fragment);
        }
        let path_and_query = path_and_query(self.target)?;
        let (path, query) = match marked.then(|| path_and_query.split_once('?')).flatten() {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let path = canonical_path(path)?;
        self.host()?;
        let body = self.framing()?;
        self.expectation()?;
        self.trailers()?;
        self.content_type()?;
        let http10 = self.minor == 0;
        let exchange = Exchange {
            body,
            http10,
            is_head: self.method == "HEAD",
            keep_alive: !http10 && !headers::lists(self.lines, "connection", "close"),
            expect_continue: !http10 && all(self.lines, "expect").next().is_some(),
            may_upgrade: hijack::possible(self.method, &path),
        };
        Ok(ValidRequest {
            head: self,
            path_and_query,
            path,
            query,
            exchange,
        })
    }

    /// Host is replaced on the way to the engine. It is looked at all the same, because the
    /// engine refuses these requests, as RFC 9112 section 3.2 demands.
    fn host(&self) -> Result<(), Malformed> {
        let mut hosts = all(self.lines, "host");
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

    /// One length, or one coding, or neither. Of two the engine takes one, and somebody between
    /// might take the other.
    fn framing(&self) -> Result<Framing, Malformed> {
        let mut codings = all(self.lines, "transfer-encoding");
        let mut lengths = all(self.lines, "content-length");
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

    fn expectation(&self) -> Result<(), Malformed> {
        let known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        if all(self.lines, "expect").all(known) {
            Ok(())
        } else {
            Err(Malformed::Expectation)
        }
    }

    fn trailers(&self) -> Result<(), Malformed> {
        let forbidden = all(self.lines, "trailer")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|name| headers::forbidden_in_trailer(name.trim_ascii()));
        if forbidden {
            Err(Malformed::Trailer)
        } else {
            Ok(())
        }
    }

    /// Go folds letters beyond ASCII when it compares media types: to it, `mult\u{130}part` is
    /// `multipart`.
    fn content_type(&self) -> Result<(), Malformed> {
        if all(self.lines, "content-type").all(<[u8]>::is_ascii) {
            Ok(())
        } else {
            Err(Malformed::ContentType)
        }
    }
}

impl<'b> ValidRequest<'b> {
    /// What the policy judges.
    pub(crate) fn judged(&self) -> Judged<'_> {
        Judged {
            method: self.head.method,
            path: &self.path,
            query: self.query,
        }
    }

    pub(crate) fn exchange(&self) -> Exchange {
        self.exchange
    }

    /// Does the request carry a body that the engine would merge over the query?
    ///
    /// Go's `ParseForm` does that with urlencoded bodies of POST, PUT and PATCH, its
    /// `FormValue` with multipart bodies of any method. It goes by the media type of the first
    /// `Content-Type` line; any line that mentions one of the two types counts here.
    pub(crate) fn has_form_body(&self) -> bool {
        if !self.has_body() {
            return false;
        }
        let merged = matches!(self.head.method, "POST" | "PUT" | "PATCH");
        all(self.head.lines, "content-type").any(|line| {
            let line = line.to_ascii_lowercase();
            mentions(&line, b"multipart/form-data")
                || (merged && mentions(&line, b"x-www-form-urlencoded"))
        })
    }

    /// Does a body follow the head, or may it?
    pub(crate) fn has_body(&self) -> bool {
        !matches!(self.exchange.body, Framing::None | Framing::Length(0))
    }

    /// Names and values of the headers that are the request's and not the connection's.
    #[cfg(feature = "script")]
    pub(crate) fn end_to_end_headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        let lines = self.head.lines.iter();
        lines
            .filter(|line| !headers::hop_by_hop(line.name))
            .map(|line| (line.name, line.value))
    }

    /// The parts to be forwarded, the target in origin form.
    pub(crate) fn into_parts(self) -> (Head<'b>, &'b str, Exchange) {
        (self.head, self.path_and_query, self.exchange)
    }
}

/// The head is larger than doxy reads.
pub(crate) fn too_large() -> Error {
    Error::HeadTooLarge {
        bytes: MAX_HEAD,
        lines: MAX_HEADERS,
    }
}

fn mentions(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part == word)
}

/// Path and query, from origin form or from absolute form with `http`. The engine serves any
/// scheme by its path alone, and cleans `*` and `host:port` into paths.
fn path_and_query(target: &str) -> Result<&str, Malformed> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let (scheme, rest) = target.split_at_checked(7).ok_or(Malformed::Target)?;
    if !scheme.eq_ignore_ascii_case("http://") {
        return Err(Malformed::Target);
    }
    // The authority decides nothing on a unix socket.
    let (_, path_and_query) = rest
        .find(['/', '?'])
        .filter(|end| *end > 0)
        .and_then(|end| rest.split_at_checked(end))
        .ok_or(Malformed::Target)?;
    if path_and_query.starts_with('/') {
        Ok(path_and_query)
    } else {
        Err(Malformed::Target)
    }
}

/// A length as everybody reads it: figures, and not more than fit.
pub(crate) fn parse_length(text: &[u8]) -> Result<u64, Malformed> {
    if text.is_empty() {
        return Err(Malformed::ContentLength);
    }
    // As the engine, which counts in signed numbers.
    text.iter()
        .try_fold(0_i64, |number, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            number.checked_mul(10)?.checked_add(i64::from(digit))
        })
        .and_then(|number| u64::try_from(number).ok())
        .ok_or(Malformed::ContentLength)
}
