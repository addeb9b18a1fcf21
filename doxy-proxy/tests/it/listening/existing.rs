//! Something exists at the path already: a live socket, a stale one, another file, another doxy.

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

/// Checks that doxy does not listen in `folder`, prints `error` and `help`, and changes nothing
/// there.
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
    let expected = format!("doxy: DOXY_PROXY_SOCKET=doxy.sock: {error}\nhelp: {help}\n");
    assert_eq!((ended.code, ended.stderr), (Some(2), expected));
    assert_eq!(state(), before, "{error}");
}

const ALIVE: &str = "another process is listening there already";

const STOP_IT: &str = "stop the other process, choose another path with --proxy-socket, or, if it is a doxy that this one is to follow without a gap, start with --takeover";

#[test]
fn doxy_does_not_replace_a_live_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let listener = UnixListener::bind(&path).unwrap();
    refused(folder.path(), ALIVE, STOP_IT);
    let client = UnixStream::connect(&path).unwrap();
    client.shutdown(std::net::Shutdown::Both).unwrap();
    // doxy may have connected, but must have sent nothing.
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
fn doxy_does_not_replace_a_live_socket_with_a_full_queue() {
    let folder = tempfile::tempdir().unwrap();
    let _full = full(&folder.path().join("doxy.sock"));
    refused(folder.path(), ALIVE, STOP_IT);
}

#[test]
fn doxy_does_not_replace_other_files() {
    type Make = fn(&Path);
    let makes: [(&str, Make); 5] = [
        ("a file", |path| fs::write(path, "a file").unwrap()),
        ("", |path| fs::write(path, "").unwrap()),
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
        // Reading a pipe would block.
        if path.is_file() {
            assert_eq!(fs::read_to_string(&path).unwrap(), what);
        }
    }
}

/// Docker makes one for a container that mounts the socket before doxy has created it.
#[test]
fn doxy_does_not_replace_a_folder_and_says_where_it_may_come_from() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("doxy.sock")).unwrap();
    refused(
        folder.path(),
        "there is a folder",
        "Docker makes a folder where a socket to be mounted is missing: remove the folder (rmdir), \
         start doxy before the container, and mount the folder around the socket; if the folder is \
         yours, name a file in it",
    );
}

#[test]
fn doxy_does_not_replace_a_datagram_socket() {
    let folder = tempfile::tempdir().unwrap();
    let _datagrams = UnixDatagram::bind(folder.path().join("doxy.sock")).unwrap();
    refused(
        folder.path(),
        "cannot tell whether the socket there is in use: protocol wrong type for socket",
        "choose another path, or remove the socket",
    );
}

/// Starts `count` processes on a path with a stale socket. Checks that exactly one of them listens.
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
fn one_of_several_started_at_once_listens() {
    one_wins(2);
    one_wins(10);
}

/// Each process ends while the next one starts. A process that logs that it listens must be
/// reachable.
#[test]
fn one_doxy_takes_over_the_path_of_another() {
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
            // The old one still listened.
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
fn an_engine_that_starts_after_doxy() {
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("engine.sock");
    let process = Process::start(doxy(folder.path()).arg("--docker-socket").arg(&engine));
    let socket = folder.path().join("doxy.sock");
    let mut client = Client::connect(&socket);
    // First the socket is missing, then it is stale. The message names the reason.
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
