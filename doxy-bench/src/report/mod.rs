//! Reports of a comparison: tables, lines of JSON, and plots.
//!
//! It only reads figures. It must never start, ask or measure anything.

pub(crate) mod bars;
pub(crate) mod plots;
pub(crate) mod runs;
pub(crate) mod summary;
