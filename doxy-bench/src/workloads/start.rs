//! How long a proxy takes to serve its first request, and how much memory it needs at rest.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::figure::{Better, Figure, Figures, figure};
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
const BINARY: Figure = figure("binary_kib", "binary, KiB", Better::Lower, 0);

pub(crate) async fn run(peer: &mut Peer) -> io::Result<Figures> {
    let mut took = Vec::new();
    for _ in 0..STARTS {
        let since = peer.start_bare()?;
        answered(&peer.socket)?;
        took.push(since.elapsed().as_secs_f64() * 1e3);
    }
    sleep(SETTLE_TIME).await;
    let pid = peer
        .pid()
        .ok_or_else(|| io::Error::other("the peer has no process"))?;
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

/// Returns as soon as `/_ping` is answered with 200.
fn answered(socket: &Path) -> io::Result<()> {
    let since = Instant::now();
    loop {
        match asked(socket) {
            Ok(()) => return Ok(()),
            Err(error) if since.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(EVERY),
        }
    }
}

fn asked(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut room = [0; 1024];
    while !answer.ends_with(b"OK") {
        let read = stream.read(&mut room)?;
        if read == 0 || answer.len() > room.len() {
            return Err(io::Error::other("/_ping was not answered"));
        }
        answer.extend_from_slice(room.get(..read).unwrap_or_default());
    }
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::other("/_ping was not answered with 200")),
    }
}
