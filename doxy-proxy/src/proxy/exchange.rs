//! Steps four and five: the request that a permit is for goes to the engine, once, and the answer
//! comes back.
//!
//! Target, end-to-end headers and body are those the client sent. Set by doxy are the version,
//! `Host` and the framing of its own connection.

use std::borrow::Cow;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::{Error, Malformed, plain};
use crate::http::body::{Body, Framing, RelayError};
use crate::http::budget::CollectedBody;
use crate::http::head::{self, HeadError};
use crate::http::headers;
use crate::http::request::Exchange;
use crate::http::response::{self, Response};
use crate::log::record::{Outcome, RequestRecord};
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::stream::Stream;
use crate::policy::Permit;
use crate::proxy::connection::Next;
use crate::proxy::tunnel;
use crate::upstream::Upstream;

/// How long the rest of a body may take to come when its answer is complete.
const LINGERING_TIME: Duration = Duration::from_secs(1);

/// A permitted request, ready to be written to the engine.
#[derive(Debug)]
pub(crate) struct UpstreamRequest {
    head: Vec<u8>,
    pub(crate) exchange: Exchange,
    /// The body, where it has been judged: then it is not on its way any more.
    body: Option<CollectedBody>,
}

/// Writes the head that the engine gets. `body` is the very one that was judged, if one was.
///
/// A request for an upgrade is passed on where the engine may switch, and nowhere else. `Expect`
/// goes: doxy itself says `100 Continue`, when the engine has been given the head.
pub(crate) fn prepare(permit: Permit<'_>, body: Option<CollectedBody>) -> UpstreamRequest {
    let (parts, path_and_query, mut exchange) = permit.redeem().into_parts();
    if let Some(body) = &body {
        exchange.body = Framing::Length(body.bytes().len() as u64);
        exchange.expect_continue = false;
    }
    let upgrade = exchange.may_upgrade && headers::all(parts.lines, "upgrade").next().is_some();
    let lengths = parts
        .lines
        .iter()
        .map(|line| line.name.len() + line.value.len() + 4);
    let mut head = Vec::with_capacity(path_and_query.len() + lengths.sum::<usize>() + 96);
    head.extend_from_slice(parts.method.as_bytes());
    head.push(b' ');
    head.extend_from_slice(path_and_query.as_bytes());
    // The engine refuses some of what clients put into Host, and routes by none of it.
    head.extend_from_slice(b" HTTP/1.1\r\nHost: docker\r\n");
    headers::write_lines(&mut head, parts.bytes, parts.lines, |line| {
        let set_here = ["host", "expect", "transfer-encoding", "content-length"]
            .iter()
            .any(|name| line.name.eq_ignore_ascii_case(name));
        let passes = if upgrade && line.name.eq_ignore_ascii_case("upgrade") {
            true
        } else {
            !headers::hop_by_hop(line.name) && (upgrade || !headers::upgrade_detail(line.name))
        };
        // A body that was read has lost its trailers.
        let gone = body.is_some() && line.name.eq_ignore_ascii_case("trailer");
        passes && !set_here && !gone
    });
    match exchange.body {
        Framing::Length(length) => {
            let mut figures = itoa::Buffer::new();
            headers::write(
                &mut head,
                "Content-Length",
                figures.format(length).as_bytes(),
            );
        }
        Framing::Chunked => headers::write(&mut head, "Transfer-Encoding", b"chunked"),
        Framing::None | Framing::Close => {}
    }
    if upgrade {
        // The engine looks for `Upgrade` alone, but this is how it is said.
        headers::write(&mut head, "Connection", b"Upgrade");
    }
    head.extend_from_slice(b"\r\n");
    UpstreamRequest {
        head,
        exchange,
        body,
    }
}

impl UpstreamRequest {
    /// How long the body is that is still to be read from the client, if its head tells.
    pub(crate) fn unread_body(&self) -> Option<usize> {
        match self.body {
            Some(_) => Some(0),
            None => self.exchange.body.length(),
        }
    }
}

