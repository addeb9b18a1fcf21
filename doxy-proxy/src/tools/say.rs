//! What happens on the way, on standard error.

use std::io::{self, Write as _};

/// A line on standard error.
pub(crate) fn say(line: &str) {
    // Nobody may be listening, and the result counts all the same.
    let _ = writeln!(io::stderr(), "doxy: {line}");
}
