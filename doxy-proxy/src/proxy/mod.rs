//! The way of a request: accept, parse, decide, forward, stream, log. `handler` has it in one
//! function.

mod accept;
pub(crate) mod browser;
mod client;
mod connection;
mod containers;
pub(crate) mod coverage;
pub(crate) mod door;
mod error;
mod exchange;
pub(crate) mod explain;
mod handler;
mod idle;
mod missing;
pub(crate) mod observe;
mod overflow;
mod respond;
mod secure;
pub(crate) mod server;
pub(crate) mod service;
mod tunnel;
mod upstream_request;
mod worker;
