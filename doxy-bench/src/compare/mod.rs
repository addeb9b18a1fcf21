//! One run of the comparison: what is asked for, what runs, in what order, and where results go.
//!
//! Nothing below knows of it.

mod lab;
pub(crate) mod plan;
pub(crate) mod run;
