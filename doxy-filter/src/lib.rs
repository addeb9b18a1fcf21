//! The rules of doxy: which requests may reach a Docker engine.
//!
//! A [`RuleSet`] is an allow-list of regular expressions over method and path. It is compiled once
//! and then judges every request:
//!
//! 1. [`canonical_path`] turns the path as sent into the path that the engine's router sees, or
//!    refuses it;
//! 2. [`RuleSet::decide`] returns a [`Verdict`] with the rule that decided.
//!
//! [`api`] is the table of the Docker API, for every other part of doxy that must know an endpoint.
//!
//! Invariants: a request that no rule allows is denied; a `!` rule overrides all others; a rule
//! matches the whole path; a pattern means what it means in Go's regexp package, or the file does
//! not load.
//!
//! This crate must never use files, sockets, the environment, clocks, HTTP types or async;
//! `clippy.toml` bans them.
//!
//! # Map
//!
//! From the lowest floor to the highest. A module imports only from floors below its own.
//!
//! | floor | what it is for | what it must never know |
//! |---|---|---|
//! | `error` | `RuleError`, `RuleWarning`, `CaseError`: where a file is wrong or odd, what is wrong, and how to fix it | what a rule is |
//! | `path` | the path of a request as the engine's router sees it, and its API version | rules, endpoints |
//! | `api` | the Docker API as a table: every endpoint, its versions, answer, body and risks; the endpoint of a request | rules, verdicts |
//! | `cases` | a file of requests and the verdicts that a policy must give: read, not run | policies, verdicts |
//! | `request` | `Request`: method, path and query that are judged | headers, bodies, connections |
//! | `verdict` | `Verdict`: allowed or denied, why, and by which rule | how the verdict was found |
//! | `go_regex` | a pattern of Go's regexp package, translated to one that Rust reads alike | paths, methods, rules |
//! | `rules` | a pattern file: its lines, methods, patterns, the automaton, `RuleSet`; what is odd about its rules | where the file came from |
//! | `learn` | recorded requests become a pattern file | where they were recorded, and where the file goes |
//! | `import` | policies of other socket proxies, translated to rules and settings | where they were read; how they are printed |
//! | `text` | `TextPattern`: a pattern for text other than paths, for policy scripts | scripts |

pub mod api;
pub mod cases;
mod error;
mod go_regex;
pub mod import;
mod learn;
mod path;
mod request;
mod rules;
mod text;
mod verdict;

pub use crate::error::{CaseError, RuleError, RuleWarning};
pub use crate::learn::{Learned, Noted, PatternFile, Withheld};
pub use crate::path::{MAX_PATH, PathError, canonical_path, merge_slashes, split_version};
pub use crate::request::Request;
pub use crate::rules::{Access, Coverage, DEFAULT_PATTERNS, RuleSet, RuleText};
pub use crate::text::{PatternError, TextPattern, texts_matching};
pub use crate::verdict::{MatchingRule, Reason, RuleRef, Verdict};
