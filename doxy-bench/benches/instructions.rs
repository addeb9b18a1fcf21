//! The gate: counts the instructions of the code paths that every request takes, with callgrind,
//! and compares them with the recorded ones in `gate/instructions.txt`.
//!
//! This binary runs each path under valgrind twice, the second time with twice as many iterations.
//! The difference is the cost of the iterations, without the start of the process and without
//! warm-up. Times do not matter.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of developers; engine and client know each other"
)]

mod inproc;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use doxy_bench::gate::{Counts, total};
use doxy_filter::api::endpoint_of;
use doxy_filter::{RuleSet, Verdict, canonical_path};
use doxy_script::{Body, Decision, Lookups, PeerContainer, Script, ScriptRequest};

use crate::inproc::{LOOKUP, Request, SCRIPT, Stand};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gate/instructions.txt");
const COMMENT: &str = "Instructions per iteration, as callgrind counts them. Written by
`cargo bench -p doxy-bench --bench instructions -- --record`; the README says how to read it.";
/// The argument that makes this binary run a path.
const RUN: &str = "--run";

/// Iterations before the count, so that caches are filled.
const WARM_UP: u64 = 100;
/// Iterations of paths that take microseconds.
const MANY: u64 = 10_000;
/// Iterations of whole requests.
const SOME: u64 = 1_000;

/// The paths: name, number of iterations, and a function that runs that many.
const PATHS: [(&str, u64, fn(u64)); 15] = [
    ("canonical_plain", MANY, |times| {
        canonical("/v1.41/containers/4e9f0e1f3bbd44b0d9b1/json", times);
    }),
    ("canonical_encoded", MANY, |times| {
        canonical("/v1.41/images/reg%3A5000%2Fteam%2Fapp%3A1.2/json", times);
    }),
    ("verdict_default", MANY, |times| {
        let rules = RuleSet::embedded().unwrap();
        verdict(&rules, "/v1.41/containers/4e9f0e1f3bbd44b0d9b1/json", times);
    }),
    ("verdict_1000_rules", MANY, |times| {
        let rules = RuleSet::parse("bench", doxy_bench::rules(1000).as_bytes()).unwrap();
        let [_, (_, last), _] = doxy_bench::paths(1000);
        verdict(&rules, &last, times);
    }),
    ("endpoint_inspect", MANY, |times| {
        endpoint("GET", "/v1.41/containers/4e9f0e1f3bbd44b0d9b1/json", times);
    }),
    // The last endpoint of the largest group: all others are tried before it.
    ("endpoint_remove", MANY, |times| {
        endpoint("DELETE", "/v1.41/containers/4e9f0e1f3bbd44b0d9b1", times);
    }),
    ("script_header", SOME, script),
    ("request_keep_alive", SOME, |times| {
        requests(&Request::list(""), times);
    }),
    ("request_chunked", SOME, |times| {
        requests(&Request::list_chunked(), times);
    }),
    ("request_denied", SOME, |times| {
        requests(&Request::denied(), times);
    }),
    ("request_close", SOME, connections),
    // One of ten sockets, each with rules of its own, in one process.
    ("request_ten_sockets", SOME, |times| {
        requests_to(&Stand::with_sockets(10), &Request::list(""), times);
    }),
    // Everything is counted, for an admin side.
    ("request_counted", SOME, |times| {
        requests_to(&Stand::counted(), &Request::list(""), times);
    }),
    ("denied_counted", SOME, |times| {
        requests_to(&Stand::counted(), &Request::denied(), times);
    }),
    // With what the stand-in engine does for its answer.
    ("request_lookup", SOME, |times| {
        requests_to(&Stand::new(Some(LOOKUP)), &Request::owned(), times);
    }),
];

/// Paths that must not take more than another, beyond so many percent: the endpoint of a request
/// costs no more than a verdict, a request to one of ten sockets what one to a single socket does, and
/// counting next to nothing.
const BOUNDS: [(&str, &str, u64); 5] = [
    ("endpoint_inspect", "verdict_default", 0),
    ("endpoint_remove", "verdict_default", 0),
    ("request_ten_sockets", "request_keep_alive", 2),
    ("request_counted", "request_keep_alive", 3),
    ("denied_counted", "request_denied", 3),
];

fn repeat(times: u64, mut path: impl FnMut()) {
    for _ in 0..times {
        path();
    }
}

fn canonical(path: &str, times: u64) {
    repeat(times, || assert!(canonical_path(black_box(path)).is_ok()));
}

/// Canonical path and verdict, as for every request.
fn verdict(rules: &RuleSet, path: &str, times: u64) {
    repeat(times, || {
        let path = canonical_path(black_box(path)).unwrap();
        let verdict = rules.decide(&doxy_filter::Request {
            method: "GET",
            path: &path,
            query: None,
        });
        assert!(matches!(verdict, Verdict::Allow(_)));
    });
}

/// A canonical path classified: which endpoint of the Docker API it is for.
fn endpoint(method: &str, path: &str, times: u64) {
    repeat(times, || {
        assert!(endpoint_of(black_box(method), black_box(path)).is_some());
    });
}

