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
            |context: NativeCallContext<'_>,
             headers: &mut Headers,
             name: &str|
             -> Result<Dynamic> {
                headers
                    .0
                    .header(name)
                    .next()
                    .map_or(Ok(Dynamic::UNIT), |value| Ok(text(value, &context)?.into()))
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

fn text(value: &[u8], context: &NativeCallContext<'_>) -> Result<ImmutableString> {
    str::from_utf8(value).map(Into::into).map_err(|_| {
        stop(
            Stop::Rejected("a header is not valid UTF-8".to_owned()),
            context.call_position(),
        )
    })
}
