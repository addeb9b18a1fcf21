//! Whether doxy lives: whether it answers at each of its addresses, and, if that is asked too, whether its
//! engines do.
//!
//! Any answer of doxy's counts, a refusal and the 503 of a full doxy too. A connection does not: the kernel
//! makes one for a process that hangs. Nor does an answer without doxy's own sign. This runs every few
//! seconds, so it reads no policy. It never tries to mend anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use doxy_filter::api::PING;
use doxy_proxy::log::probe::{HEALTHCHECK, OWN_ANSWER};
use doxy_proxy::{GetError, Shown, TlsClient, Upstream, UpstreamAddr, io_reason, shown};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::{ConfigError, ListenConfig, Reach};
use crate::startup::engine_for_tool;
use crate::tools::at_once::permits;

/// The pause before an address is tried again that has closed the connection without an answer.
const PAUSE: Duration = Duration::from_millis(50);

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
    /// A doxy: anything that it says itself.
    Doxy(Upstream),
    /// The same over TLS, whatever its certificate: an old one does not make it dead.
    DoxyOverTls(SocketAddr),
    /// A doxy that wants a certificate, and there is none: anything of TLS.
    DoxyForCertificates(SocketAddr),
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
                ListenConfig::Unix(unix) if socket.is_engine(&unix.path) => {
                    let address = &bind.listen;
                    health
                        .faults
                        .push(format!("{address}: the proxy socket is the engine's own"));
                    continue;
                }
                ListenConfig::Unix(unix) => doxy(UpstreamAddr::Unix(unix.path.clone())),
                ListenConfig::Tcp(address) => match &socket.tls {
                    None => doxy(UpstreamAddr::Tcp(address.to_string())),
                    Some(files) if files.client_ca.is_none() => Asked::DoxyOverTls(*address),
                    Some(_) => Asked::DoxyForCertificates(*address),
                },
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
            let of_engine = matches!(asked, Asked::Engine(_));
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
            (at, of_engine, fault)
        });
    }
    let mut faults = vec![];
    for (at, of_engine, fault) in looks.join_all().await {
        match (fault, of_engine) {
            (Some(fault), _) => faults.push((at, fault)),
            (None, true) => health.engines += 1,
            (None, false) => health.answering += 1,
        }
    }
    // In the order of the settings.
    faults.sort();
    let faults = faults.into_iter().map(|(_, fault)| fault);
    health.faults.extend(faults);
    Ok(health)
}

/// Whether there is an answer, or why there is none.
async fn answers(asked: &Asked, time: Duration) -> Result<(), String> {
    match asked {
        Asked::Doxy(doxy) => doxy_answers(doxy).await,
        Asked::DoxyOverTls(address) => match tls_answers(*address).await? {
            Shown::Certificate(shown) => {
                let client = TlsClient::pinned_to(shown).map_err(|error| error.what)?;
                let at = UpstreamAddr::Tcp(address.to_string());
                doxy_answers(&Upstream::with_tls(at, time.saturating_mul(2), client)).await
            }
            Shown::Refused(_) => Ok(()),
            Shown::NotTls => Err("no TLS is spoken there".to_owned()),
        },
        Asked::DoxyForCertificates(address) => match tls_answers(*address).await? {
            Shown::Certificate(_) | Shown::Refused(_) => Ok(()),
            Shown::NotTls => Err("no TLS is spoken there".to_owned()),
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

/// Asks for what doxy answers itself, whatever its policy says and however its engine is: a path with a slash
/// too many. One who is a stranger too many in a crowd gets no answer from a doxy that lives: a connection
/// that was closed is tried again until the time is over.
async fn doxy_answers(doxy: &Upstream) -> Result<(), String> {
    let target = format!("/{PING}");
    loop {
        match doxy.get(&target, HEALTHCHECK).await {
            Ok(answer) if answer.headers().contains_key(OWN_ANSWER) => return Ok(()),
            Ok(_) => return Err("what answers there is not doxy".to_owned()),
            Err(GetError::Closed) => sleep(PAUSE).await,
            Err(error) => return Err(error.to_string()),
        }
    }
}

async fn tls_answers(address: SocketAddr) -> Result<Shown, String> {
    loop {
        match shown(address).await {
            Ok(shown) => return Ok(shown),
            Err(error) if !has_closed(&error) => return Err(io_reason(&error)),
            Err(_) => sleep(PAUSE).await,
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
