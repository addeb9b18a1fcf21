//! What recorded requests become: a pattern file that allows them, and no other endpoint.

use std::collections::BTreeSet;

use doxy_filter::api::{Risk, endpoint_of, endpoints};
use doxy_filter::{Learned, Request, RuleSet, Verdict, canonical_path};
use proptest::prelude::*;

use crate::endpoints::{example, version_of};
use crate::router;

/// What the docker CLI 28 asks for `docker ps` and `docker inspect web`.
const PS_AND_INSPECT: [(&str, &str); 4] = [
    ("HEAD", "/_ping"),
    ("GET", "/v1.51/containers/json"),
    ("HEAD", "/_ping"),
    ("GET", "/v1.51/containers/web/json"),
];

fn learned<'a>(requests: impl IntoIterator<Item = (&'a str, &'a str)>) -> Learned {
    let mut learned = Learned::default();
    for (method, path) in requests {
        learned.note(method, path, false);
    }
    learned
}

/// The file in which every risk is accepted.
fn whole(learned: &Learned) -> String {
    learned.pattern_file(&Risk::ALL).text
}

fn allows(rules: &RuleSet, method: &str, path: &str) -> bool {
    let request = Request {
        method,
        path,
        query: None,
    };
    matches!(rules.decide(&request), Verdict::Allow(_))
}

#[test]
fn docker_ps_and_inspect_open_their_own_endpoints_and_no_other() {
    let text = whole(&learned(PS_AND_INSPECT));
    let rules = RuleSet::parse("learned", text.as_bytes()).unwrap();
    let mut own = BTreeSet::new();
    for (method, path) in PS_AND_INSPECT {
        assert!(allows(&rules, method, path), "{method} {path}\n{text}");
        own.insert((method, endpoint_of(method, path).unwrap().template));
    }
    let mut denied = 0;
    for endpoint in endpoints() {
        for name in ["web", "json", "a/b", "create", "prune"] {
            for version in ["", "/v1.41", version_of(endpoint)] {
                let path = format!("{version}{}", example(endpoint.template, name));
                let Some(served) = endpoint_of(endpoint.method, &path) else {
                    continue;
                };
                let expected = own.contains(&(served.method, served.template));
                let allowed = allows(&rules, endpoint.method, &path);
                // A name that no container has is not opened either.
                assert!(expected || !allowed, "{} {path}\n{text}", endpoint.method);
                denied += usize::from(!allowed);
            }
        }
    }
    assert!(denied > 2000, "{denied}");
    for (method, path) in [("HEAD", "/v1.41/containers/web/archive"), ("GET", "/_ping")] {
        assert!(!allows(&rules, method, path), "{method} {path}\n{text}");
    }
}

#[test]
fn a_file_as_it_is_written() {
    let requests = [
        ("GET", "/_ping"),
        ("GET", "/v1.41/containers/json"),
        ("GET", "/v1.51/containers/web/json"),
        ("POST", "/v1.51/containers/create"),
        ("GET", "/v1.51/images/quay.io/team/app:1.0@sha256:00/json"),
        ("DELETE", "/v1.51/networks/my-net"),
        ("DELETE", "/v1.51/containers/a/b+c"),
        ("GET", "/robots.txt"),
        ("BREW", "/containers/json"),
    ];
    let file = learned(requests).pattern_file(&[Risk::Secrets]);
    let expected = r"# Learned by doxy: what was seen, for any name, id and digest, in any version of the API.
# A rule knows neither the query nor the body of a request. Where these matter, use a script.

# harmless
GET (/v[\d.]+)?/_ping
# GET brings HEAD along, which is an endpoint of its own and was not learned:
!HEAD (/v[\d.]+)?/_ping

# dos, info, with any query (all, limit, size, filters, since, before)
GET (/v[\d.]+)?/containers/json

# state, dos, with any query (v, link, force)
DELETE (/v[\d.]+)?/containers/a/b\+c

# secrets, info, with any query (size)
GET (/v[\d.]+)?/containers/[^/]+/json

# secrets, info, with any query (manifests, platform)
GET (/v[\d.]+)?/images/.+/json

# state, dos
DELETE (/v[\d.]+)?/networks/[^/]+

# Seen, and not allowed: decide about each. To allow one, remove the `#` in front of its rule, or learn
# again with --accept-risk and its classes.
#
# Not allowed, for it opens host-root, exec, files-out, files-in:
# POST (/v[\d.]+)?/containers/create

# Seen, and no endpoint of the engine:
#   BREW /containers/json
#   GET /robots.txt
";
    assert_eq!(file.text, expected);
    assert_eq!(file.allowed.len(), 6);
    let withheld: Vec<_> = file
        .withheld
        .iter()
        .map(|it| it.endpoint.template)
        .collect();
    assert_eq!(withheld, ["/containers/create"]);
}

#[test]
fn the_same_requests_give_the_same_file_in_any_order() {
    let text = whole(&learned(PS_AND_INSPECT));
    assert_eq!(whole(&learned(PS_AND_INSPECT.into_iter().rev())), text);
    let twice = PS_AND_INSPECT.into_iter().chain(PS_AND_INSPECT);
    assert_eq!(whole(&learned(twice)), text);
    // Another name, id or version is the same request.
    let others = [
        ("HEAD", "/v1.24/_ping"),
        ("GET", "/containers/json"),
        ("GET", "/v1.41/containers/0123456789ab/json"),
    ];
    assert_eq!(whole(&learned(others)), text);
}

