//! Tecnativa's and LinuxServer's switches.

use doxy_filter::api::{Api, endpoints};
use doxy_filter::import::switches::{Tool, import, is_switch, is_variable};

use super::{allows, judges, options, rules, variables};

fn tecnativa(text: &str) -> doxy_filter::import::Imported {
    import(Tool::Tecnativa, &variables(text)).unwrap()
}

fn linuxserver(text: &str) -> doxy_filter::import::Imported {
    import(Tool::LinuxServer, &variables(text)).unwrap()
}

#[test]
fn a_switch_without_effect_is_noted() {
    let note = ["ALLOW_RESTARTS=1 does nothing without POST=1, there as here"];
    assert_eq!(tecnativa("CONTAINERS=1 ALLOW_RESTARTS=1").notes, note);
    for without in [
        "CONTAINERS=1 POST=1 ALLOW_RESTARTS=1",
        "ALLOW_RESTARTS=0",
        "",
    ] {
        assert_eq!(tecnativa(without).notes, [""; 0], "{without}");
    }
}

#[test]
fn requests_that_tecnativa_lets_through() {
    let mut count = judges(
        &tecnativa(""),
        "
        + GET /_ping
        + HEAD /_ping
        + GET /v1.41/version
        + GET /v1.41/events
        - GET /v1.41/containers/json
        - GET /v1.41/info
        - POST /v1.41/auth
        ",
    );
    count += judges(
        &tecnativa("CONTAINERS=1 POST=0"),
        "
        + GET /containers/json
        + GET /v1.41/containers/web/json
        + GET /v1.41/containers/web-1.x/logs
        + GET /v1.41/containers/web/export
        + GET /v1.41/containers/web/archive
        + HEAD /v1.41/containers/web/archive
        + GET /v1.41/containers/web/attach/ws
        + GET /v1.41/containers/web/top
        - PUT /v1.41/containers/web/archive
        - POST /v1.41/containers/create
        - DELETE /v1.41/containers/web
        - POST /v1.41/containers/web/start
        - GET /v1.41/images/json
        - GET /v5.0.0/libpod/containers/json
        ",
    );
    count += judges(
        &tecnativa("CONTAINERS=1 POST=1"),
        "
        + POST /v1.41/containers/create
        + DELETE /v1.41/containers/web
        + PUT /v1.41/containers/web/archive
        + POST /v1.41/containers/web/exec
        - POST /v1.41/exec/x/start
        - POST /v1.41/networks/create
        ",
    );
    // The gate for methods comes first there.
    count += judges(
        &tecnativa("ALLOW_START=1 ALLOW_RESTARTS=1"),
        "
        - POST /v1.41/containers/web/start
        - POST /v1.41/containers/web/kill
        - GET /v1.41/containers/web/json
        ",
    );
    count += judges(
        &tecnativa("POST=1 ALLOW_RESTARTS=1 ALLOW_PAUSE=1 EVENTS=0"),
        "
        + POST /v1.41/containers/web/restart
        + POST /containers/web/stop
        + POST /v1.41/containers/web/kill
        + POST /v1.41/containers/web/pause
        - POST /v1.41/containers/web/unpause
        - POST /v1.41/containers/web/start
        - POST /v1.41/containers/create
        - GET /v1.41/events
        + GET /v1.41/version
        ",
    );
    // Switches of versions to come: off, they deny; not given, they do not.
    count += judges(
        &tecnativa("CONTAINERS=1 POST=1 ALLOW_LOGS=0 ALLOW_EXEC=0 ALLOW_EXPORT=1 DELETE=0"),
        "
        - GET /v1.41/containers/web/logs
        - POST /v1.41/containers/web/exec
        + GET /v1.41/containers/web/export
        + GET /v1.41/containers/web/archive
        - DELETE /v1.41/containers/web
        + POST /v1.41/containers/create
        ",
    );
    assert!(count >= 40, "{count}");
}

