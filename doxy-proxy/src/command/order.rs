//! What is to be run, and how doxy speaks of it to whoever has started it.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::config::Login;

/// What a child that was not able to do its part exits with.
pub(super) const MISUSED: u8 = 2;

/// What to run, and how.
#[derive(Debug)]
pub(crate) struct Order {
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    /// The user to run it as, if that is another one.
    pub(crate) login: Option<Login>,
    /// Where its socket is to be, if that is not for doxy to choose.
    pub(crate) socket: Option<PathBuf>,
    /// Run it even if it could reach the engine without doxy.
    pub(crate) advisory: bool,
}

/// Says something on standard error. If that fails there is nobody to hear it.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "doxy: {text}");
}
