//! `doxy replay`: what a changed policy would do with what the access log has recorded.

use std::fs;

use crate::support::process::Ended;
#[cfg(feature = "script")]
use crate::support::process::{Process, doxy};
use crate::support::{Binary, Fake, Setup};

/// Replays this log with these rules.
#[track_caller]
fn replay(log: &str, rules: &str, args: &[&str]) -> Ended {
    let setup = Setup::new().file("log", log).rules(rules);
    setup.args(["replay", "log"]).args(args).run()
}

fn record(method: &str, path: &str, verdict: &str) -> String {
    format!(
        "{{\"time\":\"x\",\"uid\":0,\"gid\":0,\"pid\":1,\"method\":\"{method}\",\"path\":\"{path}\",\
         \"verdict\":\"{verdict}\"}}\n"
    )
}

#[test]
fn a_log_of_doxy_is_replayed_with_another_policy() {
    let engine = Fake::start();
    let setup = Setup::new()
        .engine(engine.path())
        .rules("/info\n/a\\|b\n/containers/.*\n");
    let doxy: Binary = setup
        .args(["--access-log", "access", "--log-format", "json"])
        .start();
    for target in [
        "/info",
        "/info?x=1",
        "/a%7Cb",
        "/version",
        "/containers/x%20y/json",
        "/../x",
    ] {
        doxy.ask(format!(
            "GET {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
        ));
    }
    let log = doxy.path("access");
    // The log is complete when doxy has ended.
    let Binary { process, .. } = &doxy;
    process.signal(rustix::process::Signal::TERM);
    let text = crate::support::wait::until("the log is written", || {
        let text = fs::read_to_string(&log).ok()?;
        (text.lines().count() == 6).then_some(text)
    });
    let same = replay(&text, "/info\n/a\\|b\n/containers/.*\n", &["--exit-code"]);
    assert_eq!(same.code, Some(0), "{same}");
    assert!(
        same.stdout.starts_with("requests: 6; the same: 5;"),
        "{same}"
    );
    let changed = replay(&text, "/info\n/version\n", &["--exit-code"]);
    assert_eq!(changed.code, Some(3), "{changed}");
    for line in [
        "allowed -> denied         1  GET /a|b  (no rule allows this path)",
        "allowed -> denied         1  GET /containers/x y/json  (no rule allows this path)",
        "denied -> allowed        1  GET /version  (rules:2)",
        "requests: 6; the same: 2; would be denied: 2; would be allowed: 1; depends: 0",
        "refused before any policy was asked: 1",
    ] {
        assert!(changed.stdout.contains(line), "{line}: {changed}");
    }
    // Without the option it is a result like any other.
    assert_eq!(replay(&text, "/version\n", &[]).code, Some(0));
}

#[test]
fn programs_get_the_same_in_json() {
    let log = [
        record("GET", "/info", "allowed"),
        record("GET", "/containers/json/json", "denied"),
    ]
    .concat();
    let ended = replay(&log, "/containers/[^/]+/json\n", &["--format", "json"]);
    let got: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let expected = serde_json::json!({
        "requests": 2, "same": 0, "would_be_denied": 1, "would_be_allowed": 1, "depends": 0,
        "lacks": {}, "refused": 0, "lost": 0, "left_out": 0,
        "changes": [
            {
                "method": "GET", "path": "/info", "endpoint": "/info", "from": "allowed",
                "to": "denied", "by": "no rule allows this path", "requests": 1,
            },
            {
                // A name that looks like an endpoint is a name.
                "method": "GET", "path": "/containers/json/json",
                "endpoint": "/containers/{name:.*}/json", "from": "denied", "to": "allowed",
                "by": "rules:1", "requests": 1,
            },
        ],
    });
    assert_eq!(got, expected);
}

