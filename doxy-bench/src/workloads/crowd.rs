//! A thousand streams at once, and one client that sends short requests meanwhile.
//!
//! Half of the streams are slow readers of an endless source, a quarter are tunnels with a message
//! now and then, a quarter are event streams. Progress counts only while the crowd is measured,
//! after the buffers that were filled before are drained.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::figure::{Better, Figure, Figures, figure};
use crate::http::client::Client;
use crate::http::wire::{READ_SIZE, Wire, to_u64};
use crate::load::meter::{metered, percentiles};
use crate::peers::peer::Peer;
use crate::workloads::sizes::Sizes;
use crate::workloads::streams::ECHO;

/// How much a slow reader reads at a time, and how often.
const SLOW_READ: u64 = 16 * 1024;
const SLOW_READ_INTERVAL: Duration = Duration::from_millis(50);
/// How often a message is sent on a tunnel, and on an event stream.
const MESSAGE_INTERVAL: Duration = Duration::from_millis(250);
/// How often the client sends a request.
const REQUEST_INTERVAL: Duration = Duration::from_millis(2);
/// How long all connections may take to close.
const SETTLE_TIME: Duration = Duration::from_millis(300);

const QUIET50: Figure = figure("quiet_p50_us", "list alone, p50 us", Better::Lower, 0);
const QUIET99: Figure = figure("quiet_p99_us", "list alone, p99 us", Better::Lower, 0);
const BUSY50: Figure = figure("p50_us", "list in it, p50 us", Better::Lower, 0);
const BUSY99: Figure = figure("p99_us", "list in it, p99 us", Better::Lower, 0);
const CPU: Figure = figure("cpu_share", "CPU, share of one", Better::Lower, 2);
const SLOW: Figure = figure(
    "slow_min_kib_s",
    "slow reader, least KiB/s",
    Better::Higher,
    0,
);
const SAID: Figure = figure("echo_min_per_s", "echo, least 1/s", Better::Higher, 1);
const HEARD: Figure = figure("events_min_per_s", "events, least 1/s", Better::Higher, 1);
const STALLED: Figure = figure("stalled", "streams that stood still", Better::Lower, 0);

/// What a member of the crowd does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Slow,
    Echo,
    Events,
}

impl Kind {
    /// Half are slow readers, a quarter each the others, interleaved.
    const fn of(number: usize) -> Self {
        match number % 4 {
            0 | 2 => Self::Slow,
            1 => Self::Echo,
            _ => Self::Events,
        }
    }
}

/// A stream and its progress: bytes, echoes or pieces of events, depending on its kind.
#[derive(Debug)]
struct Member {
    kind: Kind,
    progress: Arc<AtomicU64>,
}

pub(crate) async fn run(peer: &Peer, sizes: &Sizes) -> io::Result<Figures> {
    let quiet = ask(&peer.socket, sizes.crowd_warm / 2).await?;
    let mut tasks = JoinSet::new();
    let mut members = Vec::new();
    for number in 0..sizes.crowd {
        let kind = Kind::of(number);
        let wire = open(&peer.socket, kind).await?;
        let progress = Arc::new(AtomicU64::new(0));
        members.push(Member {
            kind,
            progress: Arc::clone(&progress),
        });
        tasks.spawn(live(wire, kind, progress));
    }
    sleep(sizes.crowd_warm).await;
    let before = snapshot(&members);
    let asked = ask(&peer.socket, sizes.crowd_time);
    let (busy, wall, used) = metered(peer, asked).await?;
    let after = snapshot(&members);
    // They run until they are ended here: one that has ended by itself was cut off.
    if let Some(ended) = tasks.try_join_next() {
        let error = ended.map_err(io::Error::other)?;
        return Err(io::Error::other(format!(
            "a stream of the crowd failed: {error}"
        )));
    }
    tasks.shutdown().await;
    sleep(SETTLE_TIME).await;

    let moved: Vec<(Kind, u64)> = members
        .iter()
        .zip(before.iter().zip(&after))
        .map(|(member, (before, after))| (member.kind, after - before))
        .collect();
    let seconds = wall.as_secs_f64();
    let mut figures = percentiles(quiet, &[(QUIET50, 500), (QUIET99, 990)]);
    figures.extend(percentiles(busy, &[(BUSY50, 500), (BUSY99, 990)]));
    if let Some(used) = used {
        figures.push((CPU, used.as_secs_f64() / seconds));
    }
    figures.push((SLOW, least(&moved, Kind::Slow) as f64 / 1024.0 / seconds));
    figures.push((SAID, least(&moved, Kind::Echo) as f64 / seconds));
    figures.push((HEARD, least(&moved, Kind::Events) as f64 / seconds));
    let stalled = moved.iter().filter(|(_, moved)| *moved == 0).count();
    figures.push((STALLED, to_u64(stalled) as f64));
    Ok(figures)
}

