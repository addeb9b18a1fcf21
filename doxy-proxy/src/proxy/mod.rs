//! The way of a request: accepted, parsed, decided, forwarded, streamed and logged.

pub(crate) mod connection;
pub(crate) mod forward;
pub(crate) mod handler;
pub(crate) mod idle;
pub(crate) mod respond;
pub(crate) mod server;
pub(crate) mod tunnel;
