//! A log that cannot be written, or that nobody reads: no request waits for it, and doxy continues.

use std::fs::File;
use std::io::{Read as _, pipe};
use std::process::Stdio;

use crate::support::{Binary, Fake, Setup};

const GET: &str = "GET /info HTTP/1.1\r\nHost: a-host-with-a-name-that-fills-a-pipe-soon\r\n\r\n";
/// More lines than a pipe of 64 KiB holds.
const MANY: usize = 2000;

/// A doxy that logs every request to `stderr`.
#[track_caller]
fn start(fake: &Fake, stderr: impl Into<Stdio>) -> Binary {
    let setup = Setup::new().engine(fake.path());
    setup
        .args(["--debug", "--shutdown-grace", "0"])
        .start_with_log(stderr)
}

#[track_caller]
fn ask(doxy: &Binary, times: usize) {
    let mut client = doxy.connect();
    for _ in 0..times {
        assert_eq!(client.ask(GET).status(), 200);
    }
}

#[test]
fn a_log_that_cannot_be_written_does_not_stop_doxy() {
    let fake = Fake::start();
    let doxy = start(&fake, File::create("/dev/full").unwrap());
    ask(&doxy, 3);
    doxy.stop();
    let (reader, writer) = pipe().unwrap();
    let doxy = start(&fake, writer);
    ask(&doxy, 1);
    drop(reader);
    ask(&doxy, 3);
    doxy.stop();
}

#[test]
fn a_log_reader_that_stops_blocks_nothing_and_is_told_how_many_lines_it_lost() {
    let fake = Fake::start();
    let (mut reader, writer) = pipe().unwrap();
    let doxy = start(&fake, writer);
    ask(&doxy, MANY);
    let mut log = vec![0; 1 << 16];
    let read = reader.read(&mut log).unwrap();
    // The pipe has room again: the next line says how many lines were lost.
    ask(&doxy, 1);
    doxy.stop();
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
