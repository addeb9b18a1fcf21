//! Who gets a place, and who loses one.

#![expect(clippy::unreachable, reason = "a test fails by panicking")]

use super::{Arc, Connections, Identity, Place, Total};

const MANY: Identity = Identity::User(1);
const FEW: Identity = Identity::User(2);

/// A socket with this limit, and the places that a peer has got of those that it asked for.
fn taken(limit: usize, peer: Identity, count: u64) -> (Connections, Vec<Place>) {
    let mut connections = Connections::new(limit, Arc::new(Total::new(usize::MAX)));
    let places = (0..count).filter_map(|now| connections.admit(peer, now));
    let places = places.collect();
    (connections, places)
}

#[test]
fn alone_a_peer_may_use_everything_and_no_more() {
    for limit in [0, 1, 3, 10, 4096] {
        let (_connections, places) = taken(limit, MANY, 5000);
        assert_eq!(places.len(), limit, "{limit}");
        assert!(places.iter().all(|place| !place.has_to_end()));
    }
}

#[test]
fn who_has_most_loses_the_connection_that_has_waited_longest() {
    let (mut connections, places) = taken(10, MANY, 10);
    let [first, second, third, ..] = &places[..] else {
        unreachable!("{places:?}")
    };
    assert!(first.begins() && second.begins());
    second.waits(99);
    let few: Vec<_> = (0..5).filter_map(|_| connections.admit(FEW, 100)).collect();
    assert_eq!(few.len(), 5);
    let ended = |places: &[Place]| places.iter().filter(|place| place.has_to_end()).count();
    // A request in progress stays, and what has waited shortest.
    assert!(!first.has_to_end() && !second.has_to_end() && third.has_to_end());
    assert_eq!((ended(&places), ended(&few)), (5, 0));
    // Now both have the same, and neither gets a place of the other.
    assert!(connections.admit(FEW, 100).is_none());
    assert!(connections.admit(MANY, 100).is_none());
    // A third one has less than both.
    assert!(connections.admit(Identity::Unknown, 100).is_some());
    // Places come free when connections end, whether they had to or not.
    drop((places, few));
    let again: Vec<_> = (0..20)
        .filter_map(|_| connections.admit(FEW, 100))
        .collect();
    assert_eq!(again.len(), 10);
}

#[test]
fn a_tenth_is_kept_for_peers_that_have_none() {
    let (mut connections, places) = taken(20, MANY, 20);
    assert!(places.iter().all(Place::begins));
    let mut others = Vec::new();
    for uid in 2..10 {
        let one = connections.admit(Identity::User(uid), 0);
        assert_eq!(one.is_some(), uid < 4, "{uid}");
        // Who has one gets no second.
        assert!(connections.admit(Identity::User(2), 0).is_none());
        // While all have a request in progress, none is lost.
        others.extend(one.filter(Place::begins));
    }
    assert!(
        places
            .iter()
            .chain(&others)
            .all(|place| !place.has_to_end())
    );
    // A tenth is at least one.
    let (mut connections, places) = taken(1, MANY, 1);
    assert!(places.iter().all(Place::begins));
    assert!(connections.admit(FEW, 0).is_some());
}

#[test]
fn a_request_that_came_in_time_is_served_if_there_is_still_a_place() {
    let (mut connections, places) = taken(2, MANY, 2);
    let [first, second] = &places[..] else {
        unreachable!("{places:?}")
    };
    let few = connections.admit(FEW, 0);
    assert!(few.is_some() && first.has_to_end());
    // Its request was on the way: it takes the place that was kept.
    assert!(first.begins() && !first.has_to_end());
    first.waits(0);
    // Again, and now even that one is taken.
    let third = connections.admit(Identity::Unknown, 0);
    assert!(third.is_some() && first.has_to_end() && !second.has_to_end());
    assert!(connections.admit(Identity::User(4), 0).is_none());
    assert!(!first.begins());
    drop((places, few, third));
    let again: Vec<_> = (0..9).filter_map(|_| connections.admit(FEW, 0)).collect();
    assert_eq!(again.len(), 2);
}

#[test]
fn all_are_told_that_doxy_stops() {
    let (connections, places) = taken(3, MANY, 2);
    assert!(places.first().is_some_and(Place::begins));
    connections.stop();
    assert!(
        places
            .iter()
            .all(|place| place.has_to_end() && place.is_stopping())
    );
}

#[test]
fn peers_without_connections_are_forgotten() {
    let mut connections = Connections::new(1000, Arc::new(Total::new(usize::MAX)));
    let stays: Vec<_> = (0..100)
        .filter_map(|uid| connections.admit(Identity::User(uid), 0))
        .collect();
    for uid in 100..10_000 {
        drop(connections.admit(Identity::User(uid), 0));
    }
    assert!(connections.peers.len() < 500, "{}", connections.peers.len());
    assert_eq!(stays.len(), 100);
}

#[test]
fn sockets_share_what_there_is_in_all() {
    let total = Arc::new(Total::new(10));
    let mut one = Connections::new(8, Arc::clone(&total));
    let mut two = Connections::new(8, Arc::clone(&total));
    let ones: Vec<_> = (0..20).filter_map(|now| one.admit(MANY, now)).collect();
    let twos: Vec<_> = (0..20).filter_map(|now| two.admit(MANY, now)).collect();
    assert_eq!((ones.len(), twos.len()), (8, 2));
    assert!(total.is_full());
    // A peer that has none gets the reserve, and nobody gets more.
    assert!(two.admit(FEW, 30).is_some());
    let few = two.admit(FEW, 30);
    assert!(few.is_some());
    // Another socket makes room.
    assert!(one.evict(0));
    assert!(!total.is_full());
    drop((ones, twos, few));
    assert_eq!((one.count(), two.count()), (0, 0));
}

#[tokio::test]
async fn the_end_is_told_when_the_last_connection_is_closed() {
    let mut connections = Connections::new(2, Arc::new(Total::new(2)));
    connections.ended().await;
    let places = [connections.admit(MANY, 0), connections.admit(FEW, 0)];
    let dropping = async {
        for place in places {
            tokio::task::yield_now().await;
            drop(place);
        }
    };
    tokio::join!(connections.ended(), dropping);
    assert_eq!(connections.count(), 0);
}
