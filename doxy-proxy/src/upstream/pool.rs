//! Connections to the engine that wait for a request.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::CoarseInstant;
use crate::net::stream::Stream;

/// The most connections that are kept. More are closed when their response has been read.
const MAX_IDLE: usize = 512;
/// How long a connection is kept without being used.
const IDLE_LIFETIME: Duration = Duration::from_secs(30);

/// Connections that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Since when each has waited, the longest first.
    idle: VecDeque<(CoarseInstant, Stream)>,
    /// Whether a task calls `expire` when the next lifetime ends.
    watched: bool,
}

impl Pool {
    /// Keeps a connection, if there is room. Says whether the caller is to start the task that
    /// calls `expire` until that gives nothing.
    pub(crate) fn put(&mut self, stream: Stream, now: CoarseInstant) -> bool {
        if self.idle.len() < MAX_IDLE {
            self.idle.push_back((now, stream));
        }
        !std::mem::replace(&mut self.watched, true)
    }

    /// Takes out the connection that was used last.
    pub(crate) fn pop(&mut self) -> Option<Stream> {
        self.idle.pop_back().map(|(_, stream)| stream)
    }

    /// Closes the connections that have waited too long. Gives the time until the next one has, if
    /// any is left.
    pub(crate) fn expire(&mut self, now: CoarseInstant) -> Option<Duration> {
        while let Some((since, _)) = self.idle.front() {
            let left = IDLE_LIFETIME.saturating_sub(now.since(*since));
            if !left.is_zero() {
                return Some(left);
            }
            self.idle.pop_front();
        }
        self.watched = false;
        None
    }

    /// Closes all of them. Says whether there were any.
    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.idle).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::net::UnixStream;

    use super::{CoarseInstant, IDLE_LIFETIME, Pool, Stream};

    #[tokio::test]
    async fn a_connection_is_closed_when_it_has_waited_for_its_lifetime() -> io::Result<()> {
        let start = CoarseInstant::now();
        let after = |seconds| start.later(Duration::from_secs(seconds));
        let mut pool = Pool::default();
        let mut others = Vec::new();
        let mut put = |pool: &mut Pool, seconds| -> io::Result<bool> {
            let (one, other) = UnixStream::pair()?;
            others.push(other);
            Ok(pool.put(Stream::from(one), after(seconds)))
        };
        assert!(put(&mut pool, 0)?);
        assert!(!put(&mut pool, 10)?);
        assert_eq!(pool.expire(after(0)), Some(IDLE_LIFETIME));
        assert_eq!(pool.expire(after(29)), Some(Duration::from_secs(1)));
        assert_eq!(pool.idle.len(), 2);
        assert_eq!(pool.expire(after(30)), Some(Duration::from_secs(10)));
        assert_eq!(pool.idle.len(), 1);
        assert_eq!(pool.expire(after(41)), None);
        assert!(
            put(&mut pool, 50)?,
            "the task has ended, so another one is needed"
        );
        assert!(pool.clear() && !pool.clear());
        Ok(())
    }
}
