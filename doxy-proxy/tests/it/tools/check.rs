//! `doxy check`: all errors at once, what is odd, and cases.

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

#[test]
fn cases_that_agree_and_cases_that_do_not() {
    let files = [
        ("a.pattern", "(/v[\\d.]+)?/info\n!.*/secret\n"),
        (
            "a.cases",
            "allow GET /v1.41/info\n  rule 1\n\
             allow HEAD /info\n  rule a.pattern:1\n\
             deny GET /secret\n  rule 2\n\
             deny GET /events\n  rule none\n  because is not allowed\n\
             deny POST /info\n  because Only GET\n\
             refused GET /../info\n\
             refused GET /info\n  header Host:\n  header Host: a\n",
        ),
    ];
    let ended = check(&files, &["a.cases"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "checked a.cases\n0 errors, 0 warnings, 7 cases, 0 disagree\n"
    );

    let wrong = "deny GET /info\n\
                 allow GET /info\n  rule 2\n\
                 allow GET /events\n\
                 deny GET /secret\n  because you may not\n\
                 deny GET //\n\
                 refused GET /info\n";
    let files = [files[0], ("a.cases", wrong)];
    let ended = check(&files, &["a.cases"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "a.cases:1:1: case: deny GET /info\n  \
         expected  deny\n  \
         got       allow, by a.pattern:1\n\
         a.cases:2:1: case: allow GET /info\n  \
         expected  allow, by line 2\n  \
         got       allow, by a.pattern:1\n\
         a.cases:4:1: case: allow GET /events\n  \
         expected  allow\n  \
         got       deny, because no rule allows this path\n\
         a.cases:5:1: case: deny GET /secret\n  \
         expected  deny, because you may not\n  \
         got       deny, by a.pattern:2, because denied by a rule\n\
         a.cases:7:1: case: deny GET //\n  \
         expected  deny\n  \
         got       refused, because the path has repeated slashes, ask for the one in the header Location\n\
         a.cases:8:1: case: refused GET /info\n  \
         expected  refused\n  \
         got       allow, by a.pattern:1\n\
         checked a.cases\n0 errors, 0 warnings, 6 cases, 6 disagree\n"
    );
    let ended = check(&files, &["a.cases", "--format", "json"]);
    assert_eq!(ended.code, Some(3));
    let json = json(&ended);
    assert_eq!((&json["cases"], &json["disagree"]), (&6.into(), &6.into()));
    let first = &json["findings"][0];
    assert_eq!(text(first, "level"), "case");
    assert_eq!(text(first, "expected"), "deny");
    assert_eq!(text(first, "got"), "allow, by a.pattern:1");
    // What doxy would not start with is worse than a case that disagrees.
    let ended = check(&[("a.pattern", "/a)"), files[1]], &["a.cases"]);
    assert_eq!(ended.code, Some(2));
}

#[test]
#[cfg(feature = "script")]
fn cases_of_scripts() {
    const SCRIPT: &str = r#"const LOOKUPS = ["container"];
fn decide(req) {
    if req.path == "/fail" { return 1; }
    if req.template == "/containers/{name:.*}/stop" {
        if inspect("container", req.object.name).Config.Labels["own"] != "yes" { deny("not your container"); }
        return allow();
    }
    if req.method == "POST" {
        if req.json().Image != "good" { deny(`not the image ${req.json().Image}`); }
        return allow();
    }
    if req.peer.uid == 0 { deny("not for root"); }
    pass()
}
"#;
    const CASES: &str = r#"  peer uid=1000 gid=1000
pass GET /info
allow POST /containers/create
  body {"Image":"good"}
  rule none
deny POST /containers/create
  body {"Image":"bad"}
  because not the image bad
  rule a.rhai:9
deny POST /containers/create
  body {"Image":"good","Image":"bad"}
deny GET /info
  peer uid=0 gid=0
  because not for root
deny GET /fail
  because instead of allow()
allow POST /containers/web/stop
  lookup container web {"Id":"abababababababababababababababababababababababababababababababab","Config":{"Labels":{"own":"yes"}}}
deny POST /containers/web/stop
  lookup container web {"Id":"abababababababababababababababababababababababababababababababab","Config":{"Labels":{}}}
  because not your container
refused GET /%2e%2e/info
"#;
    let ended = check(
        &[("a.rhai", SCRIPT), ("a.cases", CASES)],
        &["a.rhai", "a.cases"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .ends_with("0 errors, 0 warnings, 9 cases, 0 disagree\n")
    );
    // With rules beside it, what the script leaves to them is theirs to decide.
    let with_rules = [("a.rhai", SCRIPT), ("a.pattern", GOOD), ("a.cases", CASES)];
    let ended = check(&with_rules, &["a.cases"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "a.cases:2:1: case: pass GET /info\n  expected  pass\n  got       allow, by a.pattern:1\n\
         checked a.cases\n0 errors, 0 warnings, 9 cases, 1 disagree\n"
    );
    // A policy from the settings, for cases that stand alone.
    let files = [
        ("x.rhai", SCRIPT),
        ("x.pattern", GOOD),
        ("a.cases", "allow GET /info\n  rule x.pattern:1\n"),
    ];
    for (args, code) in [
        (
            &["--script=x.rhai", "--pattern-file=x.pattern", "a.cases"][..],
            0,
        ),
        (&["--preset=uptime-kuma", "a.cases"], 3),
        (&["--script=none.rhai", "a.cases"], 2),
    ] {
        let ended = check(&files, args);
        assert_eq!(ended.code, Some(code), "{args:?} {ended:?}");
    }
}

/// Never against the embedded rules, which nobody has chosen.
#[test]
fn cases_without_a_policy() {
    let files = [("alone.cases", "allow GET /info\n")];
    let ended = check(&files, &["alone.cases"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stdout.starts_with(
            "error: alone.cases: nothing says which policy these cases are for\n  help: put NAME.pattern or NAME.rhai beside"
        ),
        "{ended:?}"
    );
    let ended = check(&files, &["--preset=original", "alone.cases"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// What the policy says of a broken body says nothing about the body that is meant.
#[test]
fn bodies_that_are_no_json() {
    for (details, place) in [
        ("  body {\"a\":1}", None),
        ("  body {\"ä\": 1,}", Some("2:16")),
        ("  body a=b", Some("2:8")),
        ("  text {\"a\":", Some("2:12")),
        ("  text a=b", None),
        ("  text [", None),
        (
            "  header Content-Type: application/json\n   text a=b",
            Some("3:9"),
        ),
        (
            "  text [1\n  header content-type: application/vnd.x+JSON",
            Some("2:9"),
        ),
        ("  text {\"a\":\n  header Content-Type: text/plain", None),
    ] {
        let case = format!("deny POST /build\n{details}\ndeny POST /x\n");
        let ended = check(&[("a.pattern", GOOD), ("a.cases", &case)], &["a.cases"]);
        let code = if place.is_some() { 2 } else { 0 };
        assert_eq!(ended.code, Some(code), "{details}: {ended:?}");
        let said = place.map(|place| format!("a.cases:{place}: error: the body is not JSON: "));
        assert!(
            ended.stdout.starts_with(&said.unwrap_or_default()),
            "{details}: {ended:?}"
        );
    }
}

#[test]
fn methods_are_in_capitals() {
    for (case, said) in [
        (
            "allow get /info",
            "a.cases:1:7: error: the method `get` is not in capitals\n  help: write `GET`\n",
        ),
        (
            "deny  Post /info",
            "a.cases:1:7: error: the method `Post` is not in capitals\n  help: write `POST`\n",
        ),
    ] {
        let ended = check(&[("a.pattern", GOOD), ("a.cases", case)], &["a.cases"]);
        assert_eq!(ended.code, Some(2), "{case}: {ended:?}");
        assert!(ended.stdout.starts_with(said), "{case}: {ended:?}");
    }
}

/// Without files: what a start with these settings would read, and all that is wrong with it.
#[test]
fn what_the_settings_name() {
    let config = "debug = true\n[socket.a]\nproxy-socket = \"a.sock\"\npattern-file = \"a.pattern\"\n\
                  [socket.b]\nproxy-socket = \"b.sock\"\npatterns = \"/info\"\n";
    let files = [
        ("doxy.toml", config),
        ("other.toml", "debug = true\n"),
        ("a.pattern", GOOD),
    ];
    for args in [
        &["--config=doxy.toml"][..],
        &["doxy.toml"],
        &["--config", "other.toml", "doxy.toml"],
    ] {
        let folder = folder(&files);
        let mut command = doxy(folder.path());
        let command = command.env_remove("DOXY_PROXY_SOCKET").arg("check");
        let ended = Process::spawn(command.args(args)).end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended
                .stdout
                .starts_with("doxy.toml:7:13: warning: matches no path with a version"),
            "{ended:?}"
        );
        for part in [
            "checked a: 1 rule from a.pattern; opens: info\n",
            "checked b: 1 rule from doxy.toml:7",
        ] {
            assert!(ended.stdout.contains(part), "{part}: {ended:?}");
        }
        assert!(
            fs::read_dir(folder.path()).unwrap().count() == 3,
            "it creates nothing"
        );
    }
    let ended = check(&[], &[]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("embedded rules:27:1: warning: opens GET /images/search (egress)")
    );
    let ended = check(
        &[("a.pattern", "/a)\n/b)\n")],
        &["--pattern-file=a.pattern", "--format=json"],
    );
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        places(&ended),
        ["a.pattern:1:3 error", "a.pattern:2:3 error"]
    );
}

/// Whatever is wrong in one table hides nothing of the others, nor the rest of its own.
#[test]
fn all_errors_of_a_configuration() {
    let config = r#"threds = 2
head-timeout = "soon"
[socket.a]
proxy-socket = "a.sock"
pattern-file = "a.pattern"
socket-mode = "0999"
idle-timeout = "x"
allow-uid = ["no-such-user", "neither-this"]
[socket.b]
proxy-socket = "b.sock"
patern-file = "a.pattern"
debug = true
[socket.c]
pattern-file = "a.pattern"
[socket.d]
proxy-socket = "d.sock"
patterns = """
/d)
/info
/e)
"""
"#;
    let files = [("doxy.toml", config), ("a.pattern", "/a)\n/info\n/b)\n")];
    let folder = folder(&files);
    let mut command = doxy(folder.path());
    let command = command.env_remove("DOXY_PROXY_SOCKET");
    let ended = Process::spawn(command.args(["check", "doxy.toml", "--format=json"])).end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(
        places(&ended),
        [
            "doxy.toml:1:1 error",
            "doxy.toml:11:1 error",
            "doxy.toml:12:1 error",
            "doxy.toml:13:9 error",
            "a.pattern:1:3 error",
            "a.pattern:3:3 error",
            "doxy.toml:6:15 error",
            "doxy.toml:8:14 error",
            "doxy.toml:8:30 error",
            "doxy.toml:2:16 error",
            "doxy.toml:7:16 error",
            "doxy.toml:18:3 error",
            "doxy.toml:20:3 error",
        ]
    );
    // A start tells the first alone, in two lines.
    let mut command = doxy(folder.path());
    let command = command.env_remove("DOXY_PROXY_SOCKET");
    let ended = Process::spawn(command.args(["--config", "doxy.toml"])).end();
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "doxy: doxy.toml:1:1: unknown key `threds`\nhelp: is `threads` meant?\n"
    );
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
