//! Pattern files: parsed, compiled and matched.
//!
//! `line` parses one line, `method` has sets of methods, `pattern` compiles a pattern within
//! limits, `automaton` matches many patterns at once, `set` is the whole file.

mod automaton;
mod line;
mod method;
pub(crate) mod pattern;
mod set;

pub use self::set::{DEFAULT_PATTERNS, RuleSet};
