//! What a script sees of a request: `req` and its properties.
//!
//! Each type is a reference-counted handle. A value is converted when the script reads it.

mod headers;
mod lookups;
mod object;
mod only;
mod query;
mod request;
mod written;

use std::collections::BTreeSet;

use rhai::{Engine, ImmutableString};

pub(crate) use self::object::{field, is_set};
pub(crate) use self::request::{PARTS, PROPERTIES, Req};
pub(crate) use self::written::{into_map, to_json};

/// Registers the types and their functions with the engine.
pub(crate) fn register(engine: &mut Engine) {
    request::register(engine);
    query::register(engine);
    only::register(engine);
    headers::register(engine);
    object::register(engine);
    lookups::register(engine);
    written::register(engine);
}

/// How many names are registered.
const MAX_PROPERTIES: usize = 1000;

/// Registers the names that a policy has after dots as properties of what has keys: objects, the
/// query, the headers, and `()`. Without it Rhai makes an error for each, and then asks the indexer.
pub(crate) fn register_properties(engine: &mut Engine, names: &BTreeSet<ImmutableString>) {
    for name in names.iter().take(MAX_PROPERTIES) {
        object::register_property(engine, name);
        query::register_property(engine, name);
        headers::register_property(engine, name);
        engine.register_get(name.as_str(), |(): &mut ()| ());
    }
}
