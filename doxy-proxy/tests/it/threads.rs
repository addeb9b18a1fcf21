//! `--threads`: all threads serve connections, under the same policy and limits.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use rustix::process::Signal;

use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

const GET: &str = "GET /one HTTP/1.1\r\nHost: d\r\n\r\n";

#[test]
fn every_thread_gets_connections_and_the_reloaded_policy() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/one\n").unwrap();
    let fake = Fake::at(&folder.path().join("engine.sock"), |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let arguments = ["--pattern-file", "rules", "--threads", "3"];
    let process = Process::start(doxy(folder.path()).args(arguments));
    // All open at the same time, so that each thread gets some.
    let mut clients: Vec<_> = (0..6)
        .map(|_| Client::connect(&folder.path().join("doxy.sock")))
        .collect();
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 200);
    }
    // Each thread has its own connection to the engine; one thread would reuse a single one.
    let used: BTreeSet<_> = fake
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(used.len(), 3);
    assert_eq!(workers(&process), 2, "besides the thread that accepts");

    fs::write(folder.path().join("rules"), "/two\n").unwrap();
    process.signal(Signal::HUP);
    process.logged("reloaded: 1 rule from rules");
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 403);
    }
    // doxy ends although the connections are open.
    process.stop();
}

#[test]
fn all_threads_share_the_connection_limit() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--threads", "2", "--max-connections", "3"];
    let process = Process::start(doxy(folder.path()).args(arguments));
    let connect = || Client::connect(&folder.path().join("doxy.sock"));
    let mut served: Vec<_> = (0..3).map(|_| connect()).collect();
    for client in &mut served {
        assert_eq!(client.ask(GET).status(), 403);
    }
    assert_eq!(connect().ask(GET).status(), 503);
    process.stop();
}

/// The number of worker threads, without the first thread.
fn workers(process: &Process) -> usize {
    let tasks = format!("/proc/{}/task", process.pid());
    fs::read_dir(tasks)
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim_end() == "worker")
        .count()
}
