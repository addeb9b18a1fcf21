//! `doxy import`: what it reads, what it prints, and its exit codes.

use std::fs;
use std::path::Path;

use super::start_to_end;
use crate::support::Client;
use crate::support::process::{Ended, Process, doxy};

fn import(folder: &Path, args: &[&str], vars: &[(&str, &str)]) -> Ended {
    let mut command = doxy(folder);
    command.arg("import").args(args).envs(vars.iter().copied());
    start_to_end(&mut command)
}

const COMPOSE: &str = "\
services:
  proxy:
    image: tecnativa/docker-socket-proxy
    environment:
      - CONTAINERS=1
      - TZ=UTC
  guard:
    image: hectorm/cetusguard
    command: [\"${OTHER}\"]
";

/// The other proxy served everyone in its network; doxy wants to know whom, and that this is meant.
#[test]
fn the_options_that_it_prints_start_doxy() {
    let folder = tempfile::tempdir().unwrap();
    for (variables, risks) in [
        (&[][..], None),
        (&[("CONTAINERS", "1")], Some("exec")),
        (
            &[("CONTAINERS", "1"), ("POST", "1")],
            Some("host-root,exec"),
        ),
    ] {
        let imported = import(folder.path(), &["tecnativa"], variables);
        fs::write(folder.path().join("my.pattern"), &imported.stdout).unwrap();
        let lines = imported.stdout.lines();
        let options = lines.filter_map(|line| line.strip_prefix("#   --"));
        let mut args = vec!["--pattern-file=my.pattern".to_owned()];
        for option in options {
            let (option, _) = option.split_once("  #").unwrap_or((option, ""));
            let (name, value) = option.trim().split_once(' ').unwrap();
            let value = value.trim_matches('\'').replace("NETWORK", "172.18.0.0/16");
            args.push(format!("--{name}={value}"));
        }
        let accepted = args
            .iter()
            .find_map(|arg| arg.strip_prefix("--accept-risk="));
        assert_eq!(accepted, risks, "{args:?}");
        let starts = |args: &[String]| {
            let mut command = doxy(folder.path());
            command.env_remove("DOXY_PROXY_SOCKET");
            start_to_end(command.args(args).args(["config", "show"])).code
        };
        assert_eq!(starts(&args), Some(0), "{args:?}");
        for option in ["--accept-risk", "--allow-from"] {
            let mut fewer = args.clone();
            fewer.retain(|arg| !arg.starts_with(option));
            let needed = fewer.len() < args.len();
            assert_eq!(
                starts(&fewer),
                Some(if needed { 2 } else { 0 }),
                "{fewer:?}"
            );
        }
    }
}

#[test]
fn what_it_reads_and_prints() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("proxy.env", "CONTAINERS=1\nPOST=0\n");
    write("rules.list", "GET %API_PREFIX_EVENTS%\n");
    write("compose.yaml", COMPOSE);
    let inline =
        "services: {proxy: {image: a/docker-socket-proxy, environment: {CONTAINERS: 1}}}\n";
    write("inline.yaml", inline);
    let containers = r"(/v[\d.]+)?/containers(/.*)?";
    for (args, vars, rules, words) in [
        (
            &["tecnativa"][..],
            &[("CONTAINERS", "1"), ("SP_ALLOW_GET", "/x")][..],
            &[containers][..],
            "#   --proxy-socket 'tcp://[::]:2375'",
        ),
        (
            &["tecnativa", "--env", "proxy.env"],
            &[("IMAGES", "1")],
            &[containers],
            "CONTAINERS=1 POST=0",
        ),
        (
            &["tecnativa", "--env", "compose.yaml"],
            &[],
            &[containers],
            "# CONTAINERS=1",
        ),
        (
            &["tecnativa", "--env", "inline.yaml"],
            &[],
            &[containers],
            "# CONTAINERS=1",
        ),
        (
            &["linuxserver", "--env", "compose.yaml", "--service", "proxy"],
            &[],
            &[containers, r"(/v[\d.]+)?/libpod/_ping"],
            "# ALLOW_EXPORT=0",
        ),
        (
            &[
                "wollomatic",
                "--label=socket-proxy.allow.get=/l",
                "--",
                "-allowGET=/a",
            ],
            &[],
            &["GET /l"],
            "# socket-proxy.allow.get",
        ),
        (
            &["wollomatic", "--", "-allowGET=/a|/b"],
            &[("SP_LISTENIP", "0.0.0.0")],
            &["GET /a.*", "GET .*/b"],
            "#   GET (/a|/b)",
        ),
        (
            &["cetusguard", "rules.list", "--", "-no-builtin-rules"],
            &[],
            &[r"GET (?:/v\d+(?:\.\d+)*)?/events"],
            "# From rules.list",
        ),
    ] {
        let ended = import(folder.path(), args, vars);
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        let lines: Vec<_> = ended.stdout.lines().collect();
        for rule in rules {
            assert!(
                lines.contains(rule),
                "{args:?}: no {rule}\n{}",
                ended.stdout
            );
        }
        assert!(
            ended.stdout.contains(words),
            "{args:?}: no {words}\n{}",
            ended.stdout
        );
        let note = "note: TZ: tecnativa does not read it\n".replace("tecnativa", args[0]);
        let said = if args.contains(&"compose.yaml") {
            &*note
        } else {
            ""
        };
        assert_eq!(ended.stderr, said, "{args:?}");
    }
}

