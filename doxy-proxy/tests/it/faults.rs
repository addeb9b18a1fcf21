//! Things break: the engine, doxy itself. No answer may be wrong for it, nothing that is denied may
//! pass, and doxy serves on without help.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use rustix::process::Signal;

use crate::support::process::{Process, doxy};
use crate::support::{Client, Doxy, Fake, LIMIT};

/// An engine that says in its answer what it was asked for.
fn echo(path: &Path) -> Fake {
    Fake::at(path, |request, stream: &mut UnixStream| {
        let name = request.target();
        let length = name.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

#[test]
fn an_engine_that_dies_under_load_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let doxy = Doxy::with(&path, "/a/.*\nPOST /a/.*");
    let over = AtomicBool::new(false);
    let (right, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = |thread: usize| {
        let mut client = Client::connect(doxy.path());
        for number in 0.. {
            if over.load(SeqCst) {
                return;
            }
            let path = format!("/a/{thread}/{number}");
            let (method, body) = match number % 3 {
                0 => ("GET", ""),
                1 => ("POST", "Content-Length: 5\r\n\r\nhello"),
                _ => ("GET", "X: y\r\n\r\nGET /denied HTTP/1.1\r\nHost: d\r\n"),
            };
            let end = if body.is_empty() { "\r\n" } else { "" };
            client.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: d\r\n{body}{end}"
            ));
            if number % 3 == 2 {
                client.send("\r\n");
            }
            let Some(reply) = client.reply(method) else {
                // The engine broke off in the middle of an answer, and so does doxy.
                failed.fetch_add(1, SeqCst);
                client = Client::connect(doxy.path());
                continue;
            };
            match reply.status() {
                200 => {
                    assert_eq!(String::from_utf8_lossy(&reply.body), path);
                    right.fetch_add(1, SeqCst);
                }
                502 => {
                    failed.fetch_add(1, SeqCst);
                }
                status => panic!("{path}: {status}"),
            }
            if number % 3 == 2 {
                assert_eq!(client.reply("GET").unwrap().status(), 403);
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..3 {
            scope.spawn(move || ask(thread));
        }
        for _ in 0..15 {
            let engine = echo(&path);
            let before = right.load(SeqCst);
            let deadline = Instant::now() + LIMIT;
            // It is found again by itself, each time.
            while right.load(SeqCst) < before + 50 {
                assert!(Instant::now() < deadline, "no answers from a new engine");
                std::thread::yield_now();
            }
            assert!(engine.requests().iter().all(|r| r.target() != "/denied"));
            drop(engine);
            let before = failed.load(SeqCst);
            while failed.load(SeqCst) < before + 3 {
                assert!(Instant::now() < deadline, "no failures without an engine");
                std::thread::yield_now();
            }
        }
        over.store(true, SeqCst);
    });
}

#[test]
fn doxy_killed_is_started_again_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("doxy.sock");
    let fake = echo(&folder.path().join("engine.sock"));
    let get = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";
    for round in 1..=3 {
        let process = Process::start(&mut doxy(folder.path()));
        let mut client = Client::connect(&socket);
        assert_eq!(client.ask(get).status(), 200);
        assert_eq!(
            client
                .ask("DELETE /info HTTP/1.1\r\nHost: d\r\n\r\n")
                .status(),
            400
        );
        process.signal(Signal::KILL);
        assert_eq!(process.end().code, None);
        assert!(socket.exists(), "it had no time to remove it");
        assert_eq!(client.rest(), b"");
        // The engine sees that doxy has gone.
        fake.wait_closed(round);
    }
}
