//! The workloads: what is done to a peer, and what is measured of it.
//!
//! Each is one function, bounded by a size, that either moves every byte it is to move or fails.

use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::crowd;
use crate::measure::{cpu, descriptors, percentile, resident};
use crate::peers::Peer;
use crate::report::{Better, Figure};
use crate::wire::{GULP, Wire, wide};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// The size of one large body.
const BODY: u64 = 64 * 1024 * 1024;
/// What is sent to and fro over an echoing tunnel.
const MESSAGE: u64 = 64;
/// How much a tunnel moves before it is idle, where it is to have been busy.
const BUSY: u64 = 256 * 1024;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes through one tunnel, and in all the bodies of a run.
    pub(crate) bytes: u64,
    pub(crate) trips: usize,
    pub(crate) idle: u32,
    pub(crate) crowd: usize,
    /// How long a crowd is there before, and while, it is measured.
    pub(crate) crowd_warm: Duration,
    pub(crate) crowd_time: Duration,
    /// For what was moved to be let go, and for a closed connection to be.
    pub(crate) settle: Duration,
    /// Bytes through the tunnel that is watched for growth.
    pub(crate) growth: u64,
}

impl Sizes {
    pub(crate) const FULL: Self = Self {
        bytes: 1 << 30,
        trips: 10_000,
        idle: 1000,
        crowd: 1000,
        crowd_warm: Duration::from_secs(2),
        crowd_time: Duration::from_secs(3),
        settle: Duration::from_millis(1500),
        growth: 4 << 30,
    };
    /// To see that everything works, not how fast.
    pub(crate) const TINY: Self = Self {
        bytes: 1 << 20,
        trips: 20,
        idle: 8,
        crowd: 8,
        crowd_warm: Duration::from_millis(100),
        crowd_time: Duration::from_millis(700),
        settle: Duration::from_millis(50),
        growth: 2 << 20,
    };
}

const CPU_GIB: Figure = figure("cpu_s_per_gib", "CPU s/GiB", Better::Lower, 3);
const RATE: Figure = figure("gb_per_s", "GB/s", Better::Higher, 2);
const CPU_TRIP: Figure = figure("cpu_us_per_trip", "CPU us/trip", Better::Lower, 1);
const P50: Figure = figure("p50_us", "p50 us", Better::Lower, 0);
const P99: Figure = figure("p99_us", "p99 us", Better::Lower, 0);
const IDLE: Figure = figure("kib_each", "KiB each", Better::Lower, 2);
const LEFT: Figure = figure("kib_left", "KiB left when closed", Better::Lower, 0);
const OPEN: Figure = figure("fds_left", "descriptors left", Better::Lower, 0);
const RESIDENT: Figure = figure("resident_kib", "RSS before, KiB", Better::Lower, 0);
const GROWTH: Figure = figure("growth_kib", "RSS grown, KiB", Better::Lower, 0);

pub(crate) const fn figure(
    key: &'static str,
    title: &'static str,
    better: Better,
    digits: usize,
) -> Figure {
    Figure {
        key,
        title,
        better,
        digits,
    }
}

/// What a run measured.
pub(crate) type Figures = Vec<(Figure, f64)>;

/// What can be run. In the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    TunnelDown,
    TunnelUp,
    TunnelEcho,
    BodyDown,
    BodyDownChunked,
    BodyUpChunked,
    IdleTunnels,
    UsedTunnels,
    IdleEvents,
    Crowd,
    Growth,
}

