//! Step one, accept: connections come in on any number of sockets, and each is served on one of the
//! threads. The orderly end of them all is here too.
//!
//! An error on one connection, or in accepting one, never ends the server.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::clock::CoarseInstant;
use crate::net::listener::Listener;
use crate::net::peer::Peer;
use crate::net::stream::DetachedStream;
use crate::proxy::client::Client;
use crate::proxy::connection;
use crate::proxy::error::Error;
use crate::proxy::overflow::{Handed, Overflow};
use crate::proxy::service::Service;
use crate::proxy::worker::Worker;
use crate::shares::Shares;
use crate::shares::connections::{Connections, Place};

/// The pause after the first failure to accept; doubled with each one that follows.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);
const MAX_ACCEPT_BACKOFF: Duration = Duration::from_secs(1);
/// How many rejected clients get a response, at a time and in a second. Further ones are closed
/// without one: answering costs ten times as much as closing.
const MAX_REJECTIONS: usize = 64;
/// How many strangers that are found in the queue at once are too many for one thread.
const CROWD: usize = 16;

/// Serves what comes in on `sockets`, with `threads` threads, until `stop` resolves.
///
/// Then the sockets are removed, requests in service get `grace` to finish, and what is left is
/// cut. Dropping this future ends everything at once.
///
/// # Errors
///
/// If a thread cannot be started, or a descriptor duplicated. Nothing has been served then.
pub async fn serve(
    sockets: Vec<(Listener, Service)>,
    threads: usize,
    grace: Duration,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (listeners, mut services): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
    let shares = Shares::default();
    for (socket, service) in services.iter_mut().enumerate() {
        service.shares = Shares {
            socket,
            ..shares.clone()
        };
    }
    let limits = services.iter().map(|service| service.limits.connections);
    let limits: Vec<_> = limits.collect();
    let peers = services.iter().map(|service| &service.peers);
    let (overflow, mut handed) = Overflow::new(listeners.iter().zip(peers))?;
    let workers = Worker::start_all(services, threads)?;
    let mut door = Door {
        overflow,
        strangers: 0,
        workers: &workers,
        open: limits.into_iter().map(Connections::new).collect(),
        answers: Answers::default(),
    };
    let mut connections = JoinSet::new();
    let mut rejections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut backoff = ACCEPT_BACKOFF;
    let mut turn = 0;
    loop {
        tokio::select! {
            () = stop.as_mut() => break,
            accepted = accept(&listeners, &mut turn, &mut door, &mut handed) => match accepted {
                Ok((socket, arrival)) => {
                    backoff = ACCEPT_BACKOFF;
                    match arrival {
                        Arrival::Admitted(worker, stream, peer, place) => {
                            worker.serve(socket, stream, peer, place, &mut connections);
                        }
                        // A rejected connection does not count against the limit.
                        Arrival::Rejected(client, error, answer) => {
                            rejections.spawn(async move {
                                connection::reject(client, error).await;
                                drop(answer);
                            });
                        }
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
    drop((listeners, door.overflow));
    tracing::info!("stopping; connections open: {}", connections.len());
    door.open.iter().for_each(Connections::stop);
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

/// Waits for a connection on any socket that gets an answer: gives the socket's index and the
/// connection. `turn` is the socket that is asked first; it moves on, so that no socket starves
/// another. Connections that get no answer are closed on the way, many at a time: a queue full of them
/// would keep out those that may connect.
async fn accept<'w>(
    listeners: &[Listener],
    turn: &mut usize,
    door: &mut Door<'w>,
    handed: &mut mpsc::Receiver<Handed>,
) -> io::Result<(usize, Arrival<'w>)> {
    poll_fn(|cx| {
        door.strangers = 0;
        let count = listeners.len();
        let mut asked = 0;
        // tokio ends the loop at some point: its budget makes a socket seem not ready.
        while asked < count {
            let socket = *turn % count;
            *turn = socket + 1;
            asked += 1;
            let Some(Poll::Ready(accepted)) = listeners
                .get(socket)
                .map(|listener| listener.poll_accept(cx))
            else {
                continue;
            };
            asked = 0;
            match accepted {
                Ok(stream) => {
                    if let Some(arrival) = door.admit(stream, socket) {
                        return Poll::Ready(Ok((socket, arrival)));
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        while door.overflow.is_started()
            && let Poll::Ready(Some((socket, stream))) = handed.poll_recv(cx)
        {
            if let Some(arrival) = door.admit(stream, socket) {
                return Poll::Ready(Ok((socket, arrival)));
            }
        }
        Poll::Pending
    })
    .await
}

/// Decides on connections before a byte of them is read.
struct Door<'w> {
    workers: &'w [Worker],
    overflow: Overflow,
    /// How many peers that may not connect were found in the queues at once.
    strangers: usize,
    /// The connections of each socket.
    open: Vec<Connections>,
    answers: Answers,
}

/// A connection that gets an answer.
enum Arrival<'w> {
    Admitted(&'w Worker, DetachedStream, Peer, Place),
    /// With the reason, which the client is to get.
    Rejected(Client, Error, Answer),
}

impl<'w> Door<'w> {
    /// None if the connection is to be closed at once.
    fn admit(&mut self, stream: DetachedStream, socket: usize) -> Option<Arrival<'w>> {
        let worker = self.workers.iter().min_by_key(|worker| worker.load())?;
        let service = worker.service(socket)?;
        let mut peer = Peer::of(&stream).ok()?;
        let named = service.access_log.is_some() || tracing::enabled!(tracing::Level::DEBUG);
        let error = if service.peers.allows(&peer, &stream) {
            let now = CoarseInstant::now();
            let open = self.open.get_mut(socket)?;
            if let Some(place) = open.admit(peer.identity(), now.ticks()) {
                if named {
                    peer.read_comm();
                }
                return Some(Arrival::Admitted(worker, stream, peer, place));
            }
            let limit = service.limits.connections;
            Error::ConnectionLimit { limit }
        } else {
            self.strangers += 1;
            if self.strangers == CROWD {
                self.overflow.call();
            }
            let peer = peer.named();
            Error::PeerNotAllowed { peer }
        };
        let answer = self.answers.one_more()?;
        if named {
            peer.read_comm();
        }
        let client = Client::new(stream.attach().ok()?, peer, service);
        Some(Arrival::Rejected(client, error, answer))
    }
}

/// The answers to rejected clients, of which there are only so many: at a time, and in a second.
struct Answers {
    open: Answer,
    left: usize,
    second: CoarseInstant,
}

/// An answer that is being given.
type Answer = Arc<()>;

impl Answers {
    fn one_more(&mut self) -> Option<Answer> {
        let now = CoarseInstant::now();
        if now.since(self.second) >= Duration::from_secs(1) {
            (self.second, self.left) = (now, MAX_REJECTIONS);
        }
        if Arc::strong_count(&self.open) > MAX_REJECTIONS {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        Some(Arc::clone(&self.open))
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            open: Arc::default(),
            left: MAX_REJECTIONS,
            second: CoarseInstant::now(),
        }
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection was ended by a fault in doxy, please report it: {error}");
    }
}
