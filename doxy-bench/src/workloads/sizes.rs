//! How much of everything a run does.

use std::time::Duration;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How long requests are sent, flat out or at the rate.
    pub(crate) time: Duration,
    /// Requests per second where the rate is fixed.
    pub(crate) rate: u32,
    /// Bytes through one tunnel, and in all the bodies of a run.
    pub(crate) bytes: u64,
    pub(crate) trips: usize,
    pub(crate) idle: u32,
    pub(crate) idle_many: u32,
    pub(crate) crowd: usize,
    /// How long a crowd is there before, and while, it is measured.
    pub(crate) crowd_warm: Duration,
    pub(crate) crowd_time: Duration,
    /// For what was moved to be let go, and for a closed connection to be.
    pub(crate) settle: Duration,
    /// Bytes through the tunnel that is watched for growth.
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
        crowd: 1000,
        crowd_warm: Duration::from_secs(2),
        crowd_time: Duration::from_secs(3),
        settle: Duration::from_millis(1500),
        growth: 4 << 30,
    };
    /// To see that everything works, not how fast.
    pub(crate) const TINY: Self = Self {
        time: Duration::from_millis(20),
        rate: 1000,
        bytes: 1 << 20,
        trips: 20,
        idle: 8,
        idle_many: 16,
        crowd: 8,
        crowd_warm: Duration::from_millis(100),
        crowd_time: Duration::from_millis(700),
        settle: Duration::from_millis(50),
        growth: 2 << 20,
    };
}
