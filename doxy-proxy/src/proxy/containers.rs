//! Finds out which container a peer is in. Who may connect is not decided here.
//!
//! The engine is asked once for a connection, and only if somebody wants to know. What it says is
//! compared with what the kernel says. Nothing is guessed, and nothing is known from earlier.

use std::io;

use rustix::io::Errno;
use tokio::time::timeout;

use crate::log::context::LogContext;
use crate::net::container::{Container, Unknown};
use crate::net::peer::{NetPeer, Peer, UnixPeer};
use crate::net::process::{PeerProcess, Ticks, cgroups_then};
use crate::net::stream::Stream;
use crate::proxy::service::Service;
use crate::upstream::{LOOKUP_TIME, Upstream};

/// Finds out which container a client is in, and notes it for its connection.
pub(super) async fn find(stream: &Stream, log: &LogContext, service: &Service) {
    let found = {
        // A peer has no more questions at a time than its share.
        let _slot = service
            .shares
            .slots
            .take(service.shares.of(&log.peer))
            .await;
        timeout(
            LOOKUP_TIME,
            container_of(&log.peer, stream, &service.upstream),
        )
        .await
    };
    let seconds = LOOKUP_TIME.as_secs();
    let late = |_| Err(Unknown::NoAnswer(format!("it took more than {seconds} s")));
    let found = found.unwrap_or_else(late);
    if let Err(unknown) = &found {
        tracing::debug!("the container of a client is not known: {unknown}");
    }
    log.note_container(found);
}

async fn container_of(
    peer: &Peer,
    stream: &Stream,
    upstream: &Upstream,
) -> Result<Container, Unknown> {
    match peer {
        Peer::Unix(peer) => by_cgroup(peer, stream, upstream).await,
        Peer::Net(peer) => by_address(peer, upstream).await,
    }
}

/// The container whose own process is in the peer's cgroups, or above.
async fn by_cgroup(
    peer: &UnixPeer,
    stream: &Stream,
    upstream: &Upstream,
) -> Result<Container, Unknown> {
    // Over a unix socket nobody speaks TLS.
    let Some(socket) = stream.plain().filter(|_| peer.pid > 0) else {
        return Err(Unknown::NoProcess);
    };
    let cgroups = PeerProcess::of(peer.pid, socket).and_then(|process| process.cgroups());
    let cgroups = cgroups.map_err(unreadable)?.ok_or(Unknown::Ended)?;
    for id in cgroups.ids() {
        // Of a later time the number of the container's process may be another's.
        let asked = Ticks::now();
        let Some(running) = upstream.container(id).await? else {
            continue;
        };
        // The engine's number may be of another process namespace, where doxy has none of it.
        let own = cgroups_then(running.pid, asked).ok().flatten();
        return match own {
            Some(own) if own.hold(&cgroups, id) => Ok(running.container),
            _ => Err(Unknown::NotItsOwn),
        };
    }
    Err(Unknown::NoContainer)
}

/// Why nothing could be read of a process.
fn unreadable(error: io::Error) -> Unknown {
    let gone = [Errno::NOENT, Errno::SRCH].map(Errno::raw_os_error);
    match error.raw_os_error() {
        Some(number) if gone.contains(&number) => Unknown::Ended,
        _ => Unknown::Unreadable(error),
    }
}

/// The container with the peer's address, if there is one alone.
async fn by_address(peer: &NetPeer, upstream: &Upstream) -> Result<Container, Unknown> {
    let ip = peer.address.ip();
    let id = upstream.container_at(ip).await?;
    let running = upstream.container(&id).await?;
    running.map(|it| it.container).ok_or(Unknown::NoAddress(ip))
}
