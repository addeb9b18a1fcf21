//! Where the log is written, and what happens when it cannot be.

use std::fs;
use std::fs::File;
use std::io::Read as _;

use rustix::process::Signal;

use super::{GET, Logged, json};
use crate::support::{Fake, Setup, wait};

#[test]
fn sighup_reopens_a_log_that_was_moved() {
    let logged = Logged::with(Fake::start(), "log", "json");
    let (log, moved) = (logged.doxy.path("log"), logged.doxy.path("log.1"));
    logged.connect().ask(GET);
    logged.lines("log", 1);
    fs::rename(&log, &moved).unwrap();
    logged.connect().ask(GET);
    logged.lines("log.1", 2);
    logged.doxy.process.signal(Signal::HUP);
    wait::until_in(logged.doxy.folder(), "the log opened again", || {
        log.exists().then_some(())
    });
    logged.connect().ask(GET);
    logged.lines("log", 1);
    logged.lines("log.1", 2);
    // If the log cannot be opened again, doxy logs that, and continues with the old file.
    fs::rename(&log, logged.doxy.path("log.2")).unwrap();
    fs::create_dir(&log).unwrap();
    logged.doxy.process.signal(Signal::HUP);
    logged.doxy.logged("cannot reopen the access log");
    logged.connect().ask(GET);
    logged.lines("log.2", 2);
    logged.doxy.stop();
}

#[test]
fn the_access_log_can_go_to_standard_output() {
    let logged = Logged::with(Fake::start(), "stdout", "json");
    for _ in 0..100 {
        logged.connect().ask(GET);
    }
    // The remaining records are written when doxy stops.
    let printed = logged.doxy.stop().stdout;
    assert_eq!(printed.lines().count(), 100, "{printed}");
    json(printed.lines().last().unwrap());
}

#[test]
fn a_full_disk_blocks_nothing_and_is_logged() {
    let logged = Logged::with(Fake::start(), "/dev/full", "json");
    for _ in 0..100 {
        assert_eq!(logged.connect().ask(GET).status(), 200);
    }
    logged
        .doxy
        .logged("the access log takes no records: no space left on device");
    assert_eq!(logged.connect().ask(GET).status(), 200);
    logged.doxy.stop();
}

#[test]
fn a_log_reader_that_stops_blocks_nothing_and_is_told_how_many_lines_it_lost() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    // Read and write, so that neither side waits for the other to open.
    let mut reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let logged = Logged::with(Fake::start(), fifo.to_str().unwrap(), "json");
    let many = 40_000;
    let mut client = logged.connect();
    let requests = "GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n".repeat(1000);
    for _ in 0..many / 1000 {
        client.send(&requests);
        for _ in 0..1000 {
            assert_eq!(client.reply("GET").unwrap().status(), 403);
        }
    }
    // These are more records than the pipe and doxy's buffer hold. Now the reader reads, and one
    // more record is written.
    let mut text = String::new();
    let (mut records, mut lost) = (0, 0);
    let mut chunk = vec![0; 1 << 16];
    while records + lost < many {
        let read = reader.read(&mut chunk).unwrap();
        text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        while let Some((line, rest)) = text.split_once('\n') {
            match json(line)["lost"].as_u64() {
                Some(count) => lost += count,
                None => records += 1,
            }
            text = rest.to_owned();
        }
        if records + lost >= many - 10_000 && lost == 0 {
            client.send("GET /secrets HTTP/1.1\r\nHost: d\r\n\r\n");
        }
    }
    assert!(lost > 0 && records > 0, "{records} and {lost} lost");
    logged.doxy.stop();
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_at_start() {
    for (target, why) in [
        ("/no/such/folder/log", "no such file or directory"),
        (".", "is a directory"),
    ] {
        let mut setup = Setup::new().args(["--access-log", target]);
        let ended = setup.run();
        assert_eq!(ended.code, Some(2));
        let error = ended.stderr.lines().find(|line| line.starts_with("doxy: "));
        assert_eq!(error, Some(&*format!("doxy: --access-log {target}: {why}")));
        assert!(!setup.path("doxy.sock").exists());
    }
}
