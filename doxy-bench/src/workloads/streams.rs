//! Tunnels and large bodies: CPU time per byte, and the latency of a round trip.
//!
//! A run fails unless every byte arrives.

use std::future::Future;
use std::io;
use std::time::Instant;

use crate::figure::{Better, Figure, Figures, figure};
use crate::http::client::Client;
use crate::http::wire::{READ_SIZE, Wire, to_u64};
use crate::load::meter::{P50, P99, metered, percentiles};
use crate::peers::peer::Peer;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// The size of one large body.
const BODY: u64 = 64 * 1024 * 1024;
/// The size of a message on an echoing tunnel.
pub(crate) const MESSAGE: u64 = 64;
/// A tunnel whose other end sends everything back.
pub(crate) const ECHO: &str = "/v1.41/containers/echo/attach";

pub(crate) const CPU_GIB: Figure = figure("cpu_s_per_gib", "CPU s/GiB", Better::Lower, 3);
const RATE: Figure = figure("gb_per_s", "GB/s", Better::Higher, 2);
const CPU_TRIP: Figure = figure("cpu_us_per_trip", "CPU us/trip", Better::Lower, 1);

/// Bytes from the engine through a tunnel.
pub(crate) async fn tunnel_down(peer: &Peer, bytes: u64) -> io::Result<Figures> {
    let target = format!("/v1.41/containers/source/attach?n={bytes}");
    moved(peer, bytes, async {
        let mut wire = Client::tunnel(&peer.socket, &target).await?;
        wire.exactly(bytes).await?;
        at_end(&mut wire).await
    })
    .await
}

/// Bytes to the engine through a tunnel.
pub(crate) async fn tunnel_up(peer: &Peer, bytes: u64) -> io::Result<Figures> {
    let target = format!("/v1.41/containers/sink/attach?n={bytes}");
    moved(peer, bytes, async {
        let mut wire = Client::tunnel(&peer.socket, &target).await?;
        wire.fill(bytes).await?;
        // The engine closes when it has received all of them.
        at_end(&mut wire).await
    })
    .await
}

/// Bodies from the engine.
pub(crate) async fn down(peer: &Peer, path: &str, bytes: u64) -> io::Result<Figures> {
    moved(peer, bytes, async {
        let mut client = Client::connect(&peer.socket).await?;
        for size in parts(bytes) {
            let got = client.fetch(&format!("{path}?n={size}")).await?;
            if got != size {
                return Err(io::Error::other(format!("{got} of {size} bytes arrived")));
            }
        }
        Ok(())
    })
    .await
}

/// Bodies to the engine, in chunks.
pub(crate) async fn up(peer: &Peer, path: &str, bytes: u64) -> io::Result<Figures> {
    moved(peer, bytes, async {
        let mut client = Client::connect(&peer.socket).await?;
        for size in parts(bytes) {
            client.upload(path, size).await?;
        }
        Ok(())
    })
    .await
}

/// Round trips over one tunnel.
pub(crate) async fn echo(peer: &Peer, trips: usize) -> io::Result<Figures> {
    let mut wire = Client::tunnel(&peer.socket, ECHO).await?;
    let mut took = Vec::with_capacity(trips);
    let ((), _, used) = metered(peer, async {
        for _ in 0..trips {
            let since = Instant::now();
            wire.fill(MESSAGE).await?;
            wire.exactly(MESSAGE).await?;
            took.push(since.elapsed());
        }
        Ok(())
    })
    .await?;
    let mut figures: Figures = Vec::new();
    if let Some(used) = used {
        figures.push((CPU_TRIP, used.as_secs_f64() * 1e6 / to_u64(trips) as f64));
    }
    figures.extend(percentiles(took, &[(P50, 500), (P99, 990)]));
    Ok(figures)
}

/// Expects the end of the stream, without another byte.
async fn at_end(wire: &mut Wire) -> io::Result<()> {
    match wire.some(READ_SIZE).await? {
        0 => Ok(()),
        more => Err(io::Error::other(format!(
            "{more} bytes arrived after the end"
        ))),
    }
}

/// The CPU time and the throughput of `work`, which transfers `bytes`.
async fn moved(
    peer: &Peer,
    bytes: u64,
    work: impl Future<Output = io::Result<()>>,
) -> io::Result<Figures> {
    let ((), wall, used) = metered(peer, work).await?;
    let bytes = bytes as f64;
    let mut figures: Figures = Vec::new();
    if let Some(used) = used {
        figures.push((CPU_GIB, used.as_secs_f64() * GIB / bytes));
    }
    figures.push((RATE, bytes / wall.as_secs_f64() / 1e9));
    Ok(figures)
}

/// Splits `bytes` into bodies of at most [`BODY`] bytes.
fn parts(bytes: u64) -> impl Iterator<Item = u64> {
    let whole = usize::try_from(bytes / BODY).unwrap_or(usize::MAX);
    let rest = bytes % BODY;
    std::iter::repeat_n(BODY, whole).chain((rest > 0).then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_make_up_the_sum() {
        for (bytes, count) in [(0, 0), (1, 1), (BODY, 1), (BODY + 1, 2), (1 << 30, 16)] {
            let parts: Vec<u64> = parts(bytes).collect();
            assert_eq!(parts.len(), count);
            assert_eq!(parts.iter().sum::<u64>(), bytes);
        }
    }
}