impl Workload {
    pub(crate) const ALL: [Self; 11] = [
        Self::TunnelDown,
        Self::TunnelUp,
        Self::TunnelEcho,
        Self::BodyDown,
        Self::BodyDownChunked,
        Self::BodyUpChunked,
        Self::IdleTunnels,
        Self::UsedTunnels,
        Self::IdleEvents,
        Self::Crowd,
        Self::Growth,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TunnelDown => "tunnel-down",
            Self::TunnelUp => "tunnel-up",
            Self::TunnelEcho => "tunnel-echo",
            Self::BodyDown => "body-down",
            Self::BodyDownChunked => "body-down-chunked",
            Self::BodyUpChunked => "body-up-chunked",
            Self::IdleTunnels => "idle-tunnels",
            Self::UsedTunnels => "used-tunnels",
            Self::IdleEvents => "idle-events",
            Self::Crowd => "crowd",
            Self::Growth => "growth",
        }
    }

    /// Does it need a process that has done nothing yet? Memory that an earlier run has left is
    /// used again, and would make the next one look free; and HAProxy goes on serving silent
    /// event streams whose clients are gone.
    const fn wants_fresh(self) -> bool {
        matches!(
            self,
            Self::IdleTunnels | Self::UsedTunnels | Self::IdleEvents | Self::Crowd | Self::Growth
        )
    }

    /// How often, of so many repetitions.
    pub(crate) fn reps(self, reps: usize) -> usize {
        match self {
            Self::Growth => reps.min(1),
            _ => reps,
        }
    }

    pub(crate) async fn run(self, peer: &mut Peer, sizes: &Sizes) -> io::Result<Figures> {
        if self.wants_fresh() {
            peer.restart().await?;
        }
        let socket = &peer.socket;
        match self {
            Self::TunnelDown => {
                let target = format!("/v1.41/containers/source/attach?n={}", sizes.bytes);
                moved(peer, sizes.bytes, async {
                    let mut wire = Client::tunnel(socket, &target).await?;
                    wire.exactly(sizes.bytes).await?;
                    at_end(&mut wire).await
                })
                .await
            }
            Self::TunnelUp => {
                let target = format!("/v1.41/containers/sink/attach?n={}", sizes.bytes);
                moved(peer, sizes.bytes, async {
                    let mut wire = Client::tunnel(socket, &target).await?;
                    wire.fill(sizes.bytes).await?;
                    // The engine ends when it has them all.
                    at_end(&mut wire).await
                })
                .await
            }
            Self::TunnelEcho => echo(peer, sizes.trips).await,
            Self::BodyDown => down(peer, "/v1.41/containers/big/json", sizes.bytes).await,
            Self::BodyDownChunked => down(peer, "/v1.41/containers/big/export", sizes.bytes).await,
            Self::BodyUpChunked => {
                moved(peer, sizes.bytes, async {
                    let mut client = Client::connect(socket).await?;
                    for size in parts(sizes.bytes) {
                        client.upload("/v1.41/images/load", size).await?;
                    }
                    Ok(())
                })
                .await
            }
            Self::IdleTunnels => {
                idle(peer, sizes, async || {
                    let mut wire = Client::tunnel(socket, ECHO).await?;
                    wire.fill(MESSAGE).await?;
                    wire.exactly(MESSAGE).await?;
                    Ok(wire)
                })
                .await
            }
            Self::UsedTunnels => {
                let target = format!("/v1.41/containers/source/attach?n={BUSY}&stay=1");
                idle(peer, sizes, async || {
                    let mut wire = Client::tunnel(socket, &target).await?;
                    wire.exactly(BUSY).await?;
                    Ok(wire)
                })
                .await
            }
            Self::IdleEvents => {
                idle(peer, sizes, async || {
                    let target = "/v1.41/events?every=3600000";
                    let mut wire = Client::stream(socket, target).await?;
                    wire.some(GULP).await?;
                    Ok(wire)
                })
                .await
            }
            Self::Crowd => crowd::run(peer, sizes).await,
            Self::Growth => growth(peer, sizes.growth).await,
        }
    }
}

/// A tunnel whose other end sends back what it gets.
pub(crate) const ECHO: &str = "/v1.41/containers/echo/attach";

/// Waits for the other side to end, which must be what it does next.
async fn at_end(wire: &mut Wire) -> io::Result<()> {
    match wire.some(GULP).await? {
        0 => Ok(()),
        more => Err(io::Error::other(format!("{more} bytes too many"))),
    }
}

