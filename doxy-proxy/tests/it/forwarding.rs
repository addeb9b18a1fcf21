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
            "Content-Length: 2",
            "Content-Type: text/x",
            "Host: docker",
            "User-Agent: a",
            "X-Latin: \u{fc}",
            "X-Registry-Auth: e30=",
            "X-Twice: 1",
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
fn answers_come_back_whole() {
    let get = "GET /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    let old = "GET /x HTTP/1.0\r\n\r\n";
    let head = "HEAD /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
    const DATE: &str = "Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n";
    for (request, answer, expected) in [
        (
            get,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nApi-Version: 1.41\r\nX: 1\r\nX: 2\r\n\
             Connection: close\r\nKeep-Alive: 1\r\nContent-Length: 2\r\n\r\nhi",
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}Api-Version: 1.41\r\nX: 1\r\nX: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
            ),
        ),
        (
            get,
            "HTTP/1.1 418 Short And Stout\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            format!(
                "HTTP/1.1 418 Short And Stout\r\n{DATE}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            ),
        ),
        // A length that only the end of the connection tells.
        (
            get,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\nhi",
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
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
            format!("HTTP/1.1 200 OK\r\n{DATE}Content-Length: 5000\r\nConnection: close\r\n\r\n"),
        ),
        (
            get,
            "HTTP/1.1 204 No Content\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n",
            format!("HTTP/1.1 204 No Content\r\n{DATE}Connection: close\r\n\r\n"),
        ),
        // What comes before the answer is the engine's and doxy's business.
        (
            get,
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
             HTTP/1.1 304 Not Modified\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n",
            format!("HTTP/1.1 304 Not Modified\r\n{DATE}Connection: close\r\n\r\n"),
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
fn an_answer_without_a_date_is_passed_on_without_one() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let got = comes_back(
        "GET /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
        answer,
    );
    assert_eq!(
        got,
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
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
fn connections_to_the_engine_are_used_again() {
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
fn chunks_keep_their_bounds_both_ways() {
    // Some clients take a chunk for a message: two that come at once stay two.
    let body = "4;x=y\r\n{\"a\"\r\n0003\r\n:1}\r\n0\r\n\r\n";
    let fake = Fake::with(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
    });
    let doxy = Doxy::with(fake.path(), "* /.*");
    let mut client = Client::connect(doxy.path());
    client.send("GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
    client.until(b"\r\n\r\n");
    assert_eq!(
        client.until(b"0\r\n\r\n"),
        b"4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n"
    );
}

#[test]
fn a_body_cut_at_any_byte_arrives_whole() {
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
fn a_body_that_is_not_framed_correctly_is_not_completed() {
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
        // It has the head and no end of the body, and nothing that came behind.
        fake.wait_closed(1);
        assert!(fake.requests().is_empty(), "{body:?}");
    }
}

#[test]
fn answers_of_which_the_end_is_not_clear_are_not_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "not HTTP at all\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let got = comes_back(
            "GET /x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
            answer,
        );
        assert!(got.starts_with("HTTP/1.1 502 "), "{answer:?}: {got}");
    }
}

#[test]
fn what_comes_behind_an_answer_reaches_nobody() {
    // An engine that sends more than it says is not asked on that connection again.
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
fn what_is_behind_a_body_that_the_engine_had_is_not_taken_for_it() {
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
    // Without a body it is clear where the next one begins.
    let mut client = Client::connect(doxy.path());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    client.send([get("/die"), get("/a")].concat());
    assert_eq!(client.reply("GET").unwrap().status(), 502);
    assert_eq!(client.reply("GET").unwrap().status(), 200);
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
