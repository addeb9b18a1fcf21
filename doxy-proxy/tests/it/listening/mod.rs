//! The socket that the binary creates: who may connect to it, which existing files it replaces, and
//! what remains when doxy ends.

mod ending;
mod existing;
mod locks;
mod rights;

use std::path::Path;

use crate::support::Client;

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

/// Checks that a client gets a response at `path`, allowed or not.
#[track_caller]
fn answers(path: &Path) {
    let reply = Client::connect(path).ask(PING);
    assert!([200, 502].contains(&reply.status()), "{reply:?}");
}