/// Runs something and gives how long it took, by the clock and on the peer's CPU.
pub(crate) async fn metered<T>(
    peer: &Peer,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<(T, Duration, Option<Duration>)> {
    let before = peer.pid().map(cpu).transpose()?;
    let since = Instant::now();
    let done = work.await?;
    let wall = since.elapsed();
    // What a peer does behind the last byte is part of the work.
    sleep(Duration::from_millis(20)).await;
    let after = peer.pid().map(cpu).transpose()?;
    let used = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok((done, wall, used))
}

/// The cost and the rate of moving so many bytes.
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

/// Bodies of the usual size that make up so many bytes, on one connection.
fn parts(bytes: u64) -> impl Iterator<Item = u64> {
    let whole = usize::try_from(bytes / BODY).unwrap_or(usize::MAX);
    let rest = bytes % BODY;
    std::iter::repeat_n(BODY, whole).chain((rest > 0).then_some(rest))
}

async fn down(peer: &Peer, path: &str, bytes: u64) -> io::Result<Figures> {
    moved(peer, bytes, async {
        let mut client = Client::connect(&peer.socket).await?;
        for size in parts(bytes) {
            let got = client.fetch(&format!("{path}?n={size}")).await?;
            if got != size {
                return Err(io::Error::other(format!("of {size} bytes {got} came")));
            }
        }
        Ok(())
    })
    .await
}

async fn echo(peer: &Peer, trips: usize) -> io::Result<Figures> {
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
        figures.push((CPU_TRIP, used.as_secs_f64() * 1e6 / wide(trips) as f64));
    }
    figures.extend(percentiles(took, P50, P99));
    Ok(figures)
}

/// Two percentiles in microseconds.
pub(crate) fn percentiles(mut took: Vec<Duration>, half: Figure, most: Figure) -> Figures {
    took.sort_unstable();
    [(half, 50), (most, 99)]
        .into_iter()
        .filter_map(|(figure, percent)| {
            let value = percentile(&took, percent)?;
            Some((figure, value.as_secs_f64() * 1e6))
        })
        .collect()
}

/// The memory of so many open connections that do nothing, and what of it stays afterwards.
///
/// The first connections are made before the counting: what is loaded once is not theirs.
async fn idle(
    peer: &Peer,
    sizes: &Sizes,
    open: impl AsyncFn() -> io::Result<Wire>,
) -> io::Result<Figures> {
    let Some(pid) = peer.pid() else {
        return Ok(Vec::new());
    };
    for _ in 0..2 {
        drop(open().await?);
    }
    sleep(sizes.settle / 5).await;
    let open_before = descriptors(pid);
    let before = resident(pid)?;
    let mut wires = Vec::new();
    for _ in 0..sizes.idle {
        wires.push(open().await?);
    }
    sleep(sizes.settle).await;
    let during = resident(pid)?;
    drop(wires);
    sleep(sizes.settle).await;
    let after = resident(pid)?;
    Ok(vec![
        (IDLE, growth_kib(before, during) / f64::from(sizes.idle)),
        (LEFT, growth_kib(before, after)),
        (
            OPEN,
            wide(descriptors(pid)) as f64 - wide(open_before) as f64,
        ),
        (RESIDENT, before as f64),
    ])
}

/// Whether memory grows with what one tunnel has moved.
async fn growth(peer: &Peer, bytes: u64) -> io::Result<Figures> {
    let Some(pid) = peer.pid() else {
        return Ok(Vec::new());
    };
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

fn growth_kib(before: u64, after: u64) -> f64 {
    after as f64 - before as f64
}

/// One request over a new connection: is the peer there?
pub(crate) async fn ping(socket: &Path) -> io::Result<()> {
    Client::connect(socket).await?.fetch("/_ping").await?;
    Ok(())
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

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = Workload::ALL.map(Workload::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Workload::ALL.len());
    }

    #[test]
    fn percentiles_are_in_microseconds() {
        let took = (1..=100).rev().map(Duration::from_millis).collect();
        let values: Vec<f64> = percentiles(took, P50, P99)
            .into_iter()
            .map(|(_, value)| value.round())
            .collect();
        assert_eq!(values, [50_000.0, 99_000.0]);
    }
}
