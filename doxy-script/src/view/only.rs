//! `only`: what an object, a list of objects or the query may have, and nothing else.
//!
//! A list of what is forbidden leaks as soon as the engine knows a field more. `only` denies each key
//! that is there and is not named, whatever its value is: the engine can act on an empty one.

use rhai::{Array, Dynamic, Engine, EvalAltResult, NativeCallContext};

use super::object::{Json, is_set, node_is_set};
use super::query::Query;
use crate::budget::{self, Stop, stop};
use crate::json::{Doc, Node, NodeId};

/// How many keys are compared in the time of one step.
const KEYS_A_STEP: usize = 256;
/// Stands for every key that a map of names does not have.
const ANY_KEY: &str = "*";

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// Why something is not allowed.
enum Refusal {
    /// The names of the field and of those around it.
    Field(String),
    /// What stands in place of names is none.
    NoNames,
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn(
            "only",
            |context: NativeCallContext<'_>, json: Json, names: Dynamic| {
                let found = check(&json.doc, json.id, &names, &mut Vec::new());
                conclude(&context, found)
            },
        )
        .register_fn(
            "only",
            |context: NativeCallContext<'_>, list: Array, names: Dynamic| {
                conclude(
                    &context,
                    list.iter().try_for_each(|item| check_item(item, &names)),
                )
            },
        )
        .register_fn("only", |(): (), _: Dynamic| ())
        .register_fn(
            "only",
            |context: NativeCallContext<'_>, query: Query, names: Array| -> Result<()> {
                match query.names().find(|name| !is_named(&names, name)) {
                    Some(name) => Err(deny(&context, &format!("the query parameter `{name}`"))),
                    None => Ok(()),
                }
            },
        );
}

fn conclude(
    context: &NativeCallContext<'_>,
    found: std::result::Result<(), Refusal>,
) -> Result<()> {
    match found {
        Ok(()) => Ok(()),
        Err(Refusal::Field(field)) => Err(deny(context, &format!("`{field}`"))),
        Err(Refusal::NoNames) => Err(
            "`only` takes a list of names, or a map from names to true, false, a list or a map"
                .into(),
        ),
    }
}

fn deny(context: &NativeCallContext<'_>, what: &str) -> Box<EvalAltResult> {
    let denied = Stop::denied(&format!("{what} is not allowed"), 403)
        .with_template("`${name}` is not allowed");
    stop(denied, context.call_position())
}

/// Checks an item of a list that stands by itself.
fn check_item(item: &Dynamic, names: &Dynamic) -> std::result::Result<(), Refusal> {
    if let Some(json) = item.read_lock::<Json>() {
        return check(&json.doc, json.id, names, &mut Vec::new());
    }
    let listed = item
        .as_immutable_string_ref()
        .is_ok_and(|text| is_listed(names, &text));
    let allowed = names.as_bool().is_ok_and(|any| any || !is_set(item));
    match item.is_unit() || listed || allowed {
        true => Ok(()),
        false => Err(Refusal::Field(item.to_string())),
    }
}

/// Checks a value against its names: a list of them, a map, or `true` for anything and `false` for
/// nothing that is set.
fn check<'d>(
    doc: &'d Doc,
    id: NodeId,
    names: &Dynamic,
    around: &mut Vec<&'d str>,
) -> std::result::Result<(), Refusal> {
    if let Ok(anything) = names.as_bool() {
        return match anything || !node_is_set(doc, id) {
            true => Ok(()),
            false => Err(Refusal::Field(around.join("."))),
        };
    }
    match doc.node(id) {
        Node::Null => Ok(()),
        Node::List(items) => doc
            .items(items)
            .iter()
            .try_for_each(|item| check(doc, *item, names, around)),
        Node::Object { .. } => {
            count(doc.members(id).len(), names);
            for (key, member) in doc.members(id) {
                around.push(key);
                check_member(doc, member, names, around)?;
                around.pop();
            }
            Ok(())
        }
        Node::Text(span) if is_listed(names, doc.text(*span)) => Ok(()),
        _ => Err(Refusal::Field(around.join("."))),
    }
}

/// Checks the value of the last key of `around`.
fn check_member<'d>(
    doc: &'d Doc,
    id: NodeId,
    names: &Dynamic,
    around: &mut Vec<&'d str>,
) -> std::result::Result<(), Refusal> {
    let key = around.last().copied().unwrap_or_default();
    if let Ok(list) = names.as_array_ref() {
        return match is_named(&list, key) {
            true => Ok(()),
            false => Err(Refusal::Field(around.join("."))),
        };
    }
    let map = names.as_map_ref().map_err(|_| Refusal::NoNames)?;
    match map.get(key).or_else(|| map.get(ANY_KEY)) {
        Some(inner) => check(doc, id, inner, around),
        None => Err(Refusal::Field(around.join("."))),
    }
}

/// Whether a text in a list is one of the names.
fn is_listed(names: &Dynamic, text: &str) -> bool {
    names.as_array_ref().is_ok_and(|list| is_named(&list, text))
}

fn is_named(names: &Array, key: &str) -> bool {
    let is_key = |name: &Dynamic| {
        name.as_immutable_string_ref()
            .is_ok_and(|name| *name == key)
    };
    names.iter().any(is_key)
}

/// Counts the comparisons of so many keys as steps, because a client can send many.
fn count(keys: usize, names: &Dynamic) {
    let each = names.as_array_ref().map_or(1, |list| list.len());
    let steps = keys.saturating_mul(each) / KEYS_A_STEP;
    budget::work(u32::try_from(steps).unwrap_or(u32::MAX));
}
