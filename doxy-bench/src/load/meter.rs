//! What a piece of work takes: wall time, CPU time of the peer, and percentiles of latency.
//!
//! It does not know what the work is.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::figure::{Better, Figure, Figures, figure};
use crate::peers::peer::Peer;
use crate::process::usage::cpu;
use crate::stats::percentile;

pub(crate) const P50: Figure = figure("p50_us", "p50 us", Better::Lower, 0);
pub(crate) const P90: Figure = figure("p90_us", "p90 us", Better::Lower, 0);
pub(crate) const P99: Figure = figure("p99_us", "p99 us", Better::Lower, 0);
pub(crate) const P999: Figure = figure("p999_us", "p99.9 us", Better::Lower, 0);

/// What a peer does after the last byte is part of the work: it closes connections and writes its
/// log, which doxy buffers for some 50 ms.
const AFTER: Duration = Duration::from_millis(100);

/// Runs `work`. Returns its result, its wall time, and the CPU time of the peer.
pub(crate) async fn metered<T>(
    peer: &Peer,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<(T, Duration, Option<Duration>)> {
    let before = peer.pid().map(cpu).transpose()?;
    let since = Instant::now();
    let done = work.await?;
    let wall = since.elapsed();
    sleep(AFTER).await;
    let after = peer.pid().map(cpu).transpose()?;
    let used = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok((done, wall, used))
}

/// The wanted percentiles, named in permille, in microseconds.
pub(crate) fn percentiles(mut took: Vec<Duration>, wanted: &[(Figure, usize)]) -> Figures {
    took.sort_unstable();
    wanted
        .iter()
        .filter_map(|&(figure, permille)| {
            let value = percentile(&took, permille)?;
            Some((figure, value.as_secs_f64() * 1e6))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_microseconds() {
        let took = (1..=1000).rev().map(Duration::from_millis).collect();
        let wanted = [(P50, 500), (P90, 900), (P99, 990), (P999, 999)];
        let values: Vec<f64> = percentiles(took, &wanted)
            .into_iter()
            .map(|(_, value)| value.round())
            .collect();
        assert_eq!(values, [500_000.0, 900_000.0, 990_000.0, 999_000.0]);
    }
}
