//! What the log of the process says of denials when nothing was asked of it: the first of each kind
//! with its rule, then counts, and never what a client has put into a query or a body.

use std::fs;
use std::path::Path;

use crate::support::Client;
use crate::support::process::{Process, doxy};

fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n")
}

fn started(folder: &Path, args: &[&str]) -> Process {
    Process::start(doxy(folder).args(["--pattern-file", "rules"]).args(args))
}

/// The lines about denials.
fn lines(log: &str) -> Vec<&str> {
    log.lines()
        .filter_map(|line| line.split_once(" denied "))
        .map(|(_, line)| line)
        .collect()
}

#[test]
fn the_first_of_each_kind_is_told_with_its_rule_then_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/info\n!.*/export\n").unwrap();
    let process = started(folder.path(), &[]);
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    for (times, method, path) in [
        (1, "GET", "/v1.41/containers/json?filters=secret"),
        (12, "GET", "/v1.41/containers/web/export"),
        // Another path, the same endpoint.
        (1, "GET", "/v1.41/containers/db/export"),
        (1, "POST", "/v1.41/containers/create?name=secret"),
        (2, "GET", "/no/such/\u{e9}"),
    ] {
        for _ in 0..times {
            client.ask(request(method, path));
        }
    }
    drop(client);
    let user = rustix::process::getuid().as_raw();
    let told = format!("to user {user} on doxy.sock");
    let log = process.stop().stderr;
    let first = "(told once, then counted)";
    assert_eq!(
        lines(&log),
        [
            format!("GET /v1.41/containers/json {told}: no rule allows this path {first}"),
            format!("GET /v1.41/containers/web/export {told}: by rules:2 {first}"),
            format!("10 times: GET /containers/{{name:.*}}/export {told}"),
            format!("POST /v1.41/containers/create {told}: no rule allows this method {first}"),
            format!("GET /no/such/\u{e9} {told}: no rule allows this path {first}"),
            // At the end.
            format!("13 times: GET /containers/{{name:.*}}/export {told}"),
            format!("2 times: paths that the engine does not serve {told}"),
        ],
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn nothing_is_told_of_what_is_allowed_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/info\n").unwrap();
    let process = started(folder.path(), &[]);
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    // There is no engine.
    assert_eq!(client.ask(request("GET", "/info")).status(), 502);
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    assert_eq!(client.ask(request("GET", "/a/../b")).status(), 400);
    let log = process.stop().stderr;
    assert_eq!(lines(&log), [""; 0], "{log}");
}

/// A script's words may be made of a body. The file says where they are.
#[cfg(feature = "script")]
#[test]
fn a_script_is_named_by_its_place_and_its_words_are_for_debug_alone() {
    const SCRIPT: &str = "fn decide(req) {\n    deny(`no ${req.query.name} here`);\n}\n";
    for debug in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules"), "/info\n").unwrap();
        fs::write(folder.path().join("policy.rhai"), SCRIPT).unwrap();
        let args: &[&str] = if debug { &["--debug"] } else { &[] };
        let record = ["--access-log", "log"];
        let args = [&["--script", "policy.rhai"], &record[..], args].concat();
        let process = started(folder.path(), &args);
        let mut client = Client::connect(&folder.path().join("doxy.sock"));
        let long = "x".repeat(300);
        let path = format!("/containers/json?name=hunter2%0asecret{long}");
        assert_eq!(client.ask(request("GET", &path)).status(), 403);
        drop(client);
        let log = process.stop().stderr;
        let recorded = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(
            recorded.ends_with(" complete no ${req.query.name} here\n"),
            "{recorded}"
        );
        assert!(!recorded.contains("hunter2"), "{recorded}");
        let told = lines(&log);
        let first = told.iter().find(|line| line.contains("told once"));
        let first = first.unwrap_or_else(|| panic!("{log}"));
        let why = ": by policy.rhai:2:5; no ${req.query.name} here (told once";
        assert!(first.contains(why), "{first}");
        assert!(!first.contains("hunter2"), "{first}");
        let said = log.lines().find(|line| line.contains("it said: "));
        assert_eq!(said.is_some(), debug, "{log}");
        if let Some(said) = said {
            assert!(said.contains("it said: no hunter2 secretxxx"), "{said}");
            assert!(!said.contains(&long), "{said}");
        } else {
            assert!(!log.contains("hunter2"), "{log}");
        }
    }
}

/// A client mends one option of a `docker run` after the other, and meets one reason after the other.
#[cfg(feature = "script")]
#[test]
fn each_reason_of_a_script_is_told_with_the_words_and_the_place_of_the_caller() {
    const SCRIPT: &str = r#"const OWNER = "ci";
fn must(ok, why) { if !ok { deny(why); } }
fn decide(req) {
    let create = req.json();
    must(create.Image == "x", `a job of ${OWNER} needs an image…`);
    must(create.User == "1", `${create.User} is not 1`);
    allow()
}
"#;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules"), "/info\n").unwrap();
    fs::write(folder.path().join("policy.rhai"), SCRIPT).unwrap();
    let process = started(folder.path(), &["--script", "policy.rhai"]);
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    for (times, body) in [
        (9, r#"{"User":"hunter2"}"#),
        (1, r#"{"Image":"x","User":"hunter2"}"#),
        (2, "{}"),
        (1, r#"{"Image":"x","User":"hunter3"}"#),
    ] {
        for _ in 0..times {
            let length = body.len();
            let head =
                "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json";
            let reply = client.ask(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}"));
            assert_eq!(reply.status(), 403);
        }
    }
    drop(client);
    let user = rustix::process::getuid().as_raw();
    let log = process.stop().stderr;
    let create = format!("POST /containers/create to user {user} on doxy.sock");
    let first = "(told once, then counted)";
    assert_eq!(
        lines(&log),
        [
            format!("{create}: by policy.rhai:5:5; a job of ci needs an image\u{2026} {first}"),
            format!("{create}: by policy.rhai:6:5; ${{create.User}} is not 1 {first}"),
            format!("10 times: {create}, by policy.rhai:5:5"),
            // At the end.
            format!("11 times: {create}, by policy.rhai:5:5"),
            format!("2 times: {create}, by policy.rhai:6:5"),
        ],
        "{log}"
    );
    assert!(!log.contains("hunter"), "{log}");
}
