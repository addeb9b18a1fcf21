//! Whose lookup is next, and that none is lost.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::{SLOTS, Sharer, Slot, Slots};
use crate::net::peer::Identity;

fn sharer(uid: u32) -> Sharer {
    let identity = Identity::User(uid);
    Sharer {
        socket: 0,
        identity,
    }
}

/// The slot, if there is one now.
fn now(waiting: Pin<&mut impl Future<Output = Slot>>) -> Option<Slot> {
    match waiting.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

/// As many slots as one peer gets without waiting.
fn all(slots: &Slots) -> Vec<Slot> {
    let next = || now(pin!(slots.take(sharer(1))));
    std::iter::from_fn(next).collect()
}

#[test]
fn alone_a_peer_may_use_all_and_another_is_next() {
    let slots = Slots::default();
    let mut used = all(&slots);
    assert_eq!(used.len(), SLOTS);
    let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(slots.take(sharer(1)))).collect();
    assert!(crowd.iter_mut().all(|one| now(one.as_mut()).is_none()));
    let mut other = pin!(slots.take(sharer(2)));
    assert!(now(other.as_mut()).is_none());
    // The first of the crowd came first. Behind it the other is next, and not the hundredth.
    used.truncate(SLOTS - 2);
    assert!(
        crowd
            .first_mut()
            .is_some_and(|one| now(one.as_mut()).is_some())
    );
    assert!(now(other.as_mut()).is_some());
}

#[test]
fn no_slot_is_lost() {
    let slots = Slots::default();
    let used = all(&slots);
    // One that waits no longer, and one that goes when it has been handed a slot.
    let mut gone = Box::pin(slots.take(sharer(1)));
    assert!(now(gone.as_mut()).is_none());
    let mut late = Box::pin(slots.take(sharer(2)));
    assert!(now(late.as_mut()).is_none());
    drop(gone);
    drop(used);
    drop(late);
    assert_eq!(all(&slots).len(), SLOTS);
    assert_eq!(slots.state().free, SLOTS);
}
