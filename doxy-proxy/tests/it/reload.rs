//! SIGHUP: the policy is read again, whole or not at all, and what is in service keeps its own.

use std::fs;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};

use rustix::process::Signal;

use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")
}

#[test]
fn another_pattern_file_is_in_force_at_once_also_on_open_connections() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::write(&rules, "/one\n").unwrap();
    let fake = Fake::at(&folder.path().join("engine.sock"), |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let process = Process::start(doxy(folder.path()).args(["--pattern-file", "rules"]));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    assert_eq!(client.ask(get("/one")).status(), 200);
    assert_eq!(client.ask(get("/two")).status(), 403);
    // Replaced as editors and deployments do it, by a new file of the same name.
    fs::write(folder.path().join("new"), "/two\n/three\n").unwrap();
    fs::rename(folder.path().join("new"), &rules).unwrap();
    process.signal(Signal::HUP);
    process.logged("reloaded: 2 rules from rules");
    assert_eq!(client.ask(get("/one")).status(), 403);
    assert_eq!(client.ask(get("/two")).status(), 200);
    // A broken one changes nothing, and it is said where it is broken.
    fs::write(&rules, "/one\n/(two\n").unwrap();
    process.signal(Signal::HUP);
    let line = process.logged("not reloaded, the policy in force stays: rules:2:2: ");
    assert!(line.contains("; help: "), "{line}");
    assert_eq!(client.ask(get("/one")).status(), 403);
    assert_eq!(client.ask(get("/two")).status(), 200);
    // Nor does one that is gone.
    fs::remove_file(&rules).unwrap();
    process.signal(Signal::HUP);
    process.logged("rules: cannot read the pattern file");
    assert_eq!(client.ask(get("/two")).status(), 200);
    assert_eq!(fake.requests().len(), 4);
    process.stop();
}

#[test]
fn a_request_in_service_is_not_touched() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/one\n").unwrap();
    let fake = Fake::at(&folder.path().join("engine.sock"), move |_, stream| {
        wait.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let process = Process::start(doxy(folder.path()).args(["--pattern-file", "rules"]));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    client.send(get("/one"));
    fake.wait_for(1);
    fs::write(folder.path().join("rules"), "/two\n").unwrap();
    process.signal(Signal::HUP);
    process.logged("reloaded: 1 rule from rules");
    go_on.send(()).unwrap();
    assert_eq!(client.reply("GET").unwrap().status(), 200);
    assert_eq!(client.ask(get("/one")).status(), 403);
    process.stop();
}
