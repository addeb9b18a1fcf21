//! What a script sees of a request: `req` and its properties.
//!
//! Each type is a reference-counted handle. A value is converted when the script reads it.

mod headers;
mod lookups;
mod object;
mod query;
mod request;

use rhai::Engine;

pub(crate) use self::object::{field, is_set};
pub(crate) use self::request::{PARTS, PROPERTIES, Req};

/// Registers the types and their functions with the engine.
pub(crate) fn register(engine: &mut Engine) {
    request::register(engine);
    query::register(engine);
    headers::register(engine);
    object::register(engine);
    lookups::register(engine);
}
