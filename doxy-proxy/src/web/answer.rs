//! What the server answers.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::web::places::Answering;

/// The policy of an answer that is no page: it may do nothing in a browser.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// No page of another origin has a handle on the window of the live page, nor an answer in its process.
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The body of an answer, which is being given until this is dropped.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Either<Full<Bytes>, WebEvents>,
    _answering: Answering,
}

/// An answer to one request.
#[derive(Debug)]
pub struct WebAnswer {
    status: u16,
    content_type: &'static str,
    /// What a browser may do with it.
    security: Cow<'static, str>,
    body: Either<Full<Bytes>, WebEvents>,
}

/// Server-sent events that are yet to come: each piece is sent as it is. The answer ends when the sender
/// is dropped.
#[derive(Debug)]
pub struct WebEvents(pub mpsc::Receiver<Bytes>);

impl WebAnswer {
    /// An answer as a whole.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            security: NOTHING.into(),
            body: Either::Left(Full::new(body.into())),
        }
    }

    /// A line of text.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// JSON.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, "application/json", format!("{value}\n"))
    }

    /// A page, with the `Content-Security-Policy` that it needs.
    pub fn page(body: impl Into<Bytes>, security: impl Into<Cow<'static, str>>) -> Self {
        Self {
            security: security.into(),
            ..Self::new(200, "text/html; charset=utf-8", body)
        }
    }

    /// Events.
    pub fn events(events: WebEvents) -> Self {
        Self {
            status: 200,
            content_type: "text/event-stream",
            security: NOTHING.into(),
            body: Either::Right(events),
        }
    }

    /// As hyper sends it. Events are refused if their reader has enough streams of them.
    pub(super) fn response(self, answering: Answering) -> Response<AnswerBody> {
        if let Either::Right(_) = self.body
            && !answering.streams()
        {
            return Self::text(503, "too many pages are open already").response(answering);
        }
        let mut response = Response::new(AnswerBody {
            body: self.body,
            _answering: answering,
        });
        let status = StatusCode::from_u16(self.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let security = HeaderValue::from_str(&self.security);
        let security = security.unwrap_or(HeaderValue::from_static(NOTHING));
        let fixed = HeaderValue::from_static;
        // Whoever gets an error has no use of the connection, which others may need.
        if !response.status().is_success() {
            let close = fixed("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response.headers_mut().extend([
            (header::CONTENT_TYPE, fixed(self.content_type)),
            (header::CACHE_CONTROL, fixed("no-store")),
            (header::CONTENT_SECURITY_POLICY, security),
            (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (header::REFERRER_POLICY, fixed("no-referrer")),
            (CROSS_ORIGIN_OPENER_POLICY, fixed("same-origin")),
            (CROSS_ORIGIN_RESOURCE_POLICY, fixed("same-origin")),
        ]);
        response
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for WebEvents {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = self.0.poll_recv(cx);
        polled.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
