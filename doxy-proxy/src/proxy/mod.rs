//! The way of a request: accept, parse, decide, forward, stream, log. `handler` has it in one
//! function.

pub(crate) mod accept;
mod client;
mod connection;
mod error;
mod exchange;
mod handler;
mod idle;
mod overflow;
mod respond;
pub(crate) mod service;
mod tunnel;
mod upstream_request;
mod worker;
