//! What arrives at the engine, and what comes back to the client.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use crate::support::{Client, Doxy, Fake, Recorded};

/// Sends a request through a doxy that allows everything; returns what the engine got.
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

/// Answers a request for `/x` with these bytes; returns what the client got until the end of
/// the connection. The client's request asks to close it.
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

#[test]
fn the_target_arrives_as_it_was_sent() {
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
fn end_to_end_headers_arrive_and_hop_by_hop_headers_do_not() {
    let got = arrives(
        "POST /x HTTP/1.1\r\nHost: api.moby.localhost\r\nUser-Agent: a\r\nX-Twice: 1\r\nx-twice: 2\r\n\
         Connection: keep-alive, X-Registry-Auth, Content-Length\r\nX-Registry-Auth: e30=\r\n\
         Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\n\
         Upgrade: tcp\r\nHTTP2-Settings: AA\r\nSec-WebSocket-Key: x\r\n\
         Content-Type: text/x\r\nContent-Length: 2\r\nX-Latin: \u{fc}\r\n\r\nhi",
    );
    let mut lines: Vec<_> = got.head.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "content-length: 2",
            "content-type: text/x",
            "host: docker",
            "user-agent: a",
            "x-latin: \u{fc}",
            "x-registry-auth: e30=",
            "x-twice: 1",
            "x-twice: 2",
        ]
    );
    assert_eq!(got.body, b"hi");
}

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
fn no_body_stays_no_body() {
    // The engine refuses to start a container when a body is announced, be it empty.
    let got = arrives("POST /containers/x/start HTTP/1.1\r\nHost: d\r\n\r\n");
    assert!(got.header("transfer-encoding").is_empty(), "{}", got.head);
    assert!(
        matches!(got.header("content-length")[..], [] | ["0"]),
        "{}",
        got.head
    );
}

#[test]
fn trailers_pass_both_ways() {
    let got = arrives(
        "POST /x HTTP/1.1\r\nHost: d\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    assert_eq!(
        (got.body.as_slice(), got.trailers.as_str()),
        (&b"hi"[..], "x-sum: 7\r\n")
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
        (&b"hi"[..], "x-sum: 7\r\n")
    );
}

#[test]
fn answers_come_back_whole() {
    let get = "GET /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    let old = "GET /x HTTP/1.0\r\n\r\n";
    let head = "HEAD /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    const DATE: &str = "date: Mon, 01 Jan 2001 00:00:00 GMT\r\n";
    for (request, answer, expected) in [
        (
            get,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nApi-Version: 1.41\r\nX: 1\r\nX: 2\r\n\
             Connection: close\r\nKeep-Alive: 1\r\nContent-Length: 2\r\n\r\nhi",
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}api-version: 1.41\r\nx: 1\r\nx: 2\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
            ),
        ),
        (
            get,
            "HTTP/1.1 418 Short And Stout\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            format!(
                "HTTP/1.1 418 Short And Stout\r\n{DATE}connection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            ),
        ),
        // A length that only the end of the connection tells.
        (
            get,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\nhi",
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}connection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            ),
        ),
        // A client of version 1.0 cannot read chunks.
        (
            old,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            format!("HTTP/1.0 200 OK\r\n{DATE}\r\nhi"),
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 5000\r\n\r\n",
            format!("HTTP/1.1 200 OK\r\n{DATE}content-length: 5000\r\nconnection: close\r\n\r\n"),
        ),
        (
            get,
            "HTTP/1.1 204 No Content\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n",
            format!("HTTP/1.1 204 No Content\r\n{DATE}connection: close\r\n\r\n"),
        ),
        // What comes before the answer is the engine's and doxy's business.
        (
            get,
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
             HTTP/1.1 304 Not Modified\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n",
            format!("HTTP/1.1 304 Not Modified\r\n{DATE}connection: close\r\n\r\n"),
        ),
    ] {
        let mut expected: Vec<_> = expected.split("\r\n").map(str::to_owned).collect();
        let mut got: Vec<_> = comes_back(request, answer)
            .split("\r\n")
            .map(str::to_owned)
            .collect();
        // The order of different headers means nothing.
        for lines in [&mut got, &mut expected] {
            let end = lines.iter().position(String::is_empty).unwrap();
            lines[1..end].sort();
        }
        assert_eq!(got, expected, "{answer:?}");
    }
}

#[test]
fn an_answer_that_looks_like_a_refusal_of_hypers_is_the_engines() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let got = comes_back(
        "GET /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
        answer,
    );
    assert!(
        got.starts_with("HTTP/1.1 400 Bad Request\r\n") && got.ends_with("\r\n\r\n"),
        "{got}"
    );
}

#[test]
fn a_client_that_waits_for_100_gets_it_when_the_engine_takes_the_body() {
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
    // A denied one never sends its body.
    let mut client = Client::connect(doxy.path());
    client.send(head("/no"));
    assert_eq!(client.reply("POST").unwrap().status(), 403);
}

#[test]
fn every_request_on_a_connection_is_judged_by_itself() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    // One after the other, and all at once.
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
fn connections_to_the_engine_are_used_again_but_not_behind_a_body() {
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
    assert_eq!(fake.connections(), 3);
}

#[test]
fn a_client_that_has_said_all_it_wants_still_gets_its_answer() {
    let fake = Fake::start();
    let doxy = Doxy::start(fake.path());
    let mut client = Client::connect(doxy.path());
    client.send("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    client.end();
    assert_eq!(client.reply("GET").unwrap().status(), 200);
    assert_eq!(client.reply("GET"), None);
}

#[test]
fn an_upgrade_is_never_asked_for_and_never_passed_on() {
    let fake = Fake::with(|_, stream: &mut UnixStream| {
        stream
            .write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            .unwrap();
        true
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send("GET /info HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    // An engine that switches all the same has its answer dropped.
    assert_eq!(client.reply("GET").unwrap().status(), 502);
    assert!(fake.requests()[0].header("upgrade").is_empty());
}

#[test]
fn frames_are_passed_on_as_they_come() {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let fake = Fake::with(move |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        for frame in ["one", "two", "three"] {
            stream
                .write_all(format!("{:x}\r\n{frame}\r\n", frame.len()).as_bytes())
                .unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let doxy = Doxy::with(fake.path(), "/.*");
    let mut client = Client::connect(doxy.path());
    client.send("GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
    client.until(b"\r\n\r\n");
    for frame in ["3\r\none\r\n", "3\r\ntwo\r\n", "5\r\nthree\r\n"] {
        // The engine writes the next only when this one has arrived.
        assert_eq!(client.until(b"\r\n"), &frame.as_bytes()[..3]);
        assert_eq!(client.until(b"\r\n"), &frame.as_bytes()[3..]);
        go_on.send(()).unwrap();
    }
    assert_eq!(client.until(b"\r\n\r\n"), b"0\r\n\r\n");
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

#[test]
fn an_answer_before_the_end_of_the_body_reaches_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let engine = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut chunk = [0; 4096];
        std::io::Read::read(&mut stream, &mut chunk).unwrap();
        let answer = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let doxy = Doxy::with(&path, "POST /.*");
    let mut client = Client::connect(doxy.path());
    client.send("POST /build HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    let reply = client.reply("POST").unwrap();
    assert_eq!((reply.status(), reply.body.as_slice()), (404, &b"no"[..]));
    engine.join().unwrap();
}
