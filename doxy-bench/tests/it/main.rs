//! Runs the binary: all workloads, very short, against doxy if that is built.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_doxy-bench");

/// `cargo test --workspace` builds doxy first; a test of this crate alone may not. The other proxies take part
/// if they are installed.
fn peers() -> &'static str {
    if Path::new(BENCH).with_file_name("doxy").exists() {
        return "direct,haproxy,nginx,doxy,doxy-log";
    }
    assert!(std::env::var_os("CI").is_none(), "doxy is not built");
    eprintln!("doxy is not built: tested without it");
    "direct,haproxy,nginx"
}

#[test]
fn all_workloads() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let done = Command::new(BENCH)
        .args(["compare", "--tiny", "--reps", "1", "--only", peers()])
        .arg("--out")
        .arg(&out)
        .env("TMPDIR", dir.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{output}");

    let lines: Vec<Value> = fs::read_to_string(out.join("runs.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (head, runs) = lines.split_first().unwrap();
    assert!(head["machine"].is_string() && head["unix_time"].is_u64());
    let taking_part: Vec<&String> = head["peers"].as_object().unwrap().keys().collect();
    for peer in &taking_part {
        let of = || runs.iter().filter(|run| run["peer"] == peer.as_str());
        // Every workload has a line; a skipped one has its reason.
        assert_eq!(of().count(), 30, "{peer}");
        let skipped = of().filter(|run| run["skipped"].is_string()).count();
        let expected = match peer.as_str() {
            "direct" => 16,
            // Others have one set of rules for a process here.
            "haproxy" | "nginx" | "doxy-log" => 1,
            _ => 0,
        };
        assert_eq!(skipped, expected, "{peer}");
    }
    let run = |peer: &str, workload: &str| -> &Value {
        runs.iter()
            .find(|run| run["peer"] == peer && run["workload"] == workload)
            .unwrap()
    };
    // All requests that were due in 20 ms were sent.
    let rate = run("direct", "rate-32")["requests_per_s"].as_f64().unwrap();
    assert!((500.0..1200.0).contains(&rate), "{rate}");
    for key in ["p50_us", "p90_us", "p99_us", "p999_us"] {
        assert!(run("direct", "keep-32")[key].as_f64().unwrap() > 0.0);
    }
    for peer in &taking_part {
        assert_eq!(run(peer, "crowd")["stalled"], 0.0, "{peer}");
        if *peer != "direct" {
            assert!(run(peer, "keep-1")["cpu_us_per_request"].as_f64().unwrap() > 0.0);
            assert!(run(peer, "start")["start_ms"].as_f64().unwrap() > 0.0);
        }
    }

    let table = String::from_utf8(done.stdout).unwrap();
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(table.contains("| tunnel-down ") && summary.contains("| tunnel-down "));
    assert!(
        summary.contains("Skipped for direct: denied-32"),
        "{summary}"
    );
    // Plots of the cost of a proxy need a proxy.
    let pictures = if taking_part.len() > 1 { 7 } else { 2 };
    assert_eq!(summary.matches("![").count(), pictures);
    for link in summary.split("](").skip(1) {
        let (name, _) = link.split_once(')').unwrap();
        let svg = fs::read_to_string(out.join(name)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
    // The folder of the sockets was removed.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn unknown_names() {
    for (arguments, expected) in [
        (["--only", "squid"], "no peer has the name squid"),
        (["--workloads", "keep"], "the groups are requests, "),
        (["--secs", "0"], "not a duration in seconds"),
    ] {
        let done = Command::new(BENCH)
            .arg("compare")
            .args(arguments)
            .output()
            .unwrap();
        assert!(!done.status.success());
        let output = String::from_utf8_lossy(&done.stderr);
        assert!(output.contains(expected), "{output}");
    }
}

#[test]
fn interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Command::new(BENCH)
        .args(["compare", "--reps", "1000", "--only", peers()])
        .env("TMPDIR", dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(bench.stderr.take().unwrap()).lines();
    assert!(output.next().unwrap().unwrap().starts_with("repetition 1"));
    let children = children(bench.id());
    assert!(!children.is_empty());

    kill_process(Pid::from_child(&bench), Signal::INT).unwrap();
    assert!(!bench.wait().unwrap().success());
    // Nothing that it started outlives it. The timeout only ends a test that fails.
    let timeout = Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    for child in &children {
        let mut exited = [PollFd::new(child, PollFlags::IN)];
        assert_eq!(poll(&mut exited, Some(&timeout)).unwrap(), 1);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// A descriptor for each child, which becomes readable when that exits.
fn children(pid: u32) -> Vec<OwnedFd> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap())
        .map(|pid| pidfd_open(pid, PidfdFlags::empty()).unwrap())
        .collect()
}
