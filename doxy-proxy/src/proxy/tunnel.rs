//! A connection that the engine has switched: bytes both ways, until both sides have ended.
//!
//! Half-closes are passed on, each in its direction: `docker run -i` says by one that its input
//! has ended, and waits for output. What one direction fails of does not stop the other before
//! every byte that the engine sent is delivered. No clock ends a tunnel while both sides are there;
//! when one has gone, what it sent has a limited time to be taken by the other.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::timeout;

use crate::log::context::Traffic;
use crate::log::facts::Outcome;
use crate::net::buffer::{HEAD_BUF, ReadBuf};
use crate::net::splice::{self, Side, Spliced};
use crate::net::stream::Stream;

/// How long a client may go on sending when the engine has ended, and what one has sent that has
/// gone may take to be delivered.
const LINGERING_TIME: Duration = Duration::from_secs(10);
/// The most that is copied at a time, and that is held for a side that does not read.
const SCRATCH: usize = HEAD_BUF;

/// How one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The side that is read from has ended, and all it sent is written.
    Source,
    /// The side that is read from has failed.
    SourceFailed,
    /// The side that is written to takes no more.
    SinkFailed,
}

/// Moves bytes between a client and the engine; first what has been read of either already.
pub(crate) async fn run(
    client: &Stream,
    engine: &Stream,
    from_client: &mut ReadBuf,
    from_engine: &mut ReadBuf,
    traffic: &Traffic,
) -> Outcome {
    let mut up = pin!(pump(client, engine, from_client, &traffic.to_engine));
    let mut down = pin!(pump(engine, client, from_engine, &traffic.to_client));
    // A client that has ended its input, or is not read from, may go without another word.
    let mut gone = pin!(client.closed());
    let mut ended_up = false;
    loop {
        tokio::select! {
            end = down.as_mut() => match end {
                End::SinkFailed => {
                    // What it has sent before it went is delivered all the same.
                    if !ended_up {
                        let _ = timeout(LINGERING_TIME, up).await;
                    }
                    return Outcome::ClientGone;
                }
                End::SourceFailed => return Outcome::EngineGone,
                End::Source => {
                    if engine.is_hup() {
                        return Outcome::Tunnel;
                    }
                    // The engine still reads. When a process ends it only half-closes, so its
                    // client gets time to end too, but not for ever.
                    client.shutdown_write();
                    if !ended_up {
                        let _ = timeout(LINGERING_TIME, up).await;
                    }
                    return Outcome::Tunnel;
                }
            },
            end = up.as_mut(), if !ended_up => {
                ended_up = true;
                if end != End::SinkFailed {
                    if client.is_hup() {
                        return Outcome::ClientGone;
                    }
                    engine.shutdown_write();
                }
                // An engine that takes no more may still have output to give.
            }
            () = gone.as_mut() => {
                if !ended_up {
                    let _ = timeout(LINGERING_TIME, up).await;
                }
                return Outcome::ClientGone;
            }
        }
    }
}

/// Moves bytes in one direction until it ends. Ends nothing itself.
///
/// `input` is what has been read of the source already. While nothing comes it owns no memory.
async fn pump(from: &Stream, to: &Stream, input: &mut ReadBuf, moved: &AtomicU64) -> End {
    let mut full = false;
    loop {
        // Gives other connections a turn when this one is always ready.
        tokio::task::consume_budget().await;
        let bytes = input.unread();
        if to.write_all(bytes).await.is_err() {
            return End::SinkFailed;
        }
        let count = bytes.len();
        moved.fetch_add(count as u64, Relaxed);
        input.consume(count);
        // As much as fitted in: more is likely to come, and is moved without copying.
        if full {
            let mut left = u64::MAX;
            let flow = Box::pin(splice::splice_some(from, to, &mut left)).await;
            moved.fetch_add(u64::MAX - left, Relaxed);
            match flow {
                Ok(Spliced::Idle) => {}
                Ok(Spliced::End) => return End::Source,
                Err(Side::Source) => return End::SourceFailed,
                Err(Side::Sink) => return End::SinkFailed,
            }
        }
        full = match input.fill(from, SCRATCH).await {
            Ok(0) => return End::Source,
            Ok(_) => input.is_full(),
            Err(_) => return End::SourceFailed,
        };
    }
}
