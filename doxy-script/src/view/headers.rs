//! `req.headers`: case-insensitive names, values as received.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use crate::budget::{Stop, stop};
use crate::request::OwnedRequest;

/// The headers of a request.
#[derive(Debug, Clone)]
pub(super) struct Headers(pub(super) Arc<OwnedRequest>);

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Headers>("headers")
        .register_indexer_get(
            |context: NativeCallContext<'_>, headers: &mut Headers, name: &str| {
                headers.get(&context, name)
            },
        )
        .register_fn(
            "values",
            |context: NativeCallContext<'_>, headers: &mut Headers, name: &str| -> Result<Array> {
                headers
                    .0
                    .header(name)
                    .map(|value| Ok(text(value, &context)?.into()))
                    .collect()
            },
        )
        .register_fn("contains", |headers: &mut Headers, name: &str| {
            headers.0.header(name).next().is_some()
        });
}

/// Registers the header `name` as a property.
pub(super) fn register_property(engine: &mut Engine, name: &ImmutableString) {
    let header = name.clone();
    engine.register_get(
        name.as_str(),
        move |context: NativeCallContext<'_>, headers: &mut Headers| headers.get(&context, &header),
    );
}

impl Headers {
    fn get(&self, context: &NativeCallContext<'_>, name: &str) -> Result<Dynamic> {
        match self.0.header(name).next() {
            Some(value) => Ok(text(value, context)?.into()),
            None => Ok(Dynamic::UNIT),
        }
    }
}

fn text(value: &[u8], context: &NativeCallContext<'_>) -> Result<ImmutableString> {
    str::from_utf8(value).map(Into::into).map_err(|_| {
        stop(
            Stop::Rejected("a header is not valid UTF-8".to_owned()),
            context.call_position(),
        )
    })
}
