//! The parts of the tests: a recording engine, doxy in this process and as the binary, a raw
//! client, a second reader of HTTP.
//!
//! Nothing here has a fixed name or port. Tests wait for events wherever there are any, and one
//! timeout turns a hang into a failure.

mod binary;
pub(crate) mod browser;
mod certificates;
mod client;
mod fake;
pub(crate) mod files;
pub(crate) mod needs;
pub(crate) mod process;
mod proxy;
pub(crate) mod runtime;
pub(crate) mod sockets;
pub(crate) mod wait;
pub(crate) mod wire;

pub(crate) use binary::{Binary, Setup};
pub(crate) use certificates::Certificates;
pub(crate) use client::{Client, Reply};
pub(crate) use fake::{Fake, Recorded};
pub(crate) use needs::{Need, needs};
pub(crate) use proxy::Doxy;
pub(crate) use wait::TIMEOUT;
