//! `--threads`: connections are spread over the threads, and whatever holds for one holds for all.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use rustix::process::Signal;

use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

const GET: &str = "GET /one HTTP/1.1\r\nHost: d\r\n\r\n";

#[test]
fn connections_are_spread_and_a_reload_reaches_every_thread() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/one\n").unwrap();
    let fake = Fake::at(&folder.path().join("engine.sock"), |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let arguments = ["--pattern-file", "rules", "--threads", "3"];
    let process = Process::start(doxy(folder.path()).args(arguments));
    // Open all at once: each thread gets its share.
    let mut clients: Vec<_> = (0..6)
        .map(|_| Client::connect(&folder.path().join("doxy.sock")))
        .collect();
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 200);
    }
    // One after the other they would all use one connection to the engine, were it not that each
    // thread has its own.
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
    // They end with their connections open.
    process.stop();
}

#[test]
fn the_limit_on_connections_is_for_all_threads_together() {
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

/// How many of its threads are those that serve besides the first.
fn workers(process: &Process) -> usize {
    let tasks = format!("/proc/{}/task", process.pid());
    fs::read_dir(tasks)
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim_end() == "worker")
        .count()
}
