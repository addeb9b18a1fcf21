//! `doxy config`: the example, and what is in force.

use std::fs;

use serde_json::Value;

use crate::cli::{folder, start_to_end};
use crate::support::process::doxy;

/// What doxy prints with these arguments. It ends well, and prints nothing else.
#[track_caller]
pub(in crate::cli) fn printed(
    args: &[&str],
    vars: &[(&str, &str)],
    files: &[(&str, &str)],
) -> String {
    let folder = folder();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = doxy(folder.path());
    command.env_remove("DOXY_PROXY_SOCKET");
    let ended = start_to_end(command.args(args).envs(vars.iter().copied()));
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{args:?}"
    );
    ended.stdout
}

#[test]
fn the_example_is_a_configuration() {
    let example = printed(&["config", "example"], &[], &[]);
    assert!(example.contains("\n[socket.metrics]\n"), "{example}");
    let args = ["--config", "doxy.toml", "config", "show"];
    let shown = printed(&args, &[], &[("doxy.toml", &example)]);
    for words in ["\n[socket.metrics]\n", "\n[socket.restarts]\n"] {
        assert!(shown.contains(words), "{shown}");
    }
    // What is in force is a file too, with the same in force.
    let names = |text: &str| {
        let keys = text.lines().filter_map(|line| line.split(" = ").next());
        keys.filter(|key| !key.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let again = printed(&args, &[], &[("doxy.toml", &shown)]);
    assert_eq!(names(&again), names(&shown));
}

#[test]
fn what_is_in_force_and_where_it_was_given() {
    let text = "threads = 2\nsocket-mode = 0o600\n[socket.a]\nproxy-socket = [\"a.sock\", \"b.sock\"]\n\
                allow-uid = 0\n[socket.\"b.c\"]\nproxy-socket = \"c.sock\"\n";
    let vars = [("DOXY_MAX_BODY", "2M"), ("DOXY_THREADS", "3")];
    let files = [("doxy.toml", text)];
    let args = [
        "config",
        "show",
        "--config=doxy.toml",
        "--threads=4",
        "--patterns=/a\n/b\\w",
    ];
    let shown = printed(&args, &vars, &files);
    let mut lines = shown.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.join(" ")
    });
    for expected in [
        r#"# config = "doxy.toml" # --config"#,
        r#"threads = "4" # --threads"#,
        r#"shutdown-grace = "10s" # default"#,
        "debug = false # default",
        "[socket.a]",
        "# policy: 2 rules from --patterns; hash ",
        r#"proxy-socket = ["a.sock", "b.sock"] # doxy.toml:4:17, doxy.toml:4:27"#,
        r#"socket-mode = "0o600" # doxy.toml:2:15"#,
        r#"docker-socket = "engine.sock" # DOXY_DOCKER_SOCKET"#,
        r#"patterns = "/a\n/b\\w" # --patterns"#,
        r#"allow-uid = "0" # doxy.toml:5:13"#,
        r#"max-body = "2M" # DOXY_MAX_BODY"#,
        r#"[socket."b.c"]"#,
        r#"max-body = "2M" # DOXY_MAX_BODY"#,
    ] {
        let found = lines.any(|line| match expected.strip_suffix("hash ") {
            Some(_) => line.starts_with(expected) && line.len() == expected.len() + 16,
            None => line == expected,
        });
        assert!(found, "{expected}: {shown}");
    }
    let args = [&args[..], &["--format", "json"]].concat();
    let json: Value = serde_json::from_str(&printed(&args, &vars, &files)).unwrap();
    let row = |rows: &Value, key: &str| {
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["key"] == key).cloned().unwrap()
    };
    let threads = row(&json["process"], "threads");
    assert_eq!(
        (&threads["value"], &threads["from"]),
        (&"4".into(), &"option".into())
    );
    let debug = row(&json["process"], "debug");
    assert_eq!(
        (&debug["value"], &debug["from"]),
        (&false.into(), &"default".into())
    );
    let [a, b] = &json["sockets"].as_array().unwrap()[..] else {
        panic!("{json}");
    };
    assert_eq!((&a["name"], &b["name"]), (&"a".into(), &"b.c".into()));
    let sockets = row(&a["settings"], "proxy-socket");
    assert_eq!(sockets["value"], serde_json::json!(["a.sock", "b.sock"]));
    assert_eq!(sockets["at"], "doxy.toml:4:17, doxy.toml:4:27");
    let body = row(&b["settings"], "max-body");
    assert_eq!(
        (&body["from"], &body["at"]),
        (&"variable".into(), &"DOXY_MAX_BODY".into())
    );
}

#[test]
fn one_socket_without_a_table() {
    let shown = printed(&["config", "show"], &[("DOXY_PROXY_SOCKET", "x.sock")], &[]);
    assert!(!shown.contains("[socket"), "{shown}");
    assert!(shown.contains("\nproxy-socket = \"x.sock\" "), "{shown}");
}

/// Nothing is shown that doxy would not run by.
#[test]
fn what_is_wrong_is_not_shown() {
    for (args, words) in [
        (
            &["config", "show", "--threads=0"][..],
            "--threads 0: invalid number\n",
        ),
        (
            &["config", "show", "--config=no.toml"],
            "--config no.toml: cannot read",
        ),
        (
            &["config", "shw"],
            "unrecognized subcommand 'shw'\nhelp: a similar subcommand",
        ),
        (&["config"], "'doxy config' requires a subcommand"),
        (
            &["config", "show", "--format=xml"],
            "invalid value 'xml' for '--format",
        ),
        (&["--format=json"], "unexpected argument '--format' found"),
    ] {
        let folder = folder();
        let ended = start_to_end(doxy(folder.path()).args(args));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{args:?}"
        );
        assert!(
            ended.stderr.starts_with(&format!("doxy: {words}")),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
    }
}

#[test]
fn help_of_the_subcommand() {
    for args in [&["config", "--help"][..], &["config", "show", "-h"]] {
        let help = printed(args, &[], &[]);
        assert!(help.contains("doxy config example "), "{help}");
    }
}
