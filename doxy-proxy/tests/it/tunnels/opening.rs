//! Which requests open a tunnel, and which do not.

use std::io::Write as _;

use super::{ATTACH, SWITCH, Switching, read, rest};
use crate::support::{Client, Doxy, Fake, Recorded};

#[test]
fn every_hijacking_endpoint_opens_a_tunnel() {
    for (request, upgrade) in [
        ("POST /containers/x/attach", "tcp"),
        ("POST /v1.51/containers/a.b-c/attach?stdin=1", "tcp"),
        ("POST /v1.41/exec/0a1b/start", "tcp"),
        ("GET /v1.41/containers/x/attach/ws", "websocket"),
        ("POST /session", "h2c"),
        ("POST /v1.51/grpc", "h2c"),
        ("POST /v4.3.1/libpod/exec/0a1b/start", "tcp"),
        (
            "POST /v5.0.0-dev/libpod/containers/web-1/attach?stream=true",
            "tcp",
        ),
        ("GET /containers/x/attach/ws", "WebSocket"),
    ] {
        let engine = Switching::with(SWITCH);
        let doxy = Doxy::with(engine.fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(format!(
            "{request} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\
             Sec-WebSocket-Key: dGhl\r\nContent-Length: 2\r\n\r\n{{}}"
        ));
        assert_eq!(client.until(b"\r\n\r\n"), SWITCH.as_bytes(), "{request}");
        let got = engine.fake.wait_for(1).remove(0);
        assert_eq!(got.header("connection"), ["Upgrade"]);
        assert_eq!(got.header("upgrade"), [upgrade]);
        assert_eq!(got.header("sec-websocket-key"), ["dGhl"]);
        assert_eq!(got.body, b"{}");
        let mut stream = engine.stream();
        client.send("ping");
        assert_eq!(read(&mut stream, 4), b"ping");
        stream.write_all(b"pong").unwrap();
        assert_eq!(client.until(b"pong"), b"pong");
    }
}

/// The engine takes any value for an upgrade at some of these. So a word that means another protocol
/// there does not get through, and the engine answers as if none had been asked for.
#[test]
fn no_upgrade_to_another_protocol_than_the_endpoint_s() {
    let raw = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    for (request, upgrade) in [
        ("POST /containers/x/attach", "Upgrade: h2c\r\n"),
        ("POST /containers/x/attach", "Upgrade: websocket\r\n"),
        ("POST /containers/x/attach", "Upgrade:\r\n"),
        ("POST /containers/x/attach", "Upgrade: tcp, h2c\r\n"),
        ("POST /containers/x/attach", "Upgrade: h2c, tcp\r\n"),
        (
            "POST /v1.41/exec/0a1b/start",
            "Upgrade: tcp\r\nUpgrade: h2c\r\n",
        ),
        (
            "POST /v1.41/exec/0a1b/start",
            "upgrade: h2c\r\nUPGRADE: tcp\r\n",
        ),
        ("GET /containers/x/attach/ws", "Upgrade: tcp\r\n"),
        ("GET /containers/x/attach/ws", "Upgrade: h2c\r\n"),
        ("POST /session", "Upgrade: tcp\r\n"),
        ("POST /v1.51/grpc", "Upgrade: websocket\r\n"),
        (
            "POST /v4.3.1/libpod/exec/0a1b/start",
            "Upgrade: TLS/1.2\r\n",
        ),
    ] {
        let engine = Switching::with(raw);
        let doxy = Doxy::with(engine.fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(format!(
            "{request} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade, HTTP2-Settings\r\n{upgrade}\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n\r\n{{}}"
        ));
        let head = client.until(b"\r\n\r\n");
        assert_eq!(head, raw.as_bytes(), "{request} {upgrade}");
        let got = engine.fake.wait_for(1).remove(0);
        for name in ["connection", "upgrade", "http2-settings"] {
            assert!(got.header(name).is_empty(), "{name} of {request} {upgrade}");
        }
        let mut stream = engine.stream();
        client.send("ping");
        assert_eq!(read(&mut stream, 4), b"ping");
    }
}

#[test]
fn a_raw_stream_keeps_its_framing_where_no_tunnel_can_open() {
    // An engine may hijack at an endpoint that the table does not have yet. Its client knows how to
    // read that; what the client writes is not passed on.
    for kind in ["raw", "multiplexed"] {
        let engine = Switching::with(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.{kind}-stream\r\n\r\nhello"
        ));
        let doxy = Doxy::with(engine.fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(
            "POST /v9.9/containers/x/future HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\nContent-Length: 0\r\n\r\nGET /info HTTP/1.1\r\nHost: d\r\n\r\n",
        );
        assert_eq!(
            client.until(b"\r\n\r\n"),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.{kind}-stream\r\n\
                 Connection: close\r\n\r\n"
            )
            .as_bytes()
        );
        assert_eq!(client.take(5), b"hello");
        let mut stream = engine.stream();
        stream.write_all(b"\x01\0\0\0\0\0\0\x04more").unwrap();
        assert_eq!(client.take(12), b"\x01\0\0\0\0\0\0\x04more");
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.rest(), b"");
        assert_eq!(rest(&mut stream), b"", "client bytes at the engine");
    }
}

#[test]
fn no_other_endpoint_opens_a_tunnel() {
    let second = "POST /containers/nosuch/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    let up = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "/.*\nPOST /containers/x/attach");
    for request in [
        "GET /info",
        "GET /containers/x/attach",
        "GET /session",
        "GET /containers/x/logs",
    ] {
        let mut client = Client::connect(doxy.path());
        client.send(format!("{request} HTTP/1.1\r\nHost: d\r\n{up}\r\n{second}"));
        assert_eq!(client.reply("GET").unwrap().status(), 200, "{request}");
        assert_eq!(client.reply("POST").unwrap().status(), 403, "{request}");
    }
    // If the engine refuses the upgrade, the connection continues as HTTP, and doxy judges the next
    // request.
    let mut client = Client::connect(doxy.path());
    client.send(format!(
        "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{up}\r\n{second}"
    ));
    assert_eq!(client.reply("POST").unwrap().status(), 200);
    assert_eq!(client.reply("POST").unwrap().status(), 403);
    let starts = |request: &Recorded| request.target().contains("nosuch");
    assert!(!fake.requests().iter().any(starts));
}

#[test]
fn http_continues_after_a_refused_upgrade() {
    let fake = Fake::with(|request, stream| {
        let answer = if request.target().contains("attach") {
            "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}"
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    for _ in 0..3 {
        let reply = client.ask(ATTACH);
        let body = "{\"message\":\"no\"}".as_bytes();
        assert_eq!((reply.status(), &*reply.body), (409, body));
        assert_eq!(
            client.ask("GET /info HTTP/1.1\r\nHost: d\r\n\r\n").status(),
            200
        );
    }
}

#[test]
fn a_response_with_a_body_opens_no_tunnel() {
    for (framing, body) in [
        ("Content-Length: 2", "hi"),
        ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"),
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n{framing}\r\n\r\n{body}"
        );
        let fake = Fake::with(move |_, stream| stream.write_all(answer.as_bytes()).is_ok());
        let doxy = Doxy::with(fake.path(), "POST /exec/.*");
        let mut client = Client::connect(doxy.path());
        let start = "POST /exec/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}";
        for _ in 0..2 {
            assert_eq!(client.ask(start).body, b"hi");
        }
        assert_eq!(
            client
                .ask("POST /nope HTTP/1.1\r\nHost: d\r\n\r\n")
                .status(),
            403
        );
    }
}
