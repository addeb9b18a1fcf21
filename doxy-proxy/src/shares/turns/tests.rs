//! The order of turns, and that none is lost.

use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;

use super::{Duration, SLICE, Sharer, Turns, yield_now};
use crate::net::peer::Identity;

fn sharer(uid: u32) -> Sharer {
    let identity = Identity::User(uid);
    Sharer {
        socket: 0,
        identity,
    }
}

/// A thread on which turns are taken, and what has been done in them.
#[derive(Clone, Default)]
struct Thread {
    turns: Arc<Turns>,
    done: Arc<Mutex<Vec<&'static str>>>,
}

impl Thread {
    /// A task that takes a turn, and uses up the slice in it.
    fn spawn(&self, sharer: Sharer, name: &'static str) -> JoinHandle<()> {
        let Self { turns, done } = self.clone();
        tokio::spawn(async move {
            let turn = turns.take(sharer).await;
            done.lock().into_iter().for_each(|mut done| done.push(name));
            turn.turns.state().taken += SLICE;
        })
    }

    fn done(&self) -> Vec<&'static str> {
        self.done
            .lock()
            .map(|done| done.clone())
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn another_peer_is_next_whoever_waits() {
    let thread = Thread::default();
    let crowd: Vec<_> = (0..20).map(|_| thread.spawn(sharer(1), "crowd")).collect();
    while thread.done().is_empty() {
        yield_now().await;
    }
    let began = thread.done().len();
    let one = thread.spawn(sharer(2), "one");
    let third = thread.spawn(sharer(3), "third");
    assert!(one.await.is_ok() && third.await.is_ok());
    let done = thread.done();
    let order = done.get(began..).unwrap_or_default();
    let crowd_before = order.iter().take_while(|name| **name == "crowd").count();
    assert!(crowd_before <= 1, "{done:?}");
    assert_eq!(
        order.get(crowd_before..),
        Some(&["one", "third"][..]),
        "{done:?}"
    );
    for task in crowd {
        assert!(task.await.is_ok());
    }
    assert_eq!(thread.done().len(), 22);
}

/// What a connection takes to be served comes in two steps, as accepting and reading do.
#[tokio::test]
async fn between_turns_the_thread_looks_at_its_sockets() -> std::io::Result<()> {
    let thread = Thread::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let accepting = {
        let thread = thread.clone();
        tokio::spawn(async move {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let thread = thread.clone();
            let served = tokio::spawn(async move {
                if stream.readable().await.is_ok() {
                    let _ = thread.spawn(sharer(2), "one").await;
                }
            });
            let _ = served.await;
        })
    };
    yield_now().await;
    let crowd: Vec<_> = (0..20).map(|_| thread.spawn(sharer(1), "crowd")).collect();
    // Connects and sends at once, in a thread of its own, and is done before a turn is taken.
    let sent = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address)?;
        std::io::Write::write_all(&mut stream, b"x")?;
        Ok::<_, std::io::Error>(stream)
    });
    let _stream = sent.join().map_err(|_| std::io::ErrorKind::Other)??;
    let _ = accepting.await;
    let done = thread.done();
    let before = done.iter().take_while(|name| **name == "crowd").count();
    assert!(before <= 2, "{done:?}");
    for task in crowd {
        assert!(task.await.is_ok());
    }
    Ok(())
}

#[tokio::test]
async fn who_gives_up_waiting_keeps_nobody_waiting() {
    let turns = Turns::default();
    let running = turns.take(sharer(1)).await;
    for _ in 0..3 {
        // Waits, and is dropped while it does; the last one when it has been woken.
        let waited = tokio::time::timeout(Duration::ZERO, turns.take(sharer(2))).await;
        assert!(waited.is_err());
    }
    drop(running);
    turns.state().taken = SLICE;
    tokio::select! {
        biased;
        _ = turns.take(sharer(2)) => {}
        () = std::future::ready(()) => {}
    }
    let turn = tokio::time::timeout(Duration::from_secs(10), turns.take(sharer(1))).await;
    assert!(turn.is_ok());
}
