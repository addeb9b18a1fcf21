//! What is written about requests and about doxy itself.
//!
//! Nothing in this folder decides anything, and no log ever holds up a request.

pub(crate) mod access;
pub(crate) mod context;
pub(crate) mod date;
pub(crate) mod denials;
pub mod diagnostics;
mod entry;
pub(crate) mod escape;
mod format;
mod journal;
pub(crate) mod json;
pub mod limit;
pub mod probe;
pub(crate) mod record;
pub(crate) mod request_id;
mod text;
