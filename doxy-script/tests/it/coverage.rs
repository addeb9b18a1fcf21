//! How many endpoints of the Docker API a policy opens, as the README and `docs/policies.md` say.

use std::collections::BTreeSet;

use doxy_filter::api::{Api, Endpoint, endpoint_of, endpoints};
use doxy_filter::{DEFAULT_PATTERNS, Request, RuleSet, Verdict, canonical_path};
use doxy_script::Decision;

use crate::policies::{self, Policy};
use crate::readme::page;
use crate::support::Ask;

/// `METHOD TEMPLATE` of each endpoint that is open.
pub(crate) type Open = BTreeSet<String>;

fn docker() -> impl Iterator<Item = &'static Endpoint> {
    endpoints().filter(|endpoint| endpoint.api == Api::Docker)
}

fn spelled(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.method, endpoint.template)
}

/// A path of this endpoint, about an object of this name.
pub(crate) fn sample(endpoint: &Endpoint, name: &str) -> String {
    let mut path = String::new();
    let mut rest = endpoint.template;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(name);
        rest = after.split_once('}').unwrap().1;
    }
    path + rest
}

/// An id, and a name that an object of any kind may have.
pub(crate) const ID: &str = "0a1b2c";

fn opened(allows: impl Fn(&str, &str) -> bool) -> Open {
    docker()
        .filter(|endpoint| allows(endpoint.method, &sample(endpoint, ID)))
        .map(spelled)
        .collect()
}

/// What a policy opens: an endpoint for which it allows a request without a query and a body, about
/// an object that its cases name, or one of its cases.
pub(crate) fn opened_by(policy: &Policy) -> Open {
    let allows = |ask: &Ask| ask.of(&policy.script, policy.rules.as_ref()) == Decision::Allow;
    let cases: Vec<_> = policy.cases().filter(allows).collect();
    let path = |ask: &Ask| {
        canonical_path(ask.target.split('?').next().unwrap())
            .unwrap()
            .into_owned()
    };
    let mut open: Open = cases
        .iter()
        .filter_map(|ask| endpoint_of(&ask.method, &path(ask)))
        .filter(|endpoint| endpoint.api == Api::Docker)
        .map(spelled)
        .collect();
    let names: BTreeSet<_> = cases
        .iter()
        .flat_map(|ask| path(ask).split('/').map(str::to_owned).collect::<Vec<_>>())
        .chain([ID.to_owned()])
        .filter(|name| !name.is_empty())
        .collect();
    let mut peers: Vec<_> = cases.iter().map(|ask| ask.peer.clone()).collect();
    peers.dedup();
    for endpoint in docker() {
        let found = names.iter().any(|name| {
            let ask = Ask::new(endpoint.method, &sample(endpoint, name));
            peers.iter().any(|peer| {
                allows(&Ask {
                    peer: peer.clone(),
                    ..ask.clone()
                })
            })
        });
        if found {
            open.insert(spelled(endpoint));
        }
    }
    open
}

/// What `haproxy.cfg` of Tecnativa's docker-socket-proxy opens with these variables: every path that
/// begins with the name of an enabled section, with GET and HEAD, or with any method if POST is set.
fn opened_by_tecnativa(variables: &str) -> Open {
    let mut sections = vec!["/events", "/_ping", "/version"];
    let mut post = false;
    for variable in variables.split(' ') {
        match variable {
            "CONTAINERS=1" => sections.push("/containers"),
            "IMAGES=1" => sections.push("/images"),
            "POST=1" => post = true,
            _ => panic!("{variable}: add it here"),
        }
    }
    opened(|method, path| {
        (post || matches!(method, "GET" | "HEAD"))
            && sections.iter().any(|section| path.starts_with(section))
    })
}

fn opened_by_default() -> Open {
    let rules = RuleSet::parse("preset original", DEFAULT_PATTERNS.as_bytes()).unwrap();
    opened(|method, path| {
        let verdict = rules.decide(&Request {
            method,
            path: &canonical_path(path).unwrap(),
            query: None,
        });
        matches!(verdict, Verdict::Allow(_))
    })
}

/// The cells of the rows of the table below `heading`.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.split_once(heading).unwrap();
    rest.lines()
        .skip_while(|line| !line.starts_with('|'))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// What stands between the first two backquotes.
fn quoted(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_default()
}

#[test]
fn the_readme_counts_right() {
    let readme = page("README.md");
    let total = format!("The Docker API has {} endpoints", docker().count());
    assert!(readme.contains(&total), "not in the README: {total}");
    let all = endpoints().count();
    let podman = all - docker().count();
    let more = format!("Podman's own API {podman} more");
    assert!(readme.contains(&more), "not in the README: {more}");
    for (name, words) in [
        (
            "docs/policies.md",
            format!("Podman's own {podman} endpoints"),
        ),
        (
            "docs/tools.md",
            format!(
                "The table has {all} endpoints: the {} of the Docker API and {podman} of Podman's own.",
                docker().count()
            ),
        ),
    ] {
        assert!(page(name).contains(&words), "not in {name}: {words}");
    }
    let policies = policies::all();
    let rows = table(&readme, "## What it opens, compared");
    assert!(rows.len() >= 6);
    for row in rows {
        let [setting, count, shown @ ..] = row.as_slice() else {
            panic!("{row:?}");
        };
        let quoted = quoted(setting);
        let open = if setting.contains("embedded") {
            opened_by_default()
        } else if setting.starts_with("preset ") {
            let name = |policy: &&Policy| policy.name.split('.').next() == Some(quoted);
            opened_by(policies.iter().find(name).unwrap())
        } else {
            opened_by_tecnativa(quoted)
        };
        let yes = |endpoint| if open.contains(endpoint) { "yes" } else { "no" };
        let expected = [
            yes("GET /containers/{name:.*}/export"),
            yes("GET /containers/{name:.*}/archive"),
            yes("GET /containers/{name:.*}/attach/ws"),
            yes("GET /images/get"),
        ];
        assert_eq!(shown, expected, "{setting}");
        assert_eq!(*count, open.len().to_string(), "{setting}: {open:#?}");
    }
}

#[test]
fn the_manual_counts_right() {
    let policies = policies::all();
    let rows = table(&page("docs/policies.md"), "## Which policy");
    let mut wrong = Vec::new();
    for policy in &policies {
        let name = policy.name.split('.').next().unwrap();
        let row = rows.iter().find(|row| quoted(&row[0]) == name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in docs/policies.md"));
        let open = opened_by(policy);
        if row[2] != open.len().to_string() {
            wrong.push(format!("{name} opens {}: {open:?}", open.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows.len(), policies.len());
}
