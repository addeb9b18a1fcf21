//! The life of a request, from its head to the last byte of its answer. Open this file first.
//!
//! Every step is one call into the file that owns it; what is done here is their order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::Error;
use crate::http::body::{Body, Unread};
use crate::http::held::{Held, HeldBody};
use crate::http::request::{self, Head, Terms};
use crate::log::access::AccessLog;
use crate::log::record::{Outcome, Record};
use crate::net::buffer::Input;
use crate::net::peer::{Caller, Callers};
use crate::net::socket::Socket;
use crate::policy::{CurrentPolicy, Policy, Seen, Unpermitted};
use crate::proxy::connection::{Client, Limits, Next};
use crate::proxy::forward::{self, Outbound};
use crate::proxy::respond;
use crate::upstream::Upstream;

/// How long a client may take to read why it was refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the requests of one proxy have in common.
#[derive(Debug)]
pub struct Proxy {
    /// Who may ask for what.
    pub policy: CurrentPolicy,
    /// Who answers.
    pub upstream: Arc<Upstream>,
    /// Who may connect.
    pub callers: Callers,
    /// What a client may cost.
    pub limits: Limits,
    /// Where requests are recorded.
    pub access: Option<AccessLog>,
    /// The bodies that are being judged, of all its threads.
    pub(crate) held: Held,
    /// How many threads serve connections, the one that accepts them among them. At least one.
    pub threads: usize,
}

