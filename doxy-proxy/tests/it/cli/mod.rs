//! The command line of the binary: what it prints, what it accepts, and how it reports errors.
//!
//! doxy runs in a folder of its own and gets relative paths, so that messages can be compared
//! word for word. The two variables that name its sockets point into that folder, and an option
//! overrides them: a case that sets neither cannot touch any other file of the machine.

mod compat;
mod config;
mod effects;
mod engine;
mod errors;
mod forbidden;
mod import;
mod options;
mod presets;
mod risks;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::files::listing;
use crate::support::process::{Ended, Process, doxy};

/// An empty environment.
const NONE: &[(&str, &str)] = &[];

const PING: &str = "GET /_ping?secret HTTP/1.1\r\nHost: d\r\n\r\n";

/// A folder with all files that the cases name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("file", &b"no socket\n"[..]),
        ("good.pattern", b"# one\n\n/_ping\nPOST /x\n"),
        ("empty.pattern", b""),
        ("comments.pattern", b"# none\n\n   \n# here\n"),
        ("regex.pattern", b"/a\n/b\n# 3\n\n/c\n/d\n/a)|(/b\n/e\n"),
        ("method.pattern", b"/a\n\nGTE /x\n"),
        ("binary.pattern", b"/a\n/caf\xE9\n"),
    ] {
        fs::write(at(name), text).unwrap();
    }
    fs::create_dir(at("sub")).unwrap();
    symlink(".", at("link")).unwrap();
    symlink("doxy.sock", at("dangling.sock")).unwrap();
    folder
}

/// Checks that doxy refuses these settings: it exits with status 2, prints a line with `words` and
/// a line of help, and changes no file.
#[track_caller]
fn refused(args: &[&str], vars: &[(&str, &str)], words: &[&str]) -> String {
    let folder = folder();
    refused_by(doxy(folder.path()).args(args), vars, folder.path(), words)
}

/// The same for a command that is ready to run in `folder`.
#[track_caller]
fn refused_by(
    command: &mut Command,
    vars: &[(&str, &str)],
    folder: &Path,
    words: &[&str],
) -> String {
    let before = listing(folder);
    let ended = start_to_end(command.envs(vars.iter().copied()));
    assert_eq!(ended.code, Some(2), "{command:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{command:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let [first, second] = lines[..] else {
        panic!("{command:?}: not two lines: {lines:?}");
    };
    let formed = first.starts_with("doxy: ") && second.starts_with("help: ");
    assert!(formed, "{command:?}: {lines:?}");
    for word in words {
        assert!(first.contains(word), "{command:?}: no {word:?}: {first:?}");
    }
    assert_eq!(listing(folder), before, "{command:?}: left behind");
    ended.stderr
}

/// The cases in a table: name and value of a setting, then the two lines that doxy prints.
fn cases(table: &str) -> impl Iterator<Item = (&str, &str, String)> {
    table.split("\n\n").map(|case| {
        let (setting, said) = case.trim_start().split_once('\n').unwrap();
        let (name, value) = setting.split_once(' ').unwrap();
        (name, value, format!("doxy: {}\n", said.trim_end()))
    })
}

fn option(name: &str) -> String {
    format!("--{name}")
}

fn variable(name: &str) -> String {
    format!("DOXY_{}", name.to_uppercase().replace('-', "_"))
}

/// Each setting is wrong, as an option and as a variable. The error has two lines, and names the
/// setting as it was given.
#[track_caller]
fn says(table: &str) {
    for (name, value, said) in cases(table) {
        assert_eq!(refused(&[&option(name), value], NONE, &[]), said, "option");
        let variable = variable(name);
        let by_option = format!("doxy: {} ", option(name));
        let said = said.replacen(&by_option, &format!("doxy: {variable}="), 1);
        assert_eq!(refused(&[], &[(&variable, value)], &[]), said, "variable");
    }
}

/// Runs a doxy that should end by itself. If it listens instead, it is stopped.
#[track_caller]
fn start_to_end(command: &mut Command) -> Ended {
    let process = Process::spawn(command);
    if process.listens() {
        process.signal(Signal::TERM);
    }
    process.end()
}
