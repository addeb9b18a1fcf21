//! Numbers that one thread changes and others read.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many there are of something at the moment.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    /// One more, until the returned value is dropped.
    pub(crate) fn one_more(&self) -> Open<'_> {
        self.0.fetch_add(1, Relaxed);
        Open(self)
    }

    pub(crate) fn get(&self) -> u64 {
        u64::try_from(self.0.load(Relaxed)).unwrap_or_default()
    }
}

/// One of those that a gauge counts.
#[derive(Debug)]
pub(crate) struct Open<'a>(&'a Gauge);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// Counts the bytes that are moved for one request, and at once for its socket: a stream may last for
/// days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter<'a> {
    pub(crate) request: &'a Counter,
    pub(crate) socket: Option<&'a Counter>,
}

impl Meter<'_> {
    pub(crate) fn add(self, bytes: u64) {
        self.request.add(bytes);
        if let Some(socket) = self.socket {
            socket.add(bytes);
        }
    }
}
