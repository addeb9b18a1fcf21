//! The engine stops and starts, clients close, doxy stops.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::support::{Client, Doxy, Fake, TIMEOUT};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
/// Longer than any test waits: if something ends earlier, no timeout ended it.
const LONG: Duration = Duration::from_secs(3600);

/// An engine that begins a response, and never ends it.
fn endless() -> Fake {
    Fake::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            .is_ok()
    })
}

/// An engine that reads requests, and never responds.
fn silent() -> Fake {
    Fake::with(|_, _| true)
}

#[test]
fn doxy_reconnects_to_an_engine_that_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let doxy = Doxy::start(&path);
    let mut client = Client::connect(doxy.path());
    for round in 0..3 {
        assert_eq!(client.ask(GET).status(), 502, "round {round}");
        let fake = Fake::at(&path, |_, stream| {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
                .is_ok()
        });
        assert_eq!(client.ask(GET).status(), 200, "round {round}");
        assert_eq!(client.ask(GET).status(), 200, "round {round}");
        drop(fake);
    }
}

#[test]
fn no_request_fails_when_the_engine_closes_idle_connections() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    for round in 1..=5 {
        assert_eq!(client.ask(GET).status(), 200);
        fake.cut();
        fake.wait_closed(round);
    }
    assert_eq!(fake.requests().len(), 5);
}

#[test]
fn the_engine_dies_before_it_responds() {
    let fake = silent();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    client.send(GET);
    fake.wait_for(1);
    fake.cut();
    let reply = client.reply("GET").unwrap();
    assert_eq!(reply.status(), 502);
    let message = reply.message();
    assert!(
        message.contains("broke off before it answered"),
        "{message}"
    );
    // No request is ever sent twice.
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn the_engine_dies_in_the_middle_of_a_response() {
    let fake = endless();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    client.send(GET);
    client.until(b"first\r\n");
    fake.cut();
    // The connection ends without the last chunk.
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_client_that_closes_ends_its_request() {
    for (name, fake, pipelined) in [
        ("before the answer", silent(), ""),
        ("during the answer", endless(), ""),
        (
            "before the answer, with another request behind",
            silent(),
            GET,
        ),
        (
            "during the answer, with another request behind",
            endless(),
            GET,
        ),
    ] {
        let doxy = Doxy::start(fake.path());
        let mut client = Client::connect(doxy.path());
        client.send(format!("{GET}{pipelined}"));
        fake.wait_for(1);
        drop(client);
        fake.wait_closed(1);
        assert_eq!(fake.requests().len(), 1, "{name}");
    }
}

#[test]
fn a_client_that_closes_after_an_early_response_ends_its_upload() {
    // The engine responds, and neither reads the body nor closes.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let doxy = Doxy::with(&path, "POST /.*");
    let mut client = Client::connect(doxy.path());
    client.send("POST /load HTTP/1.1\r\nHost: d\r\nContent-Length: 100000000\r\n\r\nbegin");
    let (mut engine, _) = listener.accept().unwrap();
    engine.set_read_timeout(Some(TIMEOUT)).unwrap();
    // Read something first: a response without a request is an error.
    engine.read_exact(&mut [0; 16]).unwrap();
    engine
        .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
        .unwrap();
    assert_eq!(client.reply("POST").unwrap().status(), 404);
    drop(client);
    let mut got = Vec::new();
    // Returns when doxy closes the connection.
    engine.read_to_end(&mut got).unwrap();
}

#[test]
fn a_stop_waits_for_active_requests() {
    let (answer, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let fake = Fake::with(move |_, stream| {
        wait.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let mut doxy = Doxy::with_grace(fake.path(), "/.*", LONG);
    let mut busy = Client::connect(doxy.path());
    let mut idle = Client::connect(doxy.path());
    busy.send(GET);
    fake.wait_for(1);
    doxy.stop();
    // An idle connection is closed at once, and no new one is accepted.
    assert_eq!(idle.rest(), b"");
    assert!(!doxy.path().exists());
    answer.send(()).unwrap();
    let reply = busy.reply("GET").unwrap();
    assert_eq!(
        (reply.status(), reply.header("connection")),
        (200, vec!["close"])
    );
    assert_eq!(busy.rest(), b"");
    doxy.join();
}

#[test]
fn a_stop_cuts_requests_after_the_grace_period() {
    let fake = endless();
    let mut doxy = Doxy::with_grace(fake.path(), "/.*", Duration::from_millis(50));
    let mut client = Client::connect(doxy.path());
    client.send(GET);
    client.until(b"first\r\n");
    doxy.stop();
    doxy.join();
    assert_eq!(client.rest(), b"");
    fake.wait_closed(1);
}

#[test]
fn two_proxies_live_in_one_process() {
    let (one, two) = (Fake::start(), Fake::start());
    let first = Doxy::with(one.path(), "/a");
    let second = Doxy::with(two.path(), "/b");
    for (doxy, path, status) in [
        (&first, "/a", 200),
        (&first, "/b", 403),
        (&second, "/a", 403),
        (&second, "/b", 200),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
        assert_eq!(
            Client::connect(doxy.path()).ask(request).status(),
            status,
            "{path}"
        );
    }
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));
}

#[test]
fn a_client_that_closes_ends_the_wait_for_an_engine_that_does_not_accept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let mut doxy = Doxy::patient(&path, "/.*", LONG);
    let mut client = Client::connect(doxy.path());
    client.send(GET);
    // Wait until the request is active; the stop below would close an idle connection.
    let mut second = Client::connect(doxy.path());
    second.send("GET /%zz HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(second.reply("GET").unwrap().status(), 400);
    drop(client);
    // This returns only when no request is active: both timeouts are long.
    doxy.stop();
    doxy.join();
}
