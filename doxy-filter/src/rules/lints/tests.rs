#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test is meant to panic"
)]

use crate::rules::{DEFAULT_PATTERNS, RuleSet, RuleText};

fn check(text: &str) -> Vec<String> {
    let text = RuleText {
        source: "f",
        first_line: 1,
        text: text.as_bytes(),
    };
    let (_, warnings) = RuleSet::check(&[text]).unwrap();
    warnings.iter().map(ToString::to_string).collect()
}

/// A start says none of it.
fn at_start(text: &str) -> Vec<String> {
    let (_, warnings) = RuleSet::parse_with_warnings("f", text.as_bytes()).unwrap();
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn rules_that_others_cover() {
    const V: &str = r"(/v[\d.]+)?";
    for (text, expected) in [
        (
            format!("{V}/info\n{V}/(info|version)"),
            "f:1:1: covered by the rule in line 2, which matches all of it and more; remove it, or make \
             the other rule narrower",
        ),
        (
            format!("{V}/(_ping|info)\nHEAD {V}/_ping"),
            "f:2:6: covered by the rule in line 1, which matches all of it and more",
        ),
        (
            format!("{V}/networks/?\n{V}/networks(/)?\n"),
            "f:2:1: matches the same paths as the rule in line 1; remove one of them",
        ),
        (
            format!("{V}/info\n!{V}/(info|version)"),
            "f:1:1: never allows anything: the `!` rule in line 2 denies all of it",
        ),
        (
            format!("{V}/info\n!{V}/swarm\n!{V}/swarm(/.*)?"),
            "f:2:2: covered by the rule in line 3",
        ),
    ] {
        let found = check(&text);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{text}: {found:?}"
        );
        assert_eq!(at_start(&text), [""; 0], "{text}");
    }
    for text in [
        // Other methods, a `!` rule within a rule, and rules that only overlap.
        format!("{V}/info\nPOST {V}/info|{V}/containers/[^/]+/stop"),
        format!("{V}/services(/[^/]+)?\n!{V}/services/secret"),
        format!("{V}/(info|version)\n{V}/(version|events)"),
        format!("POST {V}/containers/[^/]+/(stop|kill)\n* {V}/containers/[^/]+/kill"),
    ] {
        let covered = check(&text).into_iter().filter(|it| it.contains("covered"));
        assert_eq!(covered.collect::<Vec<_>>(), [""; 0], "{text}");
    }
}

#[test]
fn names_with_a_dot_or_a_dash() {
    for (text, expected) in [
        (
            r"(/v[\d.]+)?/containers/\w+/json",
            Some(
                "f:1:1: matches no names that contain `.` or `-`, such as `/containers/web.7q/json`; \
                  write `[^/]+` for a name",
            ),
        ),
        (
            r"(/v[\d.]+)?/containers/[\w-]+/json",
            Some("f:1:1: matches no names that contain `.`, such as"),
        ),
        (
            r"POST /v[\d.]+/containers/[\w.]+/stop|POST|(/v[\d.]+)?/containers/[\w.]+/stop",
            Some("f:1:6: matches no names that contain `-`, such as `/containers/web-7q/stop`"),
        ),
        (
            "/v1\\.41/volumes/[a-z0-9]+",
            Some(
                "f:1:1: matches no names that contain `.` or `-`, such as `/v1.41/volumes/web.7q`",
            ),
        ),
        (
            "* (/v[\\d.]+)?/containers/[^/]+/json\n!(/v[\\d.]+)?/containers/\\w+/json",
            Some(
                "f:2:2: does not deny names that contain `.` or `-`: `/containers/web.7q/json` stays open",
            ),
        ),
        (r"(/v[\d.]+)?/containers/[\w.-]+/json", None),
        (r"(/v[\d.]+)?/containers/[^/]+/json", None),
        // One container, a list of them, and ids: no name is left out.
        (r"(/v[\d.]+)?/containers/web/json", None),
        (r"(/v[\d.]+)?/containers/(web7|db)/json", None),
        (r"(/v[\d.]+)?/services/[0-9a-f]+", None),
        (r"POST (/v[\d.]+)?/exec/\w+/resize", None),
        (r"(/v[\d.]+)?/tasks/\w+", None),
        // Another rule has them.
        (
            "(/v[\\d.]+)?/containers/\\w+/json\n(/v[\\d.]+)?/containers/\\w[\\w.-]*\\w/json",
            None,
        ),
    ] {
        let found = check(text);
        let mut found = found.iter().filter(|it| it.contains("names that contain"));
        match expected {
            Some(expected) => {
                let first = found.next().unwrap_or_else(|| panic!("{text}"));
                assert!(first.starts_with(expected), "{text}: {first}");
                assert_eq!(found.next(), None, "{text}");
            }
            None => assert_eq!(found.next(), None, "{text}"),
        }
    }
}

#[test]
fn the_optional_version() {
    for (text, expected) in [
        (
            "/info",
            Some("f:1:1: matches no path with a version, and most clients send one"),
        ),
        (
            r"POST /containers/[^/]+/stop",
            Some("f:1:6: matches no path with a version"),
        ),
        (
            r"/v[\d.]+/info",
            Some("f:1:1: matches no path without a version, and some clients send none"),
        ),
        (r"(/v[\d.]+)?/info", None),
        ("/info\n/v[\\d.]+/info", None),
        (r"/(v1\.\d+/)?info", None),
        // Clients ping before they know a version; Podman's own endpoints need one.
        ("/_ping", None),
        (r"/v[\d.]+/libpod/info", None),
        ("OPTIONS /info", None),
        ("!/swarm\n(/v[\\d.]+)?/info", None),
    ] {
        let found = check(text);
        let mut found = found
            .iter()
            .filter(|it| it.contains("matches no path with"));
        match expected {
            Some(expected) => {
                let first = found.next().unwrap_or_else(|| panic!("{text}"));
                assert!(first.starts_with(expected), "{text}: {first}");
            }
            None => assert_eq!(found.next(), None, "{text}"),
        }
        let at_start = at_start(text);
        assert!(
            at_start
                .iter()
                .all(|it| !it.contains("matches no path with"))
        );
    }
}

