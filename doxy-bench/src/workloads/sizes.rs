//! How large and how long the workloads are.

use std::time::Duration;

/// The sizes of all workloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How long requests are sent.
    pub(crate) time: Duration,
    /// Requests per second of the workload with a fixed rate.
    pub(crate) rate: u32,
    /// Bytes through a tunnel, and in all bodies of a run together.
    pub(crate) bytes: u64,
    pub(crate) trips: usize,
    pub(crate) idle: u32,
    pub(crate) idle_many: u32,
    pub(crate) idle_tls: u32,
    /// Sockets of one process.
    pub(crate) sockets: usize,
    pub(crate) crowd: usize,
    /// How long a crowd runs before it is measured.
    pub(crate) crowd_warm: Duration,
    pub(crate) crowd_time: Duration,
    /// How long a peer may take to free buffers and closed connections.
    pub(crate) settle: Duration,
    /// Bytes through the tunnel of the workload `growth`.
    pub(crate) growth: u64,
}

impl Sizes {
    pub(crate) const FULL: Self = Self {
        time: Duration::from_secs(1),
        rate: 10_000,
        bytes: 1 << 30,
        trips: 10_000,
        idle: 1000,
        idle_many: 5000,
        idle_tls: 2000,
        sockets: 1000,
        crowd: 1000,
        crowd_warm: Duration::from_secs(2),
        crowd_time: Duration::from_secs(3),
        settle: Duration::from_millis(1500),
        growth: 4 << 30,
    };
    /// For tests: shows that everything works, not how fast.
    pub(crate) const TINY: Self = Self {
        time: Duration::from_millis(20),
        rate: 1000,
        bytes: 1 << 20,
        trips: 20,
        idle: 8,
        idle_many: 16,
        idle_tls: 12,
        sockets: 10,
        crowd: 8,
        crowd_warm: Duration::from_millis(100),
        crowd_time: Duration::from_millis(700),
        settle: Duration::from_millis(50),
        growth: 2 << 20,
    };
}
