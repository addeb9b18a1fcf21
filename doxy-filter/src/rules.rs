//! Pattern files: parsed, compiled and matched.
//!
//! `line` parses one line, `method` has sets of methods, `pattern` compiles a pattern within
//! limits, `file` reads all lines, `automaton` matches many patterns at once, `set` is all of it.
//! `reach` tells which
//! paths a pattern can match; with it `pattern` refuses those that match none, `advice` warns of
//! rules that are probably mistakes, and `coverage` tells which endpoints rules open. `lints` warns of
//! more, for a person who asks. `served` has the paths of an endpoint.

mod advice;
mod automaton;
mod coverage;
mod file;
mod line;
mod lints;
mod method;
pub(crate) mod pattern;
mod reach;
mod served;
mod set;

pub use self::coverage::{Access, Coverage};
pub use self::file::RuleText;
pub use self::set::{DEFAULT_PATTERNS, RuleSet};
