//! The life of a request, from its head to the last byte of its answer. Open this file first.
//!
//! Every step is one call into the file that owns it; what is done here is their order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::Error;
use crate::http::body::{Body, CollectError};
use crate::http::budget::{BodyBudget, CollectedBody};
use crate::http::request::{self, Exchange, Head};
use crate::log::access::AccessLog;
use crate::log::record::{Outcome, RequestRecord};
use crate::net::buffer::ReadBuf;
use crate::net::peer::{Peer, PeerAcl};
use crate::net::stream::Stream;
use crate::policy::{BodyView, NotPermitted, Policy, PolicyHandle};
use crate::proxy::connection::{Client, Limits, Next};
use crate::proxy::exchange::{self, UpstreamRequest};
use crate::proxy::respond;
use crate::upstream::Upstream;

/// How long a client may take to read why it was refused.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// What the requests of one proxy have in common.
#[derive(Debug)]
pub struct Service {
    /// Who may ask for what.
    pub policy: PolicyHandle,
    /// Who answers.
    pub upstream: Arc<Upstream>,
    /// Who may connect.
    pub callers: PeerAcl,
    /// What a client may cost.
    pub limits: Limits,
    /// Where requests are recorded.
    pub access: Option<AccessLog>,
    /// The bodies that are being judged, of all its threads.
    pub(crate) held: BodyBudget,
    /// How many threads serve connections, the one that accepts them among them. At least one.
    pub threads: usize,
}

impl Service {
    /// A proxy that everybody may connect to who can open its socket, without an access log, on one
    /// thread.
    pub fn new(policy: Policy, upstream: Arc<Upstream>) -> Self {
        Self {
            policy: PolicyHandle::new(policy),
            upstream,
            callers: PeerAcl::default(),
            limits: Limits::default(),
            access: None,
            held: BodyBudget::default(),
            threads: 1,
        }
    }

    /// The same proxy for another thread: what each request needs is not shared between threads.
    pub(crate) fn for_another_thread(&self) -> Self {
        Self {
            policy: self.policy.for_another_thread(),
            upstream: Arc::new(self.upstream.for_another_thread()),
            callers: self.callers.clone(),
            limits: self.limits,
            access: self.access.clone(),
            held: self.held.clone(),
            threads: self.threads,
        }
    }
}

/// Answers one request, whose head of `length` bytes has come: by the engine if the policy allows
/// it, else with the reason why not. Says what is to become of the connection.
pub(crate) async fn handle(
    client: &mut Client,
    length: usize,
    proxy: &Service,
    stop: &watch::Receiver<bool>,
) -> Next {
    let policy = proxy.policy.load();
    let caller = policy.caller(client);
    let caller = caller.as_deref();
    let Client {
        socket,
        input,
        audit,
    } = client;
    let mut record = RequestRecord::open(audit);
    let head = input.unread().get(..length).unwrap_or_default();
    let mut judged = judge(head, None, &policy, caller, &mut record);
    if let Decided::NeedsBody(exchange) = judged {
        let head = head.to_vec();
        input.consume(length);
        let body = Box::pin(read_body(socket, input, &exchange, proxy)).await;
        judged = judge(&head, Some(body), &policy, caller, &mut record);
    } else {
        input.consume(length);
    }
    let stopping = || *stop.borrow();
    let (error, exchange, body) = match judged {
        Decided::Permitted(mut outbound) => {
            // Of a body there is no telling how much the engine has been sent.
            let body = outbound.unread_body().filter(|length| *length == 0);
            let upstream = &proxy.upstream;
            let done =
                exchange::exchange(&mut outbound, socket, input, upstream, &record, stopping);
            match Box::pin(done).await {
                Ok(next) => return next,
                Err(error) => (error, Some(outbound.exchange), body),
            }
        }
        Decided::Refused(error, exchange, body) => (error, exchange, body),
        Decided::NeedsBody(exchange) => (Error::Unjudged, Some(exchange), None),
    };
    let left = body.filter(|length| *length <= input.unread().len());
    record.refused(&error);
    let (answer, next) = error_response(&error, exchange, left, input, stopping());
    drop(error); // a client that is slow to read holds no more than its answer
    send_response(socket, answer, next, &record).await
} // log: the record is written when it is dropped

/// What is to be done with a request.
enum Decided {
    /// It is ready to be written to the engine.
    Permitted(UpstreamRequest),
    /// Without an exchange, nothing is known of how the request and its answer are framed. The length is
    /// that of a body which is still to be read.
    Refused(Error, Option<Exchange>, Option<usize>),
    /// The policy has to see its body before it says anything.
    NeedsBody(Exchange),
}

