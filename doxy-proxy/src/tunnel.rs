//! A connection that the engine has switched: bytes both ways, until both sides have ended.
//!
//! Half-closes are passed on, each in its direction: `docker run -i` says by one that its input
//! has ended, and waits for output. What one direction fails of does not stop the other before
//! every byte that the engine sent is delivered. No clock ends a tunnel; the only limit is on a
//! client that goes on sending when the engine has ended.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::Interest;
use tokio::time::{interval, timeout};

use crate::pipe::Pipe;
use crate::socket::Socket;

/// How often a client that has ended its input is looked after.
const PATROL: Duration = Duration::from_millis(500);
/// How long a client may go on sending when the engine has ended.
const LINGER: Duration = Duration::from_secs(10);
/// How long a direction in which much was moved may be still before its pipe is given back.
const STILL: Duration = Duration::from_secs(1);
/// The most that is copied at a time, and that is held for a side that does not read.
const SCRATCH: usize = 16 * 1024;

thread_local! {
    /// One for all tunnels: bytes never stay in it over a wait.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

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

/// What became of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The engine ended, and the client has every byte.
    Complete,
    /// The client went away before the engine had ended.
    ClientGone,
    /// The engine went away.
    EngineGone,
}

/// Moves bytes between a client and the engine; first what either has sent already.
pub(crate) async fn run(
    client: &Socket,
    engine: &Socket,
    from_client: Bytes,
    from_engine: Vec<Bytes>,
) -> Outcome {
    let mut up = pin!(pump(client, engine, vec![from_client]));
    let mut down = pin!(pump(engine, client, from_engine));
    let mut patrol = interval(PATROL);
    let mut ended_up = false;
    loop {
        tokio::select! {
            end = down.as_mut() => match end {
                End::SinkFailed => return Outcome::ClientGone,
                End::SourceFailed => return Outcome::EngineGone,
                End::Source => {
                    if engine.hung_up() {
                        return Outcome::Complete;
                    }
                    // The engine still reads. When a process ends it only half-closes, so its
                    // client gets time to end too, but not for ever.
                    client.end();
                    if !ended_up {
                        let _ = timeout(LINGER, up).await;
                    }
                    return Outcome::Complete;
                }
            },
            end = up.as_mut(), if !ended_up => {
                ended_up = true;
                if end != End::SinkFailed {
                    if client.hung_up() {
                        return Outcome::ClientGone;
                    }
                    engine.end();
                }
                // An engine that takes no more may still have output to give.
            }
            _ = patrol.tick(), if ended_up => {
                if client.hung_up() {
                    return Outcome::ClientGone;
                }
            }
        }
    }
}

/// Moves bytes in one direction until it ends. Ends nothing itself.
async fn pump(from: &Socket, to: &Socket, early: Vec<Bytes>) -> End {
    for bytes in early {
        if write_all(to, &bytes).await.is_err() {
            return End::SinkFailed;
        }
    }
    let mut splices = true;
    loop {
        let copied = match copy(from, to).await {
            Ok(copied) => copied,
            Err(end) => return end,
        };
        // As much as fits in: more is likely to come, and is moved without copying.
        if copied == SCRATCH && splices {
            match splice(from, to).await {
                Ok(able) => splices = able,
                Err(end) => return end,
            }
        }
    }
}

/// Copies what is there, up to the size of the buffer; waits until there is something.
async fn copy(from: &Socket, to: &Socket) -> Result<usize, End> {
    loop {
        from.readable().await.map_err(|_| End::SourceFailed)?;
        let step = BUFFER.with_borrow_mut(|buffer| {
            let read = read(from, buffer).map_err(|_| End::SourceFailed)?;
            let Some(bytes) = read.and_then(|read| buffer.get(..read)) else {
                return Ok(None);
            };
            if bytes.is_empty() {
                return Err(End::Source);
            }
            let written = match write(to, bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return Err(End::SinkFailed),
            };
            let rest = bytes.get(written..).unwrap_or_default().to_vec();
            Ok(Some((bytes.len(), rest)))
        })?;
        if let Some((read, rest)) = step {
            write_all(to, &rest).await.map_err(|_| End::SinkFailed)?;
            return Ok(read);
        }
    }
}

/// Moves bytes through a pipe, without copying them, as long as they come.
///
/// Says whether that works for these sockets at all.
async fn splice(from: &Socket, to: &Socket) -> Result<bool, End> {
    // Without descriptors left, copying goes on.
    let Ok(mut pipe) = Pipe::take() else {
        return Ok(true);
    };
    loop {
        let filled = from.try_io(Interest::READABLE, || pipe.fill(from));
        match filled {
            Ok(0) => {
                pipe.give_back();
                return Err(End::Source);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match timeout(STILL, from.readable()).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) => return Err(End::SourceFailed),
                    Err(_) => {
                        pipe.give_back();
                        return Ok(true);
                    }
                }
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
                return Ok(false);
            }
            Err(_) => return Err(End::SourceFailed),
        }
        while !pipe.is_empty() {
            match to.try_io(Interest::WRITABLE, || pipe.drain(to)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    to.writable().await.map_err(|_| End::SinkFailed)?;
                }
                Err(_) => return Err(End::SinkFailed),
            }
        }
        // Also gives other connections a turn when this one is always ready.
        tokio::task::consume_budget().await;
    }
}

/// Reads once. Nothing when there is nothing to be read; nought bytes at the end.
fn read(from: &Socket, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut done = None;
    let tried = from.try_io(Interest::READABLE, || {
        let read = rustix::io::read(from, &mut *buffer)?;
        done = Some(read);
        // A short read has emptied the socket. To say so saves the call that would find out.
        if read > 0 && read < buffer.len() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    });
    match tried {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(done),
    }
}

fn write(to: &Socket, bytes: &[u8]) -> io::Result<usize> {
    to.try_io(Interest::WRITABLE, || Ok(rustix::io::write(to, bytes)?))
}

/// Writes all of it, waiting for as long as it takes.
pub(crate) async fn write_all(to: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
