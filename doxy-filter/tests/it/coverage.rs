//! Which endpoints rules open.

use std::collections::BTreeMap;

use doxy_filter::api::{endpoint_of, endpoints, suggest};
use doxy_filter::{Access, DEFAULT_PATTERNS, Request, RuleSet, Verdict};
use proptest::prelude::*;

use crate::router;

fn rules(text: &str) -> RuleSet {
    RuleSet::parse("f", text.as_bytes()).unwrap()
}

/// The endpoints that are not denied, and how much of them is open.
fn open(text: &str) -> BTreeMap<String, &'static str> {
    let coverage = rules(text).coverage();
    assert_eq!(coverage.len(), endpoints().count());
    let open = coverage.iter().filter(|it| it.access != Access::Denied);
    open.map(|it| {
        let endpoint = format!("{} {}", it.endpoint.method, it.endpoint.template);
        (endpoint, it.access.name())
    })
    .collect()
}

#[test]
fn what_rules_open() {
    let json = "GET /containers/{name:.*}/json";
    for (text, expected) in [
        (
            r"(/v[\d.]+)?/containers/[^/]+/json",
            &[(json, "allowed")][..],
        ),
        (r"(/v1\.\d+)?/containers/[\w.-]+/json", &[(json, "allowed")]),
        (
            r"^/(v\d\.\d+/)?containers/[a-zA-Z0-9][a-zA-Z0-9_.-]+/json$",
            &[(json, "allowed")],
        ),
        // Names with `.` or `-` are left out.
        (r"(/v[\d.]+)?/containers/\w+/json", &[(json, "partly")]),
        // A version is left out, or its absence.
        (r"/v1.41/containers/[^/]+/json", &[(json, "partly")]),
        (r"/v[\d.]+/containers/[^/]+/json", &[(json, "partly")]),
        (r"/containers/[^/]+/json", &[(json, "partly")]),
        // One name, and all but one.
        ("/containers/vault/json", &[(json, "partly")]),
        (
            "(/v[\\d.]+)?/containers/.+/json\n!.*/containers/vault/json",
            &[(json, "partly")],
        ),
        // Names that no object can have are reached, and still it is not denied.
        ("/containers/a/b/json", &[(json, "partly")]),
        ("/containers/é/json", &[(json, "partly")]),
        ("/v1..4/containers/x/json", &[(json, "partly")]),
        // A rule that denies leaves nothing, or leaves names that no object can have.
        ("/containers/.*\n!.*", &[]),
        ("/containers/[^/]+/json\n!.*/json", &[]),
        (
            "(/v[\\d.]+)?/containers/.*/json\n!.*/containers/[a-zA-Z0-9][\\w.-]*/json",
            &[(json, "partly")],
        ),
        // A rule that denies one method leaves the others.
        (
            "* (/v[\\d.]+)?/_ping\n!HEAD .*",
            &[
                ("GET /_ping", "allowed"),
                ("OPTIONS /{anyroute:.*}", "partly"),
            ],
        ),
        ("HEAD (/v[\\d.]+)?/_ping", &[("HEAD /_ping", "allowed")]),
        // No endpoint.
        ("/containers/json/", &[]),
        ("POST /info", &[]),
        ("/v1x/info", &[]),
        // The endpoint that comes first takes the path.
        (
            r"DELETE (/v[\d.]+)?/containers/.+/checkpoints/.+",
            &[
                ("DELETE /containers/{name:.*}", "partly"),
                (
                    "DELETE /containers/{name}/checkpoints/{checkpoint}",
                    "allowed",
                ),
            ],
        ),
        (
            r"DELETE (/v[\d.]+)?/containers/[^/]+/checkpoints/[^/]+",
            &[(
                "DELETE /containers/{name}/checkpoints/{checkpoint}",
                "allowed",
            )],
        ),
        (
            r"/v5[\d.]+/libpod/networks/json",
            &[("GET /libpod/networks/json", "partly")],
        ),
        (r"/libpod/networks/json", &[]),
        (
            r"/v[\d.]+/libpod/networks/[^/]+",
            &[
                ("GET /libpod/networks/json", "allowed"),
                ("GET /libpod/networks/{name}", "allowed"),
            ],
        ),
        (
            r"POST /v4[\d.]+/libpod/manifests/create",
            &[("POST /libpod/manifests/{name:.*}", "partly")],
        ),
        // Images have slashes in their names, a command has an id.
        (
            r"(/v[\d.]+)?/images/[^/]+/json",
            &[("GET /images/{name:.*}/json", "partly")],
        ),
        (
            r"(/v[\d.]+)?/images/[\w./:@-]+/json",
            &[("GET /images/{name:.*}/json", "allowed")],
        ),
        (
            r"(/v[\d.]+)?/exec/[a-f0-9]+/json",
            &[("GET /exec/{id:.*}/json", "allowed")],
        ),
        ("OPTIONS .*", &[("OPTIONS /{anyroute:.*}", "allowed")]),
    ] {
        let expected = expected
            .iter()
            .map(|(endpoint, access)| ((*endpoint).to_owned(), *access));
        assert_eq!(open(text), expected.collect(), "{text}");
    }
}

#[test]
fn everything_is_all_allowed_and_nothing_all_denied() {
    let all = rules("* .*").coverage();
    assert!(all.iter().all(|it| it.access == Access::Allowed));
    assert!(open("* .*\n!.*").is_empty());
    let read = open(".*");
    let reads = endpoints().filter(|it| ["GET", "HEAD"].contains(&it.method));
    assert_eq!(read.len(), reads.count());
}

