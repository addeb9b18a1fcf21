//! Settings: what they name, and what is not read.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use super::{engine, health, says};
use crate::support::Setup;
use crate::support::process::{Process, doxy};

#[test]
fn a_socket_that_the_service_manager_passes_is_skipped_and_never_passes_for_healthy() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup
        .env("DOXY_PROXY_SOCKET", "fd://one,fd://two")
        .passed(
            "one:two",
            [tcp.into(), UnixListener::bind(&path).unwrap().into()],
        )
        .start();
    let health = |sockets: &str| {
        let mut command = self::doxy(doxy.folder());
        command.env("DOXY_PROXY_SOCKET", sockets).arg("healthcheck");
        Process::spawn(&mut command).end()
    };
    let ended = health(&format!("fd://one,unix://{}", path.display()));
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(
        ended.stdout,
        "healthy: 1 socket answers; skipped: fd://one\n"
    );
    let ended = health("fd://one,fd://two");
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended}");
    let words = "fd://one, fd://two: the settings do not say where these sockets are";
    assert!(ended.stderr.contains(words), "{ended}");
}

/// A policy that cannot even be compiled changes nothing: it is not looked at.
#[test]
fn no_policy_is_read() {
    let setup = Setup::new();
    let _engine = engine(&setup);
    let doxy = setup.start();
    fs::write(doxy.path("broken.rhai"), "fn decide(req) { ").unwrap();
    fs::write(doxy.path("broken.pattern"), "/a)|(/b").unwrap();
    let args = [
        "--script",
        "broken.rhai",
        "--pattern-file",
        "broken.pattern",
    ];
    says(doxy.folder(), &args, 0, "healthy: 1 socket answers");
}

#[test]
fn wrong_options_and_settings_are_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    for (args, words) in [
        (
            &["--timeout", "0"][..],
            "--timeout 0: must be greater than 0",
        ),
        (&["--timeout", "soon"], "--timeout soon: invalid duration"),
        (&["--redy"], "unexpected argument '--redy'"),
        (&["--config", "none.toml"], "none.toml"),
        (
            &["--docker-socket", "ftp://x"],
            "--docker-socket ftp://x: unknown kind",
        ),
        (
            &["--proxy-socket", "tcp://x:1"],
            "--proxy-socket tcp://x:1: this is a name",
        ),
    ] {
        let ended = health(folder.path(), args);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{args:?}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}
