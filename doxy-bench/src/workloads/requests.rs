//! Short requests: CPU time per request, requests per second, latency.

use std::io;
use std::time::{Duration, Instant};

use crate::engine;
use crate::figure::{Better, Figure, Figures, figure};
use crate::http::answer::Expected;
use crate::http::wire::to_u64;
use crate::load::flood::{Ask, Flood};
use crate::load::meter::{P50, P90, P99, P999, metered, percentiles};
use crate::load::pace::Pace;
use crate::peers::peer::Peer;
use crate::process::affinity::move_here;

pub(crate) const CPU: Figure = figure("cpu_us_per_request", "CPU us/request", Better::Lower, 2);
pub(crate) const RATE: Figure = figure("requests_per_s", "requests/s", Better::Higher, 0);

/// The request, and the number of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    /// The expected answer is a denial.
    pub(crate) denied: bool,
    /// Each request has a connection of its own.
    pub(crate) once: bool,
    /// The proxy runs on the CPU of engine and driver: waking another CPU takes longer than
    /// everything else that happens to a single request.
    pub(crate) here: bool,
}

/// A list of containers, over 32 connections.
pub(crate) const LIST: Shape = Shape {
    path: "/v1.41/containers/json",
    connections: 32,
    denied: false,
    once: false,
    here: false,
};

/// The rate and the duration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) time: Duration,
    /// Requests per second; `None` is as fast as possible.
    pub(crate) rate: Option<u32>,
}

pub(crate) async fn run(peer: &Peer, shape: Shape, speed: Speed) -> io::Result<Figures> {
    let close = if shape.once {
        "Connection: close\r\n"
    } else {
        ""
    };
    let ask = Ask {
        request: format!(
            "GET {} HTTP/1.1\r\nHost: docker\r\nUser-Agent: doxy-bench\r\n{close}\r\n",
            shape.path
        ),
        wanted: match shape.denied {
            true => Expected {
                status: 403,
                size: None,
            },
            false => Expected {
                status: 200,
                size: Some(to_u64(engine::LIST)),
            },
        },
        once: shape.once,
    };
    let _here = match (shape.here, peer.pid()) {
        (true, Some(pid)) => Some(move_here(pid)?),
        _ => None,
    };
    let address = peer.address();
    let mut flood = Flood::new(&address, &ask, shape.connections)?;
    flood.warm_up()?;
    let (took, wall, used) = metered(peer, async {
        let now = Instant::now();
        flood.at(match speed.rate {
            Some(rate) => Pace::fixed(now, rate, speed.time),
            None => Pace::flat_out(now, speed.time),
        })
    })
    .await?;

    let count = to_u64(took.len()) as f64;
    let mut figures: Figures = Vec::new();
    if let Some(used) = used {
        figures.push((CPU, used.as_secs_f64() * 1e6 / count));
    }
    figures.push((RATE, count / wall.as_secs_f64()));
    figures.extend(percentiles(
        took,
        &[(P50, 500), (P90, 900), (P99, 990), (P999, 999)],
    ));
    Ok(figures)
}
