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
fn options_that_do_not_exist_or_have_no_value() {
    refused(&["--pattern", "good.pattern"], NONE, &["--pattern"]);
    refused(&["--socket-mode"], NONE, &["--socket-mode"]);
    refused(&["--docker-socket="], NONE, &["--docker-socket"]);
    refused(&["--proxy-socket="], NONE, &["--proxy-socket"]);
    refused(&["--pattern-file="], NONE, &["--pattern-file"]);
    refused(&["--socket-mode="], NONE, &["--socket-mode"]);
    refused(&["--debug=yes"], NONE, &["--debug", "yes"]);
    refused(&[], &[("DOXY_DEBUG", "maybe")], &["maybe", "--debug"]);
    let twice = ["--proxy-socket", "a", "--proxy-socket", "b"];
    refused(&twice, NONE, &["--proxy-socket"]);
    for arg in ["--nope", "run"] {
        let said = format!(
            "doxy: unexpected argument '{arg}' found\nhelp: `doxy --help` lists the options\n"
        );
        assert_eq!(refused(&[arg], NONE, &[]), said);
    }
}

/// A path is bytes.
#[test]
fn paths_that_are_no_text() {
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

/// A full disk behind a log, or a pipe that nobody reads: no reason for another exit code.
#[test]
fn an_error_that_cannot_be_printed_has_the_same_exit_code() {
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
        for name in [
            "docker-socket",
            "proxy-socket",
            "pattern-file",
            "socket-mode",
            "socket-owner",
            "socket-group",
            "shutdown-grace",
            "debug",
        ]
        .into_iter()
        .chain(cfg!(feature = "script").then_some("script"))
        {
            // An option and its variable are one line of the list.
            let line = ended
                .stdout
                .lines()
                .find(|line| line.trim_start().starts_with(&option(name)));
            let line = line.unwrap_or_else(|| panic!("{help}: no --{name}"));
            assert!(line.contains(&variable(name)), "{help}: {line}");
        }
        // What is not in this binary is not spoken of.
        assert_eq!(
            ended.stdout.contains("script"),
            cfg!(feature = "script"),
            "{help}"
        );
        for word in [
            "--help",
            "--version",
            "[default: /var/run/docker.sock]",
            "[default: /tmp/doxy.sock]",
            "[default: 0660]",
            "[default: 10s]",
            "/etc/doxy.pattern",
            "unix://PATH",
            "tcp://HOST:PORT",
            "Examples:",
            "DOCKER_HOST=unix:///tmp/doxy.sock",
            "Exit codes: 0 ",
        ] {
            assert!(ended.stdout.contains(word), "{help}: no {word:?}");
        }
    }
    // Neither of them does anything, whatever else is wrong.
    let ended = start_to_end(doxy(folder.path()).args(["--socket-mode", "rw", "--version"]));
    assert_eq!((ended.code, ended.stdout), (Some(0), version));
}
