//! How long a connection may wait for its next request.
//!
//! A request notes the coarse time; the timer is reset only when it fires, never for a request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::clock::CoarseInstant;

/// The wait of one connection.
#[derive(Debug)]
pub(crate) struct IdleTimer<'a> {
    limit: Duration,
    /// When the connection began to wait.
    since: CoarseInstant,
    /// Fires when the connection may have waited for its limit.
    timer: Pin<&'a mut Sleep>,
}

impl<'a> IdleTimer<'a> {
    /// The timer of a connection that may wait for `limit`.
    pub(crate) fn timer(limit: Duration) -> Sleep {
        sleep(limit)
    }

    /// Begins to wait.
    pub(crate) fn new(limit: Duration, timer: Pin<&'a mut Sleep>) -> Self {
        Self {
            limit,
            since: CoarseInstant::now(),
            timer,
        }
    }

    /// Begins to wait anew: a request has been answered.
    pub(crate) fn restart(&mut self) {
        self.since = CoarseInstant::now();
    }

    /// When the connection began to wait.
    pub(crate) fn since(&self) -> CoarseInstant {
        self.since
    }

    /// Whether the timer has fired since it was polled.
    pub(crate) fn has_fired(&self) -> bool {
        self.timer.is_elapsed()
    }

    /// Resolves when the connection has waited for its limit.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let waited = CoarseInstant::now().since(self.since);
            let left = self.limit.saturating_sub(waited);
            if left.is_zero() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(Instant::now() + left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::{Duration, Instant};

    use super::{CoarseInstant, IdleTimer};

    #[tokio::test]
    async fn a_connection_waits_for_its_limit_from_its_last_request_on() {
        let limit = Duration::from_millis(60);
        let timer = pin!(IdleTimer::timer(limit));
        let mut idle = IdleTimer::new(limit, timer);
        let before = Instant::now();
        poll_fn(|cx| idle.poll(cx)).await;
        assert!(before.elapsed() >= limit - Duration::from_millis(20));

        // The timer has fired already; a request came since.
        idle.restart();
        let restarted = CoarseInstant::now();
        poll_fn(|cx| idle.poll(cx)).await;
        assert!(CoarseInstant::now().since(restarted) >= limit);
    }
}
