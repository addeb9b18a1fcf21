//! The memory of the bodies that doxy holds, and of what it looks up for policies: for all sockets
//! together, shared between their peers.
//!
//! One body is bounded by its own limit. All of them together have a budget: as many clients as may
//! connect could each send most of a body and then stop. Nothing here touches a body's bytes.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::net::peer::Identity;
use crate::shares::fair_queue::FairQueue;
use crate::shares::sharer::Sharer;

/// The most that all bodies take together, in bytes; or one body, if its limit is larger.
pub(crate) const BUDGET: usize = 64 << 20;
/// What is kept beyond that for peers that have less than their share; or one body.
pub(crate) const RESERVE: usize = 16 << 20;

/// The memory of all bodies. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    held: usize,
    /// Sockets and peers that hold anything.
    sockets: HashMap<usize, HashMap<Identity, usize>>,
    waiting: FairQueue<Waiting>,
    next_id: u64,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    sharer: Sharer,
    bytes: usize,
    most: usize,
    waker: Waker,
}

/// Memory that a body may take. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    sharer: Sharer,
    bytes: usize,
}

/// Whether a peer may hold so much more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    /// It has less than its share, so its turn comes.
    Later,
    No,
}

/// A place in the queue. Dropped, it is given up, or what it has got is.
struct Ticket<'m> {
    memory: &'m Memory,
    id: u64,
    sharer: Sharer,
    bytes: usize,
    waits: bool,
}

impl Memory {
    /// Takes memory for a body, whose own limit is `limit`. None if there is no more, and the peer has
    /// its share of it. A peer that has less waits until it is its turn.
    pub(crate) async fn hold(&self, sharer: Sharer, bytes: usize, limit: usize) -> Option<Held> {
        let answer = {
            let mut state = self.state();
            let answer = state.ask(sharer, bytes, limit);
            if answer == Answer::Yes {
                state.add(sharer, bytes);
            }
            answer
        };
        match answer {
            Answer::Yes => {}
            Answer::Later => Box::pin(self.wait(sharer, bytes, limit)).await,
            Answer::No => return None,
        }
        Some(Held {
            memory: self.clone(),
            sharer,
            bytes,
        })
    }

    async fn wait(&self, sharer: Sharer, bytes: usize, limit: usize) {
        let queue = |waker: Waker| {
            let mut state = self.state();
            let id = state.next_id;
            state.next_id += 1;
            let most = most(limit);
            let waiting = Waiting {
                id,
                sharer,
                bytes,
                most,
                waker,
            };
            state.waiting.push(sharer, waiting);
            Ticket {
                memory: self,
                id,
                sharer,
                bytes,
                waits: true,
            }
        };
        let mut ticket = poll_fn(|cx| Poll::Ready(queue(cx.waker().clone()))).await;
        poll_fn(|_| {
            match self
                .state()
                .waiting
                .contains(sharer, |one| one.id == ticket.id)
            {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
        ticket.waits = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, sharer: Sharer, bytes: usize) {
        self.state().free(sharer, bytes);
    }
}

/// The budget, and what is kept beyond it.
fn most(limit: usize) -> usize {
    BUDGET.max(limit).saturating_add(RESERVE.max(limit))
}

impl State {
    fn ask(&self, sharer: Sharer, bytes: usize, limit: usize) -> Answer {
        let budget = BUDGET.max(limit);
        let held = self.held.saturating_add(bytes);
        if held <= budget || bytes == 0 {
            return Answer::Yes;
        }
        let peers = self.sockets.get(&sharer.socket);
        let own = peers.and_then(|peers| peers.get(&sharer.identity)).copied();
        if let (Some(own), Some(peers)) = (own, peers) {
            let share = budget / self.sockets.len().max(1) / peers.len().max(1);
            if own.saturating_add(bytes) > share {
                return Answer::No;
            }
        }
        if held <= most(limit) && self.waiting.front().is_none() {
            Answer::Yes
        } else {
            Answer::Later
        }
    }

    fn add(&mut self, sharer: Sharer, bytes: usize) {
        if bytes > 0 {
            self.held = self.held.saturating_add(bytes);
            let peers = self.sockets.entry(sharer.socket).or_default();
            *peers.entry(sharer.identity).or_default() += bytes;
        }
    }

    fn free(&mut self, sharer: Sharer, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
        if let Some(peers) = self.sockets.get_mut(&sharer.socket) {
            if let Some(held) = peers.get_mut(&sharer.identity) {
                *held = held.saturating_sub(bytes);
            }
            peers.retain(|_, held| *held > 0);
            if peers.is_empty() {
                self.sockets.remove(&sharer.socket);
            }
        }
        while let Some(next) = self.waiting.front()
            && self.held.saturating_add(next.bytes) <= next.most
            && let Some(next) = self.waiting.pop()
        {
            self.add(next.sharer, next.bytes);
            next.waker.wake();
        }
    }
}

impl Held {
    /// Takes so much more, if there is any. It never waits: what is held would keep others waiting.
    pub(crate) fn grow(&mut self, bytes: usize, limit: usize) -> bool {
        let mut state = self.memory.state();
        let may = state.ask(self.sharer, bytes, limit) == Answer::Yes;
        if may {
            state.add(self.sharer, bytes);
            self.bytes += bytes;
        }
        may
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.free(self.sharer, self.bytes);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        let mut state = self.memory.state();
        let waits = state.waiting.contains(self.sharer, |one| one.id == self.id);
        if waits {
            state.waiting.remove(self.sharer, |one| one.id == self.id);
            // What waited behind it may be smaller.
            state.free(self.sharer, 0);
        } else {
            state.free(self.sharer, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
