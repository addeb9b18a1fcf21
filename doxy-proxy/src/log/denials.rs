//! Denials in the log of the process: the first of each kind, then how many there were.
//!
//! A kind is an endpoint, a peer (by user, address or certificate) and the place in the script that
//! denied it, on one socket. Nobody reads an access log that is off, so without this a wrong policy is
//! silent. An allowed request never comes here. A denial that repeats
//! the one before it on its connection costs a comparison. Nothing here decides anything.

mod kinds;

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use doxy_filter::Request;
use doxy_filter::api::{Endpoint, endpoint_of};

pub use self::kinds::DeniedKind;

use crate::facts::{Reason, Verdict};
use crate::log::date::since_1970;
use crate::log::denials::kinds::{FirstSeen, Kind, Kinds, MAX_KINDS, Seen};
use crate::log::escape::escaped;
use crate::log::limit::LineLimit;
use crate::net::peer::Identity;

/// How many kinds are told of at the end.
const MAX_TOLD: usize = 20;
/// The longest path that a connection keeps for comparison, in bytes.
const MAX_COMPARED: usize = 256;
/// The longest path in a line, in characters.
const MAX_SHOWN: usize = 200;

/// The denials of one socket.
#[derive(Debug)]
pub(crate) struct Denials {
    socket: Arc<str>,
    kinds: Mutex<Kinds>,
    /// Who was told to have no connection, and why.
    told: Mutex<HashSet<(Identity, String)>>,
    lines: LineLimit,
}

/// The last denial on a connection: clients often repeat themselves.
#[derive(Debug)]
pub(crate) struct LastDenial {
    method: Box<str>,
    path: Box<str>,
    kind: Kind,
    seen: Arc<Seen>,
}

/// The first denial of its kind, until it is known why.
#[derive(Debug)]
pub(crate) struct FirstDenial {
    /// Method and path, as they may stand in a log.
    request: String,
    peer: Identity,
    endpoint: Option<&'static Endpoint>,
    seen: Arc<Seen>,
}

impl Denials {
    pub(crate) fn new(socket: Arc<str>) -> Self {
        Self {
            socket,
            kinds: Mutex::default(),
            told: Mutex::default(),
            lines: LineLimit::default(),
        }
    }

    /// The name of the socket.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    /// Counts a denial, by the script if it has a place. The first of its kind is returned, to be
    /// logged with its reason.
    pub(crate) fn count(
        &self,
        request: &Request<'_>,
        peer: Identity,
        place: Option<&str>,
        last: &Mutex<Option<LastDenial>>,
    ) -> Option<Box<FirstDenial>> {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && *last.path == *request.path
            && *last.method == *request.method
            && last.kind.place.as_deref() == place
        {
            self.one_more(&last.kind, &last.seen);
            return None;
        }
        let endpoint = endpoint_of(request.method, request.path);
        let kind = Kind {
            endpoint: endpoint.map_or(("", ""), |it| (it.method, it.template)),
            peer,
            place: place.map(Arc::from),
        };
        let (seen, first) = self.kinds().seen(&kind);
        self.one_more(&kind, &seen);
        *last = (request.path.len() + request.method.len() <= MAX_COMPARED).then(|| LastDenial {
            method: request.method.into(),
            path: request.path.into(),
            kind,
            seen: Arc::clone(&seen),
        });
        first.then(|| {
            let shown: String = request.path.chars().take(MAX_SHOWN).collect();
            let rest = if shown.len() < request.path.len() {
                "\u{2026}"
            } else {
                ""
            };
            let method: String = request.method.chars().take(MAX_SHOWN).collect();
            let request = format!("{method} {shown}{rest}");
            Box::new(FirstDenial {
                request: escaped(request.as_bytes()).into_owned(),
                peer,
                endpoint,
                seen,
            })
        })
    }

