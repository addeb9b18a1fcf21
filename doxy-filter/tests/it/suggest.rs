//! The rule that is suggested for an endpoint allows all of it, and nothing else.

use std::sync::LazyLock;

use doxy_filter::api::{Endpoint, endpoint_of, endpoints, suggest};
use doxy_filter::{Request, RuleSet, Verdict, canonical_path};
use proptest::prelude::*;

use crate::endpoints::{example, version_of};
use crate::router;

static SUGGESTED: LazyLock<Vec<(&'static Endpoint, RuleSet)>> = LazyLock::new(|| {
    let rules = |endpoint| RuleSet::parse("suggested", suggest(endpoint).as_bytes()).unwrap();
    endpoints().map(|it| (it, rules(it))).collect()
});

fn allows(rules: &RuleSet, method: &str, path: &str) -> bool {
    let request = Request {
        method,
        path,
        query: None,
    };
    matches!(rules.decide(&request), Verdict::Allow(_))
}

/// Whether the rule for an endpoint may allow a request: one of its own, or what GET brings along.
fn is_own(endpoint: &Endpoint, method: &str, path: &str) -> bool {
    let same = |method| endpoint_of(method, path).is_some_and(|it| std::ptr::eq(it, endpoint));
    same(method) || (method == "HEAD" && same("GET"))
}

#[test]
fn the_rules_are_as_one_would_write_them() {
    for (method, template, rule) in [
        ("GET", "/info", r"GET (/v[\d.]+)?/info"),
        (
            "POST",
            "/containers/{name:.*}/start",
            r"POST (/v[\d.]+)?/containers/[^/]+/start",
        ),
        (
            "DELETE",
            "/containers/{name}/checkpoints/{checkpoint}",
            r"DELETE (/v[\d.]+)?/containers/[^/]+/checkpoints/[^/]+",
        ),
        (
            "GET",
            "/images/{name:.*}/json",
            r"GET (/v[\d.]+)?/images/.+/json",
        ),
        ("HEAD", "/_ping", r"HEAD (/v[\d.]+)?/_ping"),
        ("OPTIONS", "/{anyroute:.*}", r"OPTIONS (/v[\d.]+)?/.*"),
        (
            "GET",
            "/libpod/pods/{name}/top",
            r"GET /v\d[\w.-]*/libpod/pods/[^/]+/top",
        ),
        (
            "POST",
            "/libpod/manifests/{name:.*}",
            r"POST /v[4-9][\w.-]*/libpod/manifests/[^/]+",
        ),
    ] {
        let mut all = endpoints();
        let endpoint = all.find(|it| it.method == method && it.template == template);
        assert_eq!(endpoint.map(suggest).as_deref(), Some(rule));
    }
}

#[test]
fn a_rule_allows_its_endpoint_in_every_version_and_for_usual_names() {
    let names = [
        "web",
        "my-app_1.2",
        "0123456789ab",
        "json2",
        "remov",
        "removes",
        "sh",
    ];
    for (endpoint, rules) in &*SUGGESTED {
        for name in names {
            let path = example(endpoint.template, name);
            for version in ["", "/v1.41", "/v1.100", "/v5.8.0-dev", version_of(endpoint)] {
                let path = format!("{version}{path}");
                let own = is_own(endpoint, endpoint.method, &path);
                let allowed = allows(rules, endpoint.method, &path);
                assert_eq!(allowed, own, "{} {path}", suggest(endpoint));
            }
        }
    }
}

#[test]
fn a_rule_reaches_no_other_endpoint_with_names_that_look_like_endpoints() {
    let mut words: Vec<_> = endpoints().flat_map(|it| it.template.split('/')).collect();
    words.retain(|word| !word.is_empty() && !word.contains('{'));
    words.sort_unstable();
    words.dedup();
    let mut names: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    names.extend(words.iter().map(|word| format!("{word}/x")));
    names.extend(words.iter().map(|word| format!("x/{word}/y")));
    names.extend(["a/b/c".to_owned(), "x/checkpoints/y".to_owned()]);
    let folder = |it: &Endpoint| {
        it.template
            .split('/')
            .find(|word| !["", "libpod"].contains(word))
    };
    let mut asked = 0;
    for other in endpoints().filter(|it| it.template.contains('{')) {
        for name in &names {
            let path = version_of(other).to_owned() + &example(other.template, name);
            let Ok(path) = canonical_path(&path) else {
                continue;
            };
            for (endpoint, rules) in &*SUGGESTED {
                let brought = (endpoint.method, other.method) == ("GET", "HEAD");
                if folder(endpoint) != folder(other)
                    || (endpoint.method != other.method && !brought)
                {
                    continue;
                }
                asked += 1;
                let wrong =
                    allows(rules, other.method, &path) && !is_own(endpoint, other.method, &path);
                assert!(
                    !wrong,
                    "{} allows {} {path}",
                    suggest(endpoint),
                    other.method
                );
            }
        }
    }
    assert!(asked > 100_000, "{asked}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_reaches_no_other_endpoint(path in router::path()) {
        let Ok(path) = canonical_path(&path) else {
            return Ok(());
        };
        for (endpoint, rules) in &*SUGGESTED {
            for method in [endpoint.method, "HEAD"] {
                // A path at which no engine serves anything opens nothing.
                let served = endpoint_of(method, &path).is_some();
                let wrong = served && allows(rules, method, &path) && !is_own(endpoint, method, &path);
                prop_assert!(!wrong, "{} allows {} {}", suggest(endpoint), method, path);
            }
        }
    }
}
