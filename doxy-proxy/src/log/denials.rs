//! Denials in the log of the process: the first of each kind, then how many there were.
//!
//! A kind is an endpoint, a peer (by user, address or certificate) and the place in the script that
//! denied it, on one socket. Nobody reads an access log that is off, so without this a wrong policy is
//! silent. An allowed request never comes here. A denial that repeats
//! the one before it on its connection costs a comparison. Nothing here decides anything.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doxy_filter::Request;
use doxy_filter::api::endpoint_of;

use crate::log::escape::escaped;
use crate::log::facts::Verdict;
use crate::log::limit::LineLimit;
use crate::net::peer::Identity;

/// How many kinds are kept. The oldest gives way to a new one, whose first denial is then logged.
const MAX_KINDS: usize = 1000;
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

#[derive(Debug, Default)]
struct Kinds {
    counts: HashMap<Kind, Arc<AtomicU64>>,
    /// The oldest is in front.
    order: VecDeque<Kind>,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    /// Method and template; empty where the engine serves nothing.
    endpoint: (&'static str, &'static str),
    peer: Identity,
    /// Where the script denied it. None if rules did.
    place: Option<Arc<str>>,
}

/// The last denial on a connection: clients often repeat themselves.
#[derive(Debug)]
pub(crate) struct LastDenial {
    method: Box<str>,
    path: Box<str>,
    kind: Kind,
    count: Arc<AtomicU64>,
}

