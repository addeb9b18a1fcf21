//! The driver as it is run: tiny, but all of it, against doxy if that is built.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const BENCH: &str = env!("CARGO_BIN_EXE_doxy-bench");

/// `cargo test --workspace` builds doxy before anything is run; a test of this crate alone may not.
fn peers() -> &'static str {
    if Path::new(BENCH).with_file_name("doxy").exists() {
        return "direct,doxy";
    }
    eprintln!("doxy is not built: only the direct call is tried");
    "direct"
}

#[test]
fn all_workloads() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.jsonl");
    let done = Command::new(BENCH)
        .args(["streams", "--tiny", "--reps", "1", "--only", peers()])
        .arg("--out")
        .arg(&out)
        .env("TMPDIR", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");

    let lines: Vec<serde_json::Value> = fs::read_to_string(&out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |peer: &str| lines.iter().filter(|line| line["peer"] == peer).count();
    // Memory is not asked of the engine.
    assert_eq!(count("direct"), 7, "{lines:?}");
    if peers().contains("doxy") {
        assert_eq!(count("doxy"), 11, "{lines:?}");
    }
    let crowds: Vec<_> = lines
        .iter()
        .filter(|line| line["workload"] == "crowd")
        .collect();
    assert!(
        crowds.iter().all(|crowd| crowd["stalled"] == 0.0),
        "{crowds:?}"
    );
    let table = String::from_utf8(done.stdout).unwrap();
    assert!(table.contains("| tunnel-down "), "{table}");
    // The folder of the sockets went with the run.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Command::new(BENCH)
        .args(["streams", "--reps", "1000", "--only", peers()])
        .env("TMPDIR", dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(bench.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("repetition 1"));
    let children = children(bench.id());
    assert!(!children.is_empty());

    kill_process(Pid::from_child(&bench), Signal::INT).unwrap();
    assert!(!bench.wait().unwrap().success());
    let since = Instant::now();
    while children.iter().any(|pid| alive(*pid)) {
        assert!(since.elapsed() < Duration::from_secs(5), "{children:?}");
        sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
