//! The workloads: each puts a peer under a certain load and gives figures.
//!
//! They do not know how a peer was started, nor how figures are shown.

pub(crate) mod catalogue;
mod crowd;
pub(crate) mod memory;
pub(crate) mod requests;
pub(crate) mod sizes;
pub(crate) mod start;
pub(crate) mod streams;
