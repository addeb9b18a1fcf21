//! The classifier, held against the engine's router as one would write it from the templates alone.

use std::sync::LazyLock;

use doxy_filter::api::{Api, Endpoint, endpoint_of, endpoints};
use proptest::prelude::*;
use regex_automata::meta::Regex;

use crate::endpoints::{example, version_of};

/// The router, slow and plain: every template as a pattern of its own, asked in the order of the
/// table.
struct Router(Vec<(Regex, &'static Endpoint)>);

impl Router {
    fn new() -> Self {
        Self(
            endpoints()
                .map(|endpoint| (Self::regex(endpoint), endpoint))
                .collect(),
        )
    }

    fn regex(endpoint: &Endpoint) -> Regex {
        let mut path = String::new();
        let mut rest = endpoint.template;
        while let Some((before, more)) = rest.split_once('{') {
            let (name, behind) = more.split_once('}').unwrap();
            path.push_str(&before.replace('.', r"\."));
            path.push_str(name.split_once(':').map_or("[^/]+", |(_, pattern)| pattern));
            rest = behind;
        }
        path.push_str(rest);
        let lists = "/libpod/manifests/";
        let version = match (endpoint.api, endpoint.method) {
            (Api::Docker, _) => "(?:/v[0-9.]+)?",
            (Api::Libpod, _) if path.ends_with("/_ping") => "(?:/v[0-9][0-9A-Za-z.-]*)?",
            (Api::Libpod, "POST") if version_of(endpoint) == "/v3.4" => "/v[0-3][0-9A-Za-z.-]*",
            (Api::Libpod, "POST" | "PUT") if path.starts_with(lists) => "/v[4-9][0-9A-Za-z.-]*",
            (Api::Libpod, _) => "/v[0-9][0-9A-Za-z.-]*",
        };
        Regex::new(&format!(r"\A{version}{path}\z")).unwrap()
    }

    fn endpoint_of(&self, method: &str, path: &str) -> Option<&'static Endpoint> {
        let found = |(regex, endpoint): &&(Regex, &Endpoint)| {
            endpoint.method == method && regex.is_match(path)
        };
        self.0.iter().find(found).map(|(_, endpoint)| *endpoint)
    }
}

pub(crate) fn path() -> impl Strategy<Value = String> {
    let templates: Vec<_> = endpoints().map(|endpoint| endpoint.template).collect();
    let version = prop::sample::select(
        &[
            "",
            "",
            "/v1.41",
            "/v1.41",
            "/v5.0.0",
            "/v3",
            "/v4.0.0-dev",
            "/v1x",
            "/v.",
            "/v",
            "/libpod",
            "/v10/v1",
        ][..],
    );
    let name = prop_oneof![
        "[a-z0-9]{1,4}",
        prop::sample::select(
            &[
                "",
                "a/b",
                "json",
                "create",
                "checkpoints",
                "a/checkpoints/b",
                "registry",
                "libpod",
                "a/",
                "/",
                "a\nb",
                "\n",
                "é",
                "v1",
                "."
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    let end = prop::sample::select(
        &[
            "",
            "",
            "",
            "/",
            "/json",
            "/x",
            "\n",
            "x",
            "/attach/ws",
            "/push",
        ][..],
    );
    (
        version,
        prop::sample::select(templates),
        name,
        end,
        any::<prop::sample::Index>(),
        0..12_u8,
    )
        .prop_map(|(version, template, name, end, at, cut)| {
            let mut path = version.to_owned() + &example(template, &name) + end;
            // Now and then a character less.
            if cut == 0 {
                let at = at.index(path.chars().count());
                path = path
                    .chars()
                    .enumerate()
                    .filter(|(index, _)| *index != at)
                    .map(|(_, c)| c)
                    .collect();
            }
            path
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_is_classified_as_a_router_of_regexes_would(
        paths in prop::collection::vec(path(), 8),
    ) {
        static ROUTER: LazyLock<Router> = LazyLock::new(Router::new);
        for path in paths {
            // No canonical path has an empty segment; there the router would redirect.
            if path.contains("//") || !path.starts_with('/') {
                continue;
            }
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
                let expected = ROUTER.endpoint_of(method, &path).map(|endpoint| endpoint.template);
                let found = endpoint_of(method, &path).map(|endpoint| endpoint.template);
                prop_assert_eq!(found, expected, "{} {:?}", method, path);
            }
        }
    }
}
