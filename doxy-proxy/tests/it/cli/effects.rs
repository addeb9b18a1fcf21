//! Valid settings: what doxy prints about them, and what it logs.

use std::net::SocketAddr;

use rustix::net::{AddressFamily, SocketType};

use super::{NONE, PING, folder};
use crate::support::process::{Process, doxy};
use crate::support::{Client, Fake, Need, needs};

/// Checks the line that doxy logs when it listens with these settings.
#[track_caller]
fn listens(args: &[&str], vars: &[(&str, &str)], line: &str) {
    let folder = folder();
    let process = Process::start(doxy(folder.path()).args(args).envs(vars.iter().copied()));
    let logged = process.logged(" listening on ");
    let (logged, opens) = logged.split_once("; opens: ").unwrap();
    let (logged, hash) = logged.split_once("; hash ").unwrap();
    assert_eq!(hash.len(), 16, "{hash}");
    assert!(logged.ends_with(line), "{args:?} {vars:?}: {logged}");
    assert_ne!(opens, "", "{args:?} {vars:?}");
    let ended = process.stop();
    assert_eq!(ended.stdout, "", "{args:?} {vars:?}");
}

#[test]
fn the_first_log_line_names_the_settings() {
    let version = env!("CARGO_PKG_VERSION");
    let line = format!(
        "doxy {version} listening on doxy.sock (mode 0660), Docker engine at engine.sock, \
         2 rules from good.pattern"
    );
    listens(&["--pattern-file", "good.pattern"], NONE, &line);
    listens(&[], &[("DOXY_PATTERN_FILE", "good.pattern")], &line);
    let line = format!(
        "doxy {version} listening on sub/d.sock (mode 0600), Docker engine at \
         tcp://127.0.0.1:2375, 2 rules from link/good.pattern"
    );
    let named = [
        ("DOXY_PROXY_SOCKET", "sub/d.sock"),
        ("DOXY_DOCKER_SOCKET", "tcp://127.0.0.1:2375"),
        ("DOXY_PATTERN_FILE", "link/good.pattern"),
        ("DOXY_SOCKET_MODE", "600"),
        ("DOXY_SHUTDOWN_GRACE", "500ms"),
    ];
    let options = [
        "--proxy-socket",
        "sub/d.sock",
        "--docker-socket=tcp://127.0.0.1:2375",
        "--pattern-file",
        "link/good.pattern",
        "--socket-mode=0600",
        "--shutdown-grace=0",
    ];
    listens(&[], &named, &line);
    listens(&options, NONE, &line);
    // An option overrides its variable, even an invalid one.
    let wrong = [
        ("DOXY_PROXY_SOCKET", "no/such/folder/d.sock"),
        ("DOXY_DOCKER_SOCKET", "http://nowhere"),
        ("DOXY_PATTERN_FILE", "empty.pattern"),
        ("DOXY_SOCKET_MODE", "rw"),
        ("DOXY_SHUTDOWN_GRACE", "x"),
    ];
    listens(&options, &wrong, &line);
    let line = format!(
        "doxy {version} listening on sub/d.sock (mode 0660), Docker engine at engine.sock, \
         2 rules from good.pattern"
    );
    let address = ["--proxy-socket", "unix://sub/d.sock"];
    listens(&address, &[("DOXY_PATTERN_FILE", "good.pattern")], &line);
}

#[test]
fn without_a_pattern_file_doxy_uses_the_embedded_rules_and_logs_it() {
    if !needs(Need::NoFile("/etc/doxy.pattern")) {
        return;
    }
    listens(
        &[],
        NONE,
        "10 rules from the embedded defaults (/etc/doxy.pattern does not exist)",
    );
}

/// Checks whether a request is logged with these settings.
#[track_caller]
fn logs(args: &[&str], vars: &[(&str, &str)], expected: bool) {
    let folder = folder();
    let fake = Fake::start();
    let process = Process::start(
        doxy(folder.path())
            .args(args)
            .args(["--pattern-file", "good.pattern", "--docker-socket"])
            .arg(fake.path())
            .envs(vars.iter().copied()),
    );
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    let reply = client.ask(PING);
    assert_eq!(reply.status(), 200, "{args:?} {vars:?}");
    drop(client);
    let log = process.stop().stderr;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/_ping")).collect();
    assert_eq!(
        lines.len(),
        usize::from(expected),
        "{args:?} {vars:?}: {log}"
    );
    for word in ["200", "GET", "/_ping"] {
        let said = lines.iter().all(|line| line.contains(word));
        assert!(said, "{args:?} {vars:?}: no {word} in {log}");
    }
    assert!(!log.contains("secret"), "{args:?} {vars:?}: {log}");
}

#[test]
fn debug_logs_one_line_per_request() {
    logs(&[], NONE, false);
    logs(&["--debug"], NONE, true);
    for (value, expected) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("on", true),
        ("0", false),
        ("false", false),
        ("no", false),
        ("off", false),
    ] {
        logs(&[], &[("DOXY_DEBUG", value)], expected);
    }
    logs(&["--debug"], &[("DOXY_DEBUG", "0")], true);
}

/// Which variables are warned about is tested in `cli/environment.rs`; here, that they are.
#[test]
fn variables_that_are_no_settings_are_warned_about() {
    let folder = folder();
    let mut command = doxy(folder.path());
    command.envs([
        ("DOXY_PROXY_SOKET", "/tmp/x"),
        ("CONTAINERS", "1"),
        ("POST", "0"),
    ]);
    let log = Process::start(&mut command).stop().stderr;
    for words in [
        " WARN the variable DOXY_PROXY_SOKET is not a setting of doxy; is DOXY_PROXY_SOCKET meant?\n",
        " WARN CONTAINERS=1 POST=0: doxy does not read the settings of Tecnativa's",
    ] {
        assert_eq!(log.matches(words).count(), 1, "{words:?}: {log}");
    }
}

/// An engine that cannot be reached is no error, and does not delay the start.
#[test]
fn an_engine_that_cannot_be_reached_is_warned_about() {
    // Bound and not listening: nobody else gets the port, and connecting to it is refused.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap())
        .unwrap()
        .port();
    let tcp = format!("tcp://127.0.0.1:{port}");
    for (name, engine, reason) in [
        ("--docker-socket", "no.sock", "no such file or directory"),
        ("--docker-socket", tcp.as_str(), "connection refused"),
        ("DOXY_DOCKER_SOCKET", tcp.as_str(), "connection refused"),
    ] {
        let folder = folder();
        let mut command = doxy(folder.path());
        if name.starts_with("--") {
            command.args([name, engine]);
        } else {
            command.env(name, engine);
        }
        let process = Process::start(&mut command);
        let line = process.logged(" WARN ");
        let expected = format!(
            "cannot reach the Docker engine at {engine}: {reason}; clients get an error until it can \
             be reached (is {name} right?)"
        );
        assert!(line.ends_with(&expected), "{line}");
        process.stop();
    }
}
