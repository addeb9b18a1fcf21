//! Every field that an engine knows, and every query parameter, one at a time, against the policies that list what they
//! allow: what a policy does not name is denied.
//!
//! A policy's own cases give the request that is changed: the first one of each kind that it allows.

use std::collections::BTreeSet;

use doxy_filter::api::endpoint_of;
use doxy_filter::api::schema::{self, Fields, Schema};
use doxy_filter::canonical_path;
use doxy_script::Decision;
use serde_json::{Value, json};

use crate::policies::{self, Policy};
use crate::support::{Ask, words};

mod shared_host;
mod table;

use self::table::{BODIES, Named, PARAMETERS};

/// A key for the maps of a body. It is the name of a network that each of the policies allows.
const KEY: &str = "none";

fn policy(name: &str) -> Policy {
    let file = format!("{name}.rhai");
    let mut all = policies::all().into_iter();
    all.find(|policy| policy.name == file).unwrap()
}

fn decide(policy: &Policy, ask: &Ask) -> Decision {
    ask.of(&policy.script, policy.rules.as_ref())
}

/// The first case that the policy allows for this endpoint.
fn allowed_case(policy: &Policy, endpoint: &str) -> Ask {
    let serves = |ask: &Ask| template(ask) == endpoint && ask.body.is_some();
    let found = policy
        .cases()
        .find(|ask| serves(ask) && decide(policy, ask) == Decision::Allow);
    found.unwrap_or_else(|| panic!("{} has no case that allows {endpoint}", policy.name))
}

fn path(ask: &Ask) -> String {
    let path = ask.target.split('?').next().unwrap();
    canonical_path(path).unwrap().into_owned()
}

fn template(ask: &Ask) -> &'static str {
    endpoint_of(&ask.method, &path(ask)).map_or("", |endpoint| endpoint.template)
}

/// A field: where it is, in which schema, and whether it belongs elsewhere.
struct Place {
    path: Vec<&'static str>,
    schema: &'static Schema,
    misplaced: bool,
}

fn places(schema: &'static Schema, at: &[&'static str], found: &mut Vec<Place>) {
    let below = |step| [at, &[step]].concat();
    match schema {
        Schema::Struct(Fields { known, misplaced }) => {
            for (fields, misplaced) in [(*known, false), (*misplaced, true)] {
                for field in fields {
                    found.push(Place {
                        path: below(field.name),
                        schema: field.schema,
                        misplaced,
                    });
                    if !misplaced {
                        places(field.schema, &below(field.name), found);
                    }
                }
            }
            found.push(Place {
                path: below("NewField"),
                schema: &schema::ANY,
                misplaced: false,
            });
        }
        Schema::Map(inner) => places(inner, &below(KEY), found),
        Schema::List(inner) => places(inner, &below("0"), found),
        Schema::Any | Schema::Opaque | Schema::StringOrList => {}
    }
}

/// Values that are set, for a field of this schema. A struct's are those of its fields, also in a map.
fn values(schema: &Schema) -> Vec<Value> {
    match schema {
        Schema::Any => vec![json!("x"), json!(1), json!(true), json!(-1)],
        Schema::Opaque => vec![json!({"x": "y"})],
        Schema::StringOrList => vec![json!("x"), json!(["x"])],
        Schema::List(Schema::Struct(_)) => vec![json!([{}])],
        Schema::List(inner) => values(inner)
            .into_iter()
            .map(|value| json!([value]))
            .collect(),
        Schema::Map(inner) => values(inner)
            .into_iter()
            .map(|value| json!({"x": value}))
            .collect(),
        Schema::Struct(_) => vec![],
    }
}

/// The body with this value at this place, whatever was there.
fn with(mut body: Value, path: &[&str], value: Value) -> Value {
    let mut at = &mut body;
    for step in path {
        at = if *step == "0" {
            if at.get(0).is_none() {
                *at = json!([null]);
            }
            &mut at[0]
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            &mut at[*step]
        };
    }
    *at = value;
    body
}

/// How many requests were denied.
fn check(named: &Named) -> usize {
    let policy = policy(named.policy);
    let base = allowed_case(&policy, named.endpoint);
    let body: Value = serde_json::from_slice(base.body.as_deref().unwrap()).unwrap();
    let ask = |body: &Value| decide(&policy, &base.clone().body(body.to_string()));
    let mut unused: BTreeSet<_> = named.fields.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    places(named.schema, &[], &mut found);
    let mut denied = 0;
    for place in found {
        let name = place.path.join(".");
        if let Some((_, good)) = named.fields.iter().find(|(field, _)| *field == name)
            && !place.misplaced
        {
            unused.remove(&*name);
            let body = with(
                body.clone(),
                &place.path,
                serde_json::from_str(good).unwrap(),
            );
            let said = words(&ask(&body));
            assert_eq!(said, "allow", "{}: {name} is {good}", policy.name);
            continue;
        }
        for value in values(place.schema) {
            let what = format!("{} {}: {name} is {value}", policy.name, named.endpoint);
            let said = words(&ask(&with(body.clone(), &place.path, value)));
            if place.misplaced {
                assert!(said.contains("belongs in HostConfig"), "{what}: {said}");
            } else {
                assert!(said.starts_with("deny "), "{what}: {said}");
                // It is denied for what it is, or for what it is in.
                let mut steps = place.path.iter().filter(|step| **step != "HostConfig");
                assert!(steps.any(|step| said.contains(step)), "{what}: {said}");
            }
            denied += 1;
        }
    }
    assert!(unused.is_empty(), "no fields: {unused:?}");
    denied
}

#[test]
fn a_field_that_a_policy_does_not_name_is_denied() {
    for named in BODIES.iter().chain(shared_host::BODIES) {
        let denied = check(named);
        let least = if named.endpoint == "/containers/create" {
            300
        } else {
            3
        };
        assert!(denied >= least, "{} {}", named.policy, named.endpoint);
    }
}

#[test]
fn a_query_parameter_that_a_policy_does_not_name_is_denied() {
    for (name, allowed) in PARAMETERS.iter().chain(shared_host::PARAMETERS) {
        let policy = policy(name);
        let mut seen = BTreeSet::new();
        for case in policy.cases() {
            let endpoint = endpoint_of(&case.method, &path(&case));
            let Some(endpoint) =
                endpoint.filter(|endpoint| seen.insert((endpoint.method, endpoint.template)))
            else {
                continue;
            };
            if decide(&policy, &case) != Decision::Allow {
                seen.remove(&(endpoint.method, endpoint.template));
                continue;
            }
            let named = allowed.iter().find(|(request, _)| {
                *request == format!("{} {}", endpoint.method, endpoint.template)
            });
            let named: Vec<_> = named.map_or("", |(_, names)| *names).split(' ').collect();
            for parameter in endpoint.query().chain(["new"]) {
                if named.contains(&parameter) {
                    continue;
                }
                let separator = if case.target.contains('?') { '&' } else { '?' };
                let mut ask = case.clone();
                ask.target = format!("{}{separator}{parameter}=1", case.target);
                let said = words(&decide(&policy, &ask));
                assert!(said.starts_with("deny "), "{name}: {}: {said}", ask.target);
            }
        }
        assert!(seen.len() >= 10, "{name}: {seen:?}");
    }
}
