//! A command under `doxy learn`: what it gets, and its end.

use rustix::process::Signal;

use super::learn;
use crate::support::process::{Process, doxy};
use crate::support::{Fake, Setup};

#[test]
fn a_command_gets_the_socket_and_its_exit_code_is_passed_on() {
    let script = r#"
        echo "$DOCKER_HOST"; test -S "${DOCKER_HOST#unix://}" || exit 1
        test -z "$DOCKER_CONTEXT$DOCKER_TLS_VERIFY" || exit 2
        test "$CONTAINER_HOST" = "$DOCKER_HOST" || exit 3
        exit 7"#;
    let engine = Fake::start();
    let socket = engine.path().to_str().unwrap();
    let mut setup = Setup::new()
        .engine(engine.path())
        .env("PATH", "/usr/bin:/bin")
        .env("DOCKER_CONTEXT", "other")
        .env("CONTAINER_HOST", "ssh://other")
        .env("DOCKER_TLS_VERIFY", "1")
        .args(["learn", "--", "sh", "-c", script]);
    let ended = setup.run();
    assert_eq!(ended.code, Some(7), "{ended}");
    assert!(ended.stdout.starts_with("unix:///"), "{ended}");
    assert!(ended.stderr.contains("nothing was seen"), "{ended}");
    let (ended, _) = learn(
        &["--docker-socket", socket, "--", "sh", "-c", "kill -9 $$"],
        &[],
    );
    assert_eq!(ended.code, Some(128 + 9), "{ended}");
    let (ended, _) = learn(&["--docker-socket", socket, "--", "/nonexistent/tool"], &[]);
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(
        ended.stderr.contains("/nonexistent/tool: no such file"),
        "{ended}"
    );
}

#[test]
fn a_command_gets_the_signals() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
    ] {
        let script = format!("trap 'exit 9' {name}; echo ready; while :; do sleep 0.1; done");
        let (setup, engine) = (Setup::new(), Fake::start());
        let mut command = doxy(setup.path("").as_path());
        command
            .env("PATH", "/usr/bin:/bin")
            .env("DOXY_DOCKER_SOCKET", engine.path())
            .args(["learn", "--", "sh", "-c", &script]);
        let process = Process::spawn_group(&mut command);
        process.prints();
        process.signal(signal);
        let ended = process.end();
        assert_eq!(ended.code, Some(9), "{name}: {ended}");
    }
}
