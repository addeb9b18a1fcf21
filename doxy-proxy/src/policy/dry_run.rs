//! Dry runs: what the policy denies is recorded, and forwarded all the same.
//!
//! The second maker of a way to the engine, beside `decide`, and only for a socket whose settings ask
//! for it. It never lets pass what could be read in two ways, what is past a limit, or what a script
//! that has failed could not judge.

use std::time::{Duration, Instant};

use crate::http::collect::RequestBody;
use crate::http::request::ValidRequest;
use crate::policy::denial::Denial;

/// That a socket only records what its policy denies, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DryRun {
    /// How long it was to take from its beginning.
    time: Option<Duration>,
    until: Option<Instant>,
}

/// A request that the policy denies and that goes to the engine in a dry run; good for forwarding it
/// once.
#[derive(Debug)]
pub(crate) struct WouldDeny<'s, 'b> {
    request: ValidRequest<'s, 'b>,
}

impl DryRun {
    /// A dry run that begins now. It ends by itself after `time`, if that is given; then denials are
    /// real.
    pub fn begin(time: Option<Duration>) -> Self {
        Self {
            time,
            until: time.and_then(|time| Instant::now().checked_add(time)),
        }
    }

    /// How long it takes, or none if it does not end by itself.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// The way to the engine for a request that the policy denies, if this lets it pass.
    pub(crate) fn permit<'s, 'b>(
        &self,
        request: ValidRequest<'s, 'b>,
        denial: &Denial,
    ) -> Option<WouldDeny<'s, 'b>> {
        let judged = match denial {
            // The body alone decided: no policy may allow it.
            Denial::Script { place, failed, .. } => place.is_some() && !failed,
            _ => true,
        };
        let readable = !matches!(request.body, RequestBody::Unreadable(_));
        (judged && readable && !self.is_over()).then_some(WouldDeny { request })
    }
}

impl<'s, 'b> WouldDeny<'s, 'b> {
    /// Uses it up and gives out the request that it is for.
    pub(crate) fn redeem(self) -> ValidRequest<'s, 'b> {
        self.request
    }
}
