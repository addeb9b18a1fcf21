//! Values of a script as JSON, and objects of a body as maps that a script can change.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};
use serde::ser::{Error, Serialize, Serializer};

use super::object::{self, Json};
use crate::budget;
use crate::json::{Doc, Node, NodeId};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// How many values are converted in the time of one step.
const VALUES_A_STEP: usize = 16;
/// How many bytes are written in the time of one step.
const BYTES_A_STEP: usize = 256;
/// How deep maps and lists may be nested. What a policy reads is not nested deeper either.
const MAX_DEPTH: usize = 64;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("to_map", |json: Json| map(&json))
        .register_fn("to_map", |(): ()| Map::new());
}

/// An object as a map, with all that is in it. None for what is no object.
pub(crate) fn into_map(value: Dynamic) -> Option<Map> {
    if let Some(json) = value.read_lock::<Json>() {
        return Some(map(&json));
    }
    match value.is_unit() {
        true => Some(Map::new()),
        false => value.try_cast(),
    }
}

fn map(json: &Json) -> Map {
    members(&json.doc, json.id, &mut 0)
}

fn members(doc: &Arc<Doc>, id: NodeId, seen: &mut usize) -> Map {
    let members = doc.members(id);
    members
        .map(|(key, id)| (key.into(), plain(doc, id, seen)))
        .collect()
}

/// A value with nothing of the document in it.
fn plain(doc: &Arc<Doc>, id: NodeId, seen: &mut usize) -> Dynamic {
    *seen += 1;
    if seen.is_multiple_of(VALUES_A_STEP) {
        budget::work(1);
    }
    match doc.node(id) {
        Node::Object { .. } => members(doc, id, seen).into(),
        Node::List(items) => {
            let items = doc.items(items).iter();
            let items = items.map(|item| plain(doc, *item, seen));
            items.collect::<Array>().into()
        }
        _ => object::value(doc, id),
    }
}

/// A value as JSON.
pub(crate) fn to_json(value: &Dynamic) -> Result<String> {
    let text = serde_json::to_string(&Value { value, depth: 0 });
    let text = text.map_err(|error| error.to_string())?;
    budget::work(u32::try_from(text.len() / BYTES_A_STEP).unwrap_or(u32::MAX));
    Ok(text)
}

/// A value of a script, to be written.
struct Value<'v> {
    value: &'v Dynamic,
    depth: usize,
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { value, depth } = *self;
        if depth > MAX_DEPTH {
            let message = format!("the body is nested more than {MAX_DEPTH} deep");
            return Err(S::Error::custom(message));
        }
        let inner = |value| Value {
            value,
            depth: depth + 1,
        };
        if value.is_unit() {
            to.serialize_unit()
        } else if let Ok(truth) = value.as_bool() {
            to.serialize_bool(truth)
        } else if let Ok(number) = value.as_int() {
            to.serialize_i64(number)
        } else if let Ok(number) = value.as_float() {
            match number.is_finite() {
                true => to.serialize_f64(number),
                false => Err(S::Error::custom(format!("JSON has no number {number}"))),
            }
        } else if let Ok(text) = value.as_immutable_string_ref() {
            to.serialize_str(&text)
        } else if let Ok(list) = value.as_array_ref() {
            to.collect_seq(list.iter().map(inner))
        } else if let Ok(map) = value.as_map_ref() {
            to.collect_map(map.iter().map(|(key, value)| (key.as_str(), inner(value))))
        } else if let Some(json) = value.read_lock::<Json>() {
            let value = &map(&json).into();
            Value { value, depth }.serialize(to)
        } else {
            let kind = value.type_name();
            Err(S::Error::custom(format!(
                "JSON has no value of type {kind}"
            )))
        }
    }
}
