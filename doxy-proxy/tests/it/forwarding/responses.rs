//! A response at the client.

use std::io::Write as _;

use super::comes_back;
use crate::support::{Client, Doxy, Fake};

#[test]
fn responses_come_back_complete() {
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
        // The body ends with the connection.
        (
            get,
            "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\nhi",
            format!(
                "HTTP/1.1 200 OK\r\n{DATE}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            ),
        ),
        // An HTTP/1.0 client cannot read chunks.
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
        // Interim responses are not forwarded.
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
        // The order of different headers has no meaning.
        for lines in [&mut got, &mut expected] {
            let end = lines.iter().position(String::is_empty).unwrap();
            lines[1..end].sort();
        }
        assert_eq!(got, expected, "{answer:?}");
    }
}

#[test]
fn doxy_adds_no_date_to_a_response() {
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
fn chunks_are_forwarded_as_they_arrive() {
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
        // The engine writes the next chunk only when this one has arrived.
        assert_eq!(client.until(b"\r\n"), &frame.as_bytes()[..3]);
        assert_eq!(client.until(b"\r\n"), &frame.as_bytes()[3..]);
        go_on.send(()).unwrap();
    }
    assert_eq!(client.until(b"\r\n\r\n"), b"0\r\n\r\n");
}

#[test]
fn chunk_boundaries_are_kept() {
    // Some clients read a chunk as a message: two chunks that arrive together stay two.
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
fn responses_with_ambiguous_framing_are_refused() {
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
