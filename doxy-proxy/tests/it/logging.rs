//! The log, when nobody takes it: no request waits for it, and doxy does not end of it.

use std::fs::File;
use std::io::{Read as _, pipe};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Client, Fake, LIMIT};

const GET: &str = "GET /info HTTP/1.1\r\nHost: a-host-with-a-name-that-fills-a-pipe-soon\r\n\r\n";
/// More lines than a pipe of 64 KiB holds.
const MANY: usize = 2000;

/// A doxy, which does not outlive a test that fails.
struct Logging(Child);

impl Logging {
    /// Logs every request to `stderr`, and is ready to be asked.
    fn start(fake: &Fake, socket: &Path, stderr: impl Into<Stdio>) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_doxy"))
            .args(["--debug", "--shutdown-grace", "0"])
            .arg("--docker-socket")
            .arg(fake.path())
            .arg("--proxy-socket")
            .arg(socket)
            .env_remove("DOXY_PATTERN_FILE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let child = Self(child);
        let deadline = Instant::now() + LIMIT;
        while UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < deadline, "doxy does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    #[track_caller]
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(socket: &Path, times: usize) {
    let mut client = Client::connect(socket);
    for _ in 0..times {
        assert_eq!(client.ask(GET).status(), 200);
    }
}

#[test]
fn a_full_disk_or_a_reader_that_has_gone_ends_nothing() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("doxy.sock");
    let child = Logging::start(&fake, &socket, File::create("/dev/full").unwrap());
    ask(&socket, 3);
    child.stop();
    let (reader, writer) = pipe().unwrap();
    let child = Logging::start(&fake, &socket, writer);
    ask(&socket, 1);
    drop(reader);
    ask(&socket, 3);
    child.stop();
}

#[test]
fn a_reader_that_does_not_read_holds_nothing_up_and_learns_what_it_missed() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("doxy.sock");
    let (mut reader, writer) = pipe().unwrap();
    let child = Logging::start(&fake, &socket, writer);
    ask(&socket, MANY);
    let mut log = vec![0; 1 << 16];
    let read = reader.read(&mut log).unwrap();
    // There is room again: the next line says how many are lost.
    ask(&socket, 1);
    child.stop();
    log.truncate(read);
    reader.read_to_end(&mut log).unwrap();
    let log = String::from_utf8(log).unwrap();
    let lost = log
        .lines()
        .find_map(|line| line.strip_prefix('(')?.strip_suffix(" lines of log lost)"));
    let lost: usize = lost.expect("a count of the lost lines").parse().unwrap();
    let printed = log
        .lines()
        .filter(|line| line.contains("GET /info"))
        .count();
    assert_eq!(printed + lost, MANY + 1, "{printed} printed, {lost} lost");
}
