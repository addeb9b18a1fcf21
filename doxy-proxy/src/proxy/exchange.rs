//! Steps four and five, forward and stream: the request goes to the engine, once, and the response
//! comes back.

use std::borrow::Cow;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::facts::Outcome;
use crate::http::body::{Body, RelayError};
use crate::http::head::{self, HeadError};
use crate::http::malformed::{BadRequest, Malformed};
use crate::http::request::Exchange;
use crate::http::response::{self, Response};
use crate::log::record::RequestRecord;
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::reason::io_reason;
use crate::net::stream::Stream;
use crate::proxy::client::Next;
use crate::proxy::error::Error;
use crate::proxy::tunnel;
use crate::proxy::upstream_request::UpstreamRequest;
use crate::upstream::{Upstream, UpstreamError};

/// How long the head of a response waits for the rest of a request body. Its last bytes often come a
/// moment later, and then the connection can go on.
const LAST_BYTES: Duration = Duration::from_millis(50);
/// How long the rest of a request body may take when its response is complete.
const LINGERING_TIME: Duration = Duration::from_secs(1);

/// Sends a permitted request and passes the engine's response on to the client.
///
/// An error means that the client has got nothing yet; it is for the client. `input` is what has been
/// read from the client behind the head of the request.
pub(crate) async fn forward(
    permitted: &mut UpstreamRequest,
    client: &Stream,
    input: &mut ReadBuf,
    upstream: &Arc<Upstream>,
    record: &RequestRecord<'_>,
    stopping: impl Fn() -> bool,
) -> Result<Next, Error> {
    if let Some(what) = permitted.needs_docker
        && !Box::pin(upstream.is_docker()).await?
    {
        return Err(BadRequest::from(Malformed::from(what)).into());
    }
    // A collected body counts against the budget until the response is complete, or an upgrade.
    let mut collected = permitted.body.take().map(|mut body| {
        let input = body.take();
        Box::new((body, input))
    });
    let exchange = &permitted.exchange;
    let mut closed = pin!(client.closed());
    let opened = open(
        upstream,
        &permitted.head,
        exchange.may_upgrade,
        closed.as_mut(),
    );
    let Some(engine) = opened.await? else {
        record.ended(Outcome::ClientGone);
        return Ok(Next::Gone);
    };
    permitted.head = Vec::new(); // its memory serves other requests while this one waits
    let mut from_engine = ReadBuf::default();
    let mut request = Body::new(exchange.framing, false);
    let exchanged = tokio::select! {
        biased;
        exchanged = transfer(
            exchange,
            &mut request,
            (client, collected.as_mut().map_or(&mut *input, |collected| &mut collected.1)),
            (&engine, &mut from_engine),
            record,
            stopping,
        ) => exchanged,
        () = closed.as_mut() => {
            // Closing the connection to the engine ends the request there.
            record.ended(Outcome::ClientGone);
            return Ok(Next::Gone);
        }
    };
    match exchanged {
        Ok(Exchanged::Response(next, engine_stays)) => {
            if engine_stays && from_engine.is_empty() {
                upstream.keep(engine);
            }
            Ok(next)
        }
        // A piece may have been written in part, so it is unknown how much of the body the engine has.
        Ok(Exchanged::Upgraded(_)) if request.is_in_flight() => Err(upstream
            .broke_off("it switched in the middle of the body")
            .into()),
        Ok(Exchanged::Upgraded(head)) => {
            drop(collected);
            let outcome = match client.write_all(&head).await {
                Ok(()) => {
                    let _open = record.tunnels();
                    let tunnel = tunnel::run(client, &engine, input, &mut from_engine, record);
                    Box::pin(tunnel).await
                }
                Err(_) => Outcome::ClientGone,
            };
            if outcome == Outcome::Tunnel {
                client.end();
            }
            record.ended(outcome);
            Ok(Next::Gone)
        }
        Err(ExchangeError::Client(malformed)) => Err(BadRequest::from(malformed).into()),
        Err(ExchangeError::Engine(reason)) => Err(upstream.broke_off(&reason).into()),
    }
}

/// Writes the head to the engine, on a new connection if it must be `fresh`. None if the client has
/// `closed` its connection first.
async fn open(
    upstream: &Upstream,
    head: &[u8],
    fresh: bool,
    closed: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<Stream>, UpstreamError> {
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
        () = closed => Ok(None),
    }
}

/// How an exchange went.
enum Exchanged {
    /// The response has been sent. What becomes of the client's connection, and whether the engine's
    /// can serve another request.
    Response(Next, bool),
    /// The connections are out of HTTP. With the head that says so.
    Upgraded(Vec<u8>),
}

