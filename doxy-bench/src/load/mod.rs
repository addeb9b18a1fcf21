//! Load: many requests at once, at a pace, and what they cost.
//!
//! It does not know which workload it is part of, nor what becomes of the figures.

pub(crate) mod flood;
pub(crate) mod meter;
pub(crate) mod pace;
