//! The socket that doxy creates, through the binary: who may connect to it and since when, what
//! is replaced and what is not, and what is left when doxy ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode};
use rustix::process::Signal;

use crate::support::files::{chmod, listing};
use crate::support::process::{Process, command, doxy};
use crate::support::sockets::full;
use crate::support::sockets::stale;
use crate::support::{Client, Fake};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

/// Mode, owner and group of a socket at some moment.
type Rights = (u32, u32, u32);

fn rights(path: &Path) -> Option<Rights> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.mode() & 0o7777, found.uid(), found.gid()))
}

/// A client is answered at `path`, whatever the answer is.
#[track_caller]
fn answers(path: &Path) {
    let reply = Client::connect(path).ask(PING);
    assert!([200, 502].contains(&reply.status()), "{reply:?}");
}

/// Says that it is so when dropped.
struct Announce<'a>(&'a AtomicBool);

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A doxy started under `umask` with `args` ends up with a socket of these rights, and never had
/// one that gave more to anybody.
#[track_caller]
fn rights_are(umask: &str, args: &[&str], expected: Rights) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let listening = AtomicBool::new(false);
    let observed = thread::scope(|scope| {
        // Dropped in any case: the scope waits for the observer.
        let announce = Announce(&listening);
        let observer = scope.spawn(|| {
            let mut observed = BTreeSet::new();
            loop {
                let last = listening.load(Ordering::SeqCst);
                observed.extend(rights(&path));
                if last {
                    return observed;
                }
            }
        });
        let process = Process::start(
            command("/bin/sh", folder.path())
                .args(["-c", "umask $0 && exec \"$@\"", umask])
                .arg(env!("CARGO_BIN_EXE_doxy"))
                .args(args),
        );
        drop(announce);
        let observed = observer.join().unwrap();
        assert_eq!(rights(&path), Some(expected), "{umask} {args:?}");
        answers(&path);
        process.stop();
        observed
    });
    assert!(observed.contains(&expected), "{umask} {args:?}");
    let (mode, uid, gid) = expected;
    for seen in observed {
        let (early, owner, group) = seen;
        let narrow = early & !mode == 0 && (early == 0 || (owner, group) == (uid, gid));
        assert!(narrow, "{umask} {args:?}: was {seen:?} (mode {early:o})");
    }
}

#[test]
fn modes() {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    for umask in ["022", "000", "077", "777"] {
        rights_are(umask, &[], (0o660, uid, gid));
        for (text, mode) in [("0600", 0o600), ("0666", 0o666), ("777", 0o777)] {
            rights_are(umask, &["--socket-mode", text], (mode, uid, gid));
        }
    }
}

#[test]
fn owners_and_groups() {
    let uid = rustix::process::geteuid();
    let gid = rustix::process::getegid();
    let (own, group) = (uid.as_raw().to_string(), gid.as_raw().to_string());
    let mine = (0o660, uid.as_raw(), gid.as_raw());
    rights_are("022", &["--socket-group", &group], mine);
    rights_are("022", &["--socket-owner", &own], mine);
    if !uid.is_root() {
        eprintln!("not root: changes of owner are not tested");
        return;
    }
    for umask in ["022", "000"] {
        let group = ["--socket-group", "54321"];
        rights_are(umask, &group, (0o660, 0, 54321));
        let both = [
            "--socket-owner",
            "65534",
            "--socket-group",
            "54321",
            "--socket-mode=0620",
        ];
        rights_are(umask, &both, (0o620, 65534, 54321));
        rights_are(umask, &["--socket-owner", "root"], (0o660, 0, gid.as_raw()));
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    stale(&path);
    // Its mode is not taken over, and is no hindrance.
    chmod(&path, 0o777);
    let process = Process::start(&mut doxy(folder.path()));
    assert_eq!(rights(&path).unwrap().0, 0o660);
    answers(&path);
    process.stop();
    assert_eq!(listing(folder.path()), BTreeSet::new());
}

/// Doxy will not listen at `path` in `folder`, says `error` and `help`, and leaves it all alone.
#[track_caller]
fn refused(folder: &Path, error: &str, help: &str) {
    let path = folder.join("doxy.sock");
    let state = || {
        let found = fs::symlink_metadata(&path).unwrap();
        (found.dev(), found.ino(), found.mode(), listing(folder))
    };
    let before = state();
    let process = Process::spawn(&mut doxy(folder));
    assert!(!process.listens(), "{error}: listens instead");
    let ended = process.end();
    let expected = format!("doxy: proxy socket doxy.sock: {error}\nhelp: {help}\n");
    assert_eq!((ended.code, ended.stderr), (Some(2), expected));
    assert_eq!(state(), before, "{error}");
}

const ALIVE: &str = "somebody is listening there already";

const STOP_IT: &str = "stop the other process, or choose another path with --proxy-socket";

#[test]
fn a_live_socket_is_refused_and_goes_on_working() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let listener = UnixListener::bind(&path).unwrap();
    refused(folder.path(), ALIVE, STOP_IT);
    let client = UnixStream::connect(&path).unwrap();
    client.shutdown(std::net::Shutdown::Both).unwrap();
    // Doxy may have knocked, and said nothing.
    for _ in 0..2 {
        let mut heard = Vec::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_end(&mut heard)
            .unwrap();
        assert!(heard.is_empty(), "{heard:?}");
    }
    drop(listener);

    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&mut doxy(folder.path()));
    refused(folder.path(), ALIVE, STOP_IT);
    answers(&folder.path().join("doxy.sock"));
    process.stop();
}

