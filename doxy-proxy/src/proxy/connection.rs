//! One client's connection: requests are read from it one after the other, and `handler` answers
//! them.
//!
//! This file decides when a connection ends: when either side has finished, when the client is gone,
//! when doxy stops. Between requests a connection owns no memory but its task.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::timeout;

use crate::http::head::{self, HeadError};
use crate::http::malformed::{BadRequest, Malformed};
use crate::net::buffer::{BODY_BUF, HEAD_BUF};
use crate::net::tls::server::TlsServer;
use crate::proxy::client::{Client, Next};
use crate::proxy::containers;
use crate::proxy::error::Error;
use crate::proxy::handler::{handle, refuse};
use crate::proxy::idle::IdleTimer;
use crate::proxy::secure::{NotSecured, alert, secure};
use crate::proxy::service::Service;
use crate::shares::connections::Place;

/// How long a client that is still sending may take to notice the response.
const LINGERING_TIME: Duration = Duration::from_secs(1);

/// What serves one connection until it ends. When doxy stops, the request in service is finished.
/// `load` counts it for its thread.
pub(crate) fn serve(client: Client, place: Place, service: Arc<Service>, load: Arc<()>) -> Serving {
    let counted = (PanicLog, load);
    // Boxed at once: a future is moved several times on its way.
    match service.tls_for(&client.log.peer).cloned() {
        None => Box::pin(plainly(client, place, service, counted)),
        Some(server) => Box::pin(securely(client, server, place, service, counted)),
    }
}

/// A connection that is served.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

#[expect(
    clippy::manual_async_fn,
    reason = "the future of an async fn stores its arguments twice"
)]
fn plainly(
    mut client: Client,
    place: Place,
    service: Arc<Service>,
    counted: (PanicLog, Arc<()>),
) -> impl Future<Output = ()> {
    async move {
        let turned_away = match service.peers.containers.is_empty() {
            true => None,
            // Boxed: few connections have to wait for it.
            false => Box::pin(turn_away(&mut client, &place, &service)).await,
        };
        let next = match turned_away {
            Some(next) => next,
            None => requests(&mut client, &place, &service).await,
        };
        close(&mut client, next).await;
        drop(counted);
    }
}

async fn securely(
    client: Client,
    server: TlsServer,
    place: Place,
    service: Arc<Service>,
    counted: (PanicLog, Arc<()>),
) {
    // Boxed while it lasts: an idle connection has no room for it.
    match Box::pin(secure(client, server, &place, &service)).await {
        Ok(client) => plainly(client, place, service, counted).await,
        Err(NotSecured::Rejected(client, error)) => {
            Box::pin(answer(*client, error, &service)).await;
        }
        Err(NotSecured::Ended) => {}
    }
}

/// Logs a panic of the task that it is in: a connection never ends the others.
struct PanicLog;

impl Drop for PanicLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a connection was ended by a fault in doxy, please report it");
        }
    }
}

/// Tells a client, before any handshake, why its connection is not served.
pub(crate) async fn reject(mut client: Client, error: Error, service: Arc<Service>) {
    if service.tls_for(&client.log.peer).is_none() {
        return answer(client, error, &service).await;
    }
    let next = alert(&error, &client, &service);
    close(&mut client, next).await;
}

async fn answer(mut client: Client, error: Error, service: &Service) {
    let next = refuse(&error, &mut client, service).await;
    close(&mut client, next).await;
}

/// Turns a client away if it is in no container that may connect. Says what becomes of its connection
/// then.
async fn turn_away(client: &mut Client, place: &Place, service: &Service) -> Option<Next> {
    tokio::select! {
        biased;
        () = poll_fn(|cx| place.poll_end(cx)) => return Some(Next::Gone),
        () = containers::find(&client.stream, &client.log, service) => {}
    }
    let container = match client.log.container() {
        Some(Ok(container)) if service.peers.allows_container(container) => return None,
        Some(Ok(container)) => Ok(container.name.clone()),
        Some(Err(unknown)) => Err(unknown.to_string()),
        None => Err("nobody asked".to_owned()),
    };
    Some(refuse(&Error::ContainerNotAllowed { container }, client, service).await)
}

