//! Bodies in both directions: framing, trailers, size, and where they end.

use std::io::{Read as _, Write as _};

use super::arrives;
use crate::support::{Client, Doxy, Fake};

#[test]
fn bodies_keep_their_framing() {
    for (method, framing, body, expected) in [
        ("POST", "Content-Length: 5", "hello", "hello"),
        ("POST", "Content-Length: 0", "", ""),
        (
            "POST",
            "Transfer-Encoding: chunked",
            "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
            "hello world",
        ),
        ("POST", "Transfer-Encoding: Chunked", "0\r\n\r\n", ""),
        (
            "GET",
            "Transfer-Encoding: chunked",
            "2\r\nhi\r\n0\r\n\r\n",
            "hi",
        ),
        ("DELETE", "Content-Length: 2", "hi", "hi"),
    ] {
        let got = arrives(format!(
            "{method} /x HTTP/1.1\r\nHost: d\r\n{framing}\r\n\r\n{body}"
        ));
        assert_eq!(got.body, expected.as_bytes(), "{method} {framing}");
        let (name, value) = framing.split_once(": ").unwrap();
        assert_eq!(got.header(name), [value.to_lowercase()], "{}", got.head);
    }
}

#[test]
fn a_request_without_a_body_is_forwarded_without_one() {
    // The engine refuses to start a container if a body is announced, even an empty one.
    let got = arrives("POST /containers/x/start HTTP/1.1\r\nHost: d\r\n\r\n");
    assert!(got.header("transfer-encoding").is_empty(), "{}", got.head);
    assert!(
        matches!(got.header("content-length")[..], [] | ["0"]),
        "{}",
        got.head
    );
}

#[test]
fn trailers_are_forwarded_both_ways() {
    let got = arrives(
        "POST /x HTTP/1.1\r\nHost: d\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    assert_eq!(
        (got.body.as_slice(), got.trailers.as_str()),
        (&b"hi"[..], "X-Sum: 7\r\n")
    );

    let fake = Fake::with(|_, stream| {
        let answer = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
                      2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n";
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let doxy = Doxy::with(fake.path(), "/.*");
    let reply =
        Client::connect(doxy.path()).ask("GET /x HTTP/1.1\r\nHost: d\r\nTE: trailers\r\n\r\n");
    assert_eq!(
        (reply.body.as_slice(), reply.trailers.as_str()),
        (&b"hi"[..], "X-Sum: 7\r\n")
    );
}

#[test]
fn expect_100_continue_is_answered_when_the_request_is_allowed() {
    let fake = Fake::start();
    let doxy = Doxy::with(fake.path(), "POST /x\n!/no");
    let mut client = Client::connect(doxy.path());
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
    };
    client.send(head("/x"));
    assert_eq!(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi");
    assert_eq!(client.reply("POST").unwrap().status(), 200);
    let got = fake.wait_for(1).remove(0);
    assert_eq!(got.body, b"hi");
    assert!(got.header("expect").is_empty());
    // The client of a denied request never sends its body.
    let mut client = Client::connect(doxy.path());
    client.send(head("/no"));
    assert_eq!(client.reply("POST").unwrap().status(), 403);
}

#[test]
fn a_body_cut_at_any_byte_arrives_complete() {
    let chunked =
        "Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5;e\r\npedia\r\n0\r\nX: y\r\n\r\n";
    for sent in [chunked, "Content-Length: 9\r\n\r\nwikipedia"] {
        let fake = Fake::start();
        let doxy = Doxy::with(fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        let whole = format!("POST /x HTTP/1.1\r\nHost: d\r\n{sent}");
        for (count, cut) in (1..whole.len()).enumerate() {
            client.send(&whole[..cut]);
            client.send(&whole[cut..]);
            assert_eq!(client.reply("POST").unwrap().status(), 200, "cut at {cut}");
            let got = fake.wait_for(count + 1).remove(count);
            assert_eq!(got.body, b"wikipedia", "cut at {cut}");
        }
        assert_eq!(fake.requests().len(), whole.len() - 1);
    }
}

#[test]
fn a_badly_framed_body_is_never_completed() {
    for body in [
        "5\r\nhello0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    ] {
        let fake = Fake::start();
        let doxy = Doxy::with(fake.path(), "* /.*");
        let mut client = Client::connect(doxy.path());
        client.send(format!(
            "POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /y HTTP/1.1\r\nHost: d\r\n\r\n"
        ));
        assert_eq!(client.reply("POST").unwrap().status(), 400, "{body:?}");
        assert_eq!(client.rest(), b"", "{body:?}");
        // The engine has the head, but neither the end of the body nor what follows it.
        fake.wait_closed(1);
        assert!(fake.requests().is_empty(), "{body:?}");
    }
}

#[test]
fn large_bodies_pass_unchanged() {
    let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let copy = body.clone();
    let fake = Fake::with(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", copy.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&copy).is_ok()
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send(format!(
        "PUT /x HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert!(
        client.reply("PUT").unwrap().body == body,
        "the answer differs"
    );
    assert!(fake.wait_for(1)[0].body == body, "the request differs");
}

/// An engine that answers each connection once it has the head, and does not wait for the body.
fn early_engine(path: &std::path::Path, answer: &'static str) {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            // Until doxy gives the connection up.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
}

#[test]
fn a_response_before_the_end_of_the_body_says_that_the_connection_closes() {
    // The client can lose a request that it sends on this connection, unless it is told.
    for answer in [
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        early_engine(&path, answer);
        let doxy = Doxy::with(&path, "* /.*");
        for (request, body) in [
            (
                "PUT /containers/x/archive?path=/nosuch",
                "Content-Length: 2097152\r\n\r\ntar",
            ),
            (
                "POST /build",
                "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            ),
            // docker-modem announces chunks, and sends none.
            (
                "POST /containers/x/attach",
                "Connection: Upgrade\r\nUpgrade: tcp\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            ("GET /info", "Content-Length: 2\r\n\r\nx"),
        ] {
            let mut client = Client::connect(doxy.path());
            client.send(format!("{request} HTTP/1.1\r\nHost: d\r\n{body}"));
            let reply = client.reply("PUT").unwrap();
            assert_eq!(
                reply.header("connection"),
                ["close"],
                "{request}, {answer:?}"
            );
            assert_eq!(client.reply("GET"), None, "{request}, {answer:?}");
        }
    }
}

#[test]
fn after_a_whole_body_the_connection_goes_on_and_says_nothing() {
    let fake = Fake::with(|_, stream| {
        // The engine closes its own connection, which is not the client's.
        let answer = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        stream.write_all(answer.as_bytes()).unwrap();
        false
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    for body in [
        "Content-Length: 2\r\n\r\nhi",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "\r\n",
    ] {
        let reply = client.ask(format!("POST /build HTTP/1.1\r\nHost: d\r\n{body}"));
        assert!(reply.header("connection").is_empty(), "{body:?}: {reply:?}");
    }
    assert_eq!(fake.requests().len(), 3);
}
