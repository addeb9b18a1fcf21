//! What peers were refused because they, or all together, had their share.

use crate::metrics::counter::Counter;

/// What peers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Connections at a time.
    Connections,
    /// Memory for bodies and answers that a script sees.
    Memory,
}

/// How peers are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerKind {
    User,
    Address,
    Certificate,
    Unknown,
}

const SHARES: [&str; 2] = ["connections", "memory"];
const KINDS: [&str; 4] = ["user", "address", "certificate", "unknown"];

/// What was refused on one socket, on one thread.
#[derive(Debug, Default)]
pub(crate) struct ShareCounts([[Counter; KINDS.len()]; SHARES.len()]);

impl ShareCounts {
    pub(crate) fn add(&self, share: Share, peer: PeerKind) {
        let row = self.0.get(share as usize);
        if let Some(counter) = row.and_then(|row| row.get(peer as usize)) {
            counter.add(1);
        }
    }
}

/// How often a kind of peer was refused a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareTotal {
    /// `connections` or `memory`.
    pub share: &'static str,
    /// `user`, `address`, `certificate` or `unknown`.
    pub peer: &'static str,
    /// How often.
    pub count: u64,
}

/// All shares and kinds of peers, those that never were included.
pub(crate) fn totals<'a>(all: impl Iterator<Item = &'a ShareCounts> + Clone) -> Vec<ShareTotal> {
    let mut totals = Vec::new();
    for (number, share) in SHARES.iter().enumerate() {
        for (kind, peer) in KINDS.iter().enumerate() {
            let cell = |one: &ShareCounts| Some(one.0.get(number)?.get(kind)?.get());
            let count = all.clone().filter_map(cell).sum();
            totals.push(ShareTotal { share, peer, count });
        }
    }
    totals
}
