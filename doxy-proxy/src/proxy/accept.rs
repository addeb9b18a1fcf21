//! Step one, accept: connections come in, each gets a task on one of the threads; and the orderly end
//! of them all.
//!
//! An error on one connection, or while accepting one, never ends the server. A connection stays on
//! its thread, and so does what it needs of the engine's.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::net::listener::unix::Listener;
use crate::net::peer::Peer;
use crate::proxy::connection;
use crate::proxy::handler::Service;

/// The backoff after the first failure to accept; doubled with each that follows.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);
/// So many clients at a time are told why they are not served; more are just closed.
const MAX_REJECTIONS: usize = 64;
const MAX_ACCEPT_BACKOFF: Duration = Duration::from_secs(1);

/// Serves what comes in on `listener` until `stop` resolves.
///
/// Then the socket is removed, requests in service get `grace` to finish, and what is left is
/// cut. Dropping this future ends everything at once.
///
/// # Errors
///
/// If a thread cannot be started. Nothing has been served then.
pub async fn serve(
    listener: Listener,
    proxy: Service,
    grace: Duration,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let proxy = Arc::new(proxy);
    let workers = Worker::all(&proxy)?;
    let (tell, told) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut turned_away = JoinSet::new();
    let mut stop = pin!(stop);
    let mut backoff = ACCEPT_BACKOFF;
    loop {
        tokio::select! {
            () = stop.as_mut() => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    backoff = ACCEPT_BACKOFF;
                    let Ok(caller) = connection::caller(&stream, &proxy) else {
                        continue;
                    };
                    let limit = proxy.limits.connections;
                    // Before a byte is read, and before it counts.
                    let error = match &caller {
                        Some(caller) if !proxy.callers.allow(caller, &stream) => {
                            Error::Peer { uid: caller.uid }
                        }
                        _ if connections.len() >= limit => Error::Busy { limit },
                        _ => {
                            let least = workers.iter().min_by_key(|worker| worker.load());
                            // There is one at least: the thread that this runs on.
                            if let Some(worker) = least {
                                worker.take(stream, caller, told.clone(), &mut connections);
                            }
                            continue;
                        }
                    };
                    // Whoever is turned away takes no place from those who may come in.
                    if turned_away.len() < MAX_REJECTIONS {
                        let proxy = Arc::clone(&proxy);
                        turned_away.spawn(connection::refuse(stream, caller, proxy, error));
                    }
                }
                Err(error) => {
                    // Out of file descriptors, as a rule. Some can be freed, some will be.
                    for worker in &workers {
                        worker.proxy.upstream.close_idle();
                    }
                    tracing::warn!("cannot accept a connection, next try in {backoff:?}: {error}");
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(MAX_ACCEPT_BACKOFF);
                }
            },
            Some(ended) = connections.join_next() => log_panic(ended),
            Some(ended) = turned_away.join_next() => log_panic(ended),
        }
    }
    drop(listener);
    tracing::info!("stopping; connections open: {}", connections.len());
    // Fails only when there is no connection to be told.
    let _ = tell.send(true);
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

/// The stack of a thread. Policies run on it, whose values are dropped and compared by calls within calls, and a stack
/// that ends takes the whole process along. The two megabytes of the standard library are a quarter of what the
/// main thread has; this is more than either, and memory only as far as it is used.
const STACK: usize = 16 << 20;

/// A thread that serves connections.
struct Worker {
    proxy: Arc<Service>,
    /// None for the thread that accepts.
    other: Option<Other>,
}

/// A thread besides the one that accepts.
struct Other {
    runtime: Handle,
    /// It ends when this is dropped.
    _end: oneshot::Sender<Infallible>,
}

impl Worker {
    /// This thread, and as many others as the proxy asks for.
    fn all(proxy: &Arc<Service>) -> io::Result<Vec<Self>> {
        let others: Vec<_> = (1..proxy.threads)
            .map(|_| Self::start(proxy.for_another_thread()))
            .collect::<io::Result<_>>()?;
        let this = Self {
            proxy: Arc::clone(proxy),
            other: None,
        };
        Ok([this].into_iter().chain(others).collect())
    }

    /// Starts a thread, and waits until it can serve.
    fn start(proxy: Service) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let (tell, started) = mpsc::channel();
        thread::Builder::new()
            .name("worker".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let runtime = Builder::new_current_thread()
                    .enable_io()
                    .enable_time()
                    .build();
                match runtime {
                    // Nobody listens where the server has been dropped meanwhile.
                    Ok(runtime) => {
                        let _ = tell.send(Ok(runtime.handle().clone()));
                        // Nothing is ever sent: the other end is dropped.
                        let _ = runtime.block_on(ended);
                    }
                    Err(error) => {
                        let _ = tell.send(Err(error));
                    }
                }
            })?;
        let runtime = started.recv().map_err(io::Error::other)??;
        let other = Other { runtime, _end: end };
        Ok(Self {
            proxy: Arc::new(proxy),
            other: Some(other),
        })
    }

    /// Serves a connection on this thread.
    fn take(
        &self,
        stream: UnixStream,
        caller: Option<Arc<Peer>>,
        stop: watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let proxy = Arc::clone(&self.proxy);
        let Some(other) = &self.other else {
            // A future is moved again and again on the way to where it stays.
            connections.spawn(Box::pin(connection::serve(stream, caller, proxy, stop)));
            return;
        };
        // It was accepted for the runtime of this thread. Fails only where that ends.
        if let Ok(stream) = stream.into_std() {
            let there = async move {
                if let Ok(stream) = UnixStream::from_std(stream) {
                    connection::serve(stream, caller, proxy, stop).await;
                }
            };
            connections.spawn_on(Box::pin(there), &other.runtime);
        }
    }

    /// How many connections it serves: each holds the proxy.
    fn load(&self) -> usize {
        Arc::strong_count(&self.proxy)
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection was ended by a fault in doxy, please report it: {error}");
    }
}
