//! Threads that serve connections. A connection stays on its thread, and so does what it needs of
//! the engine.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::net::peer::Peer;
use crate::net::stream::DetachedStream;
use crate::proxy::client::Client;
use crate::proxy::connection;
use crate::proxy::service::Service;
use crate::shares::connections::Place;

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
            .map(|_| {
                let turns = Arc::default();
                let services = services.iter();
                Self::start(services.map(|one| one.for_another_thread(&turns)).collect())
            })
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
        stream: DetachedStream,
        peer: Peer,
        place: Place,
        connections: &mut JoinSet<()>,
    ) {
        let Some(service) = self.services.get(socket).map(Arc::clone) else {
            return;
        };
        let Some(thread) = &self.thread else {
            // This fails only if the runtime ends.
            if let Ok(stream) = stream.attach() {
                let client = Client::new(stream, peer, &service);
                // Boxed at once: a future is moved several times on its way into the set.
                connections.spawn(Box::pin(connection::serve(client, place, service)));
            }
            return;
        };
        let there = async move {
            if let Ok(stream) = stream.attach() {
                let client = Client::new(stream, peer, &service);
                connection::serve(client, place, service).await;
            }
        };
        connections.spawn_on(Box::pin(there), &thread.runtime);
    }

    /// The service of one socket.
    pub(crate) fn service(&self, socket: usize) -> Option<&Service> {
        self.services.get(socket).map(|service| &**service)
    }

    /// How many connections it serves. Each of them holds the service of its socket.
    pub(crate) fn load(&self) -> usize {
        let open = |service: &Arc<Service>| Arc::strong_count(service) - 1;
        self.services.iter().map(open).sum()
    }

    /// Closes the connections to the engine that wait for a request, to free descriptors.
    pub(crate) fn close_idle_upstreams(&self) {
        for service in &self.services {
            service.upstream.close_idle();
        }
    }
}