    /// Logs the first denial of a kind. `why` may stand in a log.
    pub(crate) fn log(
        &self,
        verdict: Verdict,
        (reason, rule): (Reason, &str),
        first: &FirstDenial,
        why: &str,
    ) {
        let FirstDenial {
            request,
            peer,
            endpoint,
            seen,
        } = first;
        let _ = seen.first.set(Box::new(FirstSeen {
            at: since_1970(SystemTime::now()).as_secs(),
            request: request.clone(),
            endpoint: *endpoint,
            verdict,
            reason,
            rule: rule.to_owned(),
        }));
        if self.may_write() {
            let socket = &self.socket;
            let verdict = verdict.name();
            tracing::warn!(
                "{verdict} {request} to {peer} on {socket}: {why} (told once, then counted)"
            );
        }
    }

    /// Logs why a client has no connection at all.
    ///
    /// Told once for each peer and reason.
    pub(crate) fn not_connected(&self, peer: Identity, why: &impl std::fmt::Display) {
        let line = (peer, why.to_string());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&line) || !self.may_write() {
            return;
        }
        if told.len() >= MAX_KINDS {
            told.clear();
        }
        let (why, socket) = (escaped(line.1.as_bytes()), &self.socket);
        tracing::warn!("no connection for {peer} on {socket}: {why} (told once)");
        told.insert(line);
    }

    fn one_more(&self, kind: &Kind, seen: &Seen) {
        seen.last
            .store(since_1970(SystemTime::now()).as_secs(), Relaxed);
        let now = seen.count.fetch_add(1, Relaxed) + 1;
        // A first look that few numbers pass.
        if now.is_multiple_of(10) && is_power_of_ten(now) && self.may_write() {
            tracing::warn!("{}", self.told(kind, now));
        }
    }

    /// What was denied so far, the most often first: how often, and what.
    pub(crate) fn so_far(&self) -> Vec<(u64, String)> {
        let kinds = self.kinds();
        let counts = kinds.counts.iter();
        let mut counts: Vec<_> = counts
            .map(|(kind, seen)| (seen.count.load(Relaxed), kind))
            .collect();
        counts.sort_unstable_by(|(more, one), (less, other)| (less, one).cmp(&(more, other)));
        let told = counts.into_iter().map(|(count, kind)| {
            let (what, by) = kind.words();
            (count, format!("{what}{by}"))
        });
        told.collect()
    }

    /// What was denied so far, the latest first.
    pub(crate) fn kinds_so_far(&self) -> Vec<DeniedKind> {
        self.kinds().known()
    }

    fn told(&self, kind: &Kind, count: u64) -> String {
        let (what, by) = kind.words();
        let (peer, socket) = (kind.peer, &self.socket);
        format!("denied {count} times: {what} to {peer} on {socket}{by}")
    }

    /// Whether another line may be written now. Who comes from many
    /// addresses could fill a disk.
    fn may_write(&self) -> bool {
        let dropped = self.lines.admit();
        if let Some(dropped @ 1..) = dropped {
            tracing::warn!(
                "({dropped} lines about denials and clients without a connection not logged)"
            );
        }
        dropped.is_some()
    }

    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the socket is no longer served: the counts that nobody has been told.
impl Drop for Denials {
    fn drop(&mut self) {
        let counts = self.kinds().counts.drain().collect::<Vec<_>>();
        let counts = counts
            .into_iter()
            .map(|(kind, seen)| (seen.count.load(Relaxed), kind));
        let mut counts: Vec<_> = counts.filter(|(count, _)| *count > 1).collect();
        counts.sort_unstable_by(|(more, one), (less, other)| (less, one).cmp(&(more, other)));
        for (count, kind) in counts.iter().take(MAX_TOLD) {
            tracing::info!("{}", self.told(kind, *count));
        }
        if let Some(more @ 1..) = counts.len().checked_sub(MAX_TOLD) {
            tracing::info!("other kinds of denials: {more}");
        }
    }
}

fn is_power_of_ten(mut number: u64) -> bool {
    while number >= 10 && number.is_multiple_of(10) {
        number /= 10;
    }
    number == 1
}

#[cfg(test)]
mod tests;
