//! The head of a request at the engine.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use super::arrives;
use crate::support::{Client, Doxy, Fake};

#[test]
fn the_target_is_forwarded_unchanged() {
    for (sent, arrived) in [
        ("/info", "/info"),
        ("/info?", "/info?"),
        (
            "/info?a=b&a=c;d&%61=%zz?/../x",
            "/info?a=b&a=c;d&%61=%zz?/../x",
        ),
        ("/%69nfo%2fx?y=%20", "/%69nfo%2fx?y=%20"),
        (
            "/images/reg:5000/team/app:1.2@sha256:ab/json",
            "/images/reg:5000/team/app:1.2@sha256:ab/json",
        ),
        (
            "/images/reg%3A5000%2Fapp%401/json",
            "/images/reg%3A5000%2Fapp%401/json",
        ),
        ("/networks/", "/networks/"),
        ("http://anything:1/info?q", "/info?q"),
    ] {
        let got = arrives(format!("GET {sent} HTTP/1.1\r\nHost: d\r\n\r\n"));
        assert_eq!(
            got.head.lines().next(),
            Some(format!("GET {arrived} HTTP/1.1").as_str())
        );
    }
}

#[test]
fn end_to_end_headers_are_forwarded_and_hop_by_hop_headers_are_not() {
    let got = arrives(
        "POST /x HTTP/1.1\r\nHost: api.moby.localhost\r\nUser-Agent: a\r\nX-Twice: 1\r\nx-twice: 2\r\n\
         Connection: keep-alive, X-Registry-Auth, Content-Length\r\nX-Registry-Auth: e30=\r\n\
         X-Doxy-Request-Id: 0123456789abcdef\r\nx-doxy-request-ID: 2\r\nX-Request-Id: own\r\n\
         Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\n\
         Upgrade: tcp\r\nHTTP2-Settings: AA\r\nSec-WebSocket-Key: x\r\n\
         Content-Type: text/x\r\nContent-Length: 2\r\nX-Latin: \u{fc}\r\n\r\nhi",
    );
    let mut lines: Vec<_> = got.head.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "Content-Length: 2",
            "Content-Type: text/x",
            "Host: docker",
            "User-Agent: a",
            "X-Latin: \u{fc}",
            "X-Registry-Auth: e30=",
            // A client's own id goes on, doxy's does not come from it.
            "X-Request-Id: own",
            "X-Twice: 1",
            "x-twice: 2",
        ]
    );
    assert_eq!(got.body, b"hi");
}

#[test]
fn no_upgrade_outside_of_the_hijacking_endpoints() {
    let fake = Fake::with(|_, stream: &mut UnixStream| {
        stream
            .write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            .unwrap();
        true
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send("GET /info HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    // If the engine switches all the same, doxy drops its response.
    assert_eq!(client.reply("GET").unwrap().status(), 502);
    assert!(fake.requests()[0].header("upgrade").is_empty());
}