/// Parses and decides.
fn judge(
    head: &[u8],
    body: Option<Result<CollectedBody, String>>,
    policy: &Policy,
    caller: Option<&Peer>,
    record: &mut RequestRecord<'_>,
) -> Decided {
    let mut room = request::header_slots();
    let head = match Head::parse(head, &mut room) {
        Ok(head) => head,
        Err(error) => return Decided::Refused(error, None, None),
    };
    record.head(&head);
    let request = match head.validate() {
        Ok(request) => request,
        Err(malformed) => return Decided::Refused(malformed.into(), None, None),
    }; // parse
    let exchange = request.exchange();
    let seen = match &body {
        None => BodyView::Nothing,
        Some(Ok(body)) => BodyView::Whole(body.bytes()),
        Some(Err(reason)) => BodyView::Unreadable(reason),
    };
    match policy.decide(request, seen, caller, record) {
        Ok(permit) => match body {
            Some(Err(_)) => Decided::Refused(Error::Unjudged, Some(exchange), None),
            Some(Ok(body)) => Decided::Permitted(exchange::prepare(permit, Some(body))),
            None => Decided::Permitted(exchange::prepare(permit, None)), // forward
        },
        Err(NotPermitted::NeedsBody) => Decided::NeedsBody(exchange),
        Err(NotPermitted::Denied(denial)) => {
            let left = match body {
                None => exchange.body.length(),
                Some(Ok(_)) => Some(0),
                Some(Err(_)) => None,
            };
            Decided::Refused(denial.into(), Some(exchange), left)
        }
    } // decide
}

/// Reads a body that the policy wants to see. The reason why it cannot be read is for the client.
async fn read_body(
    socket: &Stream,
    input: &mut ReadBuf,
    exchange: &Exchange,
    proxy: &Service,
) -> Result<CollectedBody, String> {
    let limits = &proxy.limits;
    let too_large = || format!("the body is larger than {} bytes (--max-body)", limits.body);
    if exchange
        .body
        .length()
        .is_some_and(|length| length > limits.body)
    {
        return Err(too_large());
    }
    let mut held = proxy.held.body();
    let read = async {
        if exchange.expect_continue && input.is_empty() {
            // A client that has gone is noticed by what it does not send.
            let _ = socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        Body::new(exchange.body, true)
            .read(socket, input, &mut held, limits.body)
            .await
    };
    match timeout(limits.head, read).await {
        Ok(Ok(())) => Ok(held),
        Ok(Err(CollectError::TooLarge)) => Err(too_large()),
        Ok(Err(CollectError::NoRoom)) => {
            Err("too many bodies are being judged, try again later".into())
        }
        Ok(Err(CollectError::Broken)) => {
            Err("the body ended early or is not framed correctly".into())
        }
        Err(_) => Err("the body did not come in time to be judged".into()),
    }
}

/// Refuses what cannot be read as a request, or is not to be.
pub(crate) async fn reject(error: &Error, client: &mut Client) -> Next {
    let Client {
        socket,
        input,
        audit,
    } = client;
    let mut record = RequestRecord::open(audit);
    record.refused(error);
    let (answer, next) = error_response(error, None, None, input, false);
    send_response(socket, answer, next, &record).await
}

/// An answer of doxy's own.
struct Refusal {
    status: u16,
    bytes: Vec<u8>,
}

/// What the client is told of why its request is not answered by the engine, and what becomes of its
/// connection then.
///
/// `left` is how much of what has been read is the request's body, if all of it has been: then it is
/// clear where the next request begins, and the connection can go on.
fn error_response(
    error: &Error,
    exchange: Option<Exchange>,
    left: Option<usize>,
    input: &mut ReadBuf,
    stopping: bool,
) -> (Refusal, Next) {
    let next = match left {
        Some(length) if !matches!(error, Error::Malformed(_)) => {
            input.consume(length);
            match exchange {
                Some(exchange) if exchange.keep_alive && !stopping => Next::Request,
                _ => Next::Close,
            }
        }
        Some(_) => Next::Close,
        None => Next::Linger,
    };
    let is_head = exchange.is_some_and(|exchange| exchange.is_head);
    let http10 = exchange.is_some_and(|exchange| exchange.http10);
    let answer = Refusal {
        status: respond::status(error).as_u16(),
        bytes: respond::answer(error, is_head, http10, next != Next::Request),
    };
    (answer, next)
}

/// Tells the client.
async fn send_response(
    socket: &Stream,
    answer: Refusal,
    next: Next,
    record: &RequestRecord<'_>,
) -> Next {
    record.answered(answer.status);
    // Who does not read it, and asks on, would hold the connection for ever.
    let told = match socket.try_write(&answer.bytes) {
        Ok(written) if written == answer.bytes.len() => true,
        Ok(written) => {
            let rest = answer.bytes.get(written..).unwrap_or_default();
            let told = Box::pin(timeout(SEND_TIMEOUT, socket.write_all(rest))).await;
            matches!(told, Ok(Ok(())))
        }
        Err(_) => false,
    };
    if told {
        record.ended(Outcome::Complete);
        next
    } else {
        record.ended(Outcome::ClientGone);
        Next::Gone
    }
}
