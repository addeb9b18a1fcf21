//! How long a proxy takes to serve its first request, and how much memory it needs at rest.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::figure::{Better, Figure, Figures, figure};
use crate::http::socket::{Address, ping};
use crate::http::wire::to_u64;
use crate::peers::peer::Peer;
use crate::process::usage::resident;
use crate::stats::median;

/// How often the proxy is started for one figure.
const STARTS: usize = 5;
/// The pause between two attempts to connect.
const EVERY: Duration = Duration::from_micros(100);
/// How long the start may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between the first answer and the measurement of memory.
const SETTLE_TIME: Duration = Duration::from_millis(100);

pub(crate) const START: Figure = figure("start_ms", "exec to first 200, ms", Better::Lower, 1);
pub(crate) const IDLE: Figure = figure("idle_kib", "RSS after it, KiB", Better::Lower, 0);
const COUNT: Figure = figure("sockets", "sockets", Better::Higher, 0);
const ASKED: Figure = figure("asked_kib", "RSS, each asked once, KiB", Better::Lower, 0);
const BINARY: Figure = figure("binary_kib", "binary, KiB", Better::Lower, 0);

pub(crate) async fn run(peer: &mut Peer) -> io::Result<Figures> {
    let address = peer.address();
    let mut took = Vec::new();
    for _ in 0..STARTS {
        let since = peer.start_bare()?;
        answered(&address)?;
        took.push(since.elapsed().as_secs_f64() * 1e3);
    }
    sleep(SETTLE_TIME).await;
    let pid = own(peer)?;
    let memory = resident(pid)?;
    let binary = fs::metadata(format!("/proc/{pid}/exe"))?.len();
    // The other workloads need it as a child that ends with this process.
    peer.restart().await?;
    let start = median(&took).unwrap_or_default();
    Ok(vec![
        (START, start),
        (IDLE, memory as f64),
        (BINARY, binary as f64 / 1024.0),
    ])
}

/// Many sockets: how long until the last of them answers, and the memory of all, before and after
/// each was asked something.
pub(crate) async fn sockets(peer: &mut Peer) -> io::Result<Figures> {
    let mut figures = run(peer).await?;
    let sockets = peer.sockets()?;
    for socket in &sockets {
        ping(&Address::Unix(socket.clone()), PATIENCE)?;
    }
    sleep(SETTLE_TIME).await;
    figures.push((COUNT, to_u64(sockets.len()) as f64));
    figures.push((ASKED, resident(own(peer)?)? as f64));
    Ok(figures)
}

fn own(peer: &Peer) -> io::Result<u32> {
    peer.pid()
        .ok_or_else(|| io::Error::other("the peer has no process"))
}

/// Returns as soon as `/_ping` is answered with 200.
fn answered(address: &Address) -> io::Result<()> {
    let since = Instant::now();
    loop {
        match ping(address, PATIENCE) {
            Ok(()) => return Ok(()),
            Err(error) if since.elapsed() > PATIENCE => {
                let text = format!("no answer within {} s: {error}", PATIENCE.as_secs());
                return Err(io::Error::other(text));
            }
            Err(_) => thread::sleep(EVERY),
        }
    }
}