#[test]
fn requests_that_linuxserver_lets_through() {
    let mut count = judges(
        &linuxserver(""),
        "
        + GET /_ping
        + HEAD /_ping
        + GET /v1.41/version
        + GET /v1.41/events
        + GET /v5.0.0/libpod/_ping
        + GET /v5.0.0/libpod/version
        - GET /v5.0.0/libpod/info
        - GET /v1.41/containers/json
        ",
    );
    count += judges(
        &linuxserver("CONTAINERS=1"),
        "
        + GET /v1.41/containers/json
        + GET /v1.41/containers/web/json
        + GET /v1.41/containers/web/stats
        + GET /v1.41/containers/web/attach/ws
        - GET /v1.41/containers/web/archive
        - HEAD /v1.41/containers/web/archive
        - GET /v1.41/containers/web/changes
        - GET /v1.41/containers/web/export
        - GET /v1.41/containers/web/logs
        - GET /v1.41/containers/web/top
        - POST /v1.41/containers/web/start
        - GET /v5.0.0/libpod/containers/json
        ",
    );
    count += judges(
        &linuxserver("CONTAINERS=1 ALLOW_LOGS=1 ALLOW_TOP=1 POST=1"),
        "
        + GET /v1.41/containers/web/logs
        + GET /v1.41/containers/web/top
        - GET /v1.41/containers/web/export
        - PUT /v1.41/containers/web/archive
        + POST /v1.41/containers/create
        + DELETE /v1.41/containers/web
        ",
    );
    // They work without POST.
    count += judges(
        &linuxserver("ALLOW_START=1 ALLOW_RESTARTS=1 ALLOW_UNPAUSE=1"),
        "
        + POST /v1.41/containers/web/start
        + POST /v1.41/containers/web/stop
        + POST /v1.41/containers/web/restart
        + POST /v1.41/containers/web/kill
        + POST /v1.41/containers/web/unpause
        - POST /v1.41/containers/web/pause
        - POST /v1.41/containers/web/exec
        - GET /v1.41/containers/web/json
        ",
    );
    count += judges(
        &linuxserver("LIBPOD_PODS=1 LIBPOD_ALLOW_POD_STOP=1 LIBPOD_ALLOW_START=1 LIBPOD_PING=0"),
        "
        + GET /v5.0.0/libpod/pods/json
        + GET /v5.0.0/libpod/pods/p/json
        - GET /v5.0.0/libpod/pods/p/top
        + POST /v5.0.0/libpod/pods/p/stop
        - POST /v5.0.0/libpod/pods/p/start
        + POST /v5.0.0/libpod/containers/web/start
        - POST /v5.0.0/libpod/containers/web/stop
        - GET /v5.0.0/libpod/_ping
        ",
    );
    assert!(count >= 40, "{count}");
}

/// What both tools do with one section switched on: a prefix of the path, in any case of letters, behind a
/// gate for methods.
#[test]
fn every_section_opens_what_its_prefix_opens_there() {
    let all = [
        "AUTH",
        "BUILD",
        "COMMIT",
        "CONFIGS",
        "CONTAINERS",
        "DISTRIBUTION",
        "EVENTS",
        "EXEC",
        "GRPC",
        "IMAGES",
        "INFO",
        "NETWORKS",
        "NODES",
        "PING",
        "PLUGINS",
        "SECRETS",
        "SERVICES",
        "SESSION",
        "SWARM",
        "SYSTEM",
        "TASKS",
        "VERSION",
        "VOLUMES",
    ];
    let mut opened = 0;
    for name in all {
        for post in [false, true] {
            let text = format!("EVENTS=0 PING=0 VERSION=0 {name}=1 POST={}", u8::from(post));
            let set = rules(&tecnativa(&text));
            let prefix = match name {
                "PING" => "/_ping".to_owned(),
                name => format!("/{}", name.to_lowercase()),
            };
            for endpoint in endpoints().filter(|it| it.api == Api::Docker) {
                let plain = endpoint.template.replace("{anyroute:.*}", "elsewhere");
                let mut path = String::new();
                for piece in plain.split('{') {
                    match piece.split_once('}') {
                        Some((_, rest)) => path.extend(["a-b.c", rest]),
                        None => path.push_str(piece),
                    }
                }
                let gate = post || ["GET", "HEAD"].contains(&endpoint.method);
                let expected = gate && path.starts_with(&prefix);
                for path in [path.clone(), format!("/v1.44{path}")] {
                    let got = allows(&set, endpoint.method, &path);
                    assert_eq!(got, expected, "{text}: {} {path}", endpoint.method);
                    opened += usize::from(got);
                }
            }
        }
    }
    assert!(opened > 300, "{opened}");
}

