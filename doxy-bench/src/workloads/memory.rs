//! The memory of idle connections, and of one tunnel with much traffic.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use crate::engine;
use crate::figure::{Better, Figure, Figures, figure};
use crate::http::answer::Expected;
use crate::http::client::Client;
use crate::http::socket::Socket;
use crate::http::wire::{READ_SIZE, Wire, to_u64};
use crate::peers::peer::Peer;
use crate::process::usage::{descriptors, resident};
use crate::workloads::streams::{ECHO, MESSAGE};

/// How many bytes a used tunnel transfers before it is idle.
const BUSY: u64 = 256 * 1024;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const EACH: Figure = figure("kib_each", "KiB each", Better::Lower, 2);
const LEFT: Figure = figure("kib_left", "KiB left when closed", Better::Lower, 0);
const OPEN: Figure = figure("fds_left", "descriptors left", Better::Lower, 0);
const RESIDENT: Figure = figure("resident_kib", "RSS before, KiB", Better::Lower, 0);
const GROWTH: Figure = figure("growth_kib", "RSS grown, KiB", Better::Lower, 0);

/// The kind of the idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Each has had one request and is kept alive.
    KeptAlive,
    /// Each has sent one message.
    Tunnels,
    /// Each has transferred [`BUSY`] bytes.
    UsedTunnels,
    /// Each has received one event.
    Events,
}

/// The memory per idle connection, and what remains after they are closed.
///
/// Some connections are made before the measurement, so that memory that is allocated once does not
/// count.
pub(crate) async fn idle(
    peer: &Peer,
    idle: Idle,
    count: u32,
    settle: Duration,
) -> io::Result<Figures> {
    grown(peer, count, settle, async || open(&peer.socket, idle).await).await
}

/// The same of connections with TLS, each after one request.
pub(crate) async fn idle_tls(peer: &Peer, count: u32, settle: Duration) -> io::Result<Figures> {
    let address = peer.address();
    let wanted = Expected {
        status: 200,
        size: Some(to_u64(engine::LIST)),
    };
    let request = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n";
    grown(peer, count, settle, async || {
        let mut socket = Socket::connect(&address)?;
        socket.ask(request, wanted, PATIENCE)?;
        Ok(socket)
    })
    .await
}

/// How memory grows with open connections.
async fn grown<T>(
    peer: &Peer,
    count: u32,
    settle: Duration,
    open: impl AsyncFn() -> io::Result<T>,
) -> io::Result<Figures> {
    let pid = own(peer)?;
    for _ in 0..2 {
        drop(open().await?);
    }
    sleep(settle / 5).await;
    let open_before = descriptors(pid);
    let before = resident(pid)?;
    let mut opened = Vec::new();
    for _ in 0..count {
        opened.push(open().await?);
    }
    sleep(settle).await;
    let during = resident(pid)?;
    drop(opened);
    sleep(settle).await;
    let after = resident(pid)?;
    Ok(vec![
        (EACH, growth_kib(before, during) / f64::from(count)),
        (LEFT, growth_kib(before, after)),
        (
            OPEN,
            to_u64(descriptors(pid)) as f64 - to_u64(open_before) as f64,
        ),
        (RESIDENT, before as f64),
    ])
}

async fn open(socket: &Path, idle: Idle) -> io::Result<Wire> {
    match idle {
        Idle::KeptAlive => Client::kept_alive(socket, "/v1.41/containers/json").await,
        Idle::Tunnels => {
            let mut wire = Client::tunnel(socket, ECHO).await?;
            wire.fill(MESSAGE).await?;
            wire.exactly(MESSAGE).await?;
            Ok(wire)
        }
        Idle::UsedTunnels => {
            let target = format!("/v1.41/containers/source/attach?n={BUSY}&stay=1");
            let mut wire = Client::tunnel(socket, &target).await?;
            wire.exactly(BUSY).await?;
            Ok(wire)
        }
        Idle::Events => {
            let mut wire = Client::stream(socket, "/v1.41/events?every=3600000").await?;
            wire.some(READ_SIZE).await?;
            Ok(wire)
        }
    }
}

/// How memory grows with the bytes that one tunnel has transferred.
pub(crate) async fn growth(peer: &Peer, bytes: u64) -> io::Result<Figures> {
    let pid = own(peer)?;
    let warm = bytes / 64;
    let total = bytes + warm;
    let target = format!("/v1.41/containers/source/attach?n={total}&stay=1");
    let mut wire = Client::tunnel(&peer.socket, &target).await?;
    wire.exactly(warm).await?;
    let before = resident(pid)?;
    wire.exactly(bytes).await?;
    let after = resident(pid)?;
    Ok(vec![
        (GROWTH, growth_kib(before, after)),
        (RESIDENT, before as f64),
    ])
}

fn own(peer: &Peer) -> io::Result<u32> {
    peer.pid()
        .ok_or_else(|| io::Error::other("the peer has no process"))
}

fn growth_kib(before: u64, after: u64) -> f64 {
    after as f64 - before as f64
}
