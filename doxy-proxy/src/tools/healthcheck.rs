//! Whether doxy lives: whether it answers at each of its addresses, and, if that is asked too, whether its
//! engines do.
//!
//! Any answer counts, a denial and the 503 of a full doxy too. A connection does not: the kernel makes
//! one for a process that hangs. This runs every few seconds, so it reads no policy. It never tries to
//! mend anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use doxy_filter::api::PING;
use doxy_proxy::log::probe::HEALTHCHECK;
use doxy_proxy::{GetError, Upstream, UpstreamAddr, io_reason, shown};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::{ConfigError, ListenConfig, Reach};
use crate::startup::engine_for_tool;
use crate::tools::at_once::permits;

/// The pause before an address is tried again that has closed the connection without an answer.
const PAUSE: Duration = Duration::from_millis(50);

/// When at the latest doxy is asked what it answers without its engine: a path with a slash too many.
const SOON: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// How many addresses of doxy's answer.
    pub(crate) answering: usize,
    /// How many engines answer.
    pub(crate) engines: usize,
    /// What does not answer, and why.
    pub(crate) faults: Vec<String>,
    /// Addresses that the settings do not say.
    pub(crate) skipped: Vec<String>,
}

/// What is to answer.
enum Asked {
    /// A doxy: anything.
    Doxy(Upstream),
    /// A doxy that speaks TLS: anything of TLS. It may want a certificate, and there is none.
    DoxyOverTls(SocketAddr),
    /// An engine: that it is there.
    Engine(Upstream),
}

/// Looks at all addresses of these sockets at the same time, and at their engines if those are to be
/// `ready`. Returns after `time` at the latest.
pub(crate) async fn check(
    sockets: &[Reach],
    ready: bool,
    time: Duration,
) -> Result<Health, ConfigError> {
    let until = Instant::now() + time;
    let mut health = Health::default();
    let mut all = vec![];
    // A clock of its own must not end what `until` ends.
    let patience = time.saturating_mul(2);
    for socket in sockets {
        for bind in &socket.binds {
            let doxy = |at| Asked::Doxy(Upstream::new(at, patience));
            let asked = match &bind.listen {
                ListenConfig::Unix(unix) => doxy(UpstreamAddr::Unix(unix.path.clone())),
                ListenConfig::Tcp(address) if socket.tls.is_some() => Asked::DoxyOverTls(*address),
                ListenConfig::Tcp(address) => doxy(UpstreamAddr::Tcp(address.to_string())),
                ListenConfig::Inherited(_) => {
                    health.skipped.push(bind.listen.to_string());
                    continue;
                }
            };
            all.push((bind.listen.to_string(), asked));
        }
    }
    if ready {
        let mut engines: Vec<&UpstreamAddr> = vec![];
        for socket in sockets {
            if engines.contains(&&socket.engine) {
                continue;
            }
            engines.push(&socket.engine);
            let engine = engine_for_tool(&socket.engine, socket.engine_tls.as_ref(), patience)?;
            all.push((
                format!("the engine at {}", socket.engine),
                Asked::Engine(engine),
            ));
        }
    }
    let (mut looks, permits) = (JoinSet::new(), permits());
    for (at, (name, asked)) in all.into_iter().enumerate() {
        let permits = Arc::clone(&permits);
        looks.spawn(async move {
            let is_engine = matches!(asked, Asked::Engine(_));
            let answered = timeout_at(until, async {
                let _permit = permits.acquire().await;
                answers(&asked, time).await
            });
            let answered = answered.await;
            let late = humantime::format_duration(time);
            let fault = match answered {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some(format!("{name}: {why}")),
                Err(_) => Some(format!("{name}: no answer within {late}")),
            };
            (at, is_engine, fault)
        });
    }
    let mut faults = vec![];
    for (at, is_engine, fault) in looks.join_all().await {
        match (fault, is_engine) {
            (Some(fault), _) => faults.push((at, fault)),
            (None, true) => health.engines += 1,
            (None, false) => health.answering += 1,
        }
    }
    // In the order of the settings.
    faults.sort();
    health.faults = faults.into_iter().map(|(_, fault)| fault).collect();
    Ok(health)
}

/// Whether there is an answer, or why there is none.
async fn answers(asked: &Asked, time: Duration) -> Result<(), String> {
    match asked {
        // A ping that is allowed is the engine's to answer, and that one may hang.
        Asked::Doxy(doxy) => tokio::select! {
            answered = doxy_answers(doxy, PING) => answered,
            answered = async {
                sleep((time / 4).min(SOON)).await;
                doxy_answers(doxy, &format!("/{PING}")).await
            } => answered,
        },
        Asked::DoxyOverTls(address) => loop {
            match shown(*address).await {
                Ok(_) => return Ok(()),
                Err(error) if !has_closed(&error) => return Err(io_reason(&error)),
                Err(_) => sleep(PAUSE).await,
            }
        },
        Asked::Engine(engine) => {
            let answer = engine.get(PING, HEALTHCHECK).await;
            match answer.map_err(|error| error.to_string())?.status() {
                status if status.is_success() => Ok(()),
                status => Err(format!("it answered {}", status.as_u16())),
            }
        }
    }
}

/// One who is a stranger too many in a crowd gets no answer from a doxy that lives: a connection that was
/// closed is tried again until the time is over.
async fn doxy_answers(doxy: &Upstream, target: &str) -> Result<(), String> {
    loop {
        match doxy.get(target, HEALTHCHECK).await {
            Ok(_) => return Ok(()),
            Err(GetError::Closed) => sleep(PAUSE).await,
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn has_closed(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
    ];
    kinds.contains(&error.kind())
}
