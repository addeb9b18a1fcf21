//! What is at the path already: live sockets, stale ones, other files, another doxy.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use rustix::process::Signal;

use super::{PING, answers};
use crate::support::files::listing;
use crate::support::process::{Process, doxy};
use crate::support::sockets::{full, stale};
use crate::support::{Client, Fake};

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

const ALIVE: &str = "another process is listening there already";

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
