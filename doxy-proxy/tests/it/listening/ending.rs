//! Signals, the grace period, and the removal of the socket.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::process::Signal;

use super::{PING, answers};
use crate::support::files::listing;
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

#[test]
fn sigterm_and_sigint_stop_doxy_and_remove_the_socket() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(&mut doxy(folder.path()));
        answers(&folder.path().join("doxy.sock"));
        assert_eq!(listing(folder.path()), ["doxy.sock".to_owned()].into());
        process.signal(signal);
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{signal:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{signal:?}");
        assert_eq!(listing(folder.path()), BTreeSet::new(), "{signal:?}");
    }
}

#[test]
fn a_socket_of_another_process_is_not_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let process = Process::start(&mut doxy(folder.path()));
    fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    process.stop();
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();

    // A missing socket is no error, and neither is a missing folder.
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&mut doxy(folder.path()));
    fs::remove_file(folder.path().join("doxy.sock")).unwrap();
    folder.close().unwrap();
    process.stop();
}

#[test]
fn a_killed_doxy_can_be_started_again_on_the_same_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    for _ in 0..3 {
        let process = Process::start(&mut doxy(folder.path()));
        answers(&path);
        process.signal(Signal::KILL);
        assert_eq!(process.end().code, None);
        assert!(path.exists());
    }
    Process::start(&mut doxy(folder.path())).stop();
    assert_eq!(listing(folder.path()), BTreeSet::new());
}

/// Longer than any test waits: if doxy ends earlier, no timeout ended it.
const LONG: &str = "--shutdown-grace=600m";

#[test]
fn idle_clients_do_not_delay_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let process = Process::start(doxy(folder.path()).arg(LONG));
    let _silent = Client::connect(&path);
    let mut idle = Client::connect(&path);
    // Answered, so the one that came before it has been accepted too.
    idle.ask(PING);
    process.stop();
    assert!(idle.reply("GET").is_none());
}

#[test]
fn a_second_signal_stops_doxy_at_once() {
    for (first, second, names) in [
        (Signal::TERM, Signal::TERM, ["SIGTERM", "SIGTERM"]),
        (Signal::INT, Signal::INT, ["SIGINT", "SIGINT"]),
        (Signal::INT, Signal::TERM, ["SIGINT", "SIGTERM"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doxy.sock");
        let engine = Fake::at(&folder.path().join("engine.sock"), |_, _| true);
        let process = Process::start(doxy(folder.path()).arg(LONG));
        // One request is half sent. The other is active: the engine never responds to it.
        let mut half = Client::connect(&path);
        half.send("GET /_ping HTTP/1.1\r\nHost");
        let mut waiting = Client::connect(&path);
        waiting.send(PING);
        engine.wait_for(1);
        process.signal(first);
        process.logged(&format!("stopping: {}; connections open: 2", names[0]));
        assert!(!path.exists());
        process.signal(second);
        process.logged(&format!("stopping at once: {}", names[1]));
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{first:?} {second:?}: {ended:?}");
        assert!(waiting.reply("GET").is_none());
    }
}

#[test]
fn a_half_sent_request_does_not_outlive_a_second_signal() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(doxy(folder.path()).arg(LONG));
    let path = folder.path().join("doxy.sock");
    let mut half = Client::connect(&path);
    half.send("GET /_ping HTTP/1.1\r\nHost");
    // Answered, so the one that came before it has been accepted too.
    let mut idle = Client::connect(&path);
    idle.ask(PING);
    process.signal(Signal::TERM);
    process.logged("stopping: SIGTERM; connections open: 2");
    // doxy may have ended already.
    process.signal(Signal::TERM);
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_grace_period_is_as_configured() {
    for (args, vars) in [
        (&["--shutdown-grace", "0"][..], None),
        (&[], Some(("DOXY_SHUTDOWN_GRACE", "1ms"))),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = Fake::at(&folder.path().join("engine.sock"), |_, _| true);
        let process = Process::start(doxy(folder.path()).args(args).envs(vars));
        let mut waiting = Client::connect(&folder.path().join("doxy.sock"));
        waiting.send(PING);
        engine.wait_for(1);
        let ended = process.stop();
        assert!(ended.stderr.contains("connections cut after "), "{ended:?}");
    }
}
