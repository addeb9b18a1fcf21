//! The privileges that doxy gives up: tried from inside, and seen from outside on the running
//! binary.

mod attempts;
mod inside;
mod network;
mod outside;
mod users;

use std::fs;
use std::io::Write as _;

use rustix::process::Pid;

use crate::support::Recorded;

const GET: &str = "GET /info HTTP/1.1\r\nHost: d\r\n\r\n";

fn answer(_: &Recorded, stream: &mut std::os::unix::net::UnixStream) -> bool {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        .is_ok()
}

/// Lines of /proc/PID/status.
struct Status(String);

impl Status {
    #[track_caller]
    fn of(pid: Pid) -> Self {
        Self(fs::read_to_string(format!("/proc/{pid}/status")).unwrap())
    }

    #[track_caller]
    fn get(&self, name: &str) -> Vec<&str> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .trim_start_matches(':')
            .split_whitespace()
            .collect()
    }

    #[track_caller]
    fn is_locked(&self) {
        assert_eq!(self.get("NoNewPrivs"), ["1"]);
        assert_eq!(self.get("Seccomp:"), ["2"]);
        self.has_no_capabilities();
    }

    #[track_caller]
    fn has_no_capabilities(&self) {
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(self.get(set), ["0000000000000000"], "{set}");
        }
    }
}
