//! Step one, accept: connections come in on any number of sockets, and each is served on one of the
//! threads. The orderly end of them all is here too.
//!
//! An error on one connection, or in accepting one, never ends the server.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::http::collect::BodyBudget;
use crate::net::listener::Listener;
use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::proxy::client::Client;
use crate::proxy::connection;
use crate::proxy::error::Error;
use crate::proxy::service::Service;
use crate::proxy::worker::Worker;

/// The pause after the first failure to accept; doubled with each one that follows.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);
const MAX_ACCEPT_BACKOFF: Duration = Duration::from_secs(1);
/// How many rejected clients get a response at a time. Further ones are closed without one.
const MAX_REJECTIONS: usize = 64;

/// Serves what comes in on `sockets`, with `threads` threads, until `stop` resolves.
///
/// Then the sockets are removed, requests in service get `grace` to finish, and what is left is
/// cut. Dropping this future ends everything at once.
///
/// # Errors
///
/// If a thread cannot be started. Nothing has been served then.
pub async fn serve(
    sockets: Vec<(Listener, Service)>,
    threads: usize,
    grace: Duration,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (listeners, mut services): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
    // The memory of collected bodies is the process's, however many sockets there are.
    let bodies = BodyBudget::default();
    for service in &mut services {
        service.bodies = bodies.clone();
    }
    let workers = Worker::start_all(services, threads)?;
    let (stopping, is_stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut rejections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut backoff = ACCEPT_BACKOFF;
    let mut turn = 0;
    loop {
        tokio::select! {
            () = stop.as_mut() => break,
            (socket, accepted) = accept(&listeners, &mut turn) => match accepted {
                Ok(stream) => {
                    backoff = ACCEPT_BACKOFF;
                    match admit(stream, socket, &workers) {
                        Some(Admission::Admitted(client, worker)) => {
                            worker.serve(socket, client, is_stopping.clone(), &mut connections);
                        }
                        // A rejected connection does not count against the limit.
                        Some(Admission::Rejected(client, error))
                            if rejections.len() < MAX_REJECTIONS =>
                        {
                            rejections.spawn(connection::reject(client, error));
                        }
                        Some(Admission::Rejected(..)) | None => {}
                    }
                }
                Err(error) => {
                    // As a rule there are no free file descriptors. Closing these frees some.
                    workers.iter().for_each(Worker::close_idle_upstreams);
                    tracing::warn!("cannot accept a connection, next try in {backoff:?}: {error}");
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(MAX_ACCEPT_BACKOFF);
                }
            },
            Some(ended) = connections.join_next() => log_panic(ended),
            Some(ended) = rejections.join_next() => log_panic(ended),
        }
    }
    drop(listeners);
    tracing::info!("stopping; connections open: {}", connections.len());
    // This fails only if there is no connection.
    let _ = stopping.send(true);
    let drained = timeout(grace, async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    });
    if drained.await.is_err() {
        tracing::info!("connections cut after {grace:?}: {}", connections.len());
        connections.shutdown().await;
    }
    Ok(())
}

/// Waits for a connection on any socket: gives the socket's index and the connection. `turn` is the
/// socket that is asked first; it moves on, so that no socket starves another.
async fn accept(listeners: &[Listener], turn: &mut usize) -> (usize, io::Result<Stream>) {
    poll_fn(|cx| {
        let count = listeners.len();
        for socket in (*turn..count).chain(0..count.min(*turn)) {
            if let Some(listener) = listeners.get(socket)
                && let Poll::Ready(accepted) = listener.poll_accept(cx)
            {
                *turn = socket + 1;
                return Poll::Ready((socket, accepted));
            }
        }
        Poll::Pending
    })
    .await
}

/// Whether a connection is served.
enum Admission<'w> {
    Admitted((Stream, Peer), &'w Worker),
    /// With the reason, which the client is to get.
    Rejected(Client, Error),
}

/// Decides on a connection before a byte of it is read. None if its peer is gone already.
fn admit(stream: Stream, socket: usize, workers: &[Worker]) -> Option<Admission<'_>> {
    let worker = workers.iter().min_by_key(|worker| worker.load())?;
    let service = worker.service(socket)?;
    let named = service.access_log.is_some() || tracing::enabled!(tracing::Level::DEBUG);
    let peer = Peer::of(&stream, named).ok()?;
    let limit = service.limits.connections;
    let open: usize = workers
        .iter()
        .map(|worker| worker.connections(socket))
        .sum();
    let error = if !service.peers.allows(&peer, &stream) {
        let Peer::Unix(peer) = &peer;
        Error::PeerNotAllowed { uid: peer.uid }
    } else if open >= limit {
        Error::ConnectionLimit { limit }
    } else {
        return Some(Admission::Admitted((stream, peer), worker));
    };
    let client = Client::new(stream, peer, service.access_log.clone());
    Some(Admission::Rejected(client, error))
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection was ended by a fault in doxy, please report it: {error}");
    }
}