fn snapshot(members: &[Member]) -> Vec<u64> {
    let count = |member: &Member| member.progress.load(Ordering::Relaxed);
    members.iter().map(count).collect()
}

/// The least progress of all members of a kind.
fn least(moved: &[(Kind, u64)], kind: Kind) -> u64 {
    let of_kind = moved.iter().filter(|(other, _)| *other == kind);
    of_kind.map(|(_, moved)| *moved).min().unwrap_or(0)
}

async fn open(socket: &Path, kind: Kind) -> io::Result<Wire> {
    match kind {
        Kind::Slow => Client::tunnel(socket, "/v1.41/containers/source/attach").await,
        Kind::Echo => Client::tunnel(socket, ECHO).await,
        Kind::Events => {
            let every = MESSAGE_INTERVAL.as_millis();
            Client::stream(socket, &format!("/v1.41/events?every={every}")).await
        }
    }
}

/// Runs until the task is aborted. Returns only with an error.
async fn live(mut wire: Wire, kind: Kind, progress: Arc<AtomicU64>) -> io::Error {
    let ended = async {
        let every = match kind {
            Kind::Slow => SLOW_READ_INTERVAL,
            Kind::Echo => MESSAGE_INTERVAL,
            Kind::Events => loop {
                if wire.some(READ_SIZE).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                progress.fetch_add(1, Ordering::Relaxed);
            },
        };
        // Members start when they are opened, one after the other, and so do not act all at once.
        let mut clock = interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            if kind == Kind::Slow {
                wire.exactly(SLOW_READ).await?;
                progress.fetch_add(SLOW_READ, Ordering::Relaxed);
            } else {
                wire.write(b"a word\n").await?;
                wire.exactly(7).await?;
                progress.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let ended: io::Result<()> = ended.await;
    ended
        .err()
        .unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Requests a list repeatedly on one connection. Returns the latency of each answer.
async fn ask(socket: &Path, time: Duration) -> io::Result<Vec<Duration>> {
    let mut client = Client::connect(socket).await?;
    let mut clock = interval(REQUEST_INTERVAL);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut took = Vec::new();
    let since = Instant::now();
    while since.elapsed() < time {
        clock.tick().await;
        let asked = Instant::now();
        client.fetch("/v1.41/containers/json").await?;
        took.push(asked.elapsed());
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_are_slow() {
        let kinds: Vec<Kind> = (0..1000).map(Kind::of).collect();
        let count = |kind| kinds.iter().filter(|&&other| other == kind).count();
        assert_eq!(count(Kind::Slow), 500);
        assert_eq!(count(Kind::Echo), 250);
        assert_eq!(count(Kind::Events), 250);
    }

    #[test]
    fn the_least_is_of_its_kind() {
        let moved = [(Kind::Slow, 5), (Kind::Echo, 1), (Kind::Slow, 3)];
        assert_eq!(least(&moved, Kind::Slow), 3);
        assert_eq!(least(&moved, Kind::Events), 0);
    }
}