/// Why there is no response.
enum ExchangeError {
    Client(Malformed),
    Engine(Cow<'static, str>),
}

/// Sends the request's body and passes the response on. Dropped, both stop.
async fn transfer(
    exchange: &Exchange,
    request: &mut Body,
    (client, input): (&Stream, &mut ReadBuf),
    (engine, from_engine): (&Stream, &mut ReadBuf),
    record: &RequestRecord<'_>,
    stopping: impl Fn() -> bool,
) -> Result<Exchanged, ExchangeError> {
    let mut upload = if request.is_done() {
        Upload::Sent
    } else {
        Upload::Sending
    };
    // Few requests have a body, so the future that sends one is boxed.
    let mut sending = (upload == Upload::Sending)
        .then(|| Box::pin(send_body(request, exchange, client, input, engine, record)));
    let mut response = {
        let response = pin!(read_response(engine, from_engine, exchange));
        response_beside(&mut sending, &mut upload, response).await?
    };
    record.response_started(response.status);
    if response.upgraded {
        return match upload {
            Upload::Broken => Err(ExchangeError::Engine("it switched without the body".into())),
            _ => Ok(Exchanged::Upgraded(response.head)),
        };
    }
    if upload == Upload::Sending
        && let Ok(sent) = timeout(LAST_BYTES, body_sent(&mut sending)).await
    {
        upload = Upload::after(&sent, engine);
    }
    // The connection can go on only if the next request is sure to begin where this one ends. Of a
    // body that is still on its way nobody knows whether the engine will take it.
    let client_stays =
        exchange.keep_alive && upload == Upload::Sent && !response.raw && !stopping();
    response.end_head(exchange, !client_stays);
    let mut body = Body::new(response.framing, exchange.http10 || response.raw);
    let moved = record.to_client();
    let relayed = match body.relay_now(&response.head, from_engine, client, moved) {
        Ok(None) => Ok(()),
        Ok(Some(written)) => {
            let head = response.head.get(written..).unwrap_or_default();
            let _open = record.streams();
            let relay = Box::pin(body.relay(head, engine, from_engine, client, moved));
            relay_beside(&mut sending, &mut upload, relay, engine).await
        }
        Err(cut) => Err(cut),
    };
    if let Err(cut) = relayed {
        if !body.has_begun() {
            record.response_dropped();
            if let RelayError::Source(_) = cut {
                let reason = "the body of its answer ended early or is not framed correctly";
                return Err(ExchangeError::Engine(reason.into()));
            }
        }
        record.ended(match cut {
            RelayError::Source(_) => Outcome::EngineGone,
            RelayError::Sink => Outcome::ClientGone,
        });
        return Ok(Exchanged::Response(Next::Gone, false));
    }
    record.ended(Outcome::Complete);
    // The engine may respond before the last bytes of the body have come.
    if upload == Upload::Sending
        && let Ok(Ok(())) = timeout(LINGERING_TIME, body_sent(&mut sending)).await
    {
        upload = Upload::Sent;
    }
    // Of a raw stream the client may still be writing its side.
    Ok(if upload == Upload::Sent && !response.raw {
        let next = if client_stays {
            Next::Request
        } else {
            Next::Close
        };
        Exchanged::Response(next, response.engine_stays && !exchange.may_upgrade)
    } else {
        Exchanged::Response(Next::Linger, false)
    })
}

/// Waits for the head of the response while the body is sent: the engine may respond before it has all
/// of it.
async fn response_beside<F: Future<Output = Result<(), RelayError>>>(
    sending: &mut Option<Pin<Box<F>>>,
    upload: &mut Upload,
    mut response: Pin<&mut impl Future<Output = Result<Response, Cow<'static, str>>>>,
) -> Result<Response, ExchangeError> {
    loop {
        tokio::select! {
            biased;
            sent = body_sent(sending), if *upload == Upload::Sending => match sent {
                Err(RelayError::Source(malformed)) => return Err(ExchangeError::Client(malformed)),
                // The engine takes no more, and may still respond.
                Err(RelayError::Sink) => *upload = Upload::Broken,
                Ok(()) => *upload = Upload::Sent,
            },
            response = response.as_mut() => return response.map_err(ExchangeError::Engine),
        }
    }
}

/// Passes the response on while the rest of the body is sent.
async fn relay_beside<F: Future<Output = Result<(), RelayError>>>(
    sending: &mut Option<Pin<Box<F>>>,
    upload: &mut Upload,
    mut relay: Pin<Box<impl Future<Output = Result<(), RelayError>>>>,
    engine: &Stream,
) -> Result<(), RelayError> {
    loop {
        tokio::select! {
            biased;
            sent = body_sent(sending), if *upload == Upload::Sending => {
                *upload = Upload::after(&sent, engine);
            }
            relayed = relay.as_mut() => return relayed,
        }
    }
}

/// What has become of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    Sending,
    Sent,
    /// The client or the engine has given it up.
    Broken,
}

impl Upload {
    /// What has become of a body that is not sent any more, while the engine responds. The engine
    /// learns that the client has given it up.
    fn after(sent: &Result<(), RelayError>, engine: &Stream) -> Self {
        match sent {
            Ok(()) => Self::Sent,
            Err(cut) => {
                if let RelayError::Source(_) = cut {
                    engine.shutdown_write();
                }
                Self::Broken
            }
        }
    }
}

/// Waits until the body is sent, if there is one.
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
    body.relay(&[], client, input, engine, record.to_engine())
        .await
}

/// Waits, for as long as it takes, for the head of the response.
async fn read_response(
    engine: &Stream,
    input: &mut ReadBuf,
    exchange: &Exchange,
) -> Result<Response, Cow<'static, str>> {
    loop {
        let length = match head::read_head(input, engine, BODY_BUF).await {
            Ok(length) => length,
            Err(HeadError::Ended) => return Err("it closed the connection".into()),
            Err(HeadError::Failed(error)) => return Err(io_reason(&error).into()),
            Err(HeadError::Tls) => return Err("its answer begins like TLS".into()),
            Err(HeadError::TooLarge) => return Err("the head of its answer is too large".into()),
        };
        let head = input.unread().get(..length).unwrap_or_default();
        let response = response::read(head, exchange)?;
        input.consume(length);
        if let Some(response) = response {
            return Ok(response);
        }
    }
}

#[cfg(test)]
mod tests;
