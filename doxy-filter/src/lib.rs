//! The rules of doxy: which requests may reach a Docker engine.
//!
//! A [`RuleSet`] is an allow-list of regular expressions over method and path. It is compiled once and
//! then asked about every request:
//!
//! 1. [`canonical_path`] turns the path as sent into the path as the engine's router sees it, or refuses it;
//! 2. [`RuleSet::decide`] gives a [`Verdict`], which names the rule it rests on.
//!
//! Invariants: what no rule allows is denied; a `!` rule beats every other; a rule matches the whole path;
//! a pattern means what it means to Go's regexp package, or the file does not load.
//!
//! Absent on purpose: files, sockets, the environment, clocks, HTTP types, async. `clippy.toml` keeps them out.
//!
//! Where things are: `line` reads one line of a rule file, `translate` turns a Go pattern into a Rust one,
//! `pattern` compiles and bounds it, `automaton` matches many at once, `set` puts them together. `text` lends
//! the language to whoever matches other text than paths: policy scripts.

mod automaton;
mod error;
mod line;
mod method;
mod path;
mod pattern;
mod set;
mod text;
mod translate;
mod verdict;

pub use crate::error::RuleError;
pub use crate::path::{MAX_PATH, PathError, canonical_path, split_version};
pub use crate::set::{DEFAULT_PATTERNS, RuleSet};
pub use crate::text::{PatternError, TextPattern};
pub use crate::verdict::{Reason, Request, RuleRef, Verdict};
