//! The paths at which engines serve an endpoint, as patterns.
//!
//! It says the same as the classifier of the table, which tests ensure. It must never know a rule.

use regex_syntax::hir::Hir;

use super::pattern;
use crate::api::{Api, Endpoint, has_long_names, surroundings};

/// Which paths of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All at which some engine serves it, if no endpoint before it in the table takes them.
    All,
    /// Those that clients ask for: names that objects can have, and versions that there are.
    Usual,
}

/// The name of a container, a volume, a network; the engine accepts no other. They have at least two
/// characters.
const NAME: &str = "[0-9A-Za-z][0-9A-Za-z_.-]+";
/// A name of an image, a plugin or an artifact: registry, port, folders, tag, digest, or an id.
const LONG_NAME: &str = "[0-9A-Za-z][0-9A-Za-z_.-]*(?::[0-9]+)?(?:/[0-9A-Za-z][0-9A-Za-z_.-]*)*\
                         (?::[0-9A-Za-z_][0-9A-Za-z_.-]*)?(?:@[0-9A-Za-z]+:[0-9a-f]+)?";
/// The id of a command that runs in a container. It has no name.
const EXEC_ID: &str = "[0-9a-f]+";

/// A pattern for whole paths at which this endpoint is served. `None` if it is not one, which no row
/// of the table leads to.
pub(super) fn paths_of(endpoint: &Endpoint, extent: Extent) -> Option<Hir> {
    let (group, _) = surroundings(endpoint);
    let Some(group) = group else {
        return whole("/.*"); // the endpoint for any path
    };
    let first = group.versions;
    let usual = extent == Extent::Usual;
    let version = match (endpoint.api, usual) {
        (Api::Docker, false) => r"/v[0-9.]+".to_owned(),
        (Api::Docker, true) => r"/v1\.[0-9]+".to_owned(),
        (Api::Libpod, false) => format!("/v[{first}][0-9A-Za-z.-]*"),
        (Api::Libpod, true) => format!(r"/v[{first}]\.[0-9]+\.[0-9]+"),
    };
    let optional = endpoint.api == Api::Docker || group.serves("");
    let mut text = format!("(?:{version}){}", if optional { "?" } else { "" });
    let mut rest = endpoint.template;
    while let Some((before, names)) = rest.split_once('{') {
        let (name, behind) = names.split_once('}')?;
        text.push_str(&regex_syntax::escape(before));
        text.push_str(match name.split_once(':') {
            _ if usual && group.folder == "exec" => EXEC_ID,
            Some(_) if usual && has_long_names(group) => LONG_NAME,
            _ if usual => NAME,
            Some((_, pattern)) => pattern,
            None => "[^/]+",
        });
        rest = behind;
    }
    text.push_str(&regex_syntax::escape(rest));
    whole(&text)
}

/// The paths at which the engine serves any of these endpoints.
pub(super) fn any_of(endpoints: impl Iterator<Item = &'static Endpoint>) -> Hir {
    let paths = endpoints.filter_map(|endpoint| paths_of(endpoint, Extent::All));
    Hir::alternation(paths.collect())
}

fn whole(text: &str) -> Option<Hir> {
    regex_syntax::parse(text).ok().map(pattern::whole)
}