/// The first denial of its kind, until it is known why.
#[derive(Debug)]
pub(crate) struct FirstDenial {
    /// Method and path, as they may stand in a log.
    request: String,
    peer: Identity,
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
            self.one_more(&last.kind, &last.count);
            return None;
        }
        let endpoint = endpoint_of(request.method, request.path);
        let kind = Kind {
            endpoint: endpoint.map_or(("", ""), |it| (it.method, it.template)),
            peer,
            place: place.map(Arc::from),
        };
        let (count, first) = self.kinds().count_of(&kind);
        self.one_more(&kind, &count);
        *last = (request.path.len() + request.method.len() <= MAX_COMPARED).then(|| LastDenial {
            method: request.method.into(),
            path: request.path.into(),
            kind,
            count,
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
            })
        })
    }

    /// Logs the first denial of a kind. `why` may stand in a log.
    pub(crate) fn log(&self, verdict: Verdict, first: &FirstDenial, why: &str) {
        if self.may_write() {
            let FirstDenial { request, peer } = first;
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

    fn one_more(&self, kind: &Kind, count: &AtomicU64) {
        let now = count.fetch_add(1, Relaxed) + 1;
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
            .map(|(kind, count)| (count.load(Relaxed), kind))
            .collect();
        counts.sort_unstable_by(|(more, one), (less, other)| (less, one).cmp(&(more, other)));
        let told = counts.into_iter().map(|(count, kind)| {
            let (what, by) = kind.words();
            (count, format!("{what}{by}"))
        });
        told.collect()
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
            .map(|(kind, count)| (count.load(Relaxed), kind));
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

impl Kind {
    /// What was denied, and by which place of a script.
    fn words(&self) -> (String, String) {
        let what = match self.endpoint {
            ("", _) => "paths that the engine does not serve".to_owned(),
            (method, template) => format!("{method} {template}"),
        };
        let by = match self.place.as_deref().unwrap_or_default() {
            "" => String::new(),
            place => format!(", by {}", escaped(place.as_bytes())),
        };
        (what, by)
    }
}

impl Kinds {
    /// The count of a kind, and whether the kind is new.
    fn count_of(&mut self, kind: &Kind) -> (Arc<AtomicU64>, bool) {
        if let Some(count) = self.counts.get(kind) {
            return (Arc::clone(count), false);
        }
        if self.order.len() >= MAX_KINDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        let count = Arc::<AtomicU64>::default();
        self.counts.insert(kind.clone(), Arc::clone(&count));
        self.order.push_back(kind.clone());
        (count, true)
    }
}

fn is_power_of_ten(mut number: u64) -> bool {
    while number >= 10 && number.is_multiple_of(10) {
        number /= 10;
    }
    number == 1
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::Ordering::Relaxed;

    use super::{Denials, Identity, LastDenial, MAX_KINDS, Request, is_power_of_ten};

    struct Connection(Mutex<Option<LastDenial>>);

    impl Connection {
        /// What is logged about a denial on this connection, if it is the first of its kind.
        fn first(&self, denials: &Denials, line: &str, uid: u32) -> Option<String> {
            self.first_at(denials, line, uid, None)
        }

        fn first_at(
            &self,
            denials: &Denials,
            line: &str,
            uid: u32,
            place: Option<&str>,
        ) -> Option<String> {
            let (method, path) = line.split_once(' ').unwrap_or_default();
            let request = Request {
                method,
                path,
                query: None,
            };
            let first = denials.count(&request, Identity::User(uid), place, &self.0)?;
            Some(first.request)
        }
    }

    fn denials() -> Denials {
        Denials::new("/run/doxy.sock".into())
    }

    fn counts(denials: &Denials) -> Vec<u64> {
        let kinds = denials.kinds();
        let counts = kinds.order.iter().filter_map(|kind| kinds.counts.get(kind));
        counts.map(|count| count.load(Relaxed)).collect()
    }

    #[test]
    fn the_first_of_each_endpoint_and_peer_is_told_and_all_are_counted() {
        let denials = denials();
        let (one, other) = (Connection(Mutex::default()), Connection(Mutex::default()));
        for (connection, line, uid, told) in [
            (&one, "GET /v1.41/containers/web/export", 1, true),
            (&one, "GET /v1.41/containers/web/export", 1, false),
            (&one, "GET /v1.41/containers/db/export", 1, false),
            (&one, "GET /v1.41/containers/web/export", 1, false),
            // Another endpoint, another method, another peer.
            (&one, "GET /v1.41/containers/web/logs", 1, true),
            (&one, "POST /v1.41/containers/web/export", 1, true),
            (&one, "GET /no/endpoint", 1, false),
            (&other, "GET /v1.41/containers/web/export", 1, false),
            (&other, "GET /v1.41/containers/x/export", 2, true),
        ] {
            let first = connection.first(&denials, line, uid);
            assert_eq!(first.as_deref(), told.then_some(line), "{line} {uid}");
        }
        assert_eq!(counts(&denials), [5, 1, 2, 1]);
    }

    #[test]
    fn another_place_in_the_script_is_told_too() {
        let (denials, connection) = (denials(), Connection(Mutex::default()));
        let line = "POST /v1.41/containers/create";
        for (place, told) in [
            (Some("p.rhai:1:5"), true),
            (Some("p.rhai:1:5"), false),
            // What the connection remembers is not enough.
            (Some("p.rhai:2:5"), true),
            (Some("p.rhai:1:5"), false),
            (None, true),
            (Some("p.rhai:2:5"), false),
        ] {
            let first = connection.first_at(&denials, line, 1, place);
            assert_eq!(first.is_some(), told, "{place:?}");
        }
        assert_eq!(counts(&denials), [3, 2, 1]);
    }

    #[test]
    fn the_oldest_kind_gives_way() {
        let denials = denials();
        let connection = Connection(Mutex::default());
        let first = |uid| connection.first(&denials, "GET /info", uid).is_some();
        for uid in 0..1000 {
            // Another request in between, so that the connection remembers nothing.
            assert!(first(uid), "{uid}");
            connection
                .0
                .lock()
                .unwrap_or_else(|it| it.into_inner())
                .take();
        }
        let told_again = |uid| {
            connection
                .0
                .lock()
                .unwrap_or_else(|it| it.into_inner())
                .take();
            first(uid)
        };
        assert!(!told_again(0));
        assert!(told_again(1000));
        assert!(told_again(0), "the oldest is forgotten");
        assert!(!told_again(2));
        assert_eq!(counts(&denials).len(), MAX_KINDS);
    }

    #[test]
    fn what_is_told_is_on_one_line_and_not_long() {
        let (denials, connection) = (denials(), Connection(Mutex::default()));
        let path = format!("GET /\u{1b}\n{}", "\u{e9}".repeat(5000));
        let told = connection.first(&denials, &path, 0).unwrap_or_default();
        assert!(!told.contains(char::is_control), "{told}");
        assert!(told.ends_with('\u{2026}') || told.len() < 2000, "{told}");
    }

    #[test]
    fn powers_of_ten() {
        let found: Vec<_> = (1..=10_000).filter(|it| is_power_of_ten(*it)).collect();
        assert_eq!(found, [1, 10, 100, 1000, 10_000]);
    }
}
