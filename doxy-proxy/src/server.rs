//! Step one, accept: connections come in, each gets a task; and the orderly end of them all.
//!
//! An error on one connection, or while accepting one, never ends the server.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::connection;
use crate::handler::Proxy;
use crate::listen::Listener;

/// The pause after the first failure to accept; doubled with each that follows.
const PAUSE: Duration = Duration::from_millis(10);
/// So many clients at a time are told that there is no room for them; more are just closed.
const TOLD: usize = 64;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves what comes in on `listener` until `stop` resolves.
///
/// Then the socket is removed, requests in service get `grace` to finish, and what is left is
/// cut. Dropping this future ends everything at once.
pub async fn serve(
    listener: Listener,
    proxy: Proxy,
    grace: Duration,
    stop: impl Future<Output = ()>,
) {
    let proxy = Arc::new(proxy);
    let (tell, told) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut pause = PAUSE;
    loop {
        tokio::select! {
            () = stop.as_mut() => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    pause = PAUSE;
                    let open = connections.len();
                    if open < proxy.limits.connections {
                        connections.spawn(connection::serve(stream, Arc::clone(&proxy), told.clone()));
                    } else if open < proxy.limits.connections + TOLD {
                        connections.spawn(connection::busy(stream, Arc::clone(&proxy)));
                    }
                }
                Err(error) => {
                    // Out of file descriptors, as a rule. Some can be freed, some will be.
                    proxy.upstream.close_idle();
                    tracing::warn!("cannot accept a connection, next try in {pause:?}: {error}");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            },
            Some(ended) = connections.join_next() => note(ended),
        }
    }
    drop(listener);
    tracing::info!("stopping; connections open: {}", connections.len());
    // Fails only when there is no connection to be told.
    let _ = tell.send(true);
    let drained = timeout(grace, async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    });
    if drained.await.is_err() {
        tracing::info!("connections cut after {grace:?}: {}", connections.len());
        connections.shutdown().await;
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection was ended by a fault in doxy, please report it: {error}");
    }
}