impl Proxy {
    /// A proxy that everybody may connect to who can open its socket, without an access log, on one
    /// thread.
    pub fn new(policy: Policy, upstream: Arc<Upstream>) -> Self {
        Self {
            policy: CurrentPolicy::new(policy),
            upstream,
            callers: Callers::default(),
            limits: Limits::default(),
            access: None,
            held: Held::default(),
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
    proxy: &Proxy,
    stop: &watch::Receiver<bool>,
) -> Next {
    let policy = proxy.policy.now();
    let caller = policy.caller(client);
    let caller = caller.as_deref();
    let Client {
        socket,
        input,
        audit,
    } = client;
    let mut record = Record::open(audit);
    let head = input.unread().get(..length).unwrap_or_default();
    let mut judged = judge(head, None, &policy, caller, &mut record);
    if let Judged::NeedsBody(terms) = judged {
        let head = head.to_vec();
        input.consume(length);
        let body = Box::pin(read_body(socket, input, &terms, proxy)).await;
        judged = judge(&head, Some(body), &policy, caller, &mut record);
    } else {
        input.consume(length);
    }
    let stopping = || *stop.borrow();
    let (error, terms, body) = match judged {
        Judged::Permitted(mut outbound) => {
            // Of a body there is no telling how much the engine has been sent.
            let body = outbound.unread_body().filter(|length| *length == 0);
            let upstream = &proxy.upstream;
            let done = forward::exchange(&mut outbound, socket, input, upstream, &record, stopping);
            match Box::pin(done).await {
                Ok(next) => return next,
                Err(error) => (error, Some(outbound.terms), body),
            }
        }
        Judged::Refused(error, terms, body) => (error, terms, body),
        Judged::NeedsBody(terms) => (Error::Unjudged, Some(terms), None),
    };
    let left = body.filter(|length| *length <= input.unread().len());
    record.refused(&error);
    let (answer, next) = refuse(&error, terms, left, input, stopping());
    drop(error); // a client that is slow to read holds no more than its answer
    tell(socket, answer, next, &record).await
} // log: the record is written when it is dropped

/// What is to be done with a request.
enum Judged {
    /// It is ready to be written to the engine.
    Permitted(Outbound),
    /// Without terms, nothing is known of how the request and its answer are framed. The length is
    /// that of a body which is still to be read.
    Refused(Error, Option<Terms>, Option<usize>),
    /// The policy has to see its body before it says anything.
    NeedsBody(Terms),
}

/// Parses and decides.
fn judge(
    head: &[u8],
    body: Option<Result<HeldBody, String>>,
    policy: &Policy,
    caller: Option<&Caller>,
    record: &mut Record<'_>,
) -> Judged {
    let mut room = request::room();
    let head = match Head::parse(head, &mut room) {
        Ok(head) => head,
        Err(error) => return Judged::Refused(error, None, None),
    };
    record.head(&head);
    let inbound = match head.read() {
        Ok(inbound) => inbound,
        Err(malformed) => return Judged::Refused(malformed.into(), None, None),
    }; // parse
    let terms = inbound.terms();
    let seen = match &body {
        None => Seen::Nothing,
        Some(Ok(body)) => Seen::Whole(body.bytes()),
        Some(Err(reason)) => Seen::Unreadable(reason),
    };
    match policy.decide(inbound, seen, caller, record) {
        Ok(permit) => match body {
            Some(Err(_)) => Judged::Refused(Error::Unjudged, Some(terms), None),
            Some(Ok(body)) => Judged::Permitted(forward::prepare(permit, Some(body))),
            None => Judged::Permitted(forward::prepare(permit, None)), // forward
        },
        Err(Unpermitted::NeedsBody) => Judged::NeedsBody(terms),
        Err(Unpermitted::Denied(denial)) => {
            let left = match body {
                None => terms.body.length(),
                Some(Ok(_)) => Some(0),
                Some(Err(_)) => None,
            };
            Judged::Refused(denial.into(), Some(terms), left)
        }
    } // decide
}

/// Reads a body that the policy wants to see. The reason why it cannot be read is for the client.
async fn read_body(
    socket: &Socket,
    input: &mut Input,
    terms: &Terms,
    proxy: &Proxy,
) -> Result<HeldBody, String> {
    let limits = &proxy.limits;
    let too_large = || format!("the body is larger than {} bytes (--max-body)", limits.body);
    if terms
        .body
        .length()
        .is_some_and(|length| length > limits.body)
    {
        return Err(too_large());
    }
    let mut held = proxy.held.body();
    let read = async {
        if terms.expects && input.is_empty() {
            // A client that has gone is noticed by what it does not send.
            let _ = socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        Body::new(terms.body, true)
            .read(socket, input, &mut held, limits.body)
            .await
    };
    match timeout(limits.head, read).await {
        Ok(Ok(())) => Ok(held),
        Ok(Err(Unread::TooLarge)) => Err(too_large()),
        Ok(Err(Unread::NoRoom)) => Err("too many bodies are being judged, try again later".into()),
        Ok(Err(Unread::Broken)) => Err("the body ended early or is not framed correctly".into()),
        Err(_) => Err("the body did not come in time to be judged".into()),
    }
}

/// Refuses what cannot be read as a request, or is not to be.
pub(crate) async fn turn_away(error: &Error, client: &mut Client) -> Next {
    let Client {
        socket,
        input,
        audit,
    } = client;
    let mut record = Record::open(audit);
    record.refused(error);
    let (answer, next) = refuse(error, None, None, input, false);
    tell(socket, answer, next, &record).await
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
fn refuse(
    error: &Error,
    terms: Option<Terms>,
    left: Option<usize>,
    input: &mut Input,
    stopping: bool,
) -> (Refusal, Next) {
    let next = match left {
        Some(length) if !matches!(error, Error::Malformed(_)) => {
            input.consume(length);
            match terms {
                Some(terms) if terms.keep_alive && !stopping => Next::Request,
                _ => Next::Close,
            }
        }
        Some(_) => Next::Close,
        None => Next::Linger,
    };
    let head_only = terms.is_some_and(|terms| terms.head_only);
    let old = terms.is_some_and(|terms| terms.old);
    let answer = Refusal {
        status: respond::status(error).as_u16(),
        bytes: respond::answer(error, head_only, old, next != Next::Request),
    };
    (answer, next)
}

/// Tells the client.
async fn tell(socket: &Socket, answer: Refusal, next: Next, record: &Record<'_>) -> Next {
    record.answered(answer.status);
    // Who does not read it, and asks on, would hold the connection for ever.
    let told = match socket.try_write(&answer.bytes) {
        Ok(written) if written == answer.bytes.len() => true,
        Ok(written) => {
            let rest = answer.bytes.get(written..).unwrap_or_default();
            let told = Box::pin(timeout(PATIENCE, socket.write_all(rest))).await;
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