#[test]
fn rules_that_open_what_is_known_to_leak() {
    const V: &str = r"(/v[\d.]+)?";
    for (rule, expected) in [
        (
            "/containers/[^/]+/export",
            "GET /containers/{name:.*}/export (files-out)",
        ),
        (
            "/containers/web/archive",
            "GET /containers/{name:.*}/archive (files-out), HEAD /containers",
        ),
        (
            "HEAD PATH/containers/[^/]+/archive",
            "HEAD /containers/{name:.*}/archive (files-out)",
        ),
        (
            "/containers/[^/]+/attach/ws",
            "GET /containers/{name:.*}/attach/ws (exec)",
        ),
        (
            "/containers/[^/]+/top",
            "GET /containers/{name:.*}/top (ps on the host",
        ),
        (
            "/images(/\\w+)?",
            "GET /images/search (egress), GET /images/get (files-out)",
        ),
        ("/swarm(/.*)?", "GET /swarm/unlockkey (secrets)"),
        (
            "POST PATH/containers/[^/]+/exec",
            "POST /containers/{name:.*}/exec (host-root, exec)",
        ),
        (
            "POST PATH/containers/(create|prune)",
            "POST /containers/create (host-root, exec, files-out)",
        ),
        ("/.*", "GET /containers/{name:.*}/top"),
    ] {
        let rule = match rule.split_once("PATH") {
            Some((methods, path)) => format!("{methods}{V}{path}"),
            None => format!("{V}{rule}"),
        };
        let found = check(&rule);
        let found = found.iter().find(|it| it.contains(": opens "));
        let found = found.unwrap_or_else(|| panic!("{rule}"));
        assert!(
            found.contains(&format!(": opens {expected}")),
            "{rule}: {found}"
        );
        assert!(
            at_start(&rule).iter().all(|it| !it.contains(": opens ")),
            "{rule}"
        );
    }
    for text in [
        format!("{V}/containers(/[^/]+)?/json"),
        format!("{V}/(info|version|events|services|tasks|nodes)"),
        format!("POST {V}/containers/[^/]+/(start|stop|restart)"),
        // What a `!` rule denies is not open.
        format!("{V}/containers/.*\n!.*/(archive|export|attach/ws|top)"),
        format!("!{V}/containers/[^/]+/export\n{V}/info"),
    ] {
        let found = check(&text);
        let opens = found.iter().filter(|it| it.contains(": opens "));
        assert_eq!(opens.collect::<Vec<_>>(), [""; 0], "{text}");
    }
}

/// What the rules of the original doxy have of all this: a start with them says nothing.
#[test]
fn the_default_rules() {
    assert_eq!(at_start(DEFAULT_PATTERNS), [""; 0]);
    let names = "matches no names that contain `.` or `-`, such as ";
    let expected = [
        ("f:7:1: ", names),
        (
            "f:7:1: ",
            "opens GET /containers/{name:.*}/top (ps on the host with the client's arguments);",
        ),
        ("f:14:1: ", names),
        ("f:15:1: ", names),
        ("f:18:1: ", names),
        (
            "f:27:1: ",
            "opens GET /images/search (egress), GET /images/get (files-out);",
        ),
    ];
    let found = check(DEFAULT_PATTERNS);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (place, what)) in found.iter().zip(expected) {
        assert!(found.starts_with(&format!("{place}{what}")), "{found}");
    }
}

/// Five hundred rules of each kind are looked at in a moment, and more are not looked at.
#[test]
fn many_rules() {
    let text: String = (0..600)
        .map(|n| format!("(/v[\\d.]+)?/containers/c{n}(/.*)?/json\n"))
        .collect();
    assert_eq!(check(&text), [""; 0]);
}

/// All errors of all texts, in their order; a start tells the first, and uses no part of the file.
#[test]
fn all_errors_at_once() {
    let text = |source, text: &'static [u8]| RuleText {
        source,
        first_line: 1,
        text,
    };
    let texts = [
        text("a", b"/a)\n/info\nget /b\n/\xff\n"),
        text("b", b"# nothing"),
        text("c", b"!\n/info\n(/c"),
    ];
    let errors = RuleSet::check(&texts).unwrap_err();
    let places: Vec<_> = errors
        .iter()
        .map(|it| (it.source_name.as_str(), it.line, it.column))
        .collect();
    assert_eq!(
        places,
        [
            ("a", 1, 3),
            ("a", 3, 1),
            ("a", 4, 2),
            ("b", 0, 0),
            ("c", 1, 1),
            ("c", 3, 1)
        ]
    );
    assert_eq!(RuleSet::parse_all(&texts).unwrap_err(), errors[0]);
    let long = "x\n".repeat(100_000);
    let long = RuleText {
        source: "f",
        first_line: 1,
        text: long.as_bytes(),
    };
    assert_eq!(RuleSet::check(&[long]).unwrap_err().len(), 100);
}
