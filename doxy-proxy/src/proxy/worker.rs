//! Threads that serve connections. A connection stays on its thread, and so does what it needs of
//! the engine.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::net::peer::Peer;
use crate::net::stream::DetachedStream;
use crate::proxy::client::Client;
use crate::proxy::connection;
use crate::proxy::service::Service;
use crate::shares::connections::Place;
use crate::shares::turns::Turns;

/// The stack of a thread, in bytes; memory only as far as it is used.
///
/// Scripts run on it, and their values are dropped and compared by recursion. A stack overflow ends
/// the process, so this is more than the main thread has, and eight times the default.
const STACK_SIZE: usize = 16 << 20;

/// A thread that serves connections of every socket.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The turns that scripts take on it.
    turns: Arc<Turns>,
    /// Each connection that it serves has one.
    load: Arc<()>,
    /// None for the thread that accepts.
    thread: Option<Thread>,
}

/// A thread besides the one that accepts.
#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<Infallible>,
}

impl Worker {
    /// This thread and `threads - 1` further ones.
    pub(crate) fn start_all(threads: usize) -> io::Result<Vec<Self>> {
        let this = Self {
            turns: Arc::default(),
            load: Arc::default(),
            thread: None,
        };
        let others = (1..threads).map(|_| Self::start());
        [Ok(this)].into_iter().chain(others).collect()
    }

    /// Starts a thread, and waits until it can serve.
    fn start() -> io::Result<Self> {
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
            turns: Arc::default(),
            load: Arc::default(),
            thread: Some(Thread { runtime, _end: end }),
        })
    }

    /// Serves a connection on this thread.
    pub(crate) fn serve(
        &self,
        service: Arc<Service>,
        stream: DetachedStream,
        peer: Peer,
        place: Place,
    ) {
        let cutter = place.cutter();
        let load = Arc::clone(&self.load);
        let task = match &self.thread {
            None => {
                // This fails only if the runtime ends.
                let Ok(stream) = stream.attach() else {
                    return;
                };
                let client = Client::new(stream, peer, &service);
                tokio::spawn(connection::serve(client, place, service, load))
            }
            Some(thread) => thread.runtime.spawn(async move {
                if let Ok(stream) = stream.attach() {
                    let client = Client::new(stream, peer, &service);
                    connection::serve(client, place, service, load).await;
                }
            }),
        };
        cutter.set(task.abort_handle());
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    /// How many connections it serves.
    pub(crate) fn load(&self) -> usize {
        Arc::strong_count(&self.load) - 1
    }
}
