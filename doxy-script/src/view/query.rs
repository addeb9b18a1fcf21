//! `req.query`, as the engine reads it.
//!
//! Names are case-sensitive, `+` is a space, the first of several values counts. A query that the
//! engine would reject or could read differently is refused when the script first reads it.

use std::sync::Arc;

use doxy_filter::api::schema::OPAQUE;
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position};

use super::object;
use crate::budget::{Stop, stop};
use crate::json;
use crate::query;
use crate::reads::{Part, note, note_parameter};
use crate::request::{OwnedRequest, Pairs};

/// A parsed query.
#[derive(Debug, Clone)]
pub(super) struct Query(Pairs);

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Query>("query")
        .register_indexer_get(|query: &mut Query, name: &str| query.get(name))
        .register_fn("values", |query: &mut Query, name: &str| -> Array {
            note_parameter(name);
            let mine = query.0.iter().filter(|(key, _)| key == name);
            mine.map(|(_, value)| value.clone().into()).collect()
        })
        .register_fn("contains", |query: &mut Query, name: &str| {
            query.first(name).is_some()
        })
        .register_fn("names", |query: &mut Query| -> Array {
            note(Part::Parameters);
            query.0.iter().map(|(key, _)| key.clone().into()).collect()
        })
        .register_fn("is_empty", |query: &mut Query| {
            note(Part::Parameters);
            query.0.is_empty()
        })
        .register_fn("flag", |query: &mut Query, name: &str| {
            query.first(name).is_some_and(|value| is_true(&value))
        })
        .register_fn(
            "json",
            |context: NativeCallContext<'_>, query: &mut Query, name: &str| -> Result<Dynamic> {
                note(Part::Parsed);
                let Some(value) = query.first(name).filter(|value| !value.is_empty()) else {
                    return Ok(Dynamic::UNIT);
                };
                let doc = json::parse(value.as_bytes(), &OPAQUE).map_err(|reason| {
                    let reason = format!(
                        "{name} in the query: {}",
                        reason.replace("the body", "the value")
                    );
                    stop(Stop::Rejected(reason), context.call_position())
                })?;
                let root = doc.root();
                Ok(object::value(&Arc::new(doc), root))
            },
        );
}

/// Registers the parameter `name` as a property.
pub(super) fn register_property(engine: &mut Engine, name: &ImmutableString) {
    let parameter = name.clone();
    engine.register_get(name.as_str(), move |query: &mut Query| {
        query.get(&parameter)
    });
}

impl Query {
    fn get(&self, name: &str) -> Dynamic {
        self.first(name).map_or(Dynamic::UNIT, Into::into)
    }

    /// The query of a request. It is parsed once, however often a policy says `req.query`.
    pub(super) fn of(request: &OwnedRequest, at: Position) -> Result<Self> {
        pairs(request).cloned().map(Self).ok_or_else(|| {
            let reason = "the query has a `;`, an invalid escape, or bytes that are not UTF-8";
            stop(Stop::Rejected(reason.to_owned()), at)
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        note(Part::Parameters);
        self.0.iter().map(|(name, _)| name.as_str())
    }

    fn first(&self, name: &str) -> Option<ImmutableString> {
        note_parameter(name);
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.clone())
    }
}

/// The names and values of a query; `None` if it is ambiguous.
fn pairs(request: &OwnedRequest) -> Option<&Pairs> {
    note(Part::Query);
    let pairs = request
        .pairs
        .get_or_init(|| query::parse(request.query()).map(Arc::new));
    pairs.as_ref()
}

/// Whether the engine takes a value for true.
fn is_true(value: &str) -> bool {
    let value = value.trim();
    !["", "0", "no", "false", "none"]
        .iter()
        .any(|no| value.eq_ignore_ascii_case(no))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

    use std::sync::Arc;

    use doxy_filter::{Reason, Verdict};
    use rhai::Position;

    use super::Query;
    use crate::request::{Body, OwnedRequest, PeerContainer, ScriptRequest, UsedProperties};

    #[test]
    fn a_query_is_parsed_once() {
        let input = ScriptRequest {
            method: "GET",
            path: "/",
            query: Some("a=1"),
            headers: &[],
            peer: None,
            container: &PeerContainer::NotAsked,
            socket: "s",
            has_body: false,
            changed: false,
            verdict: Verdict::Deny(Reason::NoRule),
        };
        let mut request = OwnedRequest::default();
        request.fill(&input, Body::NotRead, UsedProperties::default());
        let one = Query::of(&request, Position::NONE).unwrap();
        let other = Query::of(&request, Position::NONE).unwrap();
        assert!(Arc::ptr_eq(&one.0, &other.0));
    }
}
