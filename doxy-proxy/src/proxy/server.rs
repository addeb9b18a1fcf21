//! A running proxy: sockets come and go while it serves, and it ends in good order.
//!
//! It knows neither files nor signals. Whoever starts it says what is served, and when that changes.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::net::listener::Listener;
use crate::net::listener::unix::Mark;
use crate::proxy::accept;
use crate::proxy::door::{Door, ListenerId, SocketId};
use crate::proxy::observe::Observer;
use crate::proxy::service::Service;

/// Sockets that are served. To be used within the tokio runtime that it was started in, which serves
/// one thread's share of the connections.
///
/// Dropped, it ends everything at once.
#[derive(Debug)]
pub struct Server {
    door: Arc<Mutex<Door>>,
    listening: BTreeMap<ListenerId, Listening>,
    next: usize,
    /// Admits what the threads of a crowd hand on.
    handed: JoinHandle<()>,
    /// Removed sockets whose connections have not ended yet.
    ending: JoinSet<()>,
}

/// A listener, and the task that accepts.
#[derive(Debug)]
struct Listening {
    /// The number of the socket that it belongs to.
    socket: Arc<AtomicUsize>,
    /// None for one without a path.
    mark: Option<Mark>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts `threads - 1` threads that serve beside this one. All sockets together serve up to
    /// `connections` at a time, and a tenth more for sockets that have none.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(threads: usize, connections: usize) -> io::Result<Self> {
        let (door, handed) = Door::new(threads, connections)?;
        let door = Arc::new(Mutex::new(door));
        Ok(Self {
            handed: tokio::spawn(accept::handed(handed, Arc::clone(&door))),
            door,
            listening: BTreeMap::new(),
            next: 0,
            ending: JoinSet::new(),
        })
    }

    /// Looks at what is served.
    pub fn observer(&self) -> Observer {
        Observer(Arc::clone(&self.door))
    }

    /// Adds a socket. It has no address yet.
    pub fn add(&mut self, service: Service) -> SocketId {
        let socket = SocketId(self.number());
        self.door().add(socket, service);
        socket
    }

    /// Replaces what a socket serves: the policy for every request that begins from now on, all else
    /// for connections that come from now on.
    pub fn replace(&mut self, socket: SocketId, service: Service) {
        self.door().replace(socket, service);
    }

    /// Removes a socket, which no listener may belong to any more. Its connections end when their
    /// requests in progress have, and are cut after `grace`.
    pub fn remove(&mut self, socket: SocketId, grace: Duration) {
        let removed = self.door().remove(socket);
        if let Some(connections) = removed {
            connections.stop();
            while self.ending.try_join_next().is_some() {}
            self.ending.spawn(async move {
                if timeout(grace, connections.ended()).await.is_err() {
                    connections.cut();
                }
            });
        }
    }

    /// Accepts what comes in at `listener`, for `socket`.
    ///
    /// # Errors
    /// If its descriptor cannot be duplicated.
    pub fn listen(&mut self, listener: Listener, socket: SocketId) -> io::Result<ListenerId> {
        let id = ListenerId(self.number());
        let belongs = Arc::new(AtomicUsize::new(socket.0));
        let duplicate = listener.duplicate()?;
        self.door().guard(id, duplicate, Arc::clone(&belongs));
        let mark = listener.mark();
        let accepting = accept::accept(listener, Arc::clone(&belongs), Arc::clone(&self.door));
        let listening = Listening {
            socket: belongs,
            mark,
            task: tokio::spawn(accepting),
        };
        self.listening.insert(id, listening);
        Ok(id)
    }

    /// Has a listener belong to another socket from now on.
    pub fn assign(&mut self, listener: ListenerId, socket: SocketId) {
        if let Some(listening) = self.listening.get(&listener) {
            listening.socket.store(socket.0, Relaxed);
        }
        self.door().guard_anew();
    }

    /// The listeners whose path leads to another socket by now.
    pub fn replaced(&self) -> Vec<ListenerId> {
        let replaced = |(_, listening): &(_, &Listening)| {
            listening.mark.as_ref().is_some_and(Mark::was_replaced)
        };
        let replaced = self.listening.iter().filter(replaced);
        replaced.map(|(id, _)| *id).collect()
    }

    /// Closes a listener, which removes what it created. What it has accepted goes on.
    pub async fn close(&mut self, listener: ListenerId) {
        self.door().unguard(listener);
        if let Some(listening) = self.listening.remove(&listener) {
            listening.task.abort();
            let _ = listening.task.await;
        }
    }

    /// Ends: no listener is left, requests in service get `grace` to finish, and what is left is cut. `why`
    /// is for the log.
    pub async fn stop(mut self, why: &str, grace: Duration) {
        while let Some(listener) = self.listening.keys().next().copied() {
            self.close(listener).await;
        }
        let sockets = self.door().stop();
        let open: usize = sockets.iter().map(|socket| socket.count()).sum();
        tracing::info!("stopping: {why}; connections open: {open}");
        let drained = timeout(grace, async {
            for socket in &sockets {
                socket.ended().await;
            }
            while self.ending.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            let open: usize = sockets.iter().map(|socket| socket.count()).sum();
            tracing::info!("connections cut after {grace:?}: {open}");
            for socket in &sockets {
                socket.cut();
                socket.ended().await;
            }
        }
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handed.abort();
        for listening in self.listening.values() {
            listening.task.abort();
        }
        for socket in self.door().stop() {
            socket.cut();
        }
    }
}
