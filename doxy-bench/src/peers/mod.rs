//! The peers of a comparison: the engine itself, doxy, HAProxy, nginx, and any proxy that runs
//! already.
//!
//! All of them enforce the same rules. Nothing here knows a workload or a figure.

pub(crate) mod arguments;
pub(crate) mod certificate;
pub(crate) mod peer;
mod rules;
pub(crate) mod setup;