/// Sends a permitted request and passes the engine's answer on to the client.
///
/// The error is for the client, who has not been told anything yet. `input` is what has been read
/// from the client behind the head of the request.
pub(crate) async fn exchange(
    outbound: &mut UpstreamRequest,
    client: &Stream,
    input: &mut ReadBuf,
    upstream: &Arc<Upstream>,
    record: &RequestRecord<'_>,
    stopping: impl Fn() -> bool,
) -> Result<Next, Error> {
    // It counts until it is answered, or the connection switched.
    let mut judged = outbound.body.take().map(|mut held| {
        let input = ReadBuf::from_vec(held.take());
        Box::new((held, input))
    });
    let exchange = &outbound.exchange;
    let mut gone = pin!(client.closed());
    let opened = open(
        upstream,
        &outbound.head,
        exchange.may_upgrade,
        gone.as_mut(),
    );
    let Some(engine) = opened.await? else {
        record.ended(Outcome::ClientGone);
        return Ok(Next::Gone);
    };
    outbound.head = Vec::new(); // the next request has use for its memory while this one waits
    let mut from_engine = ReadBuf::default();
    let mut request = Body::new(exchange.body, false);
    let said = tokio::select! {
        biased;
        said = converse(
            exchange,
            &mut request,
            (client, judged.as_mut().map_or(&mut *input, |judged| &mut judged.1)),
            (&engine, &mut from_engine),
            record,
            stopping,
        ) => said,
        () = gone.as_mut() => {
            // With the connection to the engine its request ends there, too.
            record.ended(Outcome::ClientGone);
            return Ok(Next::Gone);
        }
    };
    match said {
        Ok(LogLine::Response(next, engine_stays)) => {
            if engine_stays && from_engine.is_empty() {
                upstream.keep(engine);
            }
            Ok(next)
        }
        // Where a piece was cut in two there is no telling what the engine has of it.
        Ok(LogLine::Switched(_)) if request.is_in_flight() => {
            Err(upstream.broke_off("it switched in the middle of the body"))
        }
        Ok(LogLine::Switched(head)) => {
            drop(judged);
            let outcome = match client.write_all(&head).await {
                Ok(()) => {
                    let tunnel =
                        tunnel::run(client, &engine, input, &mut from_engine, &record.traffic);
                    Box::pin(tunnel).await
                }
                Err(_) => Outcome::ClientGone,
            };
            record.ended(outcome);
            Ok(Next::Gone)
        }
        Err(ExchangeError::Client(malformed)) => Err(malformed.into()),
        Err(ExchangeError::UpstreamAddr(reason)) => Err(upstream.broke_off(&reason)),
    }
}

