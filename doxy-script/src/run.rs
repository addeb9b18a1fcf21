//! One bounded call of a policy: the engine, the depth of values, the request cell, and errors.

mod depth;
mod engine;
mod failure;
mod request_cell;

pub(crate) use self::depth::check as check_depth;
pub(crate) use self::engine::build as engine;
pub(crate) use self::failure::{callers, explain, lower};
pub(crate) use self::request_cell::{PolicyId, RequestCell};
