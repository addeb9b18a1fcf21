//! The socket that doxy creates, through the binary: who may connect to it and since when, what
//! is replaced and what is not, and what is left when doxy ends.

mod ending;
mod existing;
mod rights;

use std::path::Path;

use crate::support::Client;

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

/// A client is answered at `path`, whatever the answer is.
#[track_caller]
fn answers(path: &Path) {
    let reply = Client::connect(path).ask(PING);
    assert!([200, 502].contains(&reply.status()), "{reply:?}");
}
