//! Who has a place on the admin side, and whose connection is closed when there is none left.
//!
//! Places are shared by peer: a user, an address, an IPv6 network. One that takes many must never keep
//! another from its first, nor itself from a scrape: connections that only wait give way. Nothing here
//! knows what is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use crate::metrics::counter::Counter;
use crate::net::peer::Identity;

/// How many connections are served at a time.
const MOST: usize = 64;
/// How many of them one peer has.
const MOST_OF_PEER: usize = 32;
/// How many may have asked for nothing yet: some have not even come through the handshake.
const MOST_NEW: usize = 32;
/// How many may be streams of events, and how many of one peer.
const MOST_STREAMS: usize = 32;
const MOST_STREAMS_OF_PEER: usize = 16;
/// After how long it is said again that places are short.
const SAY_AGAIN: Duration = Duration::from_secs(600);

/// Who was refused a place, or had to give one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// A connection that waited was closed for another.
    GaveWay,
    /// A connection was closed because there was no place for it.
    NoPlace,
    /// A stream of events was refused, or ended for another peer's.
    Stream,
}

const REFUSALS: [&str; 3] = ["gave_way", "no_place", "stream"];

/// How often a place was refused. A clone counts the same.
#[derive(Debug, Clone, Default)]
pub struct WebRefusals(Arc<[Counter; REFUSALS.len()]>);

impl WebRefusals {
    /// How often, by what was refused.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.into_iter().zip(self.0.iter().map(Counter::get))
    }
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    held: Mutex<Held>,
    refusals: WebRefusals,
}

#[derive(Debug, Default)]
struct Held {
    open: BTreeMap<u64, Connection>,
    /// A number for each connection, and for each change of what one does: later is larger.
    last: u64,
    /// When each refusal was said last.
    said: [Option<Instant>; REFUSALS.len()],
}

#[derive(Debug)]
struct Connection {
    peer: Identity,
    does: Does,
    since: u64,
    /// Told when it has to end.
    end: Arc<Notify>,
    /// Of all connections of this peer, one works out an answer at a time.
    turn: Arc<Semaphore>,
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    /// It has asked for nothing yet.
    New,
    /// It may ask again.
    Waits,
    Answers,
    Streams,
}

/// A place for one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    end: Arc<Notify>,
    turn: Arc<Semaphore>,
}

