//! `no_such` and `refers_to`: what policies say about objects that they have looked up.

use doxy_filter::api::ObjectKind;
use rhai::{Dynamic, Engine, EvalAltResult, NativeCallContext};

use crate::budget::{Stop, stop};
use crate::lookup;
use crate::view::field;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn(
            "no_such",
            |context: NativeCallContext<'_>, kind: &str, name: &str| no_such(&context, kind, name),
        )
        .register_fn("refers_to", |text: &str, object: Dynamic| {
            refers_to(text, &object)
        })
        .register_fn("refers_to", |(): (), _: Dynamic| false);
}

/// Denies a request as the engine does when there is no such object.
fn no_such(context: &NativeCallContext<'_>, kind: &str, name: &str) -> Result<()> {
    let kind = ObjectKind::of(kind).ok_or_else(|| lookup::unknown(kind))?;
    Err(stop(Stop::no_such(kind, name), context.call_position()))
}

/// Whether a text in a body means this object and can mean no other: it is the object's full id, or
/// its whole name. A name of hexadecimal digits alone could also be the beginning of another id.
fn refers_to(text: &str, object: &Dynamic) -> bool {
    let is = |name: &str, trim: &str| {
        field(object, name).is_some_and(|value| value.strip_prefix(trim).unwrap_or(&value) == text)
    };
    if text.is_empty() {
        return false;
    }
    let could_be_an_id = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is("Id", "") || is("ID", "") || (!could_be_an_id && is("Name", "/"))
}
