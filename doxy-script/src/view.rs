//! What a script sees of a request: `req` and what hangs on it.
//!
//! Each type here is a counted handle; a value is made when the script asks for it, not before.

mod headers;
mod object;
mod query;
mod request;

use rhai::Engine;

pub(crate) use self::object::is_set;
pub(crate) use self::request::{PARTS, PROPERTIES, Req};

/// Makes the types and what they offer known to the engine.
pub(crate) fn register(engine: &mut Engine) {
    request::register(engine);
    query::register(engine);
    headers::register(engine);
    object::register(engine);
}