/// An answer that is being given: the connection waits again when this is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    pub(super) fn new(refusals: WebRefusals) -> Arc<Self> {
        let held = Mutex::default();
        Arc::new(Self { held, refusals })
    }

    /// Takes a place for a peer, or none if those who have one need it as much.
    pub(super) fn admit(self: &Arc<Self>, peer: Identity) -> Option<Place> {
        let mut held = self.held();
        while let Some(leaves) = held.leaves_for(peer) {
            match leaves {
                Some(number) => self.close(&mut held, number, Refusal::GaveWay),
                None => {
                    self.refuse(&mut held, peer, Refusal::NoPlace);
                    return None;
                }
            }
        }
        let end = Arc::new(Notify::new());
        let since = held.next();
        let turn = held.turn_of(peer);
        let connection = Connection {
            peer,
            does: Does::New,
            since,
            end: Arc::clone(&end),
            turn: Arc::clone(&turn),
        };
        held.open.insert(since, connection);
        Some(Place {
            places: Arc::clone(self),
            number: since,
            end,
            turn,
        })
    }

    fn close(&self, held: &mut Held, number: u64, refusal: Refusal) {
        if let Some(closed) = held.open.remove(&number) {
            closed.end.notify_one();
            self.refuse(held, closed.peer, refusal);
        }
    }

    /// Counts a refusal, and says so now and then.
    fn refuse(&self, held: &mut Held, peer: Identity, refusal: Refusal) {
        if let Some(counter) = self.refusals.0.get(refusal as usize) {
            counter.add(1);
        }
        let now = Instant::now();
        let said = held.said.get_mut(refusal as usize);
        let Some(said) = said.filter(|it| it.is_none_or(|it| now - it >= SAY_AGAIN)) else {
            return;
        };
        *said = Some(now);
        let what = match refusal {
            Refusal::GaveWay => "too many connections: those that wait longest are closed",
            Refusal::NoPlace => "too many connections: further ones are closed",
            Refusal::Stream => "too many live pages: some get no figures",
        };
        tracing::warn!("admin side: {peer} has {what}");
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn turn_of(&self, peer: Identity) -> Arc<Semaphore> {
        let other = self.open.values().find(|it| it.peer == peer);
        other.map_or_else(|| Arc::new(Semaphore::new(1)), |it| Arc::clone(&it.turn))
    }

    /// Which connection has to leave before this peer gets one more: none if there is room, and
    /// `Some(None)` if it has no right to any.
    fn leaves_for(&self, peer: Identity) -> Option<Option<u64>> {
        let is_new = |it: &Connection| it.does == Does::New;
        if self.count(is_new) >= MOST_NEW {
            return Some(self.of_fullest(is_new).1);
        }
        let own = self.count(|it| it.peer == peer);
        if own >= MOST_OF_PEER {
            return Some(self.oldest(|it| it.peer == peer && it.does <= Does::Waits));
        }
        if self.open.len() < MOST {
            return None;
        }
        let (count, oldest) = self.of_fullest(|_| true);
        if count > own + 1 {
            return Some(oldest);
        }
        // All have about the same. Who waits connects again when it needs to.
        let more = |it: &Connection| self.count(|other| other.peer == it.peer) > own;
        Some(self.oldest(|it| it.does <= Does::Waits && more(it)))
    }

    /// Which stream has to end before this peer gets one more: none if there is room, and `Some(None)` if
    /// it has no right to any.
    fn ends_for(&self, peer: Identity) -> Option<Option<u64>> {
        let streams = |it: &Connection| it.does == Does::Streams;
        let own = self.count(|it| streams(it) && it.peer == peer);
        if own >= MOST_STREAMS_OF_PEER {
            return Some(None);
        }
        if self.count(streams) < MOST_STREAMS {
            return None;
        }
        let (count, oldest) = self.of_fullest(streams);
        Some(oldest.filter(|_| count > own + 1))
    }

    fn count(&self, counts: impl Fn(&Connection) -> bool) -> usize {
        self.open.values().filter(|it| counts(it)).count()
    }

    /// How many of these the peers with the most have, and which of theirs gives way first.
    fn of_fullest(&self, counts: impl Fn(&Connection) -> bool) -> (usize, Option<u64>) {
        let mut peers = BTreeMap::new();
        for one in self.open.values().filter(|it| counts(it)) {
            *peers.entry(one.peer).or_insert(0) += 1;
        }
        let most = peers.values().max().copied().unwrap_or_default();
        let has_most = |it: &Connection| peers.get(&it.peer) == Some(&most);
        (most, self.oldest(|it| counts(it) && has_most(it)))
    }

    /// The one of these that gives way first: one that has asked for nothing before one that waits, that
    /// before one at work, and of equals the one that has been so longest.
    fn oldest(&self, of: impl Fn(&Connection) -> bool) -> Option<u64> {
        let these = self.open.iter().filter(|(_, it)| of(it));
        let oldest = these.min_by_key(|(_, it)| (it.does, it.since));
        oldest.map(|(number, _)| *number)
    }

    fn set(&mut self, number: u64, does: Does) {
        let since = self.next();
        if let Some(connection) = self.open.get_mut(&number) {
            (connection.does, connection.since) = (does, since);
        }
    }
}

impl Place {
    /// Resolves when the connection has to end.
    pub(super) async fn ended(&self) {
        self.end.notified().await;
    }

    /// The turn of its peer.
    pub(super) fn turn(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turn)
    }

    /// Notes that a request has come.
    pub(super) fn answers(&self) -> Answering {
        self.places.held().set(self.number, Does::Answers);
        Answering {
            places: Arc::clone(&self.places),
            number: self.number,
        }
    }
}

impl Answering {
    /// Notes that the answer is a stream of events. False if its peer has enough of them.
    pub(super) fn streams(&self) -> bool {
        let mut held = self.places.held();
        let Some(peer) = held.open.get(&self.number).map(|it| it.peer) else {
            return false;
        };
        while let Some(ends) = held.ends_for(peer) {
            match ends {
                Some(number) => self.places.close(&mut held, number, Refusal::Stream),
                None => {
                    self.places.refuse(&mut held, peer, Refusal::Stream);
                    return false;
                }
            }
        }
        held.set(self.number, Does::Streams);
        true
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.places.held().set(self.number, Does::Waits);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.held().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
