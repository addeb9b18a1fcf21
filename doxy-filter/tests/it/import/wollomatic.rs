//! wollomatic's socket-proxy.

use doxy_filter::import::Variable;
use doxy_filter::import::wollomatic::{import, is_variable};

use super::{arguments, judges, options, variables};

fn by_arguments(all: &[&str]) -> doxy_filter::import::Imported {
    import(&[], &arguments(all), &[]).unwrap()
}

#[test]
fn requests_that_it_lets_through() {
    // Its README's rules for Traefik.
    let mut count = judges(
        &by_arguments(&[
            r"-allowGET=/v1\..{1,2}/(version|containers/.*|events.*)",
            "-allowHEAD=/_ping",
        ]),
        "
        + GET /v1.41/version
        + GET /v1.24/containers/json
        + GET /v1.41/containers/web/json
        + GET /v1.41/containers/web/archive
        + GET /v1.41/containers/web/attach/ws
        + GET /v1.41/events
        - GET /v1.411/events
        - GET /version
        - GET /v2.41/version
        - GET /v1.41/info
        - GET /_ping
        + HEAD /_ping
        - POST /v1.41/containers/create
        - DELETE /v1.41/containers/web
        - GET /v1.41/version/more
        ",
    );
    // Without a group around them.
    count += judges(
        &by_arguments(&["-allowGET", "/version|/containers/json|/_ping"]),
        "
        + GET /version
        + GET /versions
        + GET /version/x
        - GET /v1.41/version
        + GET /containers/json
        + GET /v1.41/containers/json
        + GET /containers/jsonx
        + GET /_ping
        + GET /v1.41/_ping
        + GET /containers/web/archive/_ping
        - GET /_ping/x
        - GET /containers/web/json
        - POST /version
        ",
    );
    // Anchors of one's own bind each alternative.
    count += judges(
        &by_arguments(&["-allowGET=^/version$|^/_ping$"]),
        "
        + GET /version
        + GET /_ping
        - GET /versions
        - GET /x/_ping
        ",
    );
    let environment = variables(
        "SP_ALLOW_GET=/info SP_ALLOW_GET_1=/(v1[.]41/)?version SP_ALLOW_POST=/x/.*/start SP_ALLOW_PUT=",
    );
    count += judges(
        &import(&environment, &[], &[]).unwrap(),
        "
        + GET /info
        + GET /version
        + GET /v1.41/version
        - GET /v1.41/info
        + POST /x/web/start
        - PUT /x/web/start
        - DELETE /info
        ",
    );
    // An argument replaces the variables of its method alone.
    count += judges(
        &import(
            &environment,
            &arguments(&["--allowGET=/a", "--allowGET=/b"]),
            &[],
        )
        .unwrap(),
        "
        + GET /a
        + GET /b
        - GET /info
        - GET /version
        + POST /x/web/start
        ",
    );
    assert!(count >= 40, "{count}");
    judges(&by_arguments(&[]), "- GET /_ping");
}

/// Before 1.12.0 the last argument alone counted: the rules are wider than such a proxy was.
#[test]
fn several_regexes_for_a_method_are_told() {
    let of = |variables: &[Variable], given: &[&str]| {
        import(variables, &arguments(given), &[]).unwrap().notes
    };
    let behind = ": all of these count, as from version 1.12.0 on; before, the last of equal arguments alone \
                  did, and no variable with a number";
    assert_eq!(
        of(&[], &["-allowGET=/a", "-allowPOST=/a", "-allowGET=/b"]),
        [format!("-allowGET, -allowGET{behind}")]
    );
    let numbered = variables("SP_ALLOW_GET=/a SP_ALLOW_GET_1=/b SP_ALLOW_HEAD=/a");
    assert_eq!(
        of(&numbered, &[]),
        [format!("SP_ALLOW_GET, SP_ALLOW_GET_1{behind}")]
    );
    assert_eq!(of(&numbered, &["-allowGET=/c", "-allowPOST=/a"]), [""; 0]);
}

#[test]
fn labels_of_a_client_replace_the_rules() {
    let labels = variables("socket-proxy.allow.get=/info socket-proxy.allow.get.1=/_ping other=x");
    let both = import(&[], &arguments(&["-allowGET=/version"]), &labels).unwrap();
    judges(&both, "+ GET /info\n+ GET /_ping\n- GET /version");
    assert_eq!(both.left_out, [""; 0]);
    let labels = variables("socket-proxy.allow.bindmountfrom=/srv socket-proxy.allow.gets=/x");
    let odd = import(&[], &[], &labels).unwrap();
    assert_eq!(odd.left_out.len(), 2, "{:?}", odd.left_out);
}