/// A path at which the engine serves this endpoint, without a version, for an object of this name.
pub(super) fn path_at(endpoint: &Endpoint, name: &str) -> String {
    let mut path = String::new();
    for piece in endpoint.template.split('{') {
        match piece.split_once('}') {
            Some((_, text)) => {
                path.push_str(name);
                path.push_str(text);
            }
            None => path.push_str(piece),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

    use super::{Extent, path_at, paths_of};
    use crate::api::{self, Api, surroundings};
    use crate::path::canonical_path;
    use crate::rules::reach::Language;

    /// Otherwise the quick look for lints finds nothing, and each rule costs a walk.
    #[test]
    fn every_endpoint_serves_its_path() {
        for endpoint in api::endpoints().filter(|it| it.api == Api::Docker) {
            let path = format!("/v1.41{}", path_at(endpoint, "x"));
            let served = api::endpoint_of(endpoint.method, &path);
            assert!(served.is_some(), "{} {path}", endpoint.method);
        }
    }

    #[test]
    fn the_patterns_say_what_the_classifier_says() {
        let versions = [
            "",
            "/v1.41",
            "/v1.",
            "/v.",
            "/v",
            "/v5.0.0",
            "/v3.4.0",
            "/v4",
            "/v5.0.0-dev",
            "/v1x",
            "/x",
        ];
        let names = [
            "x",
            "ab",
            "a/b",
            "json",
            "create",
            "checkpoints",
            "a/checkpoints/b",
            "scp",
            "scp/a",
            "a/registry/b",
            "a.b-c_1",
            "",
            "é",
            "remove",
            "-a",
            "quay.io:5000/a/b:1@sha256:0f",
        ];
        let mut found = 0;
        for endpoint in api::endpoints() {
            let (_, before) = surroundings(endpoint);
            let language = |endpoint, extent| Language::of(&paths_of(endpoint, extent).unwrap());
            let mut own = language(endpoint, Extent::All).unwrap();
            let mut usual = language(endpoint, Extent::Usual).unwrap();
            let others = before.iter().map(|it| language(it, Extent::All).unwrap());
            let mut others: Vec<_> = others.collect();
            for version in versions {
                for name in names {
                    let path = path_at(endpoint, name);
                    let path = format!("{version}{path}");
                    if canonical_path(&path).as_deref() != Ok(&*path) {
                        continue;
                    }
                    let served = api::endpoint_of(endpoint.method, &path);
                    let served = served.is_some_and(|it| std::ptr::eq(it, endpoint));
                    let taken = others.iter_mut().any(|it| it.has(&path).unwrap());
                    let says = own.has(&path).unwrap() && !taken;
                    assert_eq!(says, served, "{} {path}", endpoint.method);
                    // What clients ask for is a part of it.
                    let asked = usual.has(&path).unwrap() && !taken;
                    assert!(!asked || served, "{} {path}", endpoint.method);
                    found += usize::from(asked);
                }
            }
        }
        assert!(found > 500, "{found}");
    }

    #[test]
    fn what_clients_ask_for() {
        let template = |method: &str, template: &str| {
            let mut all = api::endpoints();
            all.find(|it| it.method == method && it.template == template)
                .unwrap()
        };
        for (endpoint, usual, unusual) in [
            (
                template("GET", "/containers/{name:.*}/json"),
                &["/containers/web-1.x/json", "/v1.24/containers/0f/json"][..],
                &[
                    "/containers/a/b/json",
                    "/containers/é/json",
                    "/containers/-x/json",
                    "/v1/containers/web/json",
                    "/v1.41.1/containers/web/json",
                ][..],
            ),
            (
                template("GET", "/images/{name:.*}/json"),
                &[
                    "/images/a/json",
                    "/images/library/nginx/json",
                    "/images/localhost:5000/a/b:v1.0/json",
                    "/v1.51/images/sha256:0f1e/json",
                    "/images/a@sha256:0f1e/json",
                ],
                &["/images/a:b:c/json", "/images/a/:x/json", "/images/_/json"],
            ),
            (
                template("POST", "/exec/{name:.*}/start"),
                &["/exec/0f/start"],
                &["/exec/web/start"],
            ),
            (
                template("GET", "/libpod/pods/{name}/json"),
                &["/v5.8.0/libpod/pods/web/json"],
                &["/libpod/pods/web/json", "/v5/libpod/pods/web/json"],
            ),
        ] {
            let mut language = Language::of(&paths_of(endpoint, Extent::Usual).unwrap()).unwrap();
            for path in usual {
                assert_eq!(language.has(path), Some(true), "{path}");
            }
            for path in unusual {
                assert_eq!(language.has(path), Some(false), "{path}");
            }
        }
    }
}
