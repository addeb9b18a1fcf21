//! `--compat tecnativa`: doxy in the place of Tecnativa's docker-socket-proxy.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::{NONE, refused, start_to_end};
use crate::support::Client;
use crate::support::process::{Ended, Process, doxy};

/// What is in force with these settings.
fn shown(args: &[&str], vars: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut command = doxy(folder.path());
    command
        .env_remove("DOXY_PROXY_SOCKET")
        .env_remove("DOXY_DOCKER_SOCKET");
    command
        .args(args)
        .args(["config", "show"])
        .envs(vars.iter().copied());
    start_to_end(&mut command)
}

/// A port at which nobody listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn the_variables_of_a_compose_file_are_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut command = doxy(folder.path());
    command
        .env_remove("DOXY_PROXY_SOCKET")
        .env_remove("DOXY_DOCKER_SOCKET");
    for (name, value) in [
        ("DOXY_COMPAT", "tecnativa"),
        ("CONTAINERS", "1"),
        ("POST", "1"),
        ("ALLOW_LOGS", "0"),
        ("EVENTS", "0"),
        ("SOCKET_PATH", "/no/such/engine.sock"),
        ("BIND_CONFIG", &address.to_string()),
    ] {
        command.env(name, value);
    }
    let process = Process::start(&mut command);
    let line = process.logged(" listening on ");
    assert!(
        line.contains("from --compat tecnativa; hash ")
            && line.contains("; opens: host-root, exec, "),
        "{line}"
    );
    assert!(line.contains("/no/such/engine.sock"), "{line}");
    let mut client = Client::connect_tcp(address);
    for (method, target, status) in [
        // There is no engine.
        ("GET", "/v1.41/containers/json", 502),
        ("POST", "/v1.41/containers/create", 502),
        ("DELETE", "/v1.41/containers/web", 502),
        ("GET", "/_ping", 502),
        ("GET", "/v1.41/containers/web/logs", 403),
        ("GET", "/v1.41/events", 403),
        ("POST", "/v1.41/networks/create", 403),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.ask(request).status(), status, "{method} {target}");
    }
    let log = process.stop().stderr;
    assert!(
        log.contains("the preset of the client (`doxy presets`) opens less"),
        "{log}"
    );
    assert!(!log.contains("does not read the settings"), "{log}");
}

#[test]
fn settings_come_from_variables_unless_they_are_given() {
    let v6 = std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|text| !text.is_empty());
    let everywhere = match v6 {
        true => "proxy-socket = \"tcp://[::]:2375\"",
        false => "proxy-socket = \"tcp://0.0.0.0:2375\"",
    };
    let local = "\"127.0.0.0/8\"";
    for (args, vars, has, has_not) in [
        (
            &["--compat=tecnativa"][..],
            &[][..],
            &[
                everywhere,
                local,
                "accept-risk = [\"host-root\", \"exec\"]",
                "docker-socket = \"/var/run/docker.sock\"",
                "access-log = \"off\"",
            ][..],
            "CONTAINERS=1",
        ),
        (
            &["--compat=tecnativa"],
            &[
                ("DISABLE_IPV6", "1"),
                ("SOCKET_PATH", "/e.sock"),
                ("LOG_LEVEL", "info"),
                ("CONTAINERS", "1"),
            ],
            &[
                "\"tcp://0.0.0.0:2375\"",
                "docker-socket = \"/e.sock\"",
                "access-log = \"stdout\"",
                "CONTAINERS=1",
            ],
            "[::]",
        ),
        (
            &[
                "--compat=tecnativa",
                "--proxy-socket=x.sock",
                "--docker-socket=y.sock",
            ],
            &[("SOCKET_PATH", "abns@x"), ("BIND_CONFIG", ":1 ssl")],
            &["proxy-socket = \"x.sock\"", "docker-socket = \"y.sock\""],
            "allow-from",
        ),
        (
            &[
                "--compat=tecnativa",
                "--allow-from=10.0.0.0/8",
                "--accept-risk=exec",
            ],
            &[],
            &["allow-from = \"10.0.0.0/8\"", "accept-risk = \"exec\""],
            local,
        ),
        (
            &["--compat=tecnativa", "--insecure-tcp"],
            &[],
            &["insecure-tcp = true"],
            "allow-from",
        ),
        // Never by the presence of the variables.
        (
            &[],
            &[("CONTAINERS", "1"), ("POST", "1")],
            &["/tmp/doxy.sock"],
            "CONTAINERS",
        ),
    ] {
        let ended = shown(args, vars);
        assert_eq!(ended.code, Some(0), "{args:?} {vars:?}: {ended:?}");
        for words in has {
            assert!(
                ended.stdout.contains(words),
                "{args:?} {vars:?}: no {words}: {}",
                ended.stdout
            );
        }
        assert!(
            !ended.stdout.contains(has_not),
            "{args:?} {vars:?}: {}",
            ended.stdout
        );
    }
}

#[test]
fn what_is_wrong_is_an_error() {
    let compat = "--compat=tecnativa";
    for (args, vars, words) in [
        (&["--compat=haproxy"][..], NONE, &["--compat haproxy: "][..]),
        (
            &[compat],
            &[("CONTAINERS", "true")],
            &["CONTAINERS=true: neither 0 nor 1"],
        ),
        (&[compat], &[("POST", "2")], &["POST=2: neither 0 nor 1"]),
        (
            &[compat],
            &[("DISABLE_IPV6", "maybe")],
            &["DISABLE_IPV6=maybe: "],
        ),
        (
            &[compat, "--patterns=/x"],
            NONE,
            &["--patterns /x: a policy beside that of --compat"],
        ),
        (
            &[compat, "--preset=original"],
            NONE,
            &["--preset original: a policy beside"],
        ),
        (
            &[compat],
            &[("DOXY_PATTERN_FILE", "good.pattern")],
            &["DOXY_PATTERN_FILE=good.pattern: a policy"],
        ),
        (
            &[compat, "--accept-risk=exec"],
            &[("CONTAINERS", "1"), ("POST", "1")],
            &["would have host-root"],
        ),
    ] {
        let tcp: &[&str] = &["--proxy-socket=tcp://127.0.0.1:2375"];
        refused(&[args, tcp].concat(), vars, words);
    }
    for (name, value) in [("BIND_CONFIG", ":1 ssl"), ("SOCKET_PATH", "abns@x")] {
        let ended = shown(&[compat], &[(name, value)]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let said = format!("doxy: {name}={value}: ");
        assert!(
            ended.stderr.starts_with(&said) && ended.stderr.contains("\nhelp: give it with --"),
            "{ended:?}"
        );
    }
}