#[test]
fn an_existing_name_that_a_rule_leaves_out_gets_a_rule_of_its_own() {
    for (method, path) in [
        ("DELETE", "/v5.0/libpod/images/remove/x"),
        ("POST", "/v5.0/libpod/manifests/quay.io/a/b"),
        ("GET", "/v1.41/containers/a/b/json"),
        ("GET", "/containers/a b#|(é\u{202e}/archive"),
    ] {
        let text = whole(&learned([(method, path)]));
        let rules = RuleSet::parse("learned", text.as_bytes()).unwrap();
        assert!(allows(&rules, method, path), "{text}");
        let head = endpoint_of("HEAD", path).is_some() && allows(&rules, "HEAD", path);
        assert!(!head, "{text}");
        assert!(
            text.chars()
                .all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic())
        );
    }
}

#[test]
fn only_what_is_accepted_becomes_a_rule() {
    let requests = [
        ("GET", "/containers/web/json"),
        ("POST", "/containers/web/exec"),
        ("GET", "/containers/web/archive"),
        ("GET", "/info"),
    ];
    let learned = learned(requests);
    for (accepted, expected) in [
        (&[][..], &["/info"][..]),
        (&[Risk::Secrets], &["/info", "/containers/web/json"]),
        (&[Risk::Exec, Risk::HostRoot], &["/info"]),
        (
            &[Risk::Exec, Risk::HostRoot, Risk::Secrets],
            &["/info", "/containers/web/json", "/containers/web/exec"],
        ),
    ] {
        let file = learned.pattern_file(accepted);
        let rules = RuleSet::parse("learned", file.text.as_bytes()).unwrap();
        for (method, path) in requests {
            let allowed = expected.contains(&path);
            assert_eq!(
                allows(&rules, method, path),
                allowed,
                "{path}\n{}",
                file.text
            );
        }
        assert_eq!(file.allowed.len(), expected.len());
    }
}

#[test]
fn what_a_policy_denied_is_not_learned_against_it() {
    let mut learned = learned([("GET", "/info"), ("GET", "/containers/web/logs")]);
    // A rule for any name would open what the policy kept closed.
    learned.note("GET", "/volumes/mine", false);
    learned.note("GET", "/volumes/others", true);
    let file = learned.pattern_file(&Risk::ALL);
    let rules = RuleSet::parse("learned", file.text.as_bytes()).unwrap();
    for (path, allowed) in [
        ("/info", true),
        ("/containers/web/logs", true),
        ("/volumes/mine", false),
        ("/volumes/others", false),
    ] {
        assert_eq!(
            allows(&rules, "GET", path),
            allowed,
            "{path}\n{}",
            file.text
        );
    }
    assert!(file.text.contains("denied such a request"), "{}", file.text);
}

#[test]
fn a_file_without_a_rule_says_so() {
    for requests in [
        &[][..],
        &[("GET", "/containers/web/export"), ("GET", "/nothing")],
    ] {
        let text = learned(requests.iter().copied()).pattern_file(&[]).text;
        assert!(text.contains("There is no rule yet"), "{text}");
        assert!(
            RuleSet::parse("learned", text.as_bytes()).is_err(),
            "{text}"
        );
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut learned = Learned::default();
    for count in 0..10_000 {
        learned.note("GET", &format!("/nothing/{count}"), false);
        learned.note("GET", &format!("/containers/a/{count}/json"), false);
    }
    let text = whole(&learned);
    assert!(text.len() < 10_000, "{}", text.len());
    assert!(
        text.contains("and more of them") && text.contains("And more such names"),
        "{text}"
    );
    assert_eq!((learned.requests(), learned.strangers()), (20_000, 10_000));
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn requests(most: usize) -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let methods: Vec<_> = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"].into();
    prop::collection::vec((prop::sample::select(methods), router::path()), 0..most)
}

/// The canonical ones.
fn canonical(requests: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let requests = requests.iter().filter_map(|(method, path)| {
        let path = canonical_path(path).ok()?;
        Some((*method, path.into_owned()))
    });
    requests.collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_recorded_request_is_allowed_and_no_other_endpoint(
        recorded in requests(8),
        asked in requests(64),
    ) {
        let recorded = canonical(&recorded);
        let text = whole(&learned(recorded.iter().map(|(method, path)| (*method, &**path))));
        let endpoints: Vec<_> = recorded.iter().filter_map(|it| endpoint_of(it.0, &it.1)).collect();
        let Ok(rules) = RuleSet::parse("learned", text.as_bytes()) else {
            prop_assert!(endpoints.is_empty(), "{}", text);
            return Ok(());
        };
        for (method, path) in &recorded {
            let served = endpoint_of(method, path).is_some();
            prop_assert!(!served || allows(&rules, method, path), "{} {}\n{}", method, path, text);
        }
        for (method, path) in canonical(&asked).iter().chain(&recorded) {
            for method in [*method, "HEAD"] {
                let Some(served) = endpoint_of(method, path) else { continue };
                let own = endpoints.iter().any(|it| std::ptr::eq(*it, served));
                prop_assert!(own || !allows(&rules, method, path), "{} {}\n{}", method, path, text);
            }
        }
    }

    #[test]
    fn what_a_client_sends_is_one_line_of_a_comment(
        strangers in prop::collection::vec((any::<String>(), any::<String>()), 1..20),
    ) {
        let strangers: Vec<_> = strangers
            .iter()
            .map(|(method, path)| (&**method, &**path))
            .filter(|(method, path)| endpoint_of(method, path).is_none())
            .collect();
        let text = whole(&learned(strangers));
        for line in text.lines() {
            prop_assert!(line.is_empty() || line.starts_with('#'), "{:?}", line);
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
    }
}
