//! What the README and the manual say of policies: scripts they show, and tools a policy is good for.

use std::fs;
use std::path::Path;

use doxy_script::{Decision, Script};

use crate::policies::{self, Policy};
use crate::support::{Ask, words};

/// A page of the repository.
pub(crate) fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The first Rhai script of a page.
fn script_of(name: &str) -> Script {
    let page = page(name);
    let (_, rest) = page.split_once("```rhai\n").unwrap();
    let (script, _) = rest.split_once("```").unwrap();
    Script::compile(name, script.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_scripts_that_are_shown_do_what_is_said() {
    let privileged = r#"{"HostConfig":{"Privileged":true}}"#;
    let bind = |source: &str| format!(r#"{{"HostConfig":{{"Binds":["{source}:/w"]}}}}"#);
    for (name, body, expected) in [
        (
            "README.md",
            privileged.to_owned(),
            "deny Privileged is not allowed",
        ),
        ("README.md", bind("/"), "deny Binds is not allowed"),
        (
            "README.md",
            r#"{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/","Target":"/m"}]}}"#.to_owned(),
            "deny Mounts is not allowed",
        ),
        (
            "README.md",
            r#"{"HostConfig":{"PidMode":"host","CapAdd":["ALL"]}}"#.to_owned(),
            "deny PidMode is not allowed",
        ),
        // An empty list hides nothing of /proc, an empty object joins a network.
        (
            "README.md",
            r#"{"HostConfig":{"MaskedPaths":[]}}"#.to_owned(),
            "deny MaskedPaths is not allowed",
        ),
        (
            "README.md",
            r#"{"NetworkingConfig":{"EndpointsConfig":{"prod":{}}}}"#.to_owned(),
            "deny NetworkingConfig is not allowed",
        ),
        (
            "README.md",
            r#"{"Image":"a","HostConfig":{"Memory":1024}}"#.to_owned(),
            "allow",
        ),
        ("README.md", r#"{"Image":"a"}"#.to_owned(), "allow"),
        (
            "docs/policies.md",
            privileged.to_owned(),
            "deny no privileged containers",
        ),
        ("docs/policies.md", bind("/srv/ci/17"), "allow"),
        (
            "docs/policies.md",
            bind("/srv/ci/17/link"),
            "deny the folder has to match /srv/ci/[a-z0-9-]+",
        ),
        (
            "docs/policies.md",
            bind("/"),
            "deny the folder has to match /srv/ci/[a-z0-9-]+",
        ),
    ] {
        let ask = Ask::new("POST", "/containers/create").body(body.clone());
        assert_eq!(
            words(&ask.of(&script_of(name), None)),
            expected,
            "{name}: {body}"
        );
    }
}

/// What a tool asks for, read from its source or seen on the wire.
struct Tool {
    /// As the README's table spells it.
    name: &'static str,
    requests: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "Traefik",
        requests: r#"HEAD /_ping
            GET /v1.51/version
            GET /v1.51/containers/json?all=1
            GET /v1.51/containers/3f4e/json
            GET /v1.51/events?filters={"type":{"container":true}}"#,
    },
    Tool {
        name: "Prometheus",
        requests: "HEAD /_ping
            GET /v1.51/containers/json
            GET /v1.51/networks",
    },
    Tool {
        name: "Grafana Alloy",
        requests: "HEAD /_ping
            GET /v1.51/containers/json
            GET /v1.51/networks",
    },
    // The snapshot that Portainer takes every five minutes, and its pages. It asks for the volumes too, which
    // show passwords, and goes on without them.
    Tool {
        name: "Portainer",
        requests: "HEAD /_ping
            GET /v1.51/info
            GET /v1.51/version
            GET /v1.51/containers/json?all=1
            GET /v1.51/containers/3f4e/json
            GET /v1.51/containers/3f4e/logs?stdout=1
            GET /v1.51/containers/3f4e/stats?stream=false
            GET /v1.51/containers/3f4e/top
            GET /v1.51/events
            GET /v1.51/images/json
            GET /v1.51/images/sha256:3f4e/json
            GET /v1.51/images/sha256:3f4e/history
            GET /v1.51/networks
            GET /v1.51/networks/3f4e
            GET /v1.51/nodes
            GET /v1.51/services
            GET /v1.51/tasks",
    },
    Tool {
        name: "Dozzle",
        requests: "HEAD /_ping
            GET /v1.51/info
            GET /v1.51/version
            GET /v1.51/events
            GET /v1.51/containers/json?all=1
            GET /v1.51/containers/3f4e/json
            GET /v1.51/containers/3f4e/logs?follow=1&stdout=1
            GET /v1.51/containers/3f4e/stats?stream=1",
    },
    Tool {
        name: "Vector",
        requests: r#"GET /events?since=1&filters={"event":["start","die"],"type":["container"]}
            GET /containers/json?filters={}
            GET /containers/3f4e/json
            GET /containers/3f4e/logs?follow=true&stdout=true&stderr=true&since=1&timestamps=true"#,
    },
    Tool {
        name: "CrowdSec",
        requests: r#"HEAD /_ping
            GET /v1.51/info
            GET /v1.51/containers/json?filters={}
            GET /v1.51/containers/3f4e/json
            GET /v1.51/containers/3f4e/logs?follow=1&stdout=1&stderr=1
            GET /v1.51/events?filters={"type":{"container":true}}"#,
    },
    Tool {
        name: "autoheal",
        requests: r#"GET /containers/json?filters={"health":["unhealthy"],"label":["autoheal=true"]}"#,
    },
    Tool {
        name: "Promtail",
        requests: "HEAD /_ping
            GET /v1.51/containers/json
            GET /v1.51/networks
            GET /v1.51/containers/web/json
            GET /v1.51/containers/web/logs?follow=1",
    },
    Tool {
        name: "Homepage",
        requests: "GET /containers/json?all=true
            GET /containers/web/json
            GET /containers/web/stats?stream=false",
    },
    Tool {
        name: "Uptime Kuma",
        requests: "GET /containers/web/json
            GET /containers/json?all=true",
    },
    Tool {
        name: "Glances",
        requests: "GET /version
            GET /v1.51/containers/json?all=1&limit=-1&size=0&trunc_cmd=0
            GET /v1.51/containers/3f4e/json
            GET /v1.51/containers/3f4e/stats?stream=true
            GET /v1.51/images/sha256:3f4e/json",
    },
    Tool {
        name: "Telegraf",
        requests: "HEAD /_ping
            GET /v1.51/info
            GET /v1.51/containers/json?all=1
            GET /v1.51/containers/3f4e/json
            GET /v1.51/containers/3f4e/stats?stream=0",
    },
    Tool {
        name: "cAdvisor",
        requests: "HEAD /_ping
            GET /v1.51/info
            GET /v1.51/version
            GET /v1.51/containers/3f4e/json",
    },
    Tool {
        name: "Netdata",
        requests: r#"HEAD /_ping
            GET /v1.51/info
            GET /v1.51/images/json
            GET /v1.51/containers/json?all=1&filters={"health":["healthy"]}
            GET /containers/3f4e/json"#,
    },
    Tool {
        name: "Beszel",
        requests: "GET /version
            GET /info
            GET /containers/json
            GET /containers/3f4e/stats?stream=0&one-shot=1",
    },
    Tool {
        name: "Diun",
        requests: "HEAD /_ping
            GET /v1.51/version
            GET /v1.51/containers/json?all=1
            GET /v1.51/containers/3f4e/json
            GET /v1.51/images/sha256:3f4e/json",
    },
    Tool {
        name: "docker-gen",
        requests: "GET /version
            GET /info
            GET /events
            GET /_ping
            GET /networks
            GET /containers/json?all=1
            GET /containers/3f4e/json",
    },
    // Without the create and what needs a container: their bodies, recorded, are in watchtower.cases.
    Tool {
        name: "Watchtower",
        requests: r#"HEAD /_ping
            GET /v1.51/info
            GET /v1.51/containers/json?filters={"status":{"running":true}}
            GET /v1.51/containers/3f4e/json
            GET /v1.51/images/sha256:3f4e/json
            POST /v1.51/images/create?fromImage=ghcr.io/example/app&tag=1"#,
    },
];

/// The cells of a table, without its head, which begins with `head`.
fn table(page: &str, head: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.split_once(head).unwrap();
    rest.lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.trim_matches('|');
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The words of a cell, of a link those that are shown.
fn without_links(cell: &str) -> String {
    let mut parts = cell.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    let words = parts.fold(first, |words, part| {
        let (_, after) = part.split_once(')').unwrap();
        words + after
    });
    words.replace('[', "")
}

/// A row of the README's table of tools: the tools, and what to type for them.
fn rows() -> Vec<(String, String)> {
    let rows = table(&page("README.md"), "| your tool |").into_iter();
    let rows: Vec<_> = rows
        .map(|cells| (without_links(&cells[0]), cells[1].clone()))
        .collect();
    assert!(rows.len() > 8, "the table of tools was not found");
    rows
}

/// The names of constants in a cell, up to its first semicolon: what follows is for special cases.
fn constants(cell: &str) -> Vec<&str> {
    let named = cell.split(';').next().unwrap_or_default();
    let quoted = named.split('`').skip(1).step_by(2);
    let constant = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    quoted.filter(constant).collect()
}

/// The README names the constants that docs/policies.md names, and the script has them.
#[test]
fn the_constants_to_edit_exist_and_are_the_same_on_both_pages() {
    let manual = table(&page("docs/policies.md"), "| policy | constants |");
    let readme = table(&page("README.md"), "| your tool |");
    let mut compared = 0;
    for cells in &manual {
        let policy = cells[0].trim_matches('`');
        let script = page(&format!("scripts/{policy}.rhai"));
        let named = constants(&cells[1]);
        for name in &named {
            let declared = format!("\nconst {name} = ");
            assert!(script.contains(&declared), "{policy} has no {name}");
        }
        let options = [
            format!("--script {policy}.rhai`"),
            format!("--preset {policy}`"),
        ];
        let names = |row: &&Vec<String>| options.iter().any(|option| row[1].contains(option));
        for row in readme.iter().filter(names) {
            // Nothing has to be edited in a policy whose cell is empty.
            if !row[2].is_empty() {
                assert_eq!(constants(&row[2]), named, "{policy}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 5, "{compared}");
}

/// The policy that a row names by its first option: a preset, or a script made from one. NAME is the tool's.
fn policy(options: &str, tool: &str) -> Option<Policy> {
    let option = options.split('`').nth(1)?;
    let name = match option.split_once(' ')? {
        ("--preset", "NAME") => tool.to_lowercase().replace(' ', "-"),
        ("--preset", name) => name.to_owned(),
        ("--script", file) => file.strip_suffix(".rhai").unwrap().to_owned(),
        _ => return None,
    };
    let found = policies::named(&name);
    Some(found.unwrap_or_else(|| panic!("{options}: there is no preset {name}")))
}

#[test]
fn every_tool_gets_what_it_asks_for() {
    let rows = rows();
    for tool in TOOLS {
        let row = rows.iter().find(|(tools, _)| tools.contains(tool.name));
        let (_, options) = row.unwrap_or_else(|| panic!("{} is not in the table", tool.name));
        let policy = policy(options, tool.name).unwrap();
        for request in tool.requests.lines() {
            let (method, target) = request.trim().split_once(' ').unwrap();
            let decision = Ask::new(method, target).of(&policy.script, policy.rules.as_ref());
            assert_eq!(decision, Decision::Allow, "{}: {request}", tool.name);
        }
    }
}

/// Every row names policies that exist, and none of them lets a create of a privileged container pass.
#[test]
fn every_row_works() {
    for (tools, options) in rows() {
        for tool in tools.split([',', ';']).map(str::trim) {
            let Some(policy) = policy(&options, tool) else {
                continue;
            };
            let create = Ask::new("POST", "/v1.51/containers/create?name=web")
                .header("Content-Type", "application/json")
                .body(r#"{"Image":"busybox","HostConfig":{"Privileged":true}}"#);
            let decision = words(&create.of(&policy.script, policy.rules.as_ref()));
            assert!(decision.starts_with("deny "), "{tool}: {decision}");
        }
    }
}
