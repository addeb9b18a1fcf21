//! Which parts of a request a policy has read.
//!
//! A record of a request lacks some of them. A policy that has read what is lacking could have decided
//! otherwise. This is noted per thread, because Rhai's getters do not say which call they belong to. It
//! must never change what a policy sees.

use std::cell::Cell;

/// A part of a request in which requests for one endpoint differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The query.
    Query,
    /// A header.
    Headers,
    /// User or group of the peer.
    User,
    /// The process of the peer.
    Process,
    /// Address or certificate of the peer.
    Network,
    /// The path with its version.
    Path,
    /// The version alone.
    Version,
}

/// The parts of a request that a policy has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads(u8);

thread_local! {
    static READS: Cell<Reads> = const { Cell::new(Reads(0)) };
}

impl Part {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Reads {
    /// Whether it has read this part.
    #[must_use]
    pub fn contain(self, part: Part) -> bool {
        self.0 & part.bit() != 0
    }
}

/// Notes that a policy reads this.
pub(crate) fn note(part: Part) {
    READS.set(Reads(READS.get().0 | part.bit()));
}

/// Asks policies, and says what they have read of requests meanwhile, on this thread.
pub fn watch_reads<T>(ask: impl FnOnce() -> T) -> (T, Reads) {
    READS.set(Reads::default());
    let said = ask();
    (said, READS.get())
}
