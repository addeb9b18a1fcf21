//! `doxy healthcheck`: what counts as alive, and what does not.

mod settings;
mod signs;
mod tls;

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use rustix::process::Signal;

use crate::support::process::{Ended, Process, command, doxy};
use crate::support::{Fake, Setup, sockets};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
/// Not long, where there will be no answer.
const BRIEFLY: [&str; 2] = ["--timeout", "600ms"];

/// An engine at `engine.sock`, which answers.
fn engine(setup: &Setup) -> Fake {
    Fake::at(&setup.path("engine.sock"), |_, stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        stream.write_all(answer).is_ok()
    })
}

/// An engine that accepts and reads, and never answers.
fn hanging(setup: &Setup) -> Fake {
    Fake::at(&setup.path("engine.sock"), |_, _| true)
}

/// The check in this folder, with sockets `doxy.sock` and `engine.sock`.
#[track_caller]
fn health(folder: &Path, args: &[&str]) -> Ended {
    Process::spawn(doxy(folder).arg("healthcheck").args(args)).end()
}

#[track_caller]
fn says(folder: &Path, args: &[&str], code: i32, line: &str) {
    let ended = health(folder, args);
    assert_eq!(ended.stdout, format!("{line}\n"), "{args:?}: {ended}");
    assert_eq!((ended.code, &*ended.stderr), (Some(code), ""), "{args:?}");
}

/// What the log of the process says of denials.
fn told(log: &str) -> Vec<&str> {
    let words = ["denied", "refused", "no connection"];
    log.lines()
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .collect()
}

#[test]
fn a_doxy_that_answers_is_healthy_and_the_engine_gets_a_ping_only_if_it_is_to_be_ready() {
    let setup = Setup::new();
    let engine = engine(&setup);
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    assert_eq!(engine.requests().len(), 0);
    let line = "healthy: 1 socket answers, and so does the engine";
    says(doxy.folder(), &["--ready"], 0, line);
    let requests = engine.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].head.starts_with("GET /_ping HTTP/1.1\r\n"));
    let agent = format!("doxy-healthcheck/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(requests[0].header("user-agent"), [agent]);
    assert_eq!(requests[0].header("x-request-id"), ["doxy-healthcheck"]);
}

#[test]
fn a_doxy_that_hangs_is_not_healthy() {
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup.start();
    doxy.process.signal(Signal::STOP);
    let line = "unhealthy: doxy.sock: no answer within 600ms";
    says(doxy.folder(), &BRIEFLY, 1, line);
    doxy.process.signal(Signal::CONT);
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
}

#[test]
fn a_socket_that_is_gone_or_that_nobody_serves_is_not_healthy() {
    let setup = Setup::new();
    let folder = tempfile::tempdir().unwrap();
    drop(setup);
    let gone = "unhealthy: doxy.sock: no such file or directory";
    says(folder.path(), &[], 1, gone);
    sockets::stale(&folder.path().join("doxy.sock"));
    let refused = "unhealthy: doxy.sock: connection refused";
    says(folder.path(), &[], 1, refused);
    fs::remove_file(folder.path().join("doxy.sock")).unwrap();
    // It accepts, and closes without a word.
    let listener = UnixListener::bind(folder.path().join("doxy.sock")).unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    let closes = "unhealthy: doxy.sock: no answer within 600ms";
    says(folder.path(), &BRIEFLY, 1, closes);
}

#[test]
fn an_engine_that_is_away_or_hangs_is_not_ready_and_doxy_lives() {
    let setup = Setup::new();
    let doxy = setup.start();
    let (folder, alive) = (doxy.folder(), "healthy: 1 socket answers");
    says(folder, &[], 0, alive);
    let why = "unhealthy: the engine at engine.sock: no such file or directory";
    says(folder, &["--ready"], 1, why);
    // It accepts a ping, and never answers.
    let ready = ["--ready", BRIEFLY[0], BRIEFLY[1]];
    let late = "unhealthy: the engine at engine.sock: no answer within 600ms";
    let engine = Fake::at(&doxy.path("engine.sock"), |_, _| true);
    says(folder, &[], 0, alive);
    says(folder, &ready, 1, late);
    drop(engine);
    // It listens, and does not even accept.
    let _full = sockets::full(&doxy.path("engine.sock"));
    says(folder, &[], 0, alive);
    says(folder, &ready, 1, late);
}

