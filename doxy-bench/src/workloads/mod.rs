//! The workloads: each puts a certain load on a peer and returns figures.
//!
//! They do not know how a peer is started, or how figures are shown.

pub(crate) mod catalogue;
mod crowd;
pub(crate) mod memory;
pub(crate) mod requests;
pub(crate) mod sizes;
pub(crate) mod start;
pub(crate) mod streams;