#[test]
fn comments_name_what_is_open_beyond_the_name() {
    let text = tecnativa("CONTAINERS=1 ALLOW_START=1").patterns;
    for words in [
        "# exec: GET /containers/{name}/attach/ws",
        "files-out: GET /containers/{name}/export, GET /containers/{name}/archive",
        "# ALLOW_START=1 does nothing with POST=0",
        r"#   POST (/v[\d.]+)?/containers/[\w.-]+/start",
    ] {
        let plain = text.replace("#   ", "# ");
        let found = text.contains(words) || plain.contains(words);
        assert!(found, "no {words:?} in\n{text}");
    }
    let text = tecnativa("CONTAINERS=1 POST=1").patterns;
    assert!(
        text.contains("host-root: POST /containers/create"),
        "{text}"
    );
    let text = tecnativa("EVENTS=0 PING=0 VERSION=0").patterns;
    assert!(text.ends_with("# Nothing is allowed.\n!.*\n"), "{text}");
}

#[test]
fn settings_beside_the_switches() {
    for (text, expected) in [
        ("", "--proxy-socket tcp://[::]:2375"),
        ("DISABLE_IPV6=1", "--proxy-socket tcp://0.0.0.0:2375"),
        ("DISABLE_IPV6=Yes", "--proxy-socket tcp://0.0.0.0:2375"),
        ("DISABLE_IPV6=0", "--proxy-socket tcp://[::]:2375"),
        ("BIND_CONFIG=:2376", "--proxy-socket tcp://0.0.0.0:2376"),
        (
            "BIND_CONFIG=127.0.0.1:1",
            "--proxy-socket tcp://127.0.0.1:1",
        ),
        ("BIND_CONFIG=[::1]:1", "--proxy-socket tcp://[::1]:1"),
        ("BIND_CONFIG=unix@/run/x.sock", "--proxy-socket /run/x.sock"),
        (
            "SOCKET_PATH=/run/podman.sock LOG_LEVEL=info",
            "--proxy-socket tcp://[::]:2375 --docker-socket /run/podman.sock --access-log stdout",
        ),
        (
            "SOCKET_PATH=engine:2375 LOG_LEVEL=err",
            "--proxy-socket tcp://[::]:2375 --docker-socket tcp://engine:2375",
        ),
    ] {
        let imported = tecnativa(text);
        assert_eq!(options(&imported), expected, "{text}");
        assert_eq!(imported.left_out, [""; 0], "{text}");
    }
}

#[test]
fn what_is_not_translated_is_named() {
    for (tool, text, expected) in [
        (
            Tool::Tecnativa,
            "DELETE=1",
            "DELETE=1: the released versions do not read this",
        ),
        (
            Tool::Tecnativa,
            "ALLOW_DELETE=1",
            "ALLOW_DELETE=1: nothing reads this variable",
        ),
        (
            Tool::Tecnativa,
            "ALLOW_TOP=1",
            "ALLOW_TOP=1: this tool has no such variable",
        ),
        (
            Tool::Tecnativa,
            "LOG_LEVEL=loud",
            "LOG_LEVEL=loud: no level of HAProxy",
        ),
        (
            Tool::Tecnativa,
            "BIND_CONFIG=:1,:2",
            "BIND_CONFIG=:1,:2: not an address",
        ),
        (
            Tool::Tecnativa,
            "SOCKET_PATH=abns@x",
            "SOCKET_PATH=abns@x: neither a path",
        ),
        (
            Tool::LinuxServer,
            "PATCH=1",
            "PATCH=1: this tool has no such variable",
        ),
    ] {
        let left_out = import(tool, &variables(text)).unwrap().left_out;
        let [line] = &left_out[..] else {
            panic!("{text}: {left_out:?}");
        };
        assert!(line.starts_with(expected), "{text}: {line}");
    }
    for text in [
        "CONTAINERS=true",
        "POST=yes",
        "EVENTS=2",
        "DISABLE_IPV6=maybe",
    ] {
        let error = import(Tool::Tecnativa, &variables(text))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("{text}: neither 0 nor 1\nhelp: ")),
            "{error}"
        );
    }
    // HAProxy reads nothing as 0.
    let set = rules(&tecnativa("EVENTS= PING=1"));
    assert!(!allows(&set, "GET", "/events"));
}

#[test]
fn names_of_variables() {
    for (name, switch, of_tecnativa, of_linuxserver) in [
        ("CONTAINERS", true, true, true),
        ("ALLOW_TOP", true, false, true),
        ("DELETE", true, true, false),
        ("LIBPOD_PODS", true, false, true),
        ("SOCKET_PATH", false, true, true),
        ("PATH", false, false, false),
    ] {
        assert_eq!(is_switch(name), switch, "{name}");
        assert_eq!(is_variable(Tool::Tecnativa, name), of_tecnativa, "{name}");
        assert_eq!(
            is_variable(Tool::LinuxServer, name),
            of_linuxserver,
            "{name}"
        );
    }
}
