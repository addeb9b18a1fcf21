//! Rules: a file of them read, compiled and asked.
//!
//! `line` reads one line, `method` holds sets of methods, `pattern` compiles and bounds a pattern, `automaton`
//! matches many at once, `set` puts them together.

mod automaton;
mod line;
mod method;
pub(crate) mod pattern;
mod set;

pub use self::set::{DEFAULT_PATTERNS, RuleSet};
