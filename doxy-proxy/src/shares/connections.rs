//! The connections of one socket: how many each peer has, and whose idle one is closed when there is
//! no place left.
//!
//! The thread that accepts decides; a connection only notes when it waits and when it does not, so no
//! request takes a lock. A connection with a request in progress is never closed from here.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::net::peer::Identity;

/// A connection with a request in progress, instead of the moment since when it waits.
const BUSY: u64 = u64::MAX;
/// A connection that has to make room for another.
const EVICTED: u64 = u64::MAX - 1;
/// How many peers are remembered before those without connections are forgotten.
const REMEMBERED: usize = 64;

/// How many connections are open on all sockets, and how many may be.
#[derive(Debug)]
pub(crate) struct Total {
    open: AtomicUsize,
    limit: usize,
}

/// Everything open on one socket. The thread that accepts owns it.
#[derive(Debug)]
pub(crate) struct Connections {
    /// How many may be open at a time.
    limit: usize,
    counted: Arc<Counted>,
    peers: BTreeMap<Identity, Arc<Account>>,
    /// When peers without connections are to be forgotten.
    forget_at: usize,
}

/// How many connections are open, and how many may be, with those kept for peers that have none.
#[derive(Debug)]
struct Counted {
    open: AtomicUsize,
    most: AtomicUsize,
    total: Arc<Total>,
    /// Told when none is open any more.
    ended: Notify,
}

/// The connections of one peer.
#[derive(Debug)]
struct Account {
    counted: Arc<Counted>,
    /// Those that are not about to make room.
    open: Mutex<Vec<Arc<Slot>>>,
}

/// What is known of one connection.
#[derive(Debug)]
struct Slot {
    account: Arc<Account>,
    /// The moment since when it waits for a request, or one of the constants.
    waits_since: AtomicU64,
    /// Where it is in its account; changed only under the account's lock.
    index: AtomicUsize,
    /// Doxy stops.
    stopping: AtomicBool,
    /// Whether there is a waker.
    watched: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// Ends the task.
    abort: OnceLock<AbortHandle>,
}

/// The way to cut a connection, which its task cannot have itself.
#[derive(Debug)]
pub(crate) struct Cutter(Arc<Slot>);

/// A place for one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Slot>);

impl Total {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            limit,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.load(Relaxed) >= self.limit
    }

    /// Whether one more may be opened; `first` is the first one of its peer.
    fn has_room(&self, first: bool) -> bool {
        !self.is_full() || first && self.open.load(Relaxed) < with_reserve(self.limit)
    }
}

/// A tenth of a limit is kept for peers that have no connection, beyond the limit: a peer that is
/// alone may use all of it.
fn with_reserve(limit: usize) -> usize {
    limit.saturating_add(limit.div_ceil(10))
}

impl Connections {
    /// A socket without connections, which counts in `total` too.
    pub(crate) fn new(limit: usize, total: Arc<Total>) -> Self {
        Self {
            limit,
            counted: Arc::new(Counted {
                open: AtomicUsize::new(0),
                most: AtomicUsize::new(with_reserve(limit)),
                total,
                ended: Notify::new(),
            }),
            peers: BTreeMap::new(),
            forget_at: REMEMBERED,
        }
    }

