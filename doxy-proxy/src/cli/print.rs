//! Results on standard output. Errors and what happens on the way go to standard error, elsewhere.

use std::io::{self, Write as _};

/// Prints a result. Whoever reads no further has what it wants.
pub(super) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