/// Serves request after request.
async fn requests(client: &mut Client, place: &Place, service: &Service) -> Next {
    let timer = pin!(IdleTimer::timer(service.limits.idle));
    let mut idle = IdleTimer::new(service.limits.idle, timer);
    let mut registered = false;
    // As a rule a request has come with the connection, and nothing has to wait for it.
    if client.input.fill_new(&client.stream, HEAD_BUF).is_err() {
        return Next::Close;
    }
    loop {
        // Gives other connections a turn when this one always has another request.
        tokio::task::consume_budget().await;
        if client.input.is_empty() {
            place.waits(idle.since().ticks());
            let ended = poll_fn(|cx| {
                // Both keep the waker of their first poll, so they are polled again only when one of
                // them may be ready.
                let quiet = !place.has_to_end() && !idle.has_fired();
                if registered && quiet {
                    return Poll::Pending;
                }
                registered = true;
                match place.poll_end(cx) {
                    Poll::Ready(()) => Poll::Ready(Next::Gone),
                    Poll::Pending => idle.poll(cx).map(|()| Next::Close),
                }
            });
            // Bytes that have come already are read before anything else is asked: a connection that
            // is told to end has no next request.
            tokio::select! {
                biased;
                read = client.input.fill(&client.stream, HEAD_BUF) => match read {
                    Ok(0) | Err(_) => return Next::Close,
                    Ok(_) => {}
                },
                // tokio's coop budget may be used up here. A poll would then return Pending without
                // registering the waker, so poll unconstrained.
                ended = unconstrained(ended) => return ended,
            }
        }
        if !place.begins() {
            let limit = service.limits.connections;
            return Box::pin(refuse(&Error::ConnectionLimit { limit }, client, service)).await;
        }
        let head = match head::find_head(client.input.unread()) {
            Ok(None) => {
                // Boxed while it lasts: an idle connection has no room for it.
                let head = head::read_head(&mut client.input, &client.stream, HEAD_BUF);
                let head = Box::pin(timeout(service.limits.head, head));
                tokio::select! {
                    biased;
                    head = head => head.map_or(Ok(None), |head| head.map(Some)),
                    () = poll_fn(|cx| place.poll_end(cx)) => return Next::Gone,
                }
            }
            found => found,
        };
        let error = match head {
            Ok(Some(length)) => {
                let next = handle(client, length, service, place).await;
                if next != Next::Request {
                    return next;
                }
                idle.restart();
                continue;
            }
            // Line ends alone are no request: some clients send one behind a body.
            Err(HeadError::Ended | HeadError::Failed(_))
                if client
                    .input
                    .unread()
                    .iter()
                    .all(|byte| b"\r\n".contains(byte)) =>
            {
                return Next::Close;
            }
            // The client may still read.
            Err(HeadError::Ended | HeadError::Failed(_)) => {
                BadRequest::from(Malformed::HeadCut).into()
            }
            Err(HeadError::Tls) => {
                let log = &client.log;
                log.denials
                    .not_connected(log.peer.named(), &Error::NotPlain);
                Error::NotPlain
            }
            Err(HeadError::TooLarge) => BadRequest::HeadTooLarge.into(),
            Ok(None) => Error::HeadTimeout {
                seconds: service.limits.head.as_secs(),
            },
        };
        return Box::pin(refuse(&error, client, service)).await;
    }
}

/// Closes the connection.
async fn close(client: &mut Client, next: Next) {
    match next {
        // A socket that is closed with unread bytes resets the connection. A client that is still
        // sending would then never read the response.
        Next::Linger => {
            client.stream.shutdown_write();
            let _ = Box::pin(timeout(LINGERING_TIME, drain(client))).await;
        }
        Next::Close | Next::Request => client.stream.end(),
        // What the client has got may not be all.
        Next::Gone => {}
    }
}

/// Reads and discards what the client still sends, until it ends.
async fn drain(client: &mut Client) {
    loop {
        let all = client.input.unread().len();
        client.input.consume(all);
        if matches!(
            client.input.fill(&client.stream, BODY_BUF).await,
            Ok(0) | Err(_)
        ) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