#[test]
fn a_live_socket_that_is_too_busy_to_answer_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let _full = full(&folder.path().join("doxy.sock"));
    refused(folder.path(), ALIVE, STOP_IT);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    type Make = fn(&Path);
    let makes: [(&str, Make); 6] = [
        ("a file", |path| fs::write(path, "a file").unwrap()),
        ("", |path| fs::write(path, "").unwrap()),
        ("a folder", |path| fs::create_dir(path).unwrap()),
        ("a link to nothing", |path| {
            symlink("nothing", path).unwrap()
        }),
        ("a link to a stale socket", |path| {
            stale(&path.with_file_name("stale.sock"));
            symlink("stale.sock", path).unwrap();
        }),
        ("a pipe", |path| {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        }),
    ];
    for (what, make) in makes {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doxy.sock");
        make(&path);
        refused(
            folder.path(),
            "there is a file that is not a socket",
            "doxy removes nothing but its own sockets, choose another path or remove it",
        );
        // A pipe would be waited for.
        if path.is_file() {
            assert_eq!(fs::read_to_string(&path).unwrap(), what);
        }
    }
}

#[test]
fn a_socket_of_another_kind_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let _datagrams = UnixDatagram::bind(folder.path().join("doxy.sock")).unwrap();
    refused(
        folder.path(),
        "cannot tell whether the socket there is in use: protocol wrong type for socket",
        "choose another path, or remove the socket",
    );
}

/// `count` doxys, all started on a path where a stale socket is: one of them gets it.
#[track_caller]
fn one_wins(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    stale(&path);
    let all: Vec<_> = (0..count)
        .map(|_| Process::spawn(&mut doxy(folder.path())))
        .collect();
    let (listening, others): (Vec<_>, Vec<_>) = all.into_iter().partition(Process::listens);
    assert_eq!(listening.len(), 1, "of {count}");
    for other in others {
        let ended = other.end();
        assert_eq!(ended.code, Some(2), "of {count}: {ended:?}");
        assert!(ended.stderr.contains(ALIVE), "of {count}: {ended:?}");
    }
    answers(&path);
    assert_eq!(listing(folder.path()), ["doxy.sock".to_owned()].into());
    for process in listening {
        process.stop();
    }
    assert_eq!(listing(folder.path()), BTreeSet::new());
}

#[test]
fn of_several_started_at_once_one_listens() {
    one_wins(2);
    one_wins(10);
}

/// Each ends while the next begins; whoever says that it listens can be reached.
#[test]
fn a_path_that_passes_from_one_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let mut process = Process::start(&mut doxy(folder.path()));
    for _ in 0..10 {
        process.signal(Signal::TERM);
        let next = Process::spawn(&mut doxy(folder.path()));
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        process = if next.listens() {
            next
        } else {
            // It was too early, and said so.
            let ended = next.end();
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains(ALIVE), "{ended:?}");
            Process::start(&mut doxy(folder.path()))
        };
        answers(&path);
    }
    process.stop();
    assert_eq!(listing(folder.path()), BTreeSet::new());
}

#[test]
fn either_signal_ends_it_and_nothing_is_left() {
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
fn somebody_elses_socket_is_not_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let process = Process::start(&mut doxy(folder.path()));
    fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    process.stop();
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();

    // Nor is it an error that there is nothing to be removed, not even the folder.
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&mut doxy(folder.path()));
    fs::remove_file(folder.path().join("doxy.sock")).unwrap();
    folder.close().unwrap();
    process.stop();
}

#[test]
fn after_a_kill_the_same_path_can_be_used() {
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

/// More than any test waits: what ends earlier was not ended by the clock.
const LONG: &str = "--shutdown-grace=600m";

#[test]
fn idle_clients_do_not_hold_up_the_end() {
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
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::INT),
        (Signal::INT, Signal::TERM),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doxy.sock");
        let engine = Fake::at(&folder.path().join("engine.sock"), |_, _| true);
        let process = Process::start(doxy(folder.path()).arg(LONG));
        // One request half sent, one in service: the engine never answers it.
        let mut half = Client::connect(&path);
        half.send("GET /_ping HTTP/1.1\r\nHost");
        let mut waiting = Client::connect(&path);
        waiting.send(PING);
        engine.wait_for(1);
        process.signal(first);
        process.logged("stopping; connections open: 2");
        assert!(!path.exists());
        process.signal(second);
        process.logged("stopping at once");
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
    process.logged("stopping; connections open: 2");
    // Too late, if it has ended by then.
    process.signal(Signal::TERM);
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_grace_is_what_was_said() {
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

#[test]
fn an_engine_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("engine.sock");
    let process = Process::start(doxy(folder.path()).arg("--docker-socket").arg(&engine));
    let socket = folder.path().join("doxy.sock");
    let mut client = Client::connect(&socket);
    // Not there; then there, but dead; both times the words say which.
    for reason in ["no such file or directory", "connection refused"] {
        let reply = client.ask(PING);
        assert_eq!(reply.status(), 502, "{reply:?}");
        assert_eq!(
            reply.message(),
            format!(
                "cannot reach the Docker engine at {}: {reason}",
                engine.display()
            )
        );
        if !engine.exists() {
            stale(&engine);
        }
    }
    fs::remove_file(&engine).unwrap();
    let _fake = Fake::at(&engine, |_, stream| {
        use std::io::Write as _;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    for client in [&mut client, &mut Client::connect(&socket)] {
        let reply = client.ask(PING);
        assert_eq!((reply.status(), &*reply.body), (200, &b"OK"[..]));
    }
    process.stop();
}
