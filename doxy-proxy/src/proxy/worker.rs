//! Threads that serve connections. A connection stays on its thread, and so does what it needs of
//! the engine.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::proxy::client::Client;
use crate::proxy::connection;
use crate::proxy::service::Service;

/// The stack of a thread, in bytes; memory only as far as it is used.
///
/// Scripts run on it, and their values are dropped and compared by recursion. A stack overflow ends
/// the process, so this is more than the main thread has, and eight times the default.
const STACK_SIZE: usize = 16 << 20;

/// A thread that serves connections of every socket.
pub(crate) struct Worker {
    /// The services of all sockets, in their order.
    services: Vec<Arc<Service>>,
    /// None for the thread that accepts.
    thread: Option<Thread>,
}

/// A thread besides the one that accepts.
struct Thread {
    runtime: Handle,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<Infallible>,
}

impl Worker {
    /// This thread and `threads - 1` further ones.
    pub(crate) fn start_all(services: Vec<Service>, threads: usize) -> io::Result<Vec<Self>> {
        let others: Vec<_> = (1..threads)
            .map(|_| Self::start(services.iter().map(Service::for_another_thread).collect()))
            .collect::<io::Result<_>>()?;
        let this = Self {
            services: services.into_iter().map(Arc::new).collect(),
            thread: None,
        };
        Ok([this].into_iter().chain(others).collect())
    }

    /// Starts a thread, and waits until it can serve.
    fn start(services: Vec<Service>) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        thread::Builder::new()
            .name("worker".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || {
                let runtime = Builder::new_current_thread()
                    .enable_io()
                    .enable_time()
                    .build();
                match runtime {
                    // Sending fails if the server was dropped meanwhile.
                    Ok(runtime) => {
                        let _ = ready.send(Ok(runtime.handle().clone()));
                        // Nothing is ever sent: the other end is dropped.
                        let _ = runtime.block_on(ended);
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            })?;
        let runtime = started.recv().map_err(io::Error::other)??;
        Ok(Self {
            services: services.into_iter().map(Arc::new).collect(),
            thread: Some(Thread { runtime, _end: end }),
        })
    }

    /// Serves a connection of one socket on this thread.
    pub(crate) fn serve(
        &self,
        socket: usize,
        (stream, peer): (Stream, Peer),
        stop: watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let Some(service) = self.services.get(socket).map(Arc::clone) else {
            return;
        };
        let Some(thread) = &self.thread else {
            let client = Client::new(stream, peer, service.access_log.clone());
            // Boxed at once: a future is moved several times on its way into the set.
            connections.spawn(Box::pin(connection::serve(client, service, stop)));
            return;
        };
        // The stream was accepted on this thread's runtime. Both steps fail only at its end.
        if let Ok(stream) = stream.detach() {
            let there = async move {
                if let Ok(stream) = stream.attach() {
                    let client = Client::new(stream, peer, service.access_log.clone());
                    connection::serve(client, service, stop).await;
                }
            };
            connections.spawn_on(Box::pin(there), &thread.runtime);
        }
    }

    /// The service of one socket.
    pub(crate) fn service(&self, socket: usize) -> Option<&Service> {
        self.services.get(socket).map(|service| &**service)
    }

    /// How many connections of one socket it serves. Each of them holds the service.
    pub(crate) fn connections(&self, socket: usize) -> usize {
        let service = self.services.get(socket);
        service.map_or(0, |service| Arc::strong_count(service) - 1)
    }

    /// How many connections it serves.
    pub(crate) fn load(&self) -> usize {
        (0..self.services.len())
            .map(|socket| self.connections(socket))
            .sum()
    }

    /// Closes the connections to the engine that wait for a request, to free descriptors.
    pub(crate) fn close_idle_upstreams(&self) {
        for service in &self.services {
            service.upstream.close_idle();
        }
    }
}
