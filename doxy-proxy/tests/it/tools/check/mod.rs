//! `doxy check`: all errors at once, what is odd, and cases.

mod cases;
mod settings;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{Ended, Process, doxy};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn check(files: &[(&str, &str)], args: &[&str]) -> Ended {
    let folder = folder(files);
    check_in(folder.path(), args)
}

fn check_in(folder: &Path, args: &[&str]) -> Ended {
    let ended = Process::spawn(doxy(folder).arg("check").args(args)).end();
    assert_eq!(ended.stderr, "", "{args:?}");
    ended
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The place and the level of every finding.
fn places(ended: &Ended) -> Vec<String> {
    let json = json(ended);
    let findings = json["findings"].as_array().unwrap();
    let place = |it: &Value| match it["file"].as_str() {
        Some(file) => format!(
            "{file}:{}:{} {}",
            it["line"],
            it["column"],
            text(it, "level")
        ),
        None => format!("{} {}", text(it, "message"), text(it, "level")),
    };
    findings.iter().map(place).collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().to_owned()
}

const GOOD: &str = "(/v[\\d.]+)?/info\n";

#[test]
fn nothing_is_wrong() {
    let ended = check(&[("a.pattern", GOOD)], &["a.pattern"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stdout, "checked a.pattern\n0 errors, 0 warnings\n");
}

/// With the first error alone, an administrator runs it once for each.
#[test]
fn all_errors_of_all_files() {
    let ended = check(
        &[
            ("a.pattern", "/a)\n/info\nget /b\n"),
            ("b.pattern", "# none\n"),
            ("c.cases", "permit GET /\nallow GET\n  form x\n"),
            ("d.pattern", GOOD),
        ],
        &[
            "a.pattern",
            "b.pattern",
            "c.cases",
            "d.pattern",
            "e.pattern",
            "f.txt",
            "--format=json",
        ],
    );
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        places(&ended),
        [
            "a.pattern:1:3 error",
            "a.pattern:3:1 error",
            "b.pattern: the file has no rules, so nothing would be allowed error",
            "c.cases:1:1 error",
            "c.cases:2:10 error",
            "c.cases:3:3 error",
            "c.cases: nothing says which policy these cases are for error",
            "e.pattern: cannot read the file: no such file or directory error",
            "f.txt: it cannot be told what this file is error",
        ]
    );
    let json = json(&ended);
    assert_eq!(json["errors"], 9);
    for finding in json["findings"].as_array().unwrap() {
        assert_ne!(text(finding, "help"), "", "{finding}");
    }
}

#[test]
fn warnings_do_not_fail_unless_they_are_to() {
    let files = [(
        "a.pattern",
        "/info\n(/v[\\d.]+)?/containers/\\w+/(json|top)\n",
    )];
    let ended = check(&files, &["a.pattern"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.stdout,
        "a.pattern:1:1: warning: matches no path with a version, and most clients send one\n  \
         help: write `(/v[\\d.]+)?` for the version: the engine takes any version, and none\n\
         a.pattern:2:1: warning: matches no names that contain `.` or `-`, such as \
         `/containers/web.7q/json`\n  \
         help: write `[^/]+` for a name\n\
         a.pattern:2:1: warning: opens GET /containers/{name:.*}/top (ps on the host with the client's \
         arguments)\n  \
         help: if that is not meant, name what the client needs, or deny this with a `!` rule\n\
         checked a.pattern\n0 errors, 3 warnings\n"
    );
    assert_eq!(check(&files, &["a.pattern", "--strict"]).code, Some(2));
    let ended = check(&[("a.pattern", GOOD)], &["a.pattern", "--strict"]);
    assert_eq!(ended.code, Some(0));
}

/// The policies that come with doxy, with all their cases, in the way that users run them.
#[test]
#[cfg(feature = "script")]
fn the_policies_that_come_with_doxy() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let names = fs::read_dir(&scripts).unwrap();
    let mut files: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it != "md"));
    files.sort();
    let folder = folder(&[]);
    let mut command = doxy(folder.path());
    let ended = Process::spawn(command.args(["check", "--format", "json"]).args(&files)).end();
    let json = json(&ended);
    assert_eq!(ended.code, Some(0), "{json:#}");
    assert!(json["cases"].as_u64().unwrap() > 1000, "{}", json["cases"]);
    // The rules of the original doxy are what they are. Others may have to open what leaks.
    for finding in json["findings"].as_array().unwrap() {
        let original = text(finding, "file").ends_with("/original.pattern");
        let opens = text(finding, "message").starts_with("opens ");
        assert!(original || opens, "{finding}");
    }
}
