//! How long a connection has been waiting for a request, told without a look at the clock for each.
//!
//! The time it may wait is cut in eight parts. At the end of a part it is asked whether anything has
//! come in it; when nothing has for eight of them, the connection has waited long enough.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// So many times a connection is looked after while it waits.
const PARTS: u32 = 8;

/// The time that a connection has been waiting.
#[derive(Debug)]
pub(crate) struct Idle<'a> {
    part: Duration,
    /// Ends the part that this is.
    clock: Pin<&'a mut Sleep>,
    /// Parts in which nothing has come, one after the other.
    quiet: u32,
    /// Has something come in this one?
    busy: bool,
}

impl<'a> Idle<'a> {
    /// The clock of a connection that may wait for `limit`, set to the end of the first part.
    pub(crate) fn clock(limit: Duration) -> Sleep {
        sleep(limit / PARTS)
    }

    /// A connection that may wait for `limit`, by a clock of its own for that.
    pub(crate) fn new(limit: Duration, clock: Pin<&'a mut Sleep>) -> Self {
        Self {
            part: limit / PARTS,
            clock,
            quiet: 0,
            busy: false,
        }
    }

    /// A request has come.
    pub(crate) fn begin_anew(&mut self) {
        self.busy = true;
    }

    /// Is there something to be done that it was woken for?
    pub(crate) fn is_due(&self) -> bool {
        self.clock.is_elapsed()
    }

    /// Resolves when the connection has waited for as long as it may, and not an eighth longer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.clock.as_mut().poll(cx));
            self.quiet = if self.busy { 0 } else { self.quiet + 1 };
            self.busy = false;
            if self.quiet >= PARTS {
                return Poll::Ready(());
            }
            self.clock.as_mut().reset(Instant::now() + self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Idle;

    const LIMIT: Duration = Duration::from_secs(80);

    /// How long a connection waits to which requests come at these times, after the last of them.
    async fn waits(requests: &[u64]) -> Duration {
        let clock = pin!(Idle::clock(LIMIT));
        let mut idle = Idle::new(LIMIT, clock);
        let mut last = Instant::now();
        for pause in requests {
            let over = poll_fn(|cx| idle.poll(cx));
            assert!(
                tokio::time::timeout(Duration::from_secs(*pause), over)
                    .await
                    .is_err(),
                "ended though requests came"
            );
            idle.begin_anew();
            last = Instant::now();
        }
        poll_fn(|cx| idle.poll(cx)).await;
        last.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_for_its_time_and_at_most_an_eighth_longer() {
        for requests in [
            &[][..],
            &[1],
            &[9],
            &[11],
            &[79],
            &[79, 79, 79],
            &[5, 5, 5, 5, 70],
        ] {
            let waited = waits(requests).await;
            let slack = Duration::from_millis(10);
            assert!(
                waited + slack >= LIMIT && waited <= LIMIT + LIMIT / 8 + slack,
                "{requests:?}: {waited:?}"
            );
        }
    }
}
