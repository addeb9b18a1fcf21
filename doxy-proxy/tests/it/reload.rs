//! SIGHUP reloads the policy completely or not at all. Active requests keep the old policy.

use std::fs;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};

use rustix::process::Signal;

use crate::support::process::{Process, command, doxy};
use crate::support::{Client, Fake, Need, needs};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")
}

#[test]
fn a_reload_applies_to_open_connections_at_once() {
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
    // Editors and deployments replace a file by a new one of the same name.
    fs::write(folder.path().join("new"), "/two\n/three\n").unwrap();
    fs::rename(folder.path().join("new"), &rules).unwrap();
    process.signal(Signal::HUP);
    process.logged("reloaded: 2 rules from rules");
    assert_eq!(client.ask(get("/one")).status(), 403);
    assert_eq!(client.ask(get("/two")).status(), 200);
    // An invalid file changes nothing, and the log says where the error is.
    fs::write(&rules, "/one\n/(two\n").unwrap();
    process.signal(Signal::HUP);
    let line = process.logged("not reloaded, the configuration in force stays: rules:2:2: ");
    assert!(line.contains("; help: "), "{line}");
    assert_eq!(client.ask(get("/one")).status(), 403);
    assert_eq!(client.ask(get("/two")).status(), 200);
    // A missing file changes nothing either.
    fs::remove_file(&rules).unwrap();
    process.signal(Signal::HUP);
    process.logged("rules: cannot read the pattern file");
    assert_eq!(client.ask(get("/two")).status(), 200);
    assert_eq!(fake.requests().len(), 4);
    process.stop();
}

/// Without a word about it, an administrator would take a denial that denies nothing for protection.
#[test]
fn probable_mistakes_in_the_rules_are_logged_at_start_and_reload() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::write(&rules, "/info\n!/secrets\n").unwrap();
    let process = Process::start(doxy(folder.path()).args(["--pattern-file", "rules"]));
    let line = process.logged("rules:2:2: ");
    assert!(line.contains("WARN"), "{line}");
    assert!(line.contains("/v1.24/secrets"), "{line}");
    let many: String = (0..25)
        .map(|n| format!("/no-such-endpoint-{n}\n"))
        .collect();
    fs::write(&rules, format!("* .*\n{many}")).unwrap();
    process.signal(Signal::HUP);
    process.logged("reloaded: ");
    let log = process.stop().stderr;
    assert!(log.contains("rules:1:3: allows everything"), "{log}");
    assert!(log.contains("rules:20:1: "), "{log}");
    assert!(!log.contains("rules:21:1: "), "{log}");
    assert!(log.contains("6 more warnings about the policy"), "{log}");
}

#[test]
fn a_reload_does_not_affect_active_requests() {
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

/// Editors and deployments may remove the file for a moment. The embedded defaults, which apply if
/// there never was one, may allow what the file denies.
#[test]
fn a_default_pattern_file_that_is_gone_leaves_its_rules_in_force() {
    if !needs(Need::Root) || !needs(Need::Tool("unshare")) {
        return;
    }
    for (rules, status) in [("/_ping\n", 403), ("/info\n", 200)] {
        let folder = tempfile::tempdir().unwrap();
        let _fake = Fake::at(&folder.path().join("engine.sock"), |_, stream| {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
                .is_ok()
        });
        // An /etc of its own, seen by nobody else.
        let start = "mount -t tmpfs none /etc && printf \"$0\" > /etc/doxy.pattern && exec \"$@\"";
        let mut command = command("unshare", folder.path());
        command.args(["--mount", "sh", "-c", start, rules]);
        let process = Process::start(command.arg(env!("CARGO_BIN_EXE_doxy")));
        let file = format!("/proc/{}/root/etc/doxy.pattern", process.pid());
        let mut client = Client::connect(&folder.path().join("doxy.sock"));
        assert_eq!(client.ask(get("/info")).status(), status);
        for _ in 0..2 {
            let _ = fs::remove_file(&file);
            process.signal(Signal::HUP);
            process.logged(
                "not reloaded, the configuration in force stays: /etc/doxy.pattern: the pattern file is gone; \
                 help: put a new one there; a restart without it uses the embedded defaults",
            );
            assert_eq!(client.ask(get("/info")).status(), status);
        }
        // A file says otherwise.
        fs::write(&file, "/info\n/version\n").unwrap();
        process.signal(Signal::HUP);
        process.logged("reloaded: 2 rules from /etc/doxy.pattern");
        assert_eq!(client.ask(get("/info")).status(), 200);
        process.stop();
    }
}
