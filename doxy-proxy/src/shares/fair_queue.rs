//! A queue in which sockets take turns, and the peers of each socket. It never knows what is queued.

use std::collections::VecDeque;

use crate::net::peer::Identity;
use crate::shares::sharer::Sharer;

/// A queue that is fair to sockets first, then to peers; first in, first out for each peer.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    sockets: Ring<usize, Ring<Identity, VecDeque<T>>>,
}

/// Those who wait, in the order of their next turns.
#[derive(Debug)]
struct Ring<K, V> {
    waiting: VecDeque<(K, V)>,
    /// Who had the last turn.
    last: Option<K>,
}

impl<T> FairQueue<T> {
    pub(crate) fn push(&mut self, sharer: Sharer, item: T) {
        self.sockets.with(sharer.socket, |peers| {
            peers.with(sharer.identity, |items| items.push_back(item));
        });
    }

    /// The next item.
    pub(crate) fn front(&self) -> Option<&T> {
        let (_, peers) = self.sockets.waiting.front()?;
        let (_, items) = peers.waiting.front()?;
        items.front()
    }

    /// Takes the next item out: its peer has had its turn.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.sockets.take_turn(|peers| {
            let item = peers.take_turn(|items| (items.pop_front(), items.is_empty()));
            (item, peers.waiting.is_empty())
        })
    }

    /// Whether an item of this peer waits.
    pub(crate) fn contains(&self, sharer: Sharer, is_it: impl Fn(&T) -> bool) -> bool {
        let mut sockets = self.sockets.waiting.iter();
        let peers = sockets.find(|(socket, _)| *socket == sharer.socket);
        let peers = peers.iter().flat_map(|(_, peers)| &peers.waiting);
        let mut items = peers.filter(|(peer, _)| *peer == sharer.identity);
        items.any(|(_, items)| items.iter().any(&is_it))
    }

    /// Takes items out that wait no longer.
    pub(crate) fn remove(&mut self, sharer: Sharer, is_gone: impl Fn(&T) -> bool) {
        self.sockets.with(sharer.socket, |peers| {
            peers.with(sharer.identity, |items| items.retain(|item| !is_gone(item)));
            peers.waiting.retain(|(_, items)| !items.is_empty());
        });
        let left = |(_, peers): &(usize, Ring<_, _>)| !peers.waiting.is_empty();
        self.sockets.waiting.retain(left);
    }
}

impl<K: Copy + PartialEq, V: Default> Ring<K, V> {
    /// Changes what waits under a key. Who is new comes after all others, except the one who had the
    /// last turn: a peer gains nothing by leaving and coming back.
    fn with(&mut self, key: K, change: impl FnOnce(&mut V)) {
        let known = self.waiting.iter().position(|(known, _)| *known == key);
        let end = self.waiting.len();
        let at = known.unwrap_or_else(|| match self.waiting.back() {
            Some((back, _)) if Some(*back) == self.last => end - 1,
            _ => end,
        });
        let mut value = known
            .and_then(|at| self.waiting.remove(at))
            .map_or_else(V::default, |(_, value)| value);
        change(&mut value);
        self.waiting.insert(at, (key, value));
    }

    /// Gives the first one its turn. `take` gives what it takes, and whether that was all.
    fn take_turn<T>(&mut self, take: impl FnOnce(&mut V) -> (Option<T>, bool)) -> Option<T> {
        let (key, mut value) = self.waiting.pop_front()?;
        self.last = Some(key);
        let (taken, all) = take(&mut value);
        if !all {
            self.waiting.push_back((key, value));
        }
        taken
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            sockets: Ring::default(),
        }
    }
}

impl<K, V> Default for Ring<K, V> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            last: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FairQueue, Identity, Sharer};

    fn sharer(socket: usize, uid: u32) -> Sharer {
        let identity = Identity::User(uid);
        Sharer { socket, identity }
    }

    fn all(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn sockets_take_turns_and_then_peers() {
        let mut queue = FairQueue::default();
        for (socket, uid, item) in [
            (0, 1, "a1"),
            (0, 1, "a2"),
            (0, 1, "a3"),
            (0, 2, "b1"),
            (0, 2, "b2"),
            (1, 1, "c1"),
            (1, 1, "c2"),
            (1, 1, "c3"),
        ] {
            queue.push(sharer(socket, uid), item);
        }
        assert_eq!(queue.front(), Some(&"a1"));
        let order = ["a1", "c1", "b1", "c2", "a2", "c3", "b2", "a3"];
        assert_eq!(all(&mut queue), order);
        assert_eq!(queue.front(), None);
    }

    #[test]
    fn who_comes_while_another_waits_has_the_next_turn_but_not_twice() {
        let (many, few) = (sharer(0, 1), sharer(0, 2));
        let mut queue = FairQueue::default();
        for _ in 0..100 {
            queue.push(many, "many");
        }
        assert_eq!(queue.pop(), Some("many"));
        // Leaves the queue with each turn, and comes back at once.
        for _ in 0..10 {
            queue.push(few, "few");
            assert_eq!(queue.pop(), Some("few"));
            queue.push(few, "few");
            assert_eq!(queue.pop(), Some("many"));
            assert_eq!(queue.pop(), Some("few"));
            assert_eq!(queue.pop(), Some("many"));
        }
    }

    #[test]
    fn what_is_removed_leaves_no_turn_behind() {
        let mut queue = FairQueue::default();
        queue.push(sharer(0, 1), "a");
        queue.push(sharer(0, 2), "b");
        queue.push(sharer(1, 1), "c");
        queue.remove(sharer(0, 1), |item| *item == "a");
        queue.remove(sharer(1, 1), |item| *item == "c");
        queue.remove(sharer(2, 2), |item| *item == "never there");
        assert_eq!(all(&mut queue), ["b"]);
    }
}
