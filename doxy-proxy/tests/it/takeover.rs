//! A second doxy takes the sockets of the first over: clients come to one or the other, and no request
//! is lost.

use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::support::Fake;
use crate::support::process::{Process, doxy};
use crate::support::{Client, wait};

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

#[test]
fn the_new_one_follows_without_a_gap_and_the_old_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let _fake = Fake::at(&folder.path().join("engine.sock"), |_, stream| {
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").is_ok()
    });
    let path = folder.path().join("doxy.sock");
    let first = Process::start(&mut doxy(folder.path()));
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let last = thread::scope(|scope| {
        let mut process = first;
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    assert_eq!(Client::connect(&path).ask(GET).status(), 200);
                    asked.fetch_add(1, Relaxed);
                }
            });
        }
        let mut kept = Client::connect(&path);
        for _ in 0..3 {
            assert_eq!(kept.ask(GET).status(), 200);
            let next = Process::start(doxy(folder.path()).arg("--takeover"));
            let ended = process.end();
            assert_eq!(ended.code, Some(0), "{ended}");
            assert!(
                ended
                    .stderr
                    .contains("stopping: another doxy has taken over; connections open: "),
                "{ended}"
            );
            process = next;
            kept = Client::connect(&path);
        }
        let so_far = asked.load(Relaxed);
        wait::until("further requests", || {
            (asked.load(Relaxed) > so_far + 10).then_some(())
        });
        stop.store(true, Relaxed);
        process
    });
    last.stop();
    let left = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.collect();
    assert_eq!(left, ["engine.sock"]);
}

#[test]
fn only_a_doxy_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let _other = UnixListener::bind(&path).unwrap();
    let ended = Process::spawn(doxy(folder.path()).arg("--takeover")).end();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(
        ended.stderr.contains("that listens there is not doxy but "),
        "{ended}"
    );
    // Where nothing listens, it starts as without the option.
    fs::remove_file(&path).unwrap();
    Process::start(doxy(folder.path()).arg("--takeover")).stop();
}
