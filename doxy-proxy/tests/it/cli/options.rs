//! Options that do not exist, help and version, and paths that are not UTF-8.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use super::{NONE, PING, folder, option, refused, start_to_end, variable};
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake};

#[test]
fn unknown_options_and_missing_values() {
    refused(&["--pattern", "good.pattern"], NONE, &["--pattern"]);
    refused(&["--socket-mode"], NONE, &["--socket-mode"]);
    refused(&["--docker-socket="], NONE, &["--docker-socket"]);
    refused(&["--proxy-socket="], NONE, &["--proxy-socket"]);
    refused(&["--pattern-file="], NONE, &["--pattern-file"]);
    refused(&["--socket-mode="], NONE, &["--socket-mode"]);
    refused(&["--debug=yes"], NONE, &["--debug", "yes"]);
    refused(&[], &[("DOXY_DEBUG", "maybe")], &["maybe", "--debug"]);
    let twice = ["--docker-socket", "a", "--docker-socket", "b"];
    refused(&twice, NONE, &["--docker-socket"]);
    for (arg, help) in [
        (
            "--socket",
            "the option is --proxy-socket; `doxy --help` lists all of them",
        ),
        (
            "-H",
            "the option is --docker-socket; `doxy --help` lists all of them",
        ),
        (
            "--rules",
            "the option is --pattern-file; `doxy --help` lists all of them",
        ),
        (
            "--proxy-sokket",
            "a similar argument exists: '--proxy-socket'",
        ),
    ] {
        let said = format!("doxy: unexpected argument '{arg}' found\nhelp: {help}\n");
        assert_eq!(refused(&[arg, "x"], NONE, &[]), said);
    }
    for (arg, what) in [
        ("--nope", "unexpected argument '--nope' found"),
        ("serve", "unrecognized subcommand 'serve'"),
    ] {
        let said = format!("doxy: {what}\nhelp: `doxy --help` lists the options\n");
        assert_eq!(refused(&[arg], NONE, &[]), said);
    }
}

/// Doxy would run by other rules than were asked for.
#[test]
fn settings_of_versions_to_come() {
    let help = "not in this version\nhelp: leave it out\n";
    let said = refused(&["--redact", "x"], NONE, &[]);
    assert_eq!(said, format!("doxy: --redact: {help}"));
    let said = refused(&[], &[("DOXY_REDACT", "x")], &[]);
    assert_eq!(said, format!("doxy: DOXY_REDACT=x: {help}"));
}

#[test]
fn paths_that_are_not_utf8() {
    let folder = folder();
    let odd = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    let (socket, engine, rules) = (odd(b"d\xFF"), odd(b"e\xFF"), odd(b"r\xFF"));
    fs::write(folder.path().join(&rules), "/_ping\n").unwrap();
    let fake = Fake::at(&folder.path().join(&engine), |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
    });
    let mut command = doxy(folder.path());
    command.arg("--docker-socket").arg(&engine);
    command.arg("--proxy-socket").arg(&socket);
    command.arg("--pattern-file").arg(&rules);
    let process = Process::start(&mut command);
    let reply = Client::connect(&folder.path().join(&socket)).ask(PING);
    assert_eq!(reply.status(), 200, "{reply:?}");
    process.stop();
    drop(fake);
}

/// The log may go to a full disk, or to a pipe without a reader.
#[test]
fn the_exit_code_is_the_same_when_the_error_cannot_be_printed() {
    for args in [&["--socket-mode", "rw"][..], &["--nope"]] {
        let folder = folder();
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let status = doxy(folder.path())
            .args(args)
            .stdin(Stdio::null())
            .stderr(full)
            .status();
        assert_eq!(status.unwrap().code(), Some(2), "{args:?}");
    }
}

