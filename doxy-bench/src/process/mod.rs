//! Processes: starting and ending them, their CPUs, what they use, and the machine they run on.
//!
//! Nothing here knows what a process does, or connects to one.

pub(crate) mod affinity;
pub(crate) mod machine;
pub(crate) mod running;
pub(crate) mod usage;
