//! Places: a variable of a script and the way from it into a request or a body.
//!
//! What is there is shown without a value of Rhai's being made of it, nor of what is passed on the way. Wherever Rhai would say
//! something else than what can be shown here, or an error, nothing is shown, and Rhai is to be asked.

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString, Scope};

use super::json::{self, Json};
use super::query;
use super::request::Req;
use crate::body::{Doc, Node, NodeId, Seek};
use crate::budget;
use crate::engine::{MAX_LIST, MAX_TEXT};
use crate::input::Facts;

/// A variable, and at least one step from it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) variable: ImmutableString,
    pub(crate) steps: Vec<Step>,
}

/// One step on the way.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// `.name`
    Property(ImmutableString),
    /// `["name"]`
    Key(ImmutableString),
    /// `[variable]`
    Variable(ImmutableString),
}

/// What is at a place.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    Nothing,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    /// Another value of a document.
    Json(&'a Arc<Doc>, NodeId),
}

impl Place {
    /// Shows what is there. `None` if Rhai has to be asked. It is a step of the call, whoever answers: what is at a
    /// place can be as large as a body.
    pub(crate) fn look<R>(&self, scope: &Scope<'_>, then: impl FnOnce(Seen<'_>) -> R) -> Option<R> {
        // Rhai ends the call at its own next step.
        if !budget::step() {
            return None;
        }
        let root = scope.get(&self.variable)?;
        if root.is_unit() {
            return nothing(&self.steps).map(then);
        }
        if let Some(json) = root.read_lock::<Json>() {
            return into_json(&json, &self.steps, scope).map(then);
        }
        let req = root.read_lock::<Req>()?;
        into_request(&req.0, &self.steps, scope).map(then)
    }
}

/// Whether a variable holds a request, or an object of a body: nothing in them is changed by what is called on it.
pub(crate) fn holds_request(scope: &Scope<'_>, variable: &str) -> bool {
    let value = scope.get(variable);
    value.is_some_and(|value| {
        value.read_lock::<Req>().is_some() || value.read_lock::<Json>().is_some()
    })
}

impl Step {
    /// Calls with the name that the step goes by; `None` if its variable holds no text.
    fn named<R>(&self, scope: &Scope<'_>, then: impl FnOnce(&str) -> R) -> Option<R> {
        match self {
            Self::Property(name) | Self::Key(name) => Some(then(name)),
            Self::Variable(name) => {
                let value = scope.get(name)?;
                let text = value.as_immutable_string_ref().ok()?;
                Some(then(&text))
            }
        }
    }
}

/// `()` holds nothing under any name. What stands in a variable need not be a name.
fn nothing(steps: &[Step]) -> Option<Seen<'static>> {
    let named = |step: &Step| !matches!(step, Step::Variable(_));
    steps.iter().all(named).then_some(Seen::Nothing)
}

fn into_json<'j>(json: &'j Json, steps: &[Step], scope: &Scope<'_>) -> Option<Seen<'j>> {
    let (doc, mut id) = (&json.doc, json.id);
    for (index, step) in steps.iter().enumerate() {
        match doc.node(id) {
            Node::Object { .. } => {}
            Node::Null => return nothing(steps.get(index..)?),
            _ => return None,
        }
        let next = step.named(scope, |name| match json::seek(doc, id, name) {
            Seek::Found(id) => Some(Some(id)),
            Seek::Absent => Some(None),
            Seek::Folds(_) => None,
        })??;
        match next {
            Some(next) => id = next,
            None => return nothing(steps.get(index + 1..)?),
        }
    }
    Some(match doc.node(id) {
        Node::Null => Seen::Nothing,
        Node::Bool(truth) => Seen::Bool(*truth),
        Node::Int(number) => Seen::Int(*number),
        Node::Text(_) | Node::List(_) if too_large(doc, id) => return None,
        Node::Text(span) => Seen::Text(doc.text(*span)),
        Node::Float(_) | Node::List(_) | Node::Object { .. } => Seen::Json(doc, id),
    })
}

/// Whether Rhai would refuse the value for its size.
fn too_large(doc: &Doc, id: NodeId) -> bool {
    let (items, text) = size(doc, id);
    items > MAX_LIST || text > MAX_TEXT
}

/// The items of a list, and the bytes of text in it, with those of the lists in it. An object stays where it is.
fn size(doc: &Doc, id: NodeId) -> (usize, usize) {
    match doc.node(id) {
        Node::Text(span) => (0, doc.text(*span).len()),
        Node::List(items) => doc.items(items).iter().fold((0, 0), |(items, text), item| {
            let (more, longer) = size(doc, *item);
            (items + 1 + more, text + longer)
        }),
        _ => (0, 0),
    }
}

fn into_request<'f>(facts: &'f Facts, steps: &[Step], scope: &Scope<'_>) -> Option<Seen<'f>> {
    let (Step::Property(part), rest) = steps.split_first()? else {
        return None;
    };
    match (part.as_str(), rest) {
        ("method", []) => Some(Seen::Text(facts.method())),
        ("path", []) => Some(Seen::Text(facts.path())),
        ("endpoint", []) => Some(Seen::Text(doxy_filter::split_version(facts.path()).1)),
        ("version", []) => Some(Seen::Text(doxy_filter::split_version(facts.path()).0)),
        ("socket", []) => Some(Seen::Text(facts.socket())),
        ("headers", [name]) => {
            let value = name.named(scope, |name| facts.header(name).next())?;
            value.map_or(Some(Seen::Nothing), |value| {
                str::from_utf8(value).ok().map(Seen::Text)
            })
        }
        ("query", [name]) => {
            let pairs = query::pairs(facts)?;
            let value = name.named(scope, |name| pairs.iter().find(|(key, _)| key == name))?;
            Some(value.map_or(Seen::Nothing, |(_, value)| Seen::Text(value)))
        }
        ("peer", [Step::Property(part)]) => match (part.as_str(), facts.peer?) {
            ("uid", peer) => Some(Seen::Int(peer.uid.into())),
            ("gid", peer) => Some(Seen::Int(peer.gid.into())),
            _ => None,
        },
        _ => None,
    }
}

impl Seen<'_> {
    /// It as a value of Rhai's.
    pub(crate) fn value(self) -> Dynamic {
        match self {
            Self::Nothing => Dynamic::UNIT,
            Self::Bool(truth) => truth.into(),
            Self::Int(number) => number.into(),
            Self::Text(text) => ImmutableString::from(text).into(),
            Self::Json(doc, id) => json::value(doc, id),
        }
    }

    /// Whether it is set, as `is_set` has it.
    pub(crate) fn is_set(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Text(text) => !text.is_empty(),
            Self::Json(doc, id) => json::node_is_set(doc, *id),
        }
    }
}