#[test]
fn an_engine_that_answers_with_an_error_is_not_ready() {
    let setup = Setup::new();
    let _engine = Fake::at(&setup.path("engine.sock"), |_, stream| {
        let answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).is_ok()
    });
    let doxy = setup.start();
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    let why = "unhealthy: the engine at engine.sock: it answered 500";
    says(doxy.folder(), &["--ready"], 1, why);
}

#[test]
fn one_dead_socket_among_many_is_named() {
    let table = |name: &str| format!("[socket.{name}]\nproxy-socket = \"{name}.sock\"\n");
    let tables: String = ["a", "b", "c", "d", "e", "f"].map(table).concat();
    let setup = Setup::new().config(&tables);
    let _engine = engine(&setup);
    let doxy = setup.start();
    let health = |args: &[&str], code, line: &str| {
        let mut command = self::doxy(doxy.folder());
        command.env_remove("DOXY_PROXY_SOCKET");
        command
            .args(["healthcheck", "--config", "doxy.toml"])
            .args(args);
        let ended = Process::spawn(&mut command).end();
        assert_eq!(ended.code, Some(code), "{ended}");
        assert_eq!(ended.stdout, format!("{line}\n"));
    };
    health(&[], 0, "healthy: 6 sockets answer");
    fs::remove_file(doxy.path("c.sock")).unwrap();
    let gone = "no such file or directory";
    health(&[], 1, &format!("unhealthy: c.sock: {gone}"));
    for name in ["a", "b", "f"] {
        fs::remove_file(doxy.path(&format!("{name}.sock"))).unwrap();
    }
    let all = format!("unhealthy: a.sock: {gone}; b.sock: {gone}; c.sock: {gone}; and 1 more");
    health(&[], 1, &all);
}

/// A process that may have few open files asks a few sockets at a time.
#[test]
fn more_sockets_than_open_files() {
    let tables: String = (0..60)
        .map(|it| format!("[socket.s{it}]\nproxy-socket = \"{it}.sock\"\n"))
        .collect();
    let setup = Setup::new().config(&tables);
    let _engine = engine(&setup);
    let doxy = setup.start();
    for tool in ["healthcheck", "verify"] {
        let shell = format!("ulimit -n 32 && exec \"$0\" {tool} --config doxy.toml");
        let mut command = command("/bin/sh", doxy.folder());
        command.env_remove("DOXY_PROXY_SOCKET");
        let ended = Process::spawn(command.args(["-c", &shell, env!("CARGO_BIN_EXE_doxy")])).end();
        assert!(!ended.stdout.contains("too many"), "{ended}");
        let words = ["healthy: 60 sockets answer\n", " 0 failed, "];
        assert!(words.iter().any(|it| ended.stdout.contains(it)), "{ended}");
    }
}

#[test]
fn one_who_may_not_connect_is_answered_and_that_counts() {
    let setup = Setup::new().args(["--allow-uid", "4000000"]);
    let _engine = engine(&setup);
    let doxy = setup.start();
    for _ in 0..3 {
        says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
    }
    doxy.logged("no connection for user");
    // The second and the third time are not told.
    let log = doxy.stop().stderr;
    assert_eq!(told(&log).len(), 1, "{log}");
}

#[test]
fn a_full_doxy_lives() {
    let setup = Setup::new().args(["--max-connections", "1"]);
    let engine = hanging(&setup);
    let doxy = setup.start();
    let mut busy = doxy.connect();
    busy.send("GET /info HTTP/1.1\r\nHost: d\r\n\r\n");
    engine.wait_for(1);
    assert_eq!(doxy.ask(PING).status(), 503);
    says(doxy.folder(), &[], 0, "healthy: 1 socket answers");
}
