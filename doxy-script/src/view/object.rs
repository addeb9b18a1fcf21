//! JSON values as a script sees them.
//!
//! Plain values and lists become Rhai's own. An object remains in the document and is read by key. A
//! missing value is `()`.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use crate::budget::{self, Stop, stop};
use crate::json::{Doc, Member, Node, NodeId};

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Json {
    pub(super) doc: Arc<Doc>,
    pub(super) id: NodeId,
}

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Json>("object")
        .register_indexer_get(
            |context: NativeCallContext<'_>, json: &mut Json, name: &str| json.get(&context, name),
        )
        .register_fn(
            "contains",
            |context: NativeCallContext<'_>, json: &mut Json, name: &str| -> Result<bool> {
                Ok(json.look_up(&context, name)?.is_some())
            },
        )
        .register_fn("len", |json: &mut Json| {
            i64::try_from(json.doc.members(json.id).len()).unwrap_or(i64::MAX)
        })
        .register_fn("is_empty", |json: &mut Json| {
            json.doc.members(json.id).len() == 0
        })
        .register_fn("keys", |json: &mut Json| -> Array {
            let members = json.doc.members(json.id);
            members
                .map(|(key, _)| ImmutableString::from(key).into())
                .collect()
        })
        .register_fn("values", |json: &mut Json| -> Array {
            let members = json.doc.members(json.id);
            members.map(|(_, id)| value(&json.doc, id)).collect()
        });
}

/// Registers the field `name` as a property.
pub(super) fn register_property(engine: &mut Engine, name: &ImmutableString) {
    let field = name.clone();
    engine.register_get(
        name.as_str(),
        move |context: NativeCallContext<'_>, json: &mut Json| json.get(&context, &field),
    );
}

impl Json {
    fn get(&self, context: &NativeCallContext<'_>, name: &str) -> Result<Dynamic> {
        let found = self.look_up(context, name)?;
        Ok(found.map_or(Dynamic::UNIT, |id| value(&self.doc, id)))
    }

    fn look_up(&self, context: &NativeCallContext<'_>, name: &str) -> Result<Option<NodeId>> {
        match look_up(&self.doc, self.id, name) {
            Member::Found(id) => Ok(Some(id)),
            Member::Absent => Ok(None),
            Member::Misspelled(_) => {
                let reason = format!("the body has the field {name} in another spelling");
                Err(stop(Stop::Rejected(reason), context.call_position()))
            }
        }
    }
}

/// How many keys are searched in the time of one step.
const KEYS_A_STEP: usize = 256;

/// Looks a key up. The search counts as steps, because a client can send an object with many keys.
fn look_up<'d>(doc: &'d Doc, id: NodeId, name: &str) -> Member<'d> {
    let keys = doc.members(id).len();
    budget::work(u32::try_from(keys / KEYS_A_STEP).unwrap_or(u32::MAX));
    doc.look_up(id, name)
}

/// Converts a value of a document to one of Rhai's.
pub(super) fn value(doc: &Arc<Doc>, id: NodeId) -> Dynamic {
    match doc.node(id) {
        Node::Null => Dynamic::UNIT,
        Node::Bool(truth) => Dynamic::from_bool(*truth),
        Node::Int(number) => Dynamic::from_int(*number),
        Node::Float(number) => Dynamic::from_float(*number),
        Node::Text(span) => ImmutableString::from(doc.text(*span)).into(),
        Node::List(items) => {
            let items = doc.items(items).iter();
            items
                .map(|item| value(doc, *item))
                .collect::<Array>()
                .into()
        }
        Node::Object { .. } => Dynamic::from(Json {
            doc: Arc::clone(doc),
            id,
        }),
    }
}

/// The text in a field of an object.
pub(crate) fn field(object: &Dynamic, name: &str) -> Option<String> {
    let json = object.read_lock::<Json>()?;
    let Member::Found(id) = json.doc.look_up(json.id, name) else {
        return None;
    };
    match json.doc.node(id) {
        Node::Text(span) => Some(json.doc.text(*span).to_owned()),
        _ => None,
    }
}

/// Whether a value differs from Go's zero values: `false`, `0`, an empty text, list or map, and an
/// object in which nothing is set.
pub(crate) fn is_set(value: &Dynamic) -> bool {
    if value.is_unit() {
        return false;
    }
    if let Ok(truth) = value.as_bool() {
        return truth;
    }
    if let Ok(number) = value.as_int() {
        return number != 0;
    }
    if let Ok(number) = value.as_float() {
        return number != 0.0;
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return !text.is_empty();
    }
    if let Ok(list) = value.as_array_ref() {
        return !list.is_empty();
    }
    if let Ok(map) = value.as_map_ref() {
        return !map.is_empty();
    }
    value
        .read_lock::<Json>()
        .is_none_or(|json| node_is_set(&json.doc, json.id))
}

/// The same for a value of a document.
pub(super) fn node_is_set(doc: &Doc, id: NodeId) -> bool {
    match doc.node(id) {
        Node::Null => false,
        Node::Bool(truth) => *truth,
        Node::Int(number) => *number != 0,
        Node::Float(number) => *number != 0.0,
        Node::Text(span) => !doc.text(*span).is_empty(),
        Node::List(items) => !items.is_empty(),
        // In a map a key has a meaning, whatever its value is.
        Node::Object { free: true, .. } => doc.members(id).len() > 0,
        Node::Object { free: false, .. } => {
            doc.members(id).any(|(_, member)| node_is_set(doc, member))
        }
    }
}
