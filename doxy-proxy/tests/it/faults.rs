//! The engine and doxy itself are killed. No response may be wrong, no denied request may pass, and
//! doxy must recover by itself.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;

use rustix::process::Signal;

use crate::support::process::{Process, doxy};
use crate::support::{Client, Doxy, Fake, TIMEOUT};

/// An engine that responds with the target of the request.
fn echo(path: &Path) -> Fake {
    Fake::at(path, |request, stream: &mut UnixStream| {
        let name = request.target();
        let length = name.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

#[test]
fn the_engine_dies_under_load_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let doxy = Doxy::with(&path, "/a/.*\nPOST /a/.*");
    let (outcomes, outcome) = mpsc::channel();
    // Sends requests until its outcomes have no receiver any more. An outcome is true for a
    // response of the engine, false for a failure.
    let ask = |thread: usize, outcomes: mpsc::Sender<bool>| {
        let mut client = Client::connect(doxy.path());
        for number in 0.. {
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
                // The engine died in the middle of a response, and doxy closed the connection.
                if outcomes.send(false).is_err() {
                    return;
                }
                client = Client::connect(doxy.path());
                continue;
            };
            let answered = reply.status() == 200;
            if answered {
                assert_eq!(String::from_utf8_lossy(&reply.body), path);
            } else {
                assert_eq!(reply.status(), 502, "{path}");
            }
            if outcomes.send(answered).is_err() {
                return;
            }
            if number % 3 == 2 {
                assert_eq!(client.reply("GET").unwrap().status(), 403);
            }
        }
    };
    std::thread::scope(move |scope| {
        for thread in 0..3 {
            let outcomes = outcomes.clone();
            scope.spawn(move || ask(thread, outcomes));
        }
        // Moved in here, so that the threads also end when an assertion fails.
        let outcome = outcome;
        let wait_for = |count: usize, answered: bool| {
            let mut seen = 0;
            while seen < count {
                let outcome = outcome.recv_timeout(TIMEOUT);
                seen += usize::from(outcome.expect("another outcome") == answered);
            }
        };
        for _ in 0..15 {
            let engine = echo(&path);
            // Each time doxy reconnects by itself.
            wait_for(50, true);
            assert!(engine.requests().iter().all(|r| r.target() != "/denied"));
            drop(engine);
            wait_for(3, false);
        }
    });
}

#[test]
fn doxy_starts_again_after_a_kill() {
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
        // The engine sees that doxy's connection has ended.
        fake.wait_closed(round);
    }
}
