//! Scripts that open one endpoint in a sly way: `denied` would be a lie.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use doxy_filter::Access::{self, Allowed, Denied, Partly};
use doxy_filter::{Coverage, RuleSet};
use doxy_script::Script;

use crate::policy::Policy;
use crate::proxy::coverage::Covered;
use crate::proxy::coverage::search::Search;

const JSON: &str = "GET /containers/{name:.*}/json";
const INFO: &str = "GET /info";

fn policy(script: &str, rules: &str) -> Policy {
    let rules = RuleSet::parse("rules", rules.as_bytes()).unwrap();
    let script = Script::compile("s.rhai", script.as_bytes()).unwrap();
    Policy::with_script(rules, script)
}

fn covered(script: &str, rules: &str) -> Covered {
    policy(script, rules).coverage("main")
}

fn spelled(row: &Coverage) -> String {
    format!("{} {}", row.endpoint.method, row.endpoint.template)
}

fn access(covered: &Covered, endpoint: &str) -> Access {
    let mut rows = covered.endpoints.iter();
    rows.find(|row| spelled(row) == endpoint).unwrap().access
}

/// A policy that opens what this condition opens.
fn opened_by(condition: &str) -> String {
    format!(
        "const NAMES = [\"vault\", \"db-1\"]; const MAP = #{{vault: true, \"db.1\": true}};
         const OWNER = \"ci\";
         fn plus(a, b) {{ a + b }}
         fn decide(req) {{
             if {condition} {{ return allow(); }}
             deny(\"no\")
         }}"
    )
}

/// With samples alone, most of these were `denied`.
#[test]
fn what_one_name_opens_is_not_denied() {
    all_are_partly(&[
        ("req.endpoint == \"/containers/vault/json\"", JSON),
        ("req.object.name == \"vault\"", JSON),
        ("req.object.name == \"va\" + \"ult\"", JSON),
        ("req.object.name == `${OWNER}-vault`", JSON),
        ("req.object.name.starts_with(\"ab\")", JSON),
        (
            "req.object.name.starts_with(OWNER + \"-\") && req.object.name.ends_with(\"yz\")",
            JSON,
        ),
        ("req.object.name.ends_with(\"_db\")", JSON),
        ("req.object.name.contains(\"aul\")", JSON),
        ("NAMES.contains(req.object.name)", JSON),
        ("req.object.name in [\"x1\", \"x2\"]", JSON),
        ("req.object.name.matches(\"db-[0-9]{4}\")", JSON),
        ("req.object.name.glob(\"db-*-x\")", JSON),
        (
            "req.endpoint.matches(\"/containers/[0-9a-f]{64}/(top|json)\")",
            JSON,
        ),
        ("req.endpoint.starts_with(\"/containers/vault/\")", JSON),
        (
            "`${req.method} ${req.endpoint}` == \"GET /containers/vault/json\"",
            JSON,
        ),
        ("req.object != () && MAP[req.object.name] == true", JSON),
        (
            "(switch req.object.name { \"vault\" => true, _ => false })",
            JSON,
        ),
        (
            "NAMES.some(|name| req.endpoint == `/containers/${name}/json`)",
            JSON,
        ),
        // What is computed of it cannot be followed.
        ("req.object.name.len() == 7", JSON),
        ("req.object.name == plus(\"va\", \"ult\")", JSON),
        ("req.endpoint.split(\"/\").get(2) == \"vault\"", JSON),
        ("req.endpoint[12] == 'v'", JSON),
        ("req.path.ends_with(\"/vault/json\")", JSON),
    ]);
}

/// The query is read at every request.
#[test]
fn what_one_query_opens_is_not_denied() {
    all_are_partly(&[
        ("req.query[\"token\"] == \"secret\"", INFO),
        ("req.query[\"token\"] == \"se\" + \"cret\"", INFO),
        ("req.query[\"to\" + \"ken\"] == \"secret\"", INFO),
        ("req.query[\"token\"].matches(\"[a-f]{8}\")", INFO),
        ("req.query[\"n\"].parse_int() == 4711", INFO),
        ("req.query[\"token\"].len() == 7", INFO),
        ("\"token\" in req.query", INFO),
        ("req.query.flag(\"token\")", INFO),
        ("req.query.values(\"token\").contains(\"x\")", INFO),
        ("req.query.names().contains(\"token\")", INFO),
        (
            "req.query[\"a\"] == \"one\" && req.query[\"b\"] == \"two\"",
            INFO,
        ),
        ("req.query.json(\"filters\").label.contains(\"x\")", INFO),
    ]);
}

#[test]
fn what_one_version_or_header_or_caller_opens_is_not_denied() {
    all_are_partly(&[
        ("req.headers[\"X-Token\"] == \"secret\"", INFO),
        ("req.version == \"1.37\"", INFO),
        (
            "req.version.captures(\"1.([0-9]+)\")[1].parse_int() == 97",
            INFO,
        ),
        ("req.peer.uid == 4711", INFO),
        ("req.peer.uid > 70000", INFO),
        ("req.peer.uid == 4711 && req.peer.gid == 4712", INFO),
        ("req.peer.pid == 4711", INFO),
        ("req.peer.address == \"10.1.2.3\"", INFO),
        ("req.peer.address.in_range(\"10.1.0.0/16\")", INFO),
        ("req.peer.subject == \"CN=alice\"", INFO),
        ("req.peer.sans.contains(\"dns:alice\")", INFO),
        ("req.peer.container.service == \"metrics\"", INFO),
        // The body, also where the engine reads none.
        (
            "req.json().HostConfig.Memory == 4711",
            "POST /containers/create",
        ),
        ("req.json()[\"a\"] == \"x\"", INFO),
        // Several at once.
        (
            "req.endpoint == \"/containers/vault/json\" && req.query.size == \"7\"",
            JSON,
        ),
        (
            "req.query[\"token\"] == \"secret\" && req.peer.uid == 4711",
            INFO,
        ),
    ]);
}

/// Asks about these endpoints alone, which is the harder test: no other endpoint says where the script
/// denies the rest.
#[track_caller]
fn all_are_partly(table: &[(&str, &str)]) {
    let mut wrong = vec![];
    for (condition, endpoint) in table {
        let policy = policy(&opened_by(condition), "!.*");
        let rows = policy.rules().coverage();
        let row = rows.iter().find(|row| spelled(row) == *endpoint).unwrap();
        let literals = policy.script().unwrap().literals();
        let got = Search::new(&policy, literals, "main").row(row);
        if got.access(row.access) != Partly {
            wrong.push(format!("{condition}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whoever reads `partly` everywhere learns nothing.
#[test]
fn what_nothing_opens_is_denied() {
    for (condition, open) in [
        ("req.endpoint == \"/containers/vault/json\"", JSON),
        ("req.endpoint.matches(\"/containers/db-[0-9]/json\")", JSON),
        (
            "req.endpoint == \"/info\" && req.query[\"token\"] == \"x\"",
            INFO,
        ),
        ("req.endpoint == \"/info\" && req.peer.uid == 7", INFO),
        (
            "req.endpoint == \"/info\" && req.headers[\"A\"] == \"7\"",
            INFO,
        ),
        ("req.template == \"/info\" && req.version == \"1.41\"", INFO),
    ] {
        let covered = covered(&opened_by(condition), "!.*");
        let rows = covered.endpoints.iter();
        let opened = rows.filter(|row| row.access != Denied).count();
        assert_eq!(access(&covered, open), Partly, "{condition}");
        // The engine has other endpoints at the same path.
        assert!(opened <= 4, "{condition}: {opened}");
    }
}

#[test]
fn what_is_open_but_for_one_name_is_open_in_part() {
    let script = "fn decide(req) {
        if req.endpoint == \"/containers/vault/json\" { return deny(\"no\"); }
        if req.query.all == \"secret\" { return deny(\"no secrets\"); }
        allow()
    }";
    let covered = covered(script, "!.*");
    assert_eq!(access(&covered, JSON), Partly);
    assert_eq!(access(&covered, "GET /containers/json"), Partly);
    assert_eq!(access(&covered, INFO), Allowed);
}

/// What the rules say of one name, a script can make its own.
#[test]
fn a_script_that_asks_the_rules() {
    let script = "fn decide(req) { if req.matched.allowed { return allow(); } deny(\"no\") }";
    let covered = covered(script, "/containers/vault/json\n(/v[\\d.]+)?/version");
    assert_eq!(access(&covered, JSON), Partly);
    assert_eq!(access(&covered, "GET /version"), Allowed);
    assert_eq!(access(&covered, INFO), Denied);
}

#[test]
fn a_socket_is_asked_by_its_name() {
    let script = |name: &str| {
        format!(
            "fn decide(req) {{ if req.socket == \"{name}\" {{ return allow(); }} deny(\"no\") }}"
        )
    };
    assert_eq!(access(&covered(&script("main"), "!.*"), INFO), Allowed);
    assert_eq!(access(&covered(&script("ci"), "!.*"), INFO), Denied);
}

/// Over the bound nothing is said for sure.
#[test]
fn what_cannot_be_asked_in_full_is_open_in_part() {
    let names: Vec<_> = (0..1100).map(|i| format!("\"n{i}\"")).collect();
    let condition = format!("[{}].contains(req.object.name)", names.join(","));
    let source = format!("fn decide(req) {{ if {condition} {{ return allow(); }} deny(\"no\") }}");
    let covered = covered(&source, "!.*");
    assert_eq!(access(&covered, JSON), Partly);
    assert!(covered.endpoints.iter().all(|row| row.access == Partly));
}