#[cfg(feature = "script")]
#[test]
fn what_a_log_does_not_have_decides_nothing() {
    let script = r#"const LOOKUPS = ["network"];
    fn decide(req) {
        if req.endpoint == "/containers/create" && req.json().Image == "x" { return allow(); }
        if req.endpoint == "/events" && req.query.filters != () { return allow(); }
        if req.object != () && inspect("network", req.object.name).Name == "a" { return allow(); }
        if req.peer.uid == 0 && req.endpoint == "/info" { return allow(); }
        pass()
    }"#;
    let log = [
        record("POST", "/containers/create", "allowed"),
        record("POST", "/containers/create", "allowed"),
        record("GET", "/events", "denied"),
        record("GET", "/networks/a", "allowed"),
        record("GET", "/networks/b", "allowed"),
        record("GET", "/info", "denied"),
        record("GET", "/version", "allowed"),
        record("GET", &format!("/{}\u{2026}", "x".repeat(768)), "denied"),
    ];
    let setup = Setup::new()
        .file("log", &log.concat())
        .file("p.rhai", script)
        .rules("/version\n");
    let mut setup = setup.args(["replay", "log", "--script", "p.rhai"]);
    let ended = setup.run();
    for line in [
        "allowed -> depends        2  POST /containers/create  (the body)",
        "denied -> depends        1  GET /events  (the query)",
        "denied -> allowed        1  GET /info  (p.rhai)",
        "(the end of the path)",
        "requests: 8; the same: 1; would be denied: 0; would be allowed: 1; depends: 6\n\
         those that depend, by what the log lacks:\n       \
         2  the body\n       1  the end of the path\n       1  the query\n       \
         2  what the engine says of an object\n\
         to decide them: run the new policy with --dry-run",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {ended}");
    }
    // The advice can be followed.
    fs::write(setup.path("create.json"), "{\"Image\":\"x\"}").unwrap();
    let mut command = doxy(&setup.path(""));
    let args = [
        "explain",
        "POST",
        "/containers/create?name=a",
        "--body",
        "create.json",
    ];
    let command = command
        .args(["--script", "p.rhai", "--pattern-file", "rules"])
        .args(args);
    let decided = Process::spawn(command.args(["--uid", "1000", "--header", "A: b"])).end();
    assert!(decided.stdout.starts_with("allow "), "{decided}");
}

#[test]
fn what_is_no_record_is_told_and_what_is_no_log_is_an_error() {
    let log = format!(
        "{}garbage\n{{\"time\":\"x\",\"lost\":7}}\n{}{{\"method\":\"GET\",\"pa",
        record("GET", "/info", "allowed"),
        record("GET", "/info", "allowed")
    );
    let ended = replay(&log, "/info\n", &[]);
    assert_eq!(ended.code, Some(0), "{ended}");
    for words in [
        "log:2: not a JSON object; left out",
        "log:5: the line is cut; left out",
    ] {
        assert!(ended.stderr.contains(words), "{ended}");
    }
    for words in [
        "the same: 2;",
        "lost by the log: 7",
        "lines left out: no records: 2",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {ended}");
    }
    for (log, words) in [
        (
            "2026-01-01T00:00:00.000Z 200 allowed GET /info\n",
            "log:1: this is the text format",
        ),
        ("\u{1f}\u{8b}\u{8}", "log:1: not a JSON object"),
    ] {
        let ended = replay(log, "/info\n", &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended}");
        assert!(ended.stderr.contains(words), "{words}: {ended}");
    }
}

#[test]
fn of_several_sockets_one_is_named() {
    let toml = r#"
[socket.a]
proxy-socket = "a.sock"
patterns = "/info"
[socket.b]
proxy-socket = "b.sock"
patterns = "/version"
"#;
    let log = record("GET", "/info", "allowed");
    for (args, code, words) in [
        (&[][..], 2, "the configuration has several sockets"),
        (&["--socket", "c"], 2, "the sockets are a, b"),
        (&["--socket", "a"], 0, "the same: 1;"),
        (&["--socket", "b", "--exit-code"], 3, "would be denied: 1;"),
    ] {
        let setup = Setup::new().config(toml).file("log", &log);
        let ended = setup.args(["replay", "log"]).args(args).run();
        assert_eq!(ended.code, Some(code), "{args:?}: {ended}");
        assert!(ended.to_string().contains(words), "{args:?}: {ended}");
    }
}

#[test]
fn a_long_log_gives_a_short_result() {
    let mut log = String::new();
    for count in 0..20_000 {
        log += &record("GET", &format!("/containers/c{count}/json"), "allowed");
    }
    let ended = replay(&log, "/info\n", &[]);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines.len() <= 102, "{ended}");
    assert!(
        lines[0].contains("/containers/{name:.*}/json (further names)"),
        "{}",
        lines[0]
    );
    assert!(ended.stdout.contains("would be denied: 20000;"), "{ended}");
    let json = replay(&log, "/info\n", &["--format", "json"]);
    let got: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let changes = got["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1001);
}