fn script(times: u64) {
    let script = Script::compile("bench", SCRIPT.as_bytes()).unwrap();
    let headers: &[(&str, &[u8])] = &[
        ("host", b"docker"),
        ("user-agent", b"Docker-Client/28.2.2 (linux)"),
        ("x-team", b"ci"),
    ];
    let input = ScriptRequest {
        method: "GET",
        path: "/v1.41/containers/json",
        query: Some("all=1"),
        headers,
        peer: None,
        container: &PeerContainer::NotAsked,
        socket: "/run/doxy.sock",
        has_body: false,
        changed: false,
        verdict: Verdict::Deny(doxy_filter::Reason::NoRule),
    };
    repeat(times, || {
        let decision = script.decide(black_box(&input), Body::NotRead, &mut Lookups::default());
        assert_eq!(decision, Decision::Pass);
    });
}

/// Whole requests on one connection.
fn requests(request: &Request, times: u64) {
    requests_to(&Stand::new(None), request, times);
}

fn requests_to(stand: &Stand, request: &Request, times: u64) {
    let (mut client, length) = stand.client(request);
    stand.run(async {
        for _ in 0..times {
            client.ask(request, length).await;
        }
    });
}

/// Whole requests, each on a connection of its own.
fn connections(times: u64) {
    let stand = Stand::new(None);
    let request = Request::list("Connection: close\r\n");
    let (mut client, length) = stand.client(&request);
    stand.run(async {
        for _ in 0..times {
            client.ask_once(&stand, &request, length).await;
        }
    });
}

fn main() -> ExitCode {
    // Cargo passes `--bench` to every benchmark.
    let args: Vec<_> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [RUN, name, times] => return run(name, times.parse().unwrap()),
        [] => check(),
        ["--record"] => record(),
        _ => Err("nothing is to be said but `--record`, or nothing".to_owned()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::FAILURE
    })
}

fn run(name: &str, times: u64) -> ExitCode {
    let found = PATHS.iter().find(|(path, ..)| *path == name);
    let (.., path) = found.unwrap();
    path(WARM_UP + times);
    ExitCode::SUCCESS
}

fn check() -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(RECORDED);
    let text = text.map_err(|error| format!("{RECORDED}: {error}; `--record` writes it"))?;
    let recorded = Counts::parse(&text).map_err(|error| format!("{RECORDED}: {error}"))?;
    let counted = count()?;
    let report = recorded.compare(&counted);
    print!("{report}");
    let exceeded = counted.exceeded(&BOUNDS);
    for message in &exceeded {
        eprintln!("error: {message}");
    }
    Ok(match report.failed() || !exceeded.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn record() -> Result<ExitCode, String> {
    let text = count()?.render(COMMENT);
    print!("{text}");
    let written = std::fs::write(RECORDED, text);
    written.map_err(|error| format!("{RECORDED}: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Counts every path.
fn count() -> Result<Counts, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // A fixed name: the name of the binary lies on the stack and shifts what follows.
    let linked = std::env::current_exe()
        .and_then(|binary| std::os::unix::fs::symlink(binary, folder.path().join("counted")));
    linked.map_err(|error| error.to_string())?;
    let mut paths = Vec::new();
    for (name, times, _) in PATHS {
        let once = callgrind(name, times, folder.path())?;
        let twice = callgrind(name, 2 * times, folder.path())?;
        let each = twice.saturating_sub(once) / times;
        paths.push((name.to_owned(), each));
    }
    Ok(Counts {
        with: environment(),
        paths,
    })
}

/// Runs one path under callgrind and gives the instructions of the whole process.
fn callgrind(name: &str, times: u64, folder: &Path) -> Result<u64, String> {
    let file = folder.join("callgrind.out");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(folder.join("counted"))
        .args([RUN, name, &times.to_string()])
        // The environment lies on the stack too.
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}; is it installed?"))?;
    let written = std::fs::read_to_string(&file).ok();
    match written.as_deref().and_then(total) {
        Some(count) if output.status.success() => Ok(count),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "{name} was not counted, {}:\n{said}",
                output.status
            ))
        }
    }
}

/// What counts depend on besides the code.
fn environment() -> String {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        let line = String::from_utf8(output.stdout).ok()?;
        Some(line.trim().to_owned())
    };
    let known = |text: Option<String>, name| text.unwrap_or_else(|| format!("{name} unknown"));
    format!(
        "{}; {}; {}; {}",
        known(said("rustc", &["--version"]), "rustc"),
        known(said("getconf", &["GNU_LIBC_VERSION"]), "C library"),
        known(said("valgrind", &["--version"]), "valgrind"),
        processor()
    )
}

/// Libraries choose their code by the processor.
#[cfg(target_arch = "x86_64")]
fn processor() -> &'static str {
    match std::arch::is_x86_feature_detected!("avx2") {
        true => "x86_64 with AVX2",
        false => "x86_64 without AVX2",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> &'static str {
    std::env::consts::ARCH
}
