//! Policies as their users meet them: whole files in, decisions and messages out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test is meant to panic"
)]

/// What any module here needs: requests to ask about, and the answer in words.
mod support;

/// Lists of what is allowed.
mod allow_lists;
/// Bodies: what is read, what is refused, and how each looks to a script.
mod bodies;
/// What a policy makes of a request.
mod changes;
/// How many endpoints a policy opens.
mod coverage;
/// What must be denied by every policy in `scripts/`, in every spelling.
mod dangerous;
/// Policies that are refused at start, with the words of the refusal.
mod errors;
/// Every field and query parameter, one at a time, against the policies that list what they allow.
mod fields;
/// Policies that loop, grow, throw and return nonsense.
mod hostile;
/// The language: what scripts see and what their functions give.
mod language;
mod lookups;
/// The policies in `scripts/`, each with its cases.
mod policies;
/// What a policy says it opens.
mod presets;
/// What holds for any body, query and script.
mod properties;
/// What the README says of policies.
mod readme;
/// The examples of `docs/scripts.md`.
mod reference;
