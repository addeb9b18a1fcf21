//! Short requests: what each costs a proxy, how many it can serve, and how long they take.

use std::io;
use std::time::{Duration, Instant};

use crate::engine;
use crate::figure::{Better, Figure, Figures, figure};
use crate::http::answer::Wanted;
use crate::http::wire::wide;
use crate::load::flood::{Ask, Flood};
use crate::load::meter::{P50, P90, P99, P999, metered, percentiles};
use crate::load::pace::Pace;
use crate::peers::peer::Peer;
use crate::process::affinity::brought_here;

pub(crate) const CPU: Figure = figure("cpu_us_per_request", "CPU us/request", Better::Lower, 2);
pub(crate) const RATE: Figure = figure("requests_per_s", "requests/s", Better::Higher, 0);

/// What is asked for, and over how many connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    /// The answer is a denial, not a list.
    pub(crate) denied: bool,
    /// A connection for each request.
    pub(crate) once: bool,
    /// The proxy is on the CPU of engine and driver meanwhile: to wake another CPU takes longer
    /// than all else that happens to a single request.
    pub(crate) here: bool,
}

/// The usual list, over the usual number of connections.
pub(crate) const LIST: Shape = Shape {
    path: "/v1.41/containers/json",
    connections: 32,
    denied: false,
    once: false,
    here: false,
};

/// How fast, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) time: Duration,
    /// Requests per second; flat out if there is none.
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
            true => Wanted {
                status: 403,
                size: None,
            },
            false => Wanted {
                status: 200,
                size: Some(wide(engine::LIST)),
            },
        },
        once: shape.once,
    };
    let _here = match (shape.here, peer.pid()) {
        (true, Some(pid)) => Some(brought_here(pid)?),
        _ => None,
    };
    let mut flood = Flood::new(&peer.socket, &ask, shape.connections)?;
    flood.warm_up()?;
    let (took, wall, used) = metered(peer, async {
        let now = Instant::now();
        flood.at(match speed.rate {
            Some(rate) => Pace::fixed(now, rate, speed.time),
            None => Pace::flat_out(now, speed.time),
        })
    })
    .await?;

    let count = wide(took.len()) as f64;
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
