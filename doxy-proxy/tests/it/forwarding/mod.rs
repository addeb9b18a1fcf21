//! What doxy forwards to the engine, and what it forwards back to the client.

mod bodies;
mod connections;
mod requests;
mod responses;

use std::io::Write as _;

use crate::support::{Client, Doxy, Fake, Recorded};

/// Sends a request through a doxy that allows everything. Returns the request at the engine.
#[track_caller]
fn arrives(raw: impl AsRef<[u8]>) -> Recorded {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "* /.*");
    let reply = Client::connect(doxy.path()).ask(raw);
    assert_eq!(reply.status(), 200);
    let mut requests = fake.wait_for(1);
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

/// Sends `request` to an engine that responds with these bytes. Returns everything that the client
/// received until the end of the connection.
#[track_caller]
fn comes_back(request: &str, answer: &'static str) -> String {
    let fake = Fake::with(move |_, stream| {
        stream.write_all(answer.as_bytes()).unwrap();
        false
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send(request);
    String::from_utf8(client.rest()).unwrap()
}
