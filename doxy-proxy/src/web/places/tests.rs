//! Who gets a place, and whose is taken.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::task::{Context, Poll, Waker};

use super::{
    Answering, Arc, Does, Identity, MOST, MOST_NEW, MOST_OF_PEER, MOST_STREAMS,
    MOST_STREAMS_OF_PEER, Place, Places, WebRefusals,
};

const MANY: Identity = Identity::User(1);
const FEW: Identity = Identity::User(2);

/// A connection, and what it does.
struct One {
    place: Place,
    answering: Option<Answering>,
}

impl One {
    fn at(places: &Arc<Places>, peer: Identity, does: Does) -> Option<Self> {
        let place = places.admit(peer)?;
        let mut one = Self {
            place,
            answering: None,
        };
        one.does(does);
        Some(one)
    }

    /// False if it may not do that.
    fn does(&mut self, does: Does) -> bool {
        match does {
            Does::New => {}
            Does::Waits => drop(self.place.answers()),
            Does::Answers => self.answering = Some(self.place.answers()),
            Does::Streams => {
                let answering = self.place.answers();
                let may = answering.streams();
                self.answering = may.then_some(answering);
                return may;
            }
        }
        true
    }

    fn has_ended(&self) -> bool {
        let mut ended = std::pin::pin!(self.place.ended());
        let mut cx = Context::from_waker(Waker::noop());
        ended.as_mut().poll(&mut cx) == Poll::Ready(())
    }
}

fn places() -> Arc<Places> {
    Places::new(WebRefusals::default())
}

fn refused(places: &Places, what: &str) -> u64 {
    let mut totals = places.refusals.totals();
    totals.find(|(reason, _)| *reason == what).unwrap().1
}

#[test]
fn one_peer_never_keeps_another_away() {
    for does in [Does::New, Does::Waits, Does::Answers, Does::Streams] {
        let places = places();
        let held: Vec<_> = (0..1000)
            .filter_map(|_| One::at(&places, MANY, does))
            .collect();
        let few: Vec<_> = (0..MOST_OF_PEER)
            .filter_map(|_| One::at(&places, FEW, Does::Answers))
            .collect();
        assert_eq!(few.len(), MOST_OF_PEER, "{does:?}");
        assert!(!few.iter().any(One::has_ended), "{does:?}");
        drop((held, few));
        assert!(places.held().open.is_empty(), "{does:?}");
    }
}

#[test]
fn many_peers_never_keep_another_away() {
    for does in [Does::New, Does::Waits, Does::Answers, Does::Streams] {
        let places = places();
        let mut held = Vec::new();
        for user in 10..15 {
            held.extend((0..100).filter_map(|_| One::at(&places, Identity::User(user), does)));
        }
        let few = One::at(&places, FEW, Does::New).unwrap();
        for user in 10..15 {
            held.extend((0..100).filter_map(|_| One::at(&places, Identity::User(user), does)));
        }
        assert!(!few.has_ended(), "{does:?}");
    }
}

#[test]
fn a_peer_gives_way_to_itself() {
    let places = places();
    for (does, closed) in [
        (Does::New, true),
        (Does::Waits, true),
        (Does::Answers, false),
    ] {
        let mut held: Vec<_> = (0..MOST_OF_PEER)
            .filter_map(|_| One::at(&places, MANY, does))
            .collect();
        assert_eq!(held.len(), MOST_OF_PEER);
        let next = One::at(&places, MANY, Does::New);
        assert_eq!(next.is_some(), closed, "{does:?}");
        // The one that has been so longest.
        let first = held.remove(0);
        assert_eq!(first.has_ended(), closed, "{does:?}");
        assert!(!held.iter().any(One::has_ended), "{does:?}");
    }
    assert_eq!(refused(&places, "gave_way"), 2);
    assert_eq!(refused(&places, "no_place"), 1);
    // Who has asked for nothing is closed before who has, however long that has waited.
    let waiting: Vec<_> = (1..MOST_OF_PEER)
        .filter_map(|_| One::at(&places, MANY, Does::Waits))
        .collect();
    let new = One::at(&places, MANY, Does::New).unwrap();
    let next = One::at(&places, MANY, Does::New);
    assert!(next.is_some() && new.has_ended() && !waiting.iter().any(One::has_ended));
}

