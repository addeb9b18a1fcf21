//! Who may hold bodies while another peer holds many.

use super::{BUDGET, Held, Identity, Memory, RESERVE, Sharer};

const LIMIT: usize = 1 << 20;

fn sharer(socket: usize, uid: u32) -> Sharer {
    let identity = Identity::User(uid);
    Sharer { socket, identity }
}

/// What a peer gets without waiting. The outer one is none if it would have to wait.
async fn now(memory: &Memory, sharer: Sharer, bytes: usize) -> Option<Option<Held>> {
    tokio::select! {
        biased;
        held = memory.hold(sharer, bytes, LIMIT) => Some(held),
        () = std::future::ready(()) => None,
    }
}

/// As many bodies of the largest size as a peer gets.
async fn fill(memory: &Memory, sharer: Sharer) -> Vec<Held> {
    let mut all = Vec::new();
    while let Some(Some(held)) = now(memory, sharer, LIMIT).await {
        all.push(held);
    }
    all
}

#[tokio::test]
async fn alone_a_peer_may_hold_the_whole_budget_and_is_refused_more() {
    let memory = Memory::default();
    let many = fill(&memory, sharer(0, 1)).await;
    assert_eq!(many.len(), BUDGET / LIMIT);
    assert!(matches!(now(&memory, sharer(0, 1), 1).await, Some(None)));
    // A request without a body needs none.
    assert!(matches!(now(&memory, sharer(0, 1), 0).await, Some(Some(_))));
    drop(many);
    assert_eq!(fill(&memory, sharer(0, 1)).await.len(), BUDGET / LIMIT);
}

#[tokio::test]
async fn who_has_less_than_a_share_is_never_refused() {
    let memory = Memory::default();
    let many = fill(&memory, sharer(0, 1)).await;
    for few in [sharer(0, 2), sharer(1, 1)] {
        let some = fill(&memory, few).await;
        assert_eq!(some.len(), RESERVE / LIMIT);
        // From now on it waits, and is served when one of its own is done; the other is refused.
        let mut waiting = Box::pin(memory.hold(few, LIMIT, LIMIT));
        assert!(matches!(now(&memory, sharer(0, 1), 1).await, Some(None)));
        tokio::select! {
            biased;
            held = &mut waiting => assert!(held.is_none(), "there is no more"),
            () = std::future::ready(()) => {}
        }
        drop(some);
        assert!(waiting.await.is_some());
    }
    drop(many);
}

#[tokio::test]
async fn those_who_wait_take_turns_by_peer() {
    let memory = Memory::default();
    let _many = fill(&memory, sharer(0, 1)).await;
    let mut reserve = fill(&memory, sharer(0, 2)).await;
    let done = std::sync::Mutex::new(Vec::new());
    let wait = async |uid: u32| {
        let held = memory.hold(sharer(0, uid), LIMIT, LIMIT).await;
        done.lock().into_iter().for_each(|mut done| done.push(uid));
        drop(held);
    };
    let free = async {
        tokio::task::yield_now().await;
        reserve.pop();
    };
    tokio::join!(wait(2), wait(2), wait(2), wait(3), free);
    let done = done.into_inner().unwrap_or_default();
    assert_eq!(done, [2, 3, 2, 2]);
}

#[tokio::test]
async fn who_gives_up_waiting_keeps_nothing() {
    let memory = Memory::default();
    let many = fill(&memory, sharer(0, 1)).await;
    let reserve = fill(&memory, sharer(0, 2)).await;
    assert!(now(&memory, sharer(0, 3), LIMIT).await.is_none());
    {
        // Dropped when it has got its memory and does not know it yet.
        let waiting = Box::pin(memory.hold(sharer(0, 3), LIMIT, LIMIT));
        tokio::select! {
            biased;
            _ = waiting => {}
            () = std::future::ready(()) => drop(reserve),
        }
    }
    drop(many);
    assert_eq!(memory.state().held, 0);
    assert!(memory.state().sockets.is_empty());
}

#[tokio::test]
async fn a_body_of_unknown_length_grows_while_there_is_memory() {
    let memory = Memory::default();
    let many = fill(&memory, sharer(0, 1)).await;
    let Some(Some(mut held)) = now(&memory, sharer(0, 2), 1).await else {
        return assert_eq!(1, 2, "nothing for the second");
    };
    assert!(held.grow(RESERVE - 1, LIMIT));
    assert!(!held.grow(1, LIMIT));
    assert_eq!(held.bytes(), RESERVE);
    drop(many);
    assert!(held.grow(BUDGET - RESERVE, LIMIT));
    drop(held);
    assert_eq!(memory.state().held, 0);
    // One body may always be as large as its own limit.
    let large = memory.hold(sharer(0, 1), 2 * BUDGET, 2 * BUDGET).await;
    assert!(large.is_some());
}
