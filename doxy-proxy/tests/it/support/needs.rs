//! What a test needs from the machine, and what happens if that is missing.
//!
//! A developer's machine may lack root or a Docker engine. A test that needs one then prints why it
//! does not run. Under `CI=true` it fails instead: a green run in CI has run every test.

use std::io::Write as _;
use std::path::Path;
use std::thread;

/// Something that a machine may lack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// The tests run as root.
    Root,
    /// This program is on the `PATH`.
    Tool(&'static str),
    /// There is no such file.
    NoFile(&'static str),
}

/// Whether the machine has this. If not, the reason is printed, and the test has to end.
#[track_caller]
pub(crate) fn needs(need: Need) -> bool {
    match need {
        Need::Root => {
            let root = rustix::process::geteuid().is_root();
            root || missing("it needs root")
        }
        Need::Tool(program) => on_path(program) || missing(&format!("it needs `{program}`")),
        Need::NoFile(path) => {
            !Path::new(path).exists() || missing(&format!("it needs that {path} does not exist"))
        }
    }
}

/// Prints why the running test, or a part of it, does not run. In CI that is a failure.
#[track_caller]
pub(crate) fn missing(reason: &str) -> bool {
    assert!(!in_ci(), "not run, which CI does not accept: {reason}");
    let thread = thread::current(); // the test harness names it after the test
    let test = thread.name().unwrap_or("a test");
    say(&format!("NOT RUN: {test}: {reason}"));
    false
}

/// Prints to standard error, past the test harness, which captures `eprintln!`.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("\n{text}\n").as_bytes());
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether a program is on the `PATH` or in one of Debian's folders for administrators.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}
