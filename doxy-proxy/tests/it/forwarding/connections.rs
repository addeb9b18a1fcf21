//! Several requests on one connection, and the reuse of connections.

use std::io::Write as _;

use crate::support::{Client, Doxy, Fake};

#[test]
fn every_request_on_a_connection_is_judged_by_itself() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    // One after the other, then pipelined.
    for pipelined in [false, true] {
        let paths = [
            "/info",
            "/secrets",
            "/version",
            "/containers/x/export",
            "/_ping",
        ];
        if pipelined {
            client.send(paths.map(get).concat());
        }
        for path in paths {
            if !pipelined {
                client.send(get(path));
            }
            let expected = if matches!(path, "/info" | "/version" | "/_ping") {
                200
            } else {
                403
            };
            assert_eq!(client.reply("GET").unwrap().status(), expected, "{path}");
        }
    }
    let targets: Vec<_> = fake
        .requests()
        .iter()
        .map(|r| r.target().to_owned())
        .collect();
    assert_eq!(
        targets,
        ["/info", "/version", "/_ping", "/info", "/version", "/_ping"]
    );
}

#[test]
fn connections_to_the_engine_are_reused() {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "GET,POST /.*");
    for _ in 0..5 {
        let mut client = Client::connect(doxy.path());
        for _ in 0..5 {
            assert_eq!(
                client.ask("GET /x HTTP/1.1\r\nHost: d\r\n\r\n").status(),
                200
            );
        }
    }
    assert_eq!(fake.connections(), 1);
    let mut client = Client::connect(doxy.path());
    for _ in 0..2 {
        let post = "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(client.ask(post).status(), 200);
    }
    assert_eq!(fake.connections(), 1);
}

#[test]
fn a_client_that_half_closes_gets_its_response() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    client.send("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    client.end();
    assert_eq!(client.reply("GET").unwrap().status(), 200);
    assert_eq!(client.reply("GET"), None);
}

#[test]
fn bytes_behind_a_response_are_dropped() {
    // A connection on which the engine sends more than it announced is not reused.
    let fake = Fake::with(|request, stream| {
        let name = request.target().trim_start_matches('/');
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX"
        );
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    for name in ["a", "b", "c"] {
        let reply = client.ask(format!("GET /{name} HTTP/1.1\r\nHost: d\r\n\r\n"));
        assert_eq!(reply.body, name.as_bytes());
    }
    assert_eq!(fake.connections(), 3);
}

#[test]
fn bytes_behind_a_lost_body_are_not_read_as_a_request() {
    let fake = Fake::with(|request, stream| {
        let alive = request.target() != "/die";
        alive
            && stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
                .is_ok()
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send(format!(
        "POST /die HTTP/1.1\r\nHost: d\r\nContent-Length: 30\r\n\r\n{}\
         GET /a HTTP/1.1\r\nHost: d\r\nX: 0GET /injected HTTP/1.1\r\nHost: d\r\n\r\n",
        "B".repeat(30)
    ));
    assert_eq!(client.reply("POST").unwrap().status(), 502);
    assert_eq!(client.rest(), b"");
    assert_eq!(fake.requests().len(), 1);
    // Behind a request without a body, the start of the next one is clear.
    let mut client = Client::connect(doxy.path());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    client.send([get("/die"), get("/a")].concat());
    assert_eq!(client.reply("GET").unwrap().status(), 502);
    assert_eq!(client.reply("GET").unwrap().status(), 200);
}
