//! Step one, accept: a task for each listener takes what comes in to the door.
//!
//! An error on one connection, or in accepting one, never ends the task.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::net::listener::Listener;
use crate::proxy::door::Door;
use crate::proxy::overflow::Handed;

/// The pause after the first failure to accept; doubled with each one that follows.
const BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts until it is dropped. `socket` is the number of the socket that the listener belongs to now.
pub(super) async fn accept(listener: Listener, socket: Arc<AtomicUsize>, door: Arc<Mutex<Door>>) {
    let mut backoff = BACKOFF;
    // How many peers that may not connect were found in the queue at once.
    let mut strangers = 0;
    loop {
        let accepted = poll_fn(|cx| {
            let polled = listener.poll_accept(cx);
            if polled.is_pending() {
                strangers = 0;
            }
            polled
        });
        match accepted.await {
            Ok(stream) => {
                backoff = BACKOFF;
                lock(&door).admit(stream, socket.load(Relaxed), &mut strangers);
            }
            Err(error) => {
                // As a rule there are no free file descriptors. Closing these frees some.
                lock(&door).close_idle_upstreams();
                tracing::warn!("cannot accept a connection, next try in {backoff:?}: {error}");
                sleep(backoff).await;
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
    }
}

/// Admits the connections that were accepted by other threads, and counted as strangers there.
pub(super) async fn handed(mut handed: mpsc::Receiver<Handed>, door: Arc<Mutex<Door>>) {
    while let Some((socket, stream)) = handed.recv().await {
        lock(&door).admit(stream, socket, &mut 0);
    }
}

fn lock(door: &Mutex<Door>) -> MutexGuard<'_, Door> {
    door.lock().unwrap_or_else(PoisonError::into_inner)
}
