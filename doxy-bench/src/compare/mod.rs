//! A comparison: what is asked for, what runs, in which order, and where results go.
//!
//! It does not know the command line.

pub(crate) mod plan;
pub(crate) mod run;
mod testbed;
