//! What a client may cost, and who may be one.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getuid, prlimit};
use tempfile::TempDir;

use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake, LIMIT};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

/// A doxy with these arguments, in front of a recording engine.
struct Setup {
    process: Process,
    fake: Fake,
    folder: TempDir,
}

impl Setup {
    #[track_caller]
    fn with(fake: Fake, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = doxy(folder.path());
        command.args(args).env("DOXY_DOCKER_SOCKET", fake.path());
        Self {
            process: Process::start(&mut command),
            fake,
            folder,
        }
    }

    fn connect(&self) -> Client {
        Client::connect(&self.path("doxy.sock"))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// Waits until something holds.
#[track_caller]
fn wait(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn one_connection_too_many_is_told_so_and_the_others_go_on() {
    let setup = Setup::with(Fake::start(), &["--max-connections", "3"]);
    let mut clients: Vec<_> = (0..3).map(|_| setup.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 200);
    }
    let mut fourth = setup.connect();
    let reply = fourth.reply("GET").unwrap();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.message(), "doxy is at its limit of 3 connections");
    assert_eq!(fourth.rest(), b"");
    for client in &mut clients {
        assert_eq!(client.ask(GET).status(), 200);
    }
    // There is room again when one has gone.
    clients.pop();
    wait("no room", || {
        setup.connect().try_send(GET.as_bytes()) && setup.connect().ask(GET).status() == 200
    });
    setup.process.stop();
}

#[test]
fn a_head_that_does_not_come_to_its_end_is_not_waited_for() {
    let setup = Setup::with(Fake::start(), &["--head-timeout", "50ms"]);
    for begun in ["G", "GET /info HTTP/1.1\r\nHost: d\r\nX: "] {
        let mut client = setup.connect();
        client.send(begun);
        let reply = client.reply("GET").unwrap();
        assert_eq!(reply.status(), 408, "{begun:?}");
        assert_eq!(client.rest(), b"");
    }
    // Behind a request as in front of the first.
    let mut client = setup.connect();
    client.send(format!("{GET}GET /in"));
    assert_eq!(client.reply("GET").unwrap().status(), 200);
    assert_eq!(client.reply("GET").unwrap().status(), 408);
    setup.process.stop();
}

#[test]
fn a_connection_that_asks_nothing_is_closed_and_one_that_is_answered_is_not() {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let fake = Fake::with(move |_, stream| {
        wait.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    let setup = Setup::with(fake, &["--idle-timeout", "30ms", "--head-timeout", "30ms"]);
    let mut busy = setup.connect();
    busy.send(GET);
    setup.fake.wait_for(1);
    // A whole other connection's time is over while this one waits for its answer.
    let mut idle = setup.connect();
    assert_eq!(idle.rest(), b"");
    go_on.send(()).unwrap();
    assert_eq!(busy.reply("GET").unwrap().status(), 200);
    assert_eq!(busy.rest(), b"");
    setup.process.stop();
}

#[test]
fn without_descriptors_doxy_waits_and_serves_on_when_there_are_some() {
    let setup = Setup::with(Fake::start(), &[]);
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", setup.process.pid()))
            .unwrap()
            .count()
    };
    let id = Some(setup.process.pid());
    let limit = |current: u64| {
        let maximum = Some(current);
        let current = maximum;
        prlimit(id, Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    // A kept connection to the engine is given up for a client's.
    assert_eq!(setup.connect().ask(GET).status(), 200);
    limit(open() as u64 + 6);
    let mut clients: Vec<_> = (0..40).map(|_| setup.connect()).collect();
    setup.process.logged("cannot accept a connection");
    drop(clients.split_off(1));
    wait("no answer", || setup.connect().ask(GET).status() == 200);
    assert_eq!(clients.remove(0).ask(GET).status(), 200);
    setup.process.stop();
}

#[test]
fn clients_that_flood_do_not_keep_others_from_an_answer() {
    let setup = Setup::with(Fake::start(), &[]);
    let socket = setup.path("doxy.sock");
    let flood = "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n".repeat(2000);
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (socket, flood) = (socket.clone(), flood.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(&socket);
                let mut reader = client.another();
                let reading = std::thread::spawn(move || reader.rest().len());
                for _ in 0..5 {
                    client.send(&flood);
                }
                client.end();
                reading.join().unwrap()
            })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(setup.connect().ask(GET).status(), 200);
    }
    for flood in floods {
        assert!(flood.join().unwrap() > 10_000 * 100);
    }
    setup.process.stop();
}

/// Whoever runs the tests, by number.
fn me() -> String {
    getuid().as_raw().to_string()
}

#[test]
fn who_may_connect_is_decided_by_the_kernels_word() {
    let group = rustix::process::getgid().as_raw().to_string();
    for (args, allowed) in [
        (vec!["--allow-uid", &*me()], true),
        (vec!["--allow-uid", "54321,54322"], false),
        (vec!["--allow-uid", "54321", "--allow-uid", &*me()], true),
        (vec!["--allow-gid", &*group], true),
        (vec!["--allow-gid", "54321"], false),
        (vec!["--allow-uid", "54321", "--allow-gid", &*group], true),
    ] {
        let setup = Setup::with(Fake::start(), &args);
        let mut client = setup.connect();
        if allowed {
            assert_eq!(client.ask(GET).status(), 200, "{args:?}");
        } else {
            // It is told without having asked.
            let reply = client.reply("GET").unwrap();
            assert_eq!(reply.status(), 403, "{args:?}");
            let message = format!("user {} may not use this socket", me());
            assert_eq!(reply.message(), message);
            assert_eq!(client.rest(), b"");
            assert!(setup.fake.requests().is_empty());
        }
        setup.process.stop();
    }
}

#[test]
fn whoever_may_not_connect_takes_no_place_from_those_who_may() {
    if !getuid().is_root() {
        eprintln!("NOT RUN: only root can be two users");
        return;
    }
    let args = [
        "--allow-uid",
        "0",
        "--max-connections",
        "2",
        "--socket-mode",
        "666",
    ];
    let setup = Setup::with(Fake::start(), &args);
    rustix::fs::chmod(setup.folder.path(), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
    let path = setup.path("doxy.sock");
    // A thread can be another user than its process. They say nothing and stay.
    let strangers = std::thread::spawn(move || {
        let user = Some(rustix::process::Uid::from_raw(12345));
        rustix::thread::set_thread_res_uid(None, user, None).unwrap();
        (0..50).map(|_| Client::connect(&path)).collect::<Vec<_>>()
    });
    let mut strangers = strangers.join().unwrap();
    let mut own: Vec<_> = (0..2).map(|_| setup.connect()).collect();
    for client in &mut own {
        assert_eq!(client.ask(GET).status(), 200);
    }
    assert_eq!(strangers[0].reply("GET").unwrap().status(), 403);
    setup.process.stop();
}

#[test]
fn supplementary_groups_count() {
    if !getuid().is_root() {
        eprintln!("NOT RUN: only root can change its groups");
        return;
    }
    if std::process::Command::new("curl")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("NOT RUN: no curl");
        return;
    }
    let setup = Setup::with(
        Fake::start(),
        &["--allow-gid", "54321", "--socket-mode", "666"],
    );
    rustix::fs::chmod(setup.folder.path(), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
    for (groups, status) in [("54320,54321", "200"), ("54320", "403")] {
        let answer = std::process::Command::new("setpriv")
            .args(["--reuid", "12345", "--regid", "12345", "--groups", groups])
            .args(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .arg("--unix-socket")
            .arg(setup.path("doxy.sock"))
            .arg("http://d/info")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert_eq!(told, status, "{groups}: {answer:?}");
    }
    setup.process.stop();
}

#[test]
fn the_caller_stands_in_the_debug_line() {
    let setup = Setup::with(Fake::start(), &["--debug"]);
    assert_eq!(setup.connect().ask(GET).status(), 200);
    let line = setup.process.logged("GET /info");
    let id = std::process::id();
    let command = std::fs::read_to_string(Path::new("/proc/self/comm")).unwrap();
    let caller = format!("| uid {}, gid ", me());
    let process = format!("pid {id} {}", command.trim());
    assert!(line.contains(&caller) && line.ends_with(&process), "{line}");
    setup.process.stop();
}

#[test]
fn a_slow_reader_of_refusals_holds_one_connection_and_no_more() {
    let setup = Setup::with(Fake::start(), &[]);
    let mut client = setup.connect();
    let flood = "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n".repeat(100);
    client.timeout(Duration::from_millis(200));
    // It asks and never reads, until nothing more is taken from it.
    while client.try_send(flood.as_bytes()) {}
    assert_eq!(setup.connect().ask(GET).status(), 200);
    setup.process.stop();
}