#[test]
fn where_all_have_one_the_one_that_waits_gives_way() {
    let places = places();
    let users = |from: u32| (from..).map(Identity::User);
    let mut held: Vec<_> = users(100)
        .take(MOST - 1)
        .filter_map(|peer| One::at(&places, peer, Does::Answers))
        .collect();
    held.push(One::at(&places, MANY, Does::Waits).unwrap());
    assert!(One::at(&places, MANY, Does::New).is_none());
    let next = One::at(&places, FEW, Does::Answers).unwrap();
    assert!(held.pop().unwrap().has_ended());
    assert!(One::at(&places, MANY, Does::New).is_none());
    assert!(!held.iter().any(One::has_ended) && !next.has_ended());
}

/// An address that is larger than others is no reason to lose its connection.
#[test]
fn of_equals_the_oldest_gives_way() {
    let places = places();
    let mut held = Vec::new();
    // Up and down.
    for user in (1000..1100).chain(1..100).map(Identity::User) {
        held.push(One::at(&places, user, Does::New).unwrap());
        assert_eq!(held.len() > MOST_NEW, held[0].has_ended());
        if held.len() > MOST_NEW {
            held.remove(0);
        }
        assert!(!held.iter().any(One::has_ended));
    }
}

#[test]
fn streams_have_shares_of_their_own() {
    let places = places();
    let streams = |peer, count: usize| -> Vec<One> {
        let connections = (0..count).filter_map(|_| One::at(&places, peer, Does::New));
        let mut all: Vec<_> = connections.collect();
        all.retain_mut(|one| one.does(Does::Streams));
        all
    };
    let many = streams(MANY, MOST_STREAMS_OF_PEER + 3);
    assert_eq!(many.len(), MOST_STREAMS_OF_PEER);
    assert_eq!(refused(&places, "stream"), 3);
    let others = streams(Identity::User(3), MOST_STREAMS_OF_PEER);
    assert_eq!(many.len() + others.len(), MOST_STREAMS);
    // A third gets some of those who have more.
    let few = streams(FEW, MOST_STREAMS_OF_PEER);
    let open = |held: &[One]| held.iter().filter(|it| !it.has_ended()).count();
    let shares = [open(&many), open(&others), open(&few)];
    assert_eq!(shares.iter().sum::<usize>(), MOST_STREAMS);
    assert!(
        shares.iter().all(|it| *it >= MOST_STREAMS / 3),
        "{shares:?}"
    );
    // A stream that ends makes room for another.
    drop(few);
    assert!(!streams(FEW, 1).is_empty());
}

/// Whatever comes in whatever order: bounds hold, and a peer without a place gets one.
#[test]
fn bounds_hold_in_any_order() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        // As in Numerical Recipes.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let places = places();
    let mut held: Vec<One> = Vec::new();
    for _ in 0..5_000 {
        held.retain(|one| !one.has_ended());
        let at = random(held.len().max(1));
        match random(8) {
            0 if !held.is_empty() => drop(held.swap_remove(at)),
            1..3 => {
                let all = [Does::Waits, Does::Answers, Does::Streams];
                let does = all.into_iter().nth(random(all.len()));
                if let (Some(one), Some(does)) = (held.get_mut(at), does) {
                    one.answering = None;
                    one.does(does);
                }
            }
            _ => {
                let user = u32::try_from(random(9) * random(9)).unwrap();
                let peer = Identity::User(user);
                let had = places.held().count(|it| it.peer == peer);
                let one = One::at(&places, peer, Does::New);
                assert!(one.is_some() || had > 0);
                held.extend(one);
            }
        }
        let now = places.held();
        let (of_peer, _) = now.of_fullest(|_| true);
        let streams = |it: &super::Connection| it.does == Does::Streams;
        let (streams_of_peer, _) = now.of_fullest(streams);
        assert!(now.open.len() <= MOST && of_peer <= MOST_OF_PEER);
        assert!(now.count(|it| it.does == Does::New) <= MOST_NEW);
        assert!(now.count(streams) <= MOST_STREAMS && streams_of_peer <= MOST_STREAMS_OF_PEER);
    }
}
