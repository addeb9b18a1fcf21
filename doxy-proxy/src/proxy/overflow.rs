//! Threads that accept beside the one that serves, while more clients connect than that one can turn
//! away: the kernel's queue would fill, and keep out those who may connect.
//!
//! They close the connections of peers that may not connect, and hand on all others. They read and
//! answer nothing. They are started when they are needed first, and sleep while nobody calls them.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::net::listener::accept_now;
use crate::net::peer::{Peer, PeerAcl};
use crate::net::stream::DetachedStream;

/// How many there are. It takes more time to accept a connection and close it than to make one, and
/// the system gives each thread the same time as each stranger.
const THREADS: usize = 3;
/// How long they accept after they were called.
const ACTIVE: Duration = Duration::from_secs(1);
/// How long one waits for a connection before it looks whether it is still needed.
const WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// How many connections one takes before it looks at the next socket.
const BATCH: usize = 256;
/// The stack of a thread, in bytes.
const STACK_SIZE: usize = 256 << 10;
/// How many connections may wait for the thread that serves.
const HANDED: usize = 64;

/// The way to call the threads. Dropped, they end.
#[derive(Debug)]
pub(crate) struct Overflow {
    accepting: Arc<Accepting>,
    threads: Vec<Thread>,
}

/// A connection that is handed on, and the number of its socket.
pub(crate) type Handed = (usize, DetachedStream);

/// A listener, and who may connect there.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) listener: Arc<OwnedFd>,
    /// The number of its socket.
    pub(crate) socket: usize,
    pub(crate) peers: PeerAcl,
    /// Where those are counted that are closed.
    pub(crate) metrics: Option<Metrics>,
}

/// What the threads work with.
#[derive(Debug)]
struct Accepting {
    /// Every listener. Those that are closed stay open here until the threads have looked at them.
    guarded: Mutex<Arc<[Guarded]>>,
    hand_on: mpsc::Sender<Handed>,
    /// How often they were called.
    calls: AtomicUsize,
    ended: AtomicBool,
}

impl Overflow {
    /// Nothing is started yet, and there is no listener.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Handed>) {
        let (hand_on, handed) = mpsc::channel(HANDED);
        let accepting = Accepting {
            guarded: Mutex::new(Arc::new([])),
            hand_on,
            calls: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        };
        let overflow = Self {
            accepting: Arc::new(accepting),
            threads: Vec::new(),
        };
        (overflow, handed)
    }

    /// Whether there are threads, which have to know of every change.
    pub(crate) fn is_started(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Says anew which listeners there are.
    pub(crate) fn guard(&self, guarded: Vec<Guarded>) {
        *self.accepting.guarded() = guarded.into();
    }

    /// Ends the threads.
    pub(crate) fn end(&mut self) {
        self.guard(Vec::new());
        self.accepting.ended.store(true, Relaxed);
        self.threads.iter().for_each(Thread::unpark);
    }

    /// Has the threads accept for a while. If none can be started, one thread accepts alone.
    pub(crate) fn call(&mut self) {
        self.accepting.calls.fetch_add(1, Relaxed);
        while self.threads.len() < THREADS {
            let accepting = Arc::clone(&self.accepting);
            let thread = thread::Builder::new().name("accept".to_owned());
            let thread = thread.stack_size(STACK_SIZE);
            let Ok(thread) = thread.spawn(move || accepting.run()) else {
                break;
            };
            self.threads.push(thread.thread().clone());
        }
        self.threads.iter().for_each(Thread::unpark);
    }
}

impl Accepting {
    fn run(&self) {
        let (mut calls, mut until) = (0, Instant::now());
        while !self.ended.load(Relaxed) {
            let called = self.calls.load(Relaxed);
            if called != calls {
                (calls, until) = (called, Instant::now() + ACTIVE);
            }
            if Instant::now() >= until {
                thread::park();
            } else if self.accept().is_none() {
                until = Instant::now();
            }
        }
    }

    /// Takes what has come. None if that fails, or nobody takes what is handed on.
    fn accept(&self) -> Option<()> {
        let guarded = Arc::clone(&self.guarded());
        let listeners = guarded.iter().map(|one| one.listener.as_fd());
        let ready = listeners.map(|one| PollFd::from_borrowed_fd(one, PollFlags::IN));
        let mut ready: Vec<_> = ready.collect();
        poll(&mut ready, Some(&WAIT)).ok()?;
        for one in guarded.iter() {
            for _ in 0..BATCH {
                let Some(stream) = accept_now(&one.listener).ok()? else {
                    break;
                };
                let allowed = |peer: &Peer| one.peers.allows(peer, &stream);
                if Peer::of(&stream).is_ok_and(|peer| allowed(&peer)) {
                    self.hand_on.blocking_send((one.socket, stream)).ok()?;
                } else if let Some(Metrics(metrics)) = &one.metrics {
                    metrics.unanswered.add(1);
                }
            }
        }
        Some(())
    }

    fn guarded(&self) -> MutexGuard<'_, Arc<[Guarded]>> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Overflow {
    fn drop(&mut self) {
        self.end();
    }
}
