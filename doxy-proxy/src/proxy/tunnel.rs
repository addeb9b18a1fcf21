//! An upgraded connection: bytes both ways, until both sides have ended.
//!
//! Half-closes are passed on in each direction: `docker run -i` half-closes when its input has ended,
//! and waits for output. If one direction fails, the other still delivers every byte that the engine
//! sent. No clock ends a tunnel while both sides are there. When one is gone, the other has limited
//! time to take what that one had sent.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::facts::Outcome;
use crate::log::record::RequestRecord;
use crate::metrics::counter::Meter;
use crate::net::buffer::{HEAD_BUF, ReadBuf};
use crate::net::splice::{self, Side, Spliced};
use crate::net::stream::Stream;

/// How long a client may go on sending when the engine has ended, and how long the last bytes of a
/// side that is gone may take to be delivered.
const LINGERING_TIME: Duration = Duration::from_secs(10);
/// The most that is copied at a time, and held for a side that does not read, in bytes.
const SCRATCH: usize = HEAD_BUF;

/// How one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The source has ended, and all it sent is written.
    Source,
    /// The source has failed.
    SourceFailed,
    /// The sink takes no more.
    SinkFailed,
}

/// Relays bytes between a client and the engine, beginning with those that were read already.
pub(crate) async fn run(
    client: &Stream,
    engine: &Stream,
    from_client: &mut ReadBuf,
    from_engine: &mut ReadBuf,
    record: &RequestRecord<'_>,
) -> Outcome {
    let mut up = pin!(pump(client, engine, from_client, record.to_engine()));
    let mut down = pin!(pump(engine, client, from_engine, record.to_client()));
    // A client that has half-closed, or that is not being read, may close without a further event.
    let mut gone = pin!(client.closed());
    let mut ended_up = false;
    loop {
        tokio::select! {
            end = down.as_mut() => match end {
                End::SinkFailed => {
                    // What the client sent before it went is delivered all the same.
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
                    // The engine only half-closes when a process ends. Its client gets some time to
                    // end too.
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
                // An engine that takes no more may still send output.
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

/// Relays bytes in one direction until it ends. It closes nothing.
///
/// `input` is what has been read of the source already. While nothing comes, it owns no memory.
async fn pump(from: &Stream, to: &Stream, input: &mut ReadBuf, moved: Meter<'_>) -> End {
    let mut full = false;
    loop {
        // Gives other connections a turn when this one is always ready.
        tokio::task::consume_budget().await;
        let bytes = input.unread();
        if to.write_all(bytes).await.is_err() {
            return End::SinkFailed;
        }
        let count = bytes.len();
        moved.add(count as u64);
        input.consume(count);
        // The buffer was filled, so more is likely to come: splice it.
        if full {
            let mut left = u64::MAX;
            let flow = Box::pin(splice::splice_some(from, to, &mut left)).await;
            moved.add(u64::MAX - left);
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
