//! Whose answer is worked out next: one of each peer at a time, so that a peer that asks for much waits for
//! itself. Nothing here knows what an answer is.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// Works an answer out when it is its peer's turn. `turn` is that of the peer, and has one permit.
///
/// An answer that waits for something, such as the engine, gives the turn back.
pub(super) async fn in_turn<A: Future>(turn: &Semaphore, answer: A) -> A::Output {
    let mut answer = pin!(answer);
    let begun = {
        // It is never closed.
        let _turn = turn.acquire().await;
        // Whatever of others is ready comes first.
        yield_now().await;
        poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await
    };
    match begun {
        Poll::Ready(answer) => answer,
        Poll::Pending => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::{Arc, Mutex, PoisonError};

    use tokio::sync::Semaphore;
    use tokio::task::JoinSet;

    use super::in_turn;

    #[tokio::test(flavor = "current_thread")]
    async fn one_answer_of_a_peer_comes_between_two_of_another() {
        let [many, few] = [(); 2].map(|()| Arc::new(Semaphore::new(1)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut asked = JoinSet::new();
        for n in 0..110 {
            let (turn, order) = match n {
                100.. => (Arc::clone(&few), Arc::clone(&order)),
                _ => (Arc::clone(&many), Arc::clone(&order)),
            };
            asked.spawn(async move {
                let answer = async { order.lock().unwrap_or_else(PoisonError::into_inner).push(n) };
                in_turn(&turn, answer).await;
            });
        }
        while asked.join_next().await.is_some() {}
        let order = order.lock().unwrap_or_else(PoisonError::into_inner);
        let last_of_few = order.iter().rposition(|n| *n >= 100);
        assert!(last_of_few < Some(25), "{order:?}");
        assert_eq!(order.len(), 110);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_that_waits_does_not_keep_the_turn() {
        let turn = Arc::new(Semaphore::new(1));
        let mut asked = JoinSet::new();
        for _ in 0..3 {
            let turn = Arc::clone(&turn);
            asked.spawn(async move { in_turn(&turn, pending::<()>()).await });
        }
        assert_eq!(in_turn(&turn, async { 7 }).await, 7);
    }
}