    /// Sets another limit, for connections that come from now on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.counted.most.store(with_reserve(limit), Relaxed);
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.counted.open.load(Relaxed)
    }

    /// Takes a place for a peer. When there is none, the peer with the most connections loses the one
    /// that has waited longest, if that leaves it at least as many as this peer has then.
    pub(crate) fn admit(&mut self, identity: Identity, now: u64) -> Option<Place> {
        let own = self.peers.get(&identity).map_or(0, |peer| peer.count());
        let (most, total) = (self.counted.most.load(Relaxed), &self.counted.total);
        let is_free = self.count() < self.limit && total.has_room(false)
            || self.count() <= most && self.evict(own)
            || own == 0 && self.count() < most && total.has_room(true);
        if !is_free {
            return None;
        }
        if self.peers.len() >= self.forget_at {
            self.peers.retain(|_, peer| Arc::strong_count(peer) > 1);
            self.forget_at = REMEMBERED.max(self.peers.len() * 2);
        }
        let account = self.peers.entry(identity).or_insert_with(|| {
            Arc::new(Account {
                counted: Arc::clone(&self.counted),
                open: Mutex::default(),
            })
        });
        let slot = Arc::new(Slot {
            account: Arc::clone(account),
            waits_since: AtomicU64::new(now.min(EVICTED - 1)),
            index: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            waker: Mutex::new(None),
            abort: OnceLock::new(),
        });
        account.enter(&slot);
        Some(Place(slot))
    }

    /// Closes an idle connection of a peer that has more than `own` and one more.
    pub(crate) fn evict(&self, own: usize) -> bool {
        let mut peers: Vec<_> = self
            .peers
            .values()
            .map(|peer| (peer.count(), peer))
            .filter(|(count, _)| *count > own.saturating_add(1))
            .collect();
        peers.sort_unstable_by_key(|(count, _)| std::cmp::Reverse(*count));
        peers.iter().any(|(_, peer)| peer.evict())
    }

    /// Has all connections end when the requests in progress have.
    pub(crate) fn stop(&self) {
        for peer in self.peers.values() {
            for slot in peer.open().iter() {
                slot.stopping.store(true, Release);
                slot.wake();
            }
        }
    }

    /// Resolves when no connection is open.
    pub(crate) async fn ended(&self) {
        loop {
            let ended = self.counted.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Ends all connections, in the middle of what they do.
    pub(crate) fn cut(&self) {
        for peer in self.peers.values() {
            for slot in peer.open().iter() {
                if let Some(task) = slot.abort.get() {
                    task.abort();
                }
            }
        }
    }
}

impl Account {
    fn open(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.open().len()
    }

    fn enter(&self, slot: &Arc<Slot>) {
        self.counted.open.fetch_add(1, Relaxed);
        self.counted.total.open.fetch_add(1, Relaxed);
        let mut open = self.open();
        slot.index.store(open.len(), Relaxed);
        open.push(Arc::clone(slot));
    }

    /// Takes a connection out, if it is in.
    fn leave(&self, slot: &Slot, open: &mut Vec<Arc<Slot>>) {
        let index = slot.index.load(Relaxed);
        if open
            .get(index)
            .is_some_and(|there| std::ptr::eq(&**there, slot))
        {
            open.swap_remove(index);
            if let Some(moved) = open.get(index) {
                moved.index.store(index, Relaxed);
            }
            self.counted.total.open.fetch_sub(1, Relaxed);
            if self.counted.open.fetch_sub(1, Relaxed) == 1 {
                self.counted.ended.notify_waiters();
            }
        }
    }

    /// Has the connection that has waited longest make room.
    fn evict(&self) -> bool {
        let mut open = self.open();
        loop {
            let waits = |slot: &&Arc<Slot>| slot.waits_since.load(Relaxed);
            let Some(slot) = open.iter().min_by_key(waits).map(Arc::clone) else {
                return false;
            };
            let since = waits(&&slot);
            if since >= EVICTED {
                return false;
            }
            // A request may have come meanwhile.
            let evicted = slot
                .waits_since
                .compare_exchange(since, EVICTED, AcqRel, Relaxed);
            if evicted.is_ok() {
                self.leave(&slot, &mut open);
                drop(open);
                slot.wake();
                return true;
            }
        }
    }
}

impl Slot {
    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }
}

impl Cutter {
    /// Says what to abort. The task may have ended already.
    pub(crate) fn set(&self, task: AbortHandle) {
        // There is one task for each connection.
        let _ = self.0.abort.set(task);
    }
}

impl Place {
    /// The way to cut the connection.
    pub(crate) fn cutter(&self) -> Cutter {
        Cutter(Arc::clone(&self.0))
    }

    /// Notes that a request has ended, and the connection waits for the next one since `now`.
    pub(crate) fn waits(&self, now: u64) {
        let since = now.min(EVICTED - 1);
        let waits = &self.0.waits_since;
        // Before the first request it waits already, or has been told to make room.
        let _ = waits.compare_exchange(BUSY, since, Release, Relaxed);
    }

    /// Notes that a request has begun to come. False if the connection had to make room before that,
    /// and there is no place for it now.
    pub(crate) fn begins(&self) -> bool {
        self.0.waits_since.swap(BUSY, AcqRel) != EVICTED || self.enter_again()
    }

    fn enter_again(&self) -> bool {
        let account = &self.0.account;
        let counted = &account.counted;
        let is_free = counted.open.load(Relaxed) < counted.most.load(Relaxed);
        if is_free {
            account.enter(&self.0);
        }
        is_free
    }

    /// Whether doxy stops: the request in progress is the last one.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Acquire)
    }

    /// Whether a connection that waits for a request has to end.
    pub(crate) fn has_to_end(&self) -> bool {
        self.is_stopping() || self.0.waits_since.load(Acquire) == EVICTED
    }

    /// Resolves when the connection has to end, if it waits for a request. To be polled by one task.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.0.watched.load(Relaxed) {
            let mut waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
            *waker = Some(cx.waker().clone());
            self.0.watched.store(true, Relaxed);
        }
        match self.has_to_end() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let account = &self.0.account;
        account.leave(&self.0, &mut account.open());
        // The waker keeps the task's memory, and the task this.
        let mut waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *waker = None;
    }
}

#[cfg(test)]
mod tests;
