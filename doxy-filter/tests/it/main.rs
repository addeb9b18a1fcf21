//! Rules as their users meet them: whole files in, verdicts and messages out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test is meant to panic"
)]

/// Files of rules in `tests/data`, each with the requests it allows and denies.
mod cases;
/// Which endpoints rules open.
mod coverage;
/// Random patterns, matched by doxy and by Go.
mod differential;
/// The table of the API, and which request is for which endpoint.
mod endpoints;
/// Files that are refused, with the words of the refusal.
mod errors;
/// Patterns that Go and Rust read differently, in Go's meaning.
mod go;
/// Policies of other proxies, translated.
mod import;
/// What recorded requests become.
mod learn;
/// Every rule that matches a request.
mod matching;
/// Which object a path names.
mod objects;
/// What holds for any path and any rules.
mod properties;
/// The classifier beside a slow router of regexes.
mod router;
/// The rule that is suggested for an endpoint, and what it reaches.
mod suggest;
/// Rules that load with a warning, and rules that load without one.
mod warnings;
