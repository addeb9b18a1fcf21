//! `doxy verify`: each thing that it looks at, well and not.

mod certificates;
mod identity;
mod inside;
mod served;
mod sockets;
mod through;

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::process::{Ended, Process, doxy};
use crate::support::{Fake, Setup, wait};

/// What Docker says of itself.
const VERSION: &str = r#"{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24","Components":[{"Name":"Engine"}]}"#;
/// Not long, where there will be no answer.
const BRIEFLY: [&str; 2] = ["--timeout", "600ms"];

/// An engine at `engine.sock`: it has a version, answers pings, and has nothing else.
fn engine(folder: &Path) -> Fake {
    engine_of(folder, VERSION)
}

fn engine_of(folder: &Path, version: &'static str) -> Fake {
    Fake::at(&folder.join("engine.sock"), move |request, stream| {
        let (status, body) = match request.target() {
            "/_ping" => ("200 OK", "OK"),
            "/version" => ("200 OK", version),
            _ => ("404 Not Found", r#"{"message":"page not found"}"#),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

/// Folder, engine and doxy of most tests.
fn started(setup: Setup) -> (Fake, crate::support::Binary) {
    let folder = setup.path("");
    (engine(&folder), setup.start())
}

/// What it finds in this folder, with sockets `doxy.sock` and `engine.sock`.
struct Found {
    ended: Ended,
    json: Value,
}

#[track_caller]
fn verify(folder: &Path, args: &[&str]) -> Found {
    verify_with(folder, args, &[])
}

#[track_caller]
fn verify_with(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Found {
    let mut command = doxy(folder);
    command.args(["verify", "--format", "json"]).args(args);
    command.envs(variables.iter().copied());
    found(Process::spawn(&mut command).end())
}

#[track_caller]
fn found(ended: Ended) -> Found {
    assert_eq!(ended.stderr, "", "{ended}");
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended}"));
    Found { ended, json }
}

impl Found {
    /// The lines of one check: level and words.
    fn of(&self, check: &str) -> Vec<(&str, &str)> {
        let checks = self.json["checks"].as_array().unwrap();
        let lines = checks.iter().filter(|line| line["check"] == check);
        lines
            .map(|line| {
                (
                    line["level"].as_str().unwrap(),
                    line["says"].as_str().unwrap(),
                )
            })
            .collect()
    }

    /// The cure in the first line of a check.
    fn cure(&self, check: &str) -> &str {
        let checks = self.json["checks"].as_array().unwrap();
        let line = checks.iter().find(|line| line["check"] == check).unwrap();
        line["cure"].as_str().unwrap()
    }

    /// That one check has one line, of this level and with these words. What is not ok has a cure, and the
    /// exit code says whether anything failed.
    #[track_caller]
    fn is(&self, check: &str, level: &str, words: &str) {
        let lines = self.of(check);
        let [(got, says)] = lines[..] else {
            panic!("{check}: not one line: {}", self.ended);
        };
        assert_eq!(got, level, "{check}: {says}: {}", self.ended);
        assert!(says.contains(words), "{check}: no {words:?}: {says}");
        for line in self.json["checks"].as_array().unwrap() {
            let cure = line["cure"].as_str().is_some_and(|cure| !cure.is_empty());
            assert_eq!(cure, line["level"] != "ok", "{line}");
        }
        let failed = self.json["failed"].as_u64().unwrap();
        assert_eq!(
            self.ended.code,
            Some(i32::from(failed > 0)),
            "{}",
            self.ended
        );
    }
}

/// The records of an access log, when there are so many.
fn records(folder: &Path, count: usize) -> Vec<String> {
    wait::until_in(folder, "records", || {
        let text = std::fs::read_to_string(folder.join("log")).ok()?;
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        (lines.len() >= count && text.ends_with('\n')).then_some(lines)
    })
}

/// All of it, word for word: for people.
#[test]
fn a_doxy_that_is_well() {
    let (_engine, doxy) = started(Setup::new().rules("/_ping"));
    let mut command = self::doxy(doxy.folder());
    let args = ["verify", "--pattern-file", "rules"];
    let ended = Process::spawn(command.args(args)).end();
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let pid = doxy.process.pid();
    let expected = format!(
        "\
ok       settings     policies can be read; 1 socket
skipped  admin        not known: no admin side
                      cure: set admin-listen and restart doxy, or name its admin side: --admin ADDRESS
skipped  user         not known: no admin side
skipped  sandbox      not known: no admin side
skipped  reload       not known: no admin side
skipped  log          not known: no admin side
ok       socket       doxy.sock: mode 0660, uid {uid}, gid {gid}; process {pid} listens
ok       ping         doxy.sock: the engine answers through doxy
ok       denial       doxy.sock: doxy denies what is no endpoint (403)
skipped  policy       doxy.sock: not known: no admin side
ok       engine       engine.sock: Docker 28.5.2
ok       api          engine.sock: API 1.24 to 1.51

6 ok, 0 warnings, 0 failed, 6 skipped
"
    );
    assert_eq!(ended.stdout, expected);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
}

#[test]
fn the_json_has_the_same_lines() {
    let (_engine, doxy) = started(Setup::new());
    let found = verify(doxy.folder(), &[]);
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let all = ["checks", "failed", "ok", "skipped", "warnings"];
    assert_eq!(keys(&found.json), all);
    let line = &found.json["checks"][0];
    assert_eq!(keys(line), ["about", "check", "cure", "level", "says"]);
    assert!(line["about"].is_null() && line["cure"].is_null(), "{line}");
    let of_json = |level: &str| {
        let checks = found.json["checks"].as_array().unwrap();
        checks.iter().filter(|line| line["level"] == level).count()
    };
    for (level, count) in [("ok", "ok"), ("failed", "failed"), ("skipped", "skipped")] {
        assert_eq!(found.json[count], of_json(level), "{level}");
    }
}

#[test]
fn two_requests_go_through_and_are_marked() {
    let setup = Setup::new().rules("/info").args(["--access-log", "log"]);
    let (engine, doxy) = started(setup);
    let found = verify(doxy.folder(), &["--pattern-file", "rules"]);
    found.is(
        "ping",
        "ok",
        "doxy answers, and the policy denies a ping (403)",
    );
    doxy.ask("GET /other HTTP/1.1\r\nHost: d\r\n\r\n");
    let records = records(doxy.folder(), 3);
    for (record, path) in records.iter().zip(["/_ping", "/doxy-verify"]) {
        let request = format!(" 403 denied GET {path} ");
        assert!(record.contains(&request), "{record}");
        assert!(
            record.contains(" client_request_id=doxy-verify "),
            "{record}"
        );
    }
    assert!(records[2].contains(" /other "), "{records:?}");
    // The log of the process tells of the last one alone.
    doxy.logged("denied GET /other ");
    assert_eq!(doxy.process.log().matches("denied").count(), 1);
    // The engine itself was asked for its version, and for nothing else.
    let asked = engine.requests();
    let targets: Vec<_> = asked.iter().map(|it| it.target()).collect();
    assert_eq!(targets, ["/version"]);
    let agent = format!("doxy-verify/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(asked[0].header("user-agent"), [agent]);
}

#[test]
fn settings_that_a_start_would_refuse() {
    let (_engine, doxy) = started(Setup::new().rules("/_ping"));
    std::fs::write(doxy.path("rules"), "/a)|(/b\n").unwrap();
    let rules = ["--pattern-file", "rules"];
    let found = verify(doxy.folder(), &rules);
    found.is(
        "settings",
        "failed",
        "a start or a reload would refuse them: rules:1",
    );
    // All else is looked at.
    found.is("ping", "ok", "");
    std::fs::remove_file(doxy.path("rules")).unwrap();
    let found = verify(doxy.folder(), &rules);
    found.is("settings", "failed", "cannot read the pattern file");
}

/// A program finds what is wrong where it looks for all else. Without the change it found nothing.
#[test]
fn settings_that_cannot_be_read_are_json_too() {
    let folder = tempfile::tempdir().unwrap();
    for (toml, words) in [
        (
            "proxy-sockets = \"x\"\n",
            "doxy.toml:1:1: unknown key `proxy-sockets`",
        ),
        ("proxy-socket = \n", "doxy.toml:1"),
        ("docker-socket = \"ftp://x\"\n", "unknown kind of address"),
        ("[socket.a]\n", "[socket.a] has no proxy-socket"),
    ] {
        std::fs::write(folder.path().join("doxy.toml"), toml).unwrap();
        let run = |format: &[&str]| {
            let mut command = doxy(folder.path());
            command.env_remove("DOXY_PROXY_SOCKET");
            command.env_remove("DOXY_DOCKER_SOCKET");
            command
                .args(["verify", "--config", "doxy.toml"])
                .args(format);
            Process::spawn(&mut command).end()
        };
        let ended = run(&["--format", "json"]);
        assert_eq!(ended.code, Some(2), "{ended}");
        let json: Value = serde_json::from_str(&ended.stdout).unwrap();
        let line = &json["checks"][0];
        assert_eq!(
            (&line["check"], &line["level"]),
            (&"settings".into(), &"failed".into())
        );
        assert!(line["says"].as_str().unwrap().contains(words), "{line}");
        assert!(!line["cure"].as_str().unwrap().is_empty(), "{line}");
        assert_eq!(json["failed"], 1, "{json}");
        // People read it on standard error, as before.
        let text = run(&[]);
        // In the place of another proxy the file is read earlier.
        let compat = run(&["--format", "json", "--compat", "tecnativa"]);
        assert_eq!(compat.code, Some(2), "{compat}");
        let compat: Value = serde_json::from_str(&compat.stdout).unwrap();
        assert_eq!(compat["checks"][0]["level"], "failed", "{compat}");
        assert_eq!((text.code, &*text.stdout), (Some(2), ""), "{text}");
        assert_eq!(text.stderr, ended.stderr);
        assert!(text.stderr.contains(words), "{text}");
    }
}

#[test]
fn wrong_options_and_addresses_are_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    for (args, words) in [
        (
            &["--timeout", "0"][..],
            "--timeout 0: must be greater than 0",
        ),
        (&["--format", "xml"], "invalid value 'xml'"),
        (&["--admin", "ftp://x"], "--admin ftp://x: "),
        (&["--docker-socket", "ftp://x"], "--docker-socket ftp://x: "),
        (
            &["--proxy-socket", "tcp://x:1"],
            "--proxy-socket tcp://x:1: ",
        ),
    ] {
        let mut command = doxy(folder.path());
        let ended = Process::spawn(command.arg("verify").args(args)).end();
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{args:?}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}