/// Has the head written to the engine, on a connection that has never been used if it is to be `fresh`.
/// Nothing comes of it if the client is `gone` first.
async fn open(
    upstream: &Upstream,
    head: &[u8],
    fresh: bool,
    gone: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<Stream>, Error> {
    let begun = match fresh {
        true => None,
        false => match upstream.reuse(head) {
            Ok(engine) => return Ok(Some(engine)),
            Err(begun) => begun,
        },
    };
    tokio::select! {
        biased;
        engine = Box::pin(upstream.open(begun, head)) => engine.map(Some),
        () = gone => Ok(None),
    }
}

/// How an exchange went on.
enum LogLine {
    /// There was an answer. What becomes of the client's connection, and whether the engine's
    /// can serve another request.
    Response(Next, bool),
    /// The connections are out of HTTP. With the head that says so.
    Switched(Vec<u8>),
}

/// Why there is no answer.
enum ExchangeError {
    Client(Malformed),
    UpstreamAddr(Cow<'static, str>),
}

/// The request's body goes up, the answer comes down. Dropped in the middle, neither goes on.
async fn converse(
    exchange: &Exchange,
    request: &mut Body,
    (client, input): (&Stream, &mut ReadBuf),
    (engine, from_engine): (&Stream, &mut ReadBuf),
    record: &RequestRecord<'_>,
    stopping: impl Fn() -> bool,
) -> Result<LogLine, ExchangeError> {
    let mut upload = if request.is_done() {
        Upload::Sent
    } else {
        Upload::Sending
    };
    // Few requests have a body: the others are spared the room for sending one.
    let mut sending = (upload == Upload::Sending)
        .then(|| Box::pin(send_body(request, exchange, client, input, engine, record)));
    let answer = {
        let answer = pin!(read_answer(engine, from_engine, exchange, stopping));
        answer_to(&mut sending, &mut upload, answer).await?
    };
    record.status(answer.status);
    if answer.switched {
        return match upload {
            Upload::Broken => Err(ExchangeError::UpstreamAddr(
                "it switched without the body".into(),
            )),
            _ => Ok(LogLine::Switched(answer.head)),
        };
    }
    let mut body = Body::new(answer.body, exchange.http10);
    let moved = &record.traffic.to_client;
    let relayed = match body.relay_now(&answer.head, from_engine, client, moved) {
        Ok(None) => Ok(()),
        Ok(Some(written)) => {
            let head = answer.head.get(written..).unwrap_or_default();
            let relay = Box::pin(body.relay(head, engine, from_engine, client, moved));
            relay_beside(&mut sending, &mut upload, relay, engine).await
        }
        Err(cut) => Err(cut),
    };
    if let Err(cut) = relayed {
        if !body.has_begun() {
            record.untold();
            if let RelayError::Source(_) = cut {
                let reason = "the body of its answer ended early or is not framed correctly";
                return Err(ExchangeError::UpstreamAddr(reason.into()));
            }
        }
        record.ended(match cut {
            RelayError::Source(_) => Outcome::EngineGone,
            RelayError::Sink => Outcome::ClientGone,
        });
        return Ok(LogLine::Response(Next::Gone, false));
    }
    record.ended(Outcome::Complete);
    // The last bytes of a body may be on their way when the engine has heard enough.
    if upload == Upload::Sending
        && let Ok(Ok(())) = timeout(LINGERING_TIME, body_sent(&mut sending)).await
    {
        upload = Upload::Sent;
    }
    Ok(if upload == Upload::Sent {
        let next = if answer.client_stays {
            Next::Request
        } else {
            Next::Close
        };
        LogLine::Response(next, answer.engine_stays && !exchange.may_upgrade)
    } else {
        LogLine::Response(Next::Linger, false)
    })
}

/// Waits for the head of the answer while the body is sent: the engine may answer before it has
/// all of it, and need not wait for it.
async fn answer_to<F: Future<Output = Result<(), RelayError>>>(
    sending: &mut Option<Pin<Box<F>>>,
    upload: &mut Upload,
    mut answer: Pin<&mut impl Future<Output = Result<Response, Cow<'static, str>>>>,
) -> Result<Response, ExchangeError> {
    loop {
        tokio::select! {
            biased;
            sent = body_sent(sending), if *upload == Upload::Sending => match sent {
                Err(RelayError::Source(malformed)) => return Err(ExchangeError::Client(malformed)),
                // It takes no more, and may still have an answer to give.
                Err(RelayError::Sink) => *upload = Upload::Broken,
                Ok(()) => *upload = Upload::Sent,
            },
            answer = answer.as_mut() => return answer.map_err(ExchangeError::UpstreamAddr),
        }
    }
}

/// Passes the answer on while the rest of the body is sent.
async fn relay_beside<F: Future<Output = Result<(), RelayError>>>(
    sending: &mut Option<Pin<Box<F>>>,
    upload: &mut Upload,
    mut relay: Pin<Box<impl Future<Output = Result<(), RelayError>>>>,
    engine: &Stream,
) -> Result<(), RelayError> {
    loop {
        tokio::select! {
            biased;
            sent = body_sent(sending), if *upload == Upload::Sending => match sent {
                Ok(()) => *upload = Upload::Sent,
                Err(cut) => {
                    *upload = Upload::Broken;
                    if let RelayError::Source(_) = cut {
                        engine.shutdown_write();
                    }
                }
            },
            relayed = relay.as_mut() => return relayed,
        }
    }
}

/// What has become of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    Sending,
    Sent,
    /// One of the two sides gave it up.
    Broken,
}

/// Waits for the end of what there is to send, if there is anything.
async fn body_sent<F: Future>(sending: &mut Option<Pin<Box<F>>>) -> F::Output {
    match sending {
        Some(sending) => sending.await,
        None => pending().await,
    }
}

async fn send_body(
    body: &mut Body,
    exchange: &Exchange,
    client: &Stream,
    input: &mut ReadBuf,
    engine: &Stream,
    record: &RequestRecord<'_>,
) -> Result<(), RelayError> {
    if exchange.expect_continue && input.is_empty() {
        let go_on = client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        go_on.map_err(|_| RelayError::Source(Malformed::Body))?;
    }
    body.relay(&[], client, input, engine, &record.traffic.to_engine)
        .await
}

/// Waits, for as long as it takes, for the head of the answer.
async fn read_answer(
    engine: &Stream,
    input: &mut ReadBuf,
    exchange: &Exchange,
    stopping: impl Fn() -> bool,
) -> Result<Response, Cow<'static, str>> {
    loop {
        let length = match head::read_head(input, engine, BODY_BUF).await {
            Ok(length) => length,
            Err(HeadError::Ended) => return Err("it closed the connection".into()),
            Err(HeadError::Failed(error)) => return Err(plain(&error).into()),
            Err(HeadError::TooLarge) => return Err("the head of its answer is too large".into()),
        };
        let head = input.unread().get(..length).unwrap_or_default();
        let answer = response::read(head, exchange, stopping())?;
        input.consume(length);
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}