/// What the ten patterns of the original open, which their authors may not have seen.
#[test]
fn what_the_default_rules_open() {
    let expected = [
        ("GET /_ping", "partly"),
        ("GET /containers/json", "allowed"),
        ("GET /containers/{name:.*}/json", "partly"),
        ("GET /containers/{name:.*}/stats", "partly"),
        ("GET /containers/{name:.*}/top", "partly"),
        ("GET /images/get", "allowed"),
        ("GET /images/json", "allowed"),
        ("GET /images/search", "allowed"),
        ("GET /info", "allowed"),
        ("GET /networks", "allowed"),
        ("GET /networks/{id:.+}", "partly"),
        ("GET /nodes", "allowed"),
        ("GET /nodes/{id}", "partly"),
        ("GET /services", "allowed"),
        ("GET /services/{id}", "partly"),
        ("GET /tasks", "allowed"),
        ("GET /tasks/{id}", "partly"),
        ("GET /version", "allowed"),
        ("GET /volumes", "allowed"),
        ("GET /volumes/{name:.*}", "partly"),
        ("HEAD /_ping", "partly"),
    ];
    let expected = expected.map(|(endpoint, access)| (endpoint.to_owned(), access));
    assert_eq!(open(DEFAULT_PATTERNS), expected.into());
}

/// On the automata: a suggested rule opens its endpoint and no other, whatever their names.
#[test]
fn a_suggested_rule_opens_all_of_its_endpoint_and_no_other() {
    for endpoint in endpoints() {
        let found = open(&suggest(endpoint));
        let own = format!("{} {}", endpoint.method, endpoint.template);
        // Left out are names that begin like another endpoint (`remove/x` of an image), and slashes in
        // the second of two names.
        let without = [
            "DELETE /libpod/images/{name:.*}",
            "DELETE /libpod/artifacts/{name:.*}",
            "POST /libpod/manifests/{name:.*}",
            "POST /libpod/manifests/{name:.*}/registry/{destination:.*}",
        ]
        .contains(&&*own);
        let access = if without { "partly" } else { "allowed" };
        let mut expected = BTreeMap::from([(own, access)]);
        // GET brings HEAD along.
        let head = |it: &&doxy_filter::api::Endpoint| {
            it.method == "HEAD" && it.template == endpoint.template
        };
        if endpoint.method == "GET"
            && let Some(head) = endpoints().find(head)
        {
            expected.insert(format!("HEAD {}", head.template), "allowed");
        }
        assert_eq!(found, expected, "{}", suggest(endpoint));
    }
}

/// The steps of one walk and of all walks are bounded, so that right answers for many rules say that
/// they are found soon.
#[test]
fn five_hundred_rules_are_looked_at_within_the_bounds() {
    let kinds = ["json", "logs", "stats", "top", "start"];
    let lines = (0..500).map(|n| {
        let kind = kinds[n % kinds.len()];
        let method = if kind == "start" { "POST " } else { "" };
        format!(
            "{method}^/(v\\d\\.\\d+/)?containers/service-{}/{kind}$\n",
            n * 7919
        )
    });
    let found = open(&lines.collect::<String>());
    let expected = kinds.map(|kind| {
        let method = if kind == "start" { "POST" } else { "GET" };
        (format!("{method} /containers/{{name:.*}}/{kind}"), "partly")
    });
    assert_eq!(found, expected.into());
}

/// Five hundred rules that match in many ways at once would take minutes to be followed.
#[test]
fn what_matches_in_many_ways_is_given_up() {
    let lines =
        (0..500).map(|n| format!("(/v[\\d.]+)?/containers/[^/]*-{}-[^/]*/json\n", n * 7919));
    let found = open(&lines.collect::<String>());
    assert_eq!(found.get("GET /containers/{name:.*}/json"), Some(&"partly"));
    assert!(
        found.values().all(|access| *access == "partly"),
        "{found:?}"
    );
}

/// Rules that are slow to look at: the answer may be `partly`, it may not be wrong.
#[test]
fn what_takes_too_long_is_never_denied() {
    let slow = r"(/v[\d.]+)?/containers/[^/]*a[^/]{20}b[^/]{20}/json";
    let found = open(slow);
    assert_eq!(found.get("GET /containers/{name:.*}/json"), Some(&"partly"));
    assert!(
        found.values().all(|access| *access == "partly"),
        "{found:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_request_is_allowed_at_an_endpoint_that_is_denied(
        lines in prop::collection::vec((
            prop::sample::select(&["", "!", "POST ", "!GET ", "* ", "DELETE "][..]),
            prop::sample::select(&[
                r"(/v[\d.]+)?/containers/[^/]+/json", "/containers/.*", r"/(v\d\.\d+/)?images/\w+",
                ".*/json", "/v1.41/.*", ".*a.*", "/libpod/.*", r"/v5[^/]*/libpod/(images|networks)/.*",
                "/networks/.+", ".*checkpoints.*",
            ][..]),
        ), 1..5),
        paths in prop::collection::vec(router::path(), 20),
    ) {
        let text: Vec<_> = lines.iter().map(|(methods, pattern)| format!("{methods}{pattern}")).collect();
        let rules = rules(&text.join("\n"));
        let coverage = rules.coverage();
        for path in &paths {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
                let Some(endpoint) = endpoint_of(method, path) else { continue };
                let it = coverage.iter().find(|it| std::ptr::eq(it.endpoint, endpoint)).unwrap();
                let request = Request { method, path, query: None };
                let allowed = matches!(rules.decide(&request), Verdict::Allow(_));
                prop_assert!(!allowed || it.access != Access::Denied, "{:?} {} {}", &text, method, path);
            }
        }
    }
}
