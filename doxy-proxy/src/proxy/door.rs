//! The door: decides on connections before a byte of them is read, and gives each to a thread.
//!
//! What it closes without an answer costs little: a queue full of such connections would keep out
//! those that may connect.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::CoarseInstant;
use crate::metrics::Metrics;
use crate::metrics::shares::Share;
use crate::net::peer::Peer;
use crate::net::stream::DetachedStream;
use crate::proxy::client::Client;
use crate::proxy::connection;
use crate::proxy::error::Error;
use crate::proxy::overflow::{Guarded, Handed, Overflow};
use crate::proxy::service::Service;
use crate::proxy::worker::Worker;
use crate::shares::Shares;
use crate::shares::connections::{Connections, Total};

/// How many rejected clients get a response, at a time and in a second. Further ones are closed
/// without one: answering costs ten times as much as closing.
const MAX_REJECTIONS: usize = 64;
/// How many strangers that are found in a queue at once are too many for one thread.
const CROWD: usize = 16;

/// A socket of a server: one service, at any number of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketId(pub(super) usize);

/// An address that a server listens at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerId(pub(super) usize);

/// Everything that deciding on a new connection takes.
#[derive(Debug)]
pub(crate) struct Door {
    workers: Vec<Worker>,
    sockets: BTreeMap<SocketId, Socket>,
    /// The connections of all sockets.
    total: Arc<Total>,
    /// What the services of all sockets share.
    shares: Shares,
    overflow: Overflow,
    /// What a crowd comes in at.
    guarded: BTreeMap<ListenerId, (Arc<OwnedFd>, Arc<AtomicUsize>)>,
    answers: Answers,
}

/// One socket.
#[derive(Debug)]
struct Socket {
    /// Its service, for each worker.
    services: Vec<Arc<Service>>,
    open: Connections,
}

impl Door {
    /// A door without any socket, and where the connections of a crowd come from.
    pub(super) fn new(
        threads: usize,
        connections: usize,
    ) -> io::Result<(Self, mpsc::Receiver<Handed>)> {
        let (overflow, handed) = Overflow::new();
        let door = Self {
            workers: Worker::start_all(threads)?,
            sockets: BTreeMap::new(),
            total: Arc::new(Total::new(connections)),
            shares: Shares::default(),
            overflow,
            guarded: BTreeMap::new(),
            answers: Answers::default(),
        };
        Ok((door, handed))
    }

    pub(super) fn add(&mut self, socket: SocketId, service: Service) {
        let limit = service.limits.connections;
        let open = Connections::new(limit, Arc::clone(&self.total));
        let services = self.for_workers(socket, service);
        self.sockets.insert(socket, Socket { services, open });
    }