#[test]
fn settings_beside_the_regexes() {
    let local = "--proxy-socket tcp://127.0.0.1:2375 --allow-from 127.0.0.0/8";
    for (all, expected) in [
        (
            &[][..],
            "--proxy-socket tcp://127.0.0.1:2375 --allow-from 127.0.0.1/32".to_owned(),
        ),
        (
            &["-allowfrom=127.0.0.1/8", "-loglevel=debug"],
            format!("{local} --debug"),
        ),
        (
            &[
                "-listenip=::",
                "-proxyport=1",
                "-allowfrom=fd00::1/8,10.0.0.7",
            ],
            "--proxy-socket tcp://[::]:1 --allow-from fd00::/8 --allow-from 10.0.0.7".to_owned(),
        ),
        (
            &["-listenip=0.0.0.0", "-allowfrom=0.0.0.0/0"],
            "--proxy-socket tcp://0.0.0.0:2375 --insecure-tcp".to_owned(),
        ),
        (
            &[
                "-proxysocketendpoint=/run/x.sock",
                "-shutdowngracetime=5",
                "-socketpath=/run/e.sock",
            ],
            "--proxy-socket /run/x.sock --socket-mode 0600 --docker-socket /run/e.sock \
             --shutdown-grace 5s"
                .to_owned(),
        ),
        (
            &[
                "-proxysocketendpoint=/x",
                "-proxysocketendpointfilemode=0660",
                "-logjson",
            ],
            "--proxy-socket /x --socket-mode 0660 --access-log stdout --log-format json".to_owned(),
        ),
    ] {
        let imported = by_arguments(all);
        assert_eq!(options(&imported), expected, "{all:?}");
        assert_eq!(imported.left_out, [""; 0], "{all:?}");
    }
    let octal = variables("SP_PROXYSOCKETENDPOINT=/x SP_PROXYSOCKETENDPOINTFILEMODE=660");
    let expected = "--proxy-socket /x --socket-mode 0660";
    assert_eq!(options(&import(&octal, &[], &[]).unwrap()), expected);
}

#[test]
fn what_is_not_translated_is_named() {
    for (all, expected) in [
        (&["-allowfrom=traefik"][..], "allowfrom traefik: "),
        (
            &["-allowbindmountfrom=/home"],
            "-allowbindmountfrom=/home: rules do not look into bodies",
        ),
        (&["-watchdoginterval=60"], "-watchdoginterval=60: "),
        (&["-stoponwatchdog"], "-stoponwatchdog=true: "),
        (&["-allowhealthcheck"], "-allowhealthcheck=true: "),
        (&["-proxycontainername=p"], "-proxycontainername=p: "),
        (
            &["-allowTRACE=.*"],
            "-allowTRACE=.*: no engine serves this method",
        ),
        (
            &["-allowGET=/a(?i)b|/c"],
            "-allowGET=/a(?i)b|/c: flags such as",
        ),
        (&["-allowGET=/a)"], "-allowGET=/a): `)` closes no group"),
        (
            &["-allowGET=/a\nPOST /b"],
            r"-allowGET=/a\nPOST /b: a rule is one line",
        ),
    ] {
        let imported = by_arguments(all);
        let left_out = &imported.left_out;
        assert_eq!(left_out.len(), 1, "{left_out:?}");
        assert!(left_out[0].starts_with(expected), "{left_out:?}");
        judges(&imported, "- POST /b\n- GET /c");
    }
    for (all, expected) in [
        (&["-nope"][..], "-nope: the program has no such option"),
        (&["allowGET"], "allowGET: not an option"),
        (&["-allowGET"], "-allowGET: the value is missing"),
        (&["-proxyport=x"], "-proxyport=x: not a number"),
        (
            &["-proxyport=70000"],
            "listenip 127.0.0.1 and proxyport 70000: no address",
        ),
        (&["-logjson=yes"], "-logjson=yes: neither true nor false"),
        (
            &[
                "-proxysocketendpoint=/x",
                "-proxysocketendpointfilemode=660",
            ],
            "-proxysocketendpointfilemode=660: no mode",
        ),
    ] {
        let error = import(&[], &arguments(all), &[]).unwrap_err().to_string();
        assert!(
            error.starts_with(expected) && error.contains("\nhelp: "),
            "{error}"
        );
    }
}

#[test]
fn names_of_variables() {
    for (name, known) in [
        ("SP_ALLOW_GET", true),
        ("SP_ALLOW_POST_12", true),
        ("SP_ALLOWFROM", true),
        ("SP_LISTENIP", true),
        ("SP_ALLOW_ALL", false),
        ("SP_HOME", false),
        ("ALLOW_GET", false),
    ] {
        assert_eq!(is_variable(name), known, "{name}");
    }
}
