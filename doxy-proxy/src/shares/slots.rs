//! How many lookups the engine is asked at a time, by all threads, and whose is next.
//!
//! A peer that is alone may use all of them. When all are in use, peers take turns: a crowd of one
//! peer's lookups does not keep another's waiting. Nothing here knows what is looked up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::shares::fair_queue::FairQueue;
use crate::shares::sharer::Sharer;

/// How many lookups there are at a time.
const SLOTS: usize = 64;

/// The lookups of the process. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Empty if any is free.
    waiting: FairQueue<oneshot::Sender<Slot>>,
}

/// One lookup. Dropped, it is free for the next.
#[derive(Debug)]
pub(crate) struct Slot(Option<Slots>);

impl Slots {
    /// Waits until a lookup is free for this peer.
    pub(crate) async fn take(&self, sharer: Sharer) -> Slot {
        let waiting = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Slot(Some(self.clone()));
            }
            let (hand_over, waiting) = oneshot::channel();
            state.waiting.push(sharer, hand_over);
            waiting
        };
        // The queue keeps the other end for as long as there is a slot, and one is in use.
        waiting.await.unwrap_or(Slot(None))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one that waits. If there is none, a slot is free.
    fn next(&self) -> Option<oneshot::Sender<Slot>> {
        let mut state = self.state();
        let next = state.waiting.pop();
        if next.is_none() {
            state.free += 1;
        }
        next
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            free: SLOTS,
            waiting: FairQueue::default(),
        })))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(slots) = self.0.take() else {
            return;
        };
        // One that waits no longer has dropped its end, and gives the slot back. What was handed over and
        // never taken is dropped with the channel, and comes here.
        while let Some(next) = slots.next() {
            match next.send(Self(Some(slots.clone()))) {
                Ok(()) => return,
                Err(mut back) => back.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