    pub(super) fn replace(&mut self, id: SocketId, service: Service) {
        let Some(old) = self.sockets.get(&id) else {
            return;
        };
        let old = old.services.clone();
        if let Some(old) = old.first() {
            old.policy.replace(service.policy.shared());
        }
        let limit = service.limits.connections;
        let mut services = self.for_workers(id, service);
        for (new, old) in services.iter_mut().zip(&old) {
            if let Some(new) = Arc::get_mut(new) {
                new.succeed(old);
            }
        }
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.services = services;
            socket.open.set_limit(limit);
        }
        self.guard_anew();
    }

    /// Forgets a socket, whose connections are to be ended.
    pub(super) fn remove(&mut self, socket: SocketId) -> Option<Connections> {
        self.sockets.remove(&socket).map(|socket| socket.open)
    }

    /// Forgets everything. The connections are told to end when their requests in progress have.
    pub(super) fn stop(&mut self) -> Vec<Connections> {
        self.guarded.clear();
        self.overflow.end();
        let sockets = std::mem::take(&mut self.sockets).into_values();
        let sockets: Vec<_> = sockets.map(|socket| socket.open).collect();
        sockets.iter().for_each(Connections::stop);
        sockets
    }

    /// Has a crowd at this listener turned away too. `socket` is the number of its socket.
    pub(super) fn guard(&mut self, id: ListenerId, listener: OwnedFd, socket: Arc<AtomicUsize>) {
        self.guarded.insert(id, (Arc::new(listener), socket));
        self.guard_anew();
    }

    pub(super) fn unguard(&mut self, id: ListenerId) {
        self.guarded.remove(&id);
        self.guard_anew();
    }

    /// Says anew who may connect where, if anybody asks. Else that is said when a crowd comes: a
    /// thousand sockets are opened one after the other.
    pub(super) fn guard_anew(&self) {
        if self.overflow.is_started() {
            self.say_who_may_connect();
        }
    }

    fn say_who_may_connect(&self) {
        let guarded = self.guarded.values().filter_map(|(listener, socket)| {
            let number = socket.load(Relaxed);
            let service = self.sockets.get(&SocketId(number))?.services.first()?;
            Some(Guarded {
                listener: Arc::clone(listener),
                socket: number,
                peers: service.peers.clone(),
                metrics: service.metrics.clone(),
            })
        });
        self.overflow.guard(guarded.collect());
    }

    fn for_workers(&self, socket: SocketId, mut service: Service) -> Vec<Arc<Service>> {
        service.shares = Shares {
            socket: socket.0,
            ..self.shares.clone()
        };
        let (first, others) = (self.workers.iter().take(1), self.workers.iter().skip(1));
        let others: Vec<_> = others
            .map(|worker| Arc::new(service.for_another_thread(worker.turns())))
            .collect();
        // The first worker is this thread.
        let first = first.map(|worker| Arc::new(service.with_turns(worker.turns())));
        first.chain(others).collect()
    }

    /// Gives a connection to a thread, or turns it away. `strangers` counts peers that may not connect.
    pub(super) fn admit(&mut self, stream: DetachedStream, socket: usize, strangers: &mut usize) {
        let before = *strangers;
        self.admit_one(stream, socket, strangers);
        if before < CROWD && *strangers == CROWD {
            self.say_who_may_connect();
            self.overflow.call();
        }
    }

    fn admit_one(&mut self, stream: DetachedStream, socket: usize, strangers: &mut usize) {
        let workers = self.workers.iter().enumerate();
        let Some((index, worker)) = workers.min_by_key(|(_, worker)| worker.load()) else {
            return;
        };
        if self.total.is_full() {
            self.make_room(SocketId(socket));
        }
        let Some(Socket { services, open }) = self.sockets.get_mut(&SocketId(socket)) else {
            return;
        };
        let (Some(service), Ok(mut peer)) = (services.get(index), Peer::of(&stream)) else {
            return;
        };
        let named = service.access_log.is_some() || tracing::enabled!(tracing::Level::DEBUG);
        let error = if service.peers.allows(&peer, &stream) {
            let now = CoarseInstant::now();
            if let Some(place) = open.admit(peer.identity(), now.ticks()) {
                if named {
                    peer.read_comm();
                }
                worker.serve(Arc::clone(service), stream, peer, place);
                return;
            }
            let limit = service.limits.connections;
            Error::ConnectionLimit { limit }
        } else {
            *strangers += 1;
            Error::PeerNotAllowed { peer: peer.named() }
        };
        let Some(answer) = self.answers.one_more() else {
            if let Some(Metrics(metrics)) = &service.metrics {
                metrics.unanswered.add(1);
                if let Error::ConnectionLimit { .. } = error {
                    metrics
                        .shares
                        .add(Share::Connections, peer.identity().kind());
                }
            }
            return;
        };
        if named {
            peer.read_comm();
        }
        if let Ok(stream) = stream.attach() {
            let client = Client::new(stream, peer, service);
            let service = Arc::clone(service);
            tokio::spawn(async move {
                connection::reject(client, error, service).await;
                drop(answer);
            });
        }
    }

    /// Has the socket with the most connections lose an idle one, if it has more than this one.
    fn make_room(&self, socket: SocketId) {
        let own = self
            .sockets
            .get(&socket)
            .map_or(0, |socket| socket.open.count());
        let others = self.sockets.iter().filter(|(id, _)| **id != socket);
        let fullest = others.max_by_key(|(_, socket)| socket.open.count());
        if let Some((_, fullest)) = fullest
            && fullest.open.count() > own.saturating_add(1)
        {
            fullest.open.evict(0);
        }
    }

    /// The sockets that are served: the service of each on every thread, and how many connections it has.
    pub(super) fn served(&self) -> Vec<(SocketId, Vec<Arc<Service>>, usize)> {
        let sockets = self.sockets.iter();
        let served = sockets.map(|(id, it)| (*id, it.services.clone(), it.open.count()));
        served.collect()
    }

    /// Closes the connections to engines that wait for a request, to free descriptors.
    pub(super) fn close_idle_upstreams(&self) {
        for service in self.sockets.values().flat_map(|socket| &socket.services) {
            service.upstream.close_idle();
        }
    }
}

/// The answers to rejected clients, of which there are only so many: at a time, and in a second.
#[derive(Debug)]
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
