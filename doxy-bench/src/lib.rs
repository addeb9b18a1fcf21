//! What the benchmarks in `benches/` share. `cargo bench` runs them.
//!
//! Compare figures of one run only: they are for ratios. The binary, which compares proxies, has a
//! map of its own in `main.rs`.
//!
//! # Map
//!
//! From the lowest floor to the highest. A module imports only from floors below its own.
//!
//! | floor | what it is for | what it must never know |
//! |---|---|---|
//! | `inputs` | pattern files of any size and paths to judge | what is measured |
//! | `gate` | instruction counts: parsed, compared with the recorded ones, rendered | files, processes, what was counted |

pub mod gate;
mod inputs;

pub use crate::inputs::{paths, rules};
