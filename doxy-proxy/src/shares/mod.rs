//! How peers share what doxy has little of: connections, memory for bodies and for what is looked up,
//! questions to the engine, the time of scripts.
//!
//! Everything is counted by socket first, then by peer. A peer that is alone may use everything; one
//! that takes much never keeps another from a little. Nothing here is touched by a request that asks
//! for none of them. Nothing here knows HTTP, or what is allowed.

pub(crate) mod connections;
mod fair_queue;
pub(crate) mod memory;
pub(crate) mod sharer;
pub(crate) mod slots;
pub(crate) mod turns;

use std::sync::Arc;

use crate::net::peer::Peer;
use crate::shares::memory::Memory;
use crate::shares::sharer::Sharer;
use crate::shares::slots::Slots;
use crate::shares::turns::Turns;

/// What the requests of one socket share with others, on one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares {
    /// The number of the socket.
    pub(crate) socket: usize,
    /// The memory of bodies and of what is looked up: the process's.
    pub(crate) memory: Memory,
    /// The lookups that the engine is asked at a time: the process's.
    pub(crate) slots: Slots,
    /// The time of scripts: the thread's.
    pub(crate) turns: Arc<Turns>,
}

impl Shares {
    /// Whom a request of this peer is counted for.
    pub(crate) fn of(&self, peer: &Peer) -> Sharer {
        Sharer {
            socket: self.socket,
            identity: peer.identity(),
        }
    }
}