/// People copy them.
#[test]
fn the_examples_of_the_help_load_without_a_warning() {
    let folder = folder();
    let help = start_to_end(doxy(folder.path()).arg("--help")).stdout;
    let behind = |words: &str| help.split_once(words).unwrap().1;
    let rules = behind("must match the whole path.\n").split("\n\n").next();
    // What stands behind a rule says what it does.
    let rules = rules.unwrap().lines().filter_map(|line| {
        let rule = line.trim().split("  ").next()?;
        rule.contains('/').then(|| format!("{rule}\n"))
    });
    fs::write(
        folder.path().join("help.pattern"),
        rules.collect::<String>(),
    )
    .unwrap();
    let mut command = doxy(folder.path());
    command.args(["--pattern-file", "help.pattern"]);
    if cfg!(feature = "script") {
        let script = behind("is the reference):\n").split("\n\n").next();
        fs::write(folder.path().join("help.rhai"), script.unwrap()).unwrap();
        command.args(["--script", "help.rhai"]);
    }
    let process = Process::start(&mut command);
    process.logged("3 rules from help.pattern");
    let log = process.stop().stderr;
    assert!(!log.contains("help.pattern:"), "{log}");
}

#[test]
fn version_and_help() {
    let folder = folder();
    let version = format!("doxy {}\n", env!("CARGO_PKG_VERSION"));
    for option in ["--version", "-V", "-v"] {
        let ended = start_to_end(doxy(folder.path()).arg(option));
        assert_eq!(ended.code, Some(0), "{option}: {ended:?}");
        assert_eq!(ended.stdout, version, "{option}");
        assert_eq!(ended.stderr, "", "{option}");
    }
    for help in ["--help", "-h"] {
        let mut command = doxy(folder.path());
        command.env_clear();
        let ended = start_to_end(command.arg(help));
        assert_eq!(ended.code, Some(0), "{help}: {ended:?}");
        assert_eq!(ended.stderr, "", "{help}");
        let words = ended
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        for name in [
            "docker-socket",
            "proxy-socket",
            "socket-mode",
            "socket-owner",
            "socket-group",
            "pattern-file",
            "allow-uid",
            "allow-gid",
            "max-connections",
            "threads",
            "head-timeout",
            "idle-timeout",
            "shutdown-grace",
            "access-log",
            "log-format",
            "debug",
            "user",
            "group",
            "sandbox",
        ]
        .into_iter()
        .chain(
            cfg!(feature = "script")
                .then_some(["script", "max-body"])
                .into_iter()
                .flatten(),
        ) {
            // The variable stands behind its option, before the next one.
            let value = if name == "debug" { "" } else { "<" };
            let at = words.find(&format!(" {} {value}", option(name)));
            let rest = &words[at.unwrap_or_else(|| panic!("{help}: no --{name}"))..];
            let variable = format!("[env: {}]", variable(name));
            let found = rest
                .find(&variable)
                .unwrap_or_else(|| panic!("{help}: no {variable}"));
            assert_eq!(
                rest[..found].matches("[env: ").count(),
                0,
                "{help}: --{name}"
            );
        }
        // A doxy without scripts does not mention them.
        assert_eq!(words.contains("script"), cfg!(feature = "script"), "{help}");
        for said in [
            "--help",
            "--version",
            "[default: /var/run/docker.sock]",
            "[default: /tmp/doxy.sock]",
            "[default: 0660]",
            "[default: 10s]",
            "/etc/doxy.pattern",
            "unix://PATH",
            "tcp://HOST:PORT",
            "Sockets: ",
            "Policy (which requests are allowed): ",
            "Peers (who may connect): ",
            "Limits: ",
            "Logs: ",
            "Privileges: ",
            "Example",
        ] {
            assert!(words.contains(said), "{help}: no {said:?}: {words}");
        }
        // More than a line for each is for who asks for it.
        for said in [
            "DOCKER_HOST=unix:///tmp/doxy.sock docker ps",
            "anyone who can open the socket may connect.",
            "mount the folder, not the socket.",
            "Exit codes: 0 ",
        ] {
            assert_eq!(words.contains(said), help == "--help", "{help}: {said:?}");
        }
        let widest = ended.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{help}: {widest:?}");
    }
    // --version and --help work even if other options are invalid.
    let ended = start_to_end(doxy(folder.path()).args(["--socket-mode", "rw", "--version"]));
    assert_eq!((ended.code, ended.stdout), (Some(0), version));
}
