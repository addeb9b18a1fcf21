//! Load: many requests at once, at a pace, and what they cost.
//!
//! Nothing here knows which workload it is part of, or what becomes of the figures.

pub(crate) mod flood;
pub(crate) mod meter;
pub(crate) mod pace;
