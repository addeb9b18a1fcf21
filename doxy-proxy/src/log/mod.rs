//! What is written about requests, and about doxy itself.
//!
//! Nothing in this folder decides anything, and no log ever holds up a request.

pub(crate) mod access;
pub(crate) mod date;
pub mod diagnostics;
pub(crate) mod json;
pub(crate) mod quote;
pub(crate) mod record;
pub(crate) mod said;
