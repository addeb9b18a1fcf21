//! Whose script runs next on a thread.
//!
//! A script cannot be suspended, and a large body takes it milliseconds. So calls take turns by
//! peer, and between two turns the thread looks at its sockets, unless the turns since it last did
//! were short. Only requests that a script judges come here; without a crowd that costs a look at the
//! clock. Nothing here knows what is done in a turn.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use crate::shares::fair_queue::FairQueue;
use crate::shares::sharer::Sharer;

/// How long turns may take together before the thread looks at its sockets.
const SLICE: Duration = Duration::from_millis(1);

/// The turns of one thread. One is taken at a time.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    holder: Holder,
    /// How long turns have taken since the thread looked at its sockets.
    taken: Duration,
    /// Empty if nobody holds the turn.
    waiting: FairQueue<Waiting>,
    next_id: u64,
}

/// Who holds the turn.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    /// One that still waits in the queue, and has been woken.
    Woken(u64),
    Running,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    waker: std::task::Waker,
}

/// A turn. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'t> {
    turns: &'t Turns,
    began: Instant,
}

/// A place in the queue. Dropped, it is given up.
struct Ticket<'t> {
    turns: &'t Turns,
    id: u64,
    sharer: Sharer,
    waits: bool,
}

impl Turns {
    /// Waits for a turn. Hold it only while the thread computes, never while it waits.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an async fn stores its arguments twice"
    )]
    pub(crate) fn take(&self, sharer: Sharer) -> impl Future<Output = Turn<'_>> {
        async move {
            if !self.take_now() {
                Box::pin(self.wait(sharer)).await;
            }
            Turn {
                turns: self,
                began: Instant::now(),
            }
        }
    }

    fn take_now(&self) -> bool {
        let mut state = self.state();
        let free = state.holder == Holder::Nobody && state.taken < SLICE;
        if free {
            state.holder = Holder::Running;
        }
        free
    }

    async fn wait(&self, sharer: Sharer) {
        let mut ticket = poll_fn(|cx| Poll::Ready(self.queue(sharer, cx.waker().clone()))).await;
        loop {
            let woken = Holder::Woken(ticket.id);
            poll_fn(|_| match self.state().holder == woken {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            if self.state().taken >= SLICE {
                // Each time, the thread looks at its sockets and runs what is ready: first it accepts
                // a connection, then it reads a request from it.
                yield_now().await;
                yield_now().await;
                self.state().taken = Duration::ZERO;
            }
            let mut state = self.state();
            if state
                .waiting
                .front()
                .is_some_and(|next| next.id == ticket.id)
            {
                state.waiting.pop();
                state.holder = Holder::Running;
                ticket.waits = false;
                return;
            }
            // Another peer has come meanwhile, and is next.
            state.pass_on();
        }
    }

    fn queue(&self, sharer: Sharer, waker: std::task::Waker) -> Ticket<'_> {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.waiting.push(sharer, Waiting { id, waker });
        if state.holder == Holder::Nobody {
            state.holder = Holder::Woken(id);
        }
        Ticket {
            turns: self,
            id,
            sharer,
            waits: true,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes the next one, if anybody waits.
    fn pass_on(&mut self) {
        self.holder = match self.waiting.front() {
            Some(next) => {
                next.waker.wake_by_ref();
                Holder::Woken(next.id)
            }
            None => Holder::Nobody,
        };
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let mut state = self.turns.state();
        state.taken = state.taken.saturating_add(took);
        state.pass_on();
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        let mut state = self.turns.state();
        state.waiting.remove(self.sharer, |one| one.id == self.id);
        if state.holder == Holder::Woken(self.id) {
            state.pass_on();
        }
    }
}

#[cfg(test)]
mod tests;