/// The file loads, and doxy judges by it.
#[test]
fn what_it_prints_is_a_pattern_file() {
    let folder = tempfile::tempdir().unwrap();
    let ended = import(
        folder.path(),
        &["tecnativa"],
        &[("ALLOW_START", "1"), ("POST", "1")],
    );
    fs::write(folder.path().join("rules"), ended.stdout).unwrap();
    let process = Process::start(doxy(folder.path()).args(["--pattern-file", "rules"]));
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    for (target, status) in [
        // There is no engine.
        ("/v1.41/containers/web/start", 502),
        ("/v1.41/containers/web/kill", 403),
    ] {
        let request = format!("POST {target} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.ask(request).status(), status, "{target}");
    }
    assert_eq!(process.stop().code, Some(0));
}

#[test]
fn what_is_not_translated_is_named_and_the_exit_code_is_3() {
    let folder = tempfile::tempdir().unwrap();
    let ended = import(
        folder.path(),
        &["tecnativa"],
        &[("DELETE", "1"), ("EVENTS", "0")],
    );
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let line = "DELETE=1: the released versions do not read this variable";
    assert!(
        ended.stderr.starts_with(&format!("not translated: {line}")),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .contains(&format!("# Not translated:\n#   {line}")),
        "{ended:?}"
    );
    // A value cannot end its comment.
    let odd = [
        ("SP_ALLOW_GET", "/x\n!.*"),
        ("SP_SOCKETPATH", "/a\nPOST .*"),
    ];
    let ended = import(folder.path(), &["wollomatic"], &odd);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let rules = ended
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(rules.collect::<Vec<_>>(), ["!.*"], "{}", ended.stdout);
}

#[test]
fn what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), COMPOSE).unwrap();
    fs::write(folder.path().join("bad.env"), "CONTAINERS\n").unwrap();
    fs::write(folder.path().join("latin"), b"A=\xE9\n").unwrap();
    let two = format!("{COMPOSE}  more:\n    image: x/docker-socket-proxy\n");
    let twice = format!("{COMPOSE}    image: x/docker-socket-proxy\n");
    fs::write(folder.path().join("twice.yaml"), twice).unwrap();
    fs::write(folder.path().join("two.yaml"), two).unwrap();
    // Compose reads the first alone, and other tools all of them.
    for (name, between) in [("documents.yaml", "---\n"), ("ended.yaml", "...\n---\n")] {
        fs::write(
            folder.path().join(name),
            format!("{COMPOSE}{between}{COMPOSE}"),
        )
        .unwrap();
    }
    for (args, vars, said) in [
        (
            &["tecnativa", "--env", "documents.yaml"][..],
            &[][..],
            "documents.yaml:10: a second document begins here",
        ),
        (
            &["linuxserver", "--env", "ended.yaml", "--service", "proxy"],
            &[],
            "ended.yaml:11: a second document begins here",
        ),
        (
            &["tecnativa"],
            &[("POST", "yes")],
            "POST=yes: neither 0 nor 1",
        ),
        (
            &["tecnativa", "--env", "none"],
            &[],
            "none: cannot read it: ",
        ),
        (
            &["tecnativa", "--env", "latin"],
            &[],
            "latin: it is not valid UTF-8",
        ),
        (
            &["tecnativa", "--env", "bad.env"],
            &[],
            "bad.env:1: `CONTAINERS`: not NAME=VALUE",
        ),
        (
            &["cetusguard", "--env", "compose.yaml"],
            &[],
            "compose.yaml:9: `${OTHER}` refers to a variable",
        ),
        (
            &["tecnativa", "--env", "twice.yaml"],
            &[],
            "twice.yaml:10: the key `image` stands here twice, first in line 8",
        ),
        (
            &["wollomatic", "--env", "two.yaml"],
            &[],
            "two.yaml: no service is this proxy",
        ),
        (
            &["tecnativa", "--env", "two.yaml"],
            &[],
            "two.yaml: several services are this proxy",
        ),
        (
            &["wollomatic", "--", "-nope"],
            &[],
            "-nope: the program has no such option",
        ),
        (&["wollomatic", "--label", "x"], &[], "--label x: no value"),
        (&["cetusguard", "none"], &[], "none: cannot read it: "),
    ] {
        let ended = import(folder.path(), args, vars);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{args:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{args:?}: {lines:?}");
        assert!(
            lines[0].starts_with(&format!("doxy: {said}")),
            "{args:?}: {lines:?}"
        );
        assert!(lines[1].starts_with("help: "), "{args:?}: {lines:?}");
    }
}
