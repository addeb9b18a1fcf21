//! The way of a request: accepted, parsed, decided, forwarded, streamed and logged.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod handler;
pub(crate) mod idle;
pub(crate) mod respond;
pub(crate) mod tunnel;
