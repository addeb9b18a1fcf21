//! Arguments, files that exist, and which engine it is.

use super::{learn, rules};
use crate::support::{Binary, Fake, Need, Setup, needs};

#[test]
fn an_existing_file_stays_unless_it_may_be_replaced() {
    let log = (
        "log",
        "{\"method\":\"GET\",\"path\":\"/info\",\"verdict\":\"allowed\"}\n",
    );
    let files = [log, ("out", "mine")];
    let (ended, out) = learn(&["--from", "log", "--out", "out"], &files);
    assert_eq!(
        (ended.code, out.as_deref()),
        (Some(2), Some("mine")),
        "{ended}"
    );
    let (ended, out) = learn(&["--from", "log", "--out", "out", "--force"], &files);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(rules(&out.unwrap()), [r"GET (/v[\d.]+)?/info"]);
    // Nothing was seen: the file that was good stays.
    let nothing = [("log", ""), ("out", "mine")];
    let (ended, out) = learn(&["--from", "log", "--out", "out", "--force"], &nothing);
    assert_eq!(
        (ended.code, out.as_deref()),
        (Some(1), Some("mine")),
        "{ended}"
    );
}

#[test]
fn wrong_arguments_are_told() {
    for (args, words) in [
        (
            &["--proxy-socket", "tcp://127.0.0.1:0"][..],
            "learn makes a socket of its own",
        ),
        (
            &["--pattern-file", "rules"],
            "without --observe everything is forwarded",
        ),
        (
            &["--preset", "traefik", "--from", "log"],
            "without --observe",
        ),
        (&["--user", "nobody"], "--user: learn does not use it"),
        (
            &["--accept-risk", "root"],
            "the classes are host-root, exec, secrets",
        ),
        (&["--for", "soon"], "--for soon: not a time"),
        (&["--for", "1h", "--", "true"], "--for"),
        (&["--from", "x", "--", "true"], "--from"),
        (&["--from", "x", "--observe"], "--from"),
        (&["--out", "/nowhere/x"], "there is no such folder"),
        (&["--out", "/dev/null", "--force"], "this is not a file"),
    ] {
        let (ended, _) = learn(args, &[]);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}

#[test]
fn the_engine_is_that_of_docker_clients_unless_a_setting_names_one() {
    let engine = Fake::start();
    let doxy = Binary::start(engine.path(), &[]);
    let script = "exit 0";
    let (socket, doxy) = (engine.path().to_str().unwrap(), doxy.socket());
    for (host, setting, expected) in [
        (socket, None, socket),
        ("/other.sock", Some(socket), socket),
        // What a policy denies there would never be learned.
        (doxy.to_str().unwrap(), None, "/var/run/docker.sock"),
    ] {
        if expected.starts_with("/var") && !needs(Need::NoFile("/var/run/docker.sock")) {
            continue;
        }
        let mut setup = Setup::new().env("PATH", "/usr/bin:/bin");
        setup = match setting {
            Some(path) => setup.env("DOXY_DOCKER_SOCKET", path),
            None => setup.without("DOXY_DOCKER_SOCKET"),
        };
        let mut setup = setup
            .env("DOCKER_HOST", &format!("unix://{host}"))
            .args(["learn", "--", "sh", "-c", script]);
        let ended = setup.run();
        let words = match expected == socket {
            true => format!("FORWARDED to {expected},"),
            false => format!("doxy: --docker-socket {expected}: "),
        };
        assert!(ended.stderr.contains(&words), "{words} {ended}");
    }
}

/// It says what was tried and what to do, and does not start the tool.
#[test]
fn without_an_engine_nothing_can_be_learned() {
    for (variable, value, said) in [
        (
            "DOXY_DOCKER_SOCKET",
            "/no/engine",
            "DOXY_DOCKER_SOCKET=/no/engine: ",
        ),
        (
            "DOCKER_HOST",
            "unix:///no/engine",
            "DOCKER_HOST=unix:///no/engine: ",
        ),
        (
            "DOCKER_HOST",
            "tcp://127.0.0.1:1",
            "DOCKER_HOST=tcp://127.0.0.1:1: ",
        ),
    ] {
        let mut setup = Setup::new()
            .without("DOXY_DOCKER_SOCKET")
            .env("PATH", "/usr/bin:/bin")
            .env(variable, value)
            .args(["learn", "--out", "out", "--", "touch", "started"]);
        let ended = setup.run();
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(
            ended.stderr.starts_with(&format!("doxy: {said}")),
            "{ended}"
        );
        let help = "\nhelp: start the engine first, or name its socket with --docker-socket PATH, or DOCKER_HOST=";
        assert!(ended.stderr.contains(help), "{ended}");
        assert!(!setup.path("started").exists() && !setup.path("out").exists());
    }
}
