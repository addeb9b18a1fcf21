//! What the tests are made of: a recording engine, doxy in this process and as the binary, a raw
//! client, a second reading of HTTP.
//!
//! Nothing here has a fixed name or port. What is waited for is an event wherever there is one, and
//! one time limit turns a hang into a failure.

mod binary;
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
pub(crate) use client::{Client, Reply};
pub(crate) use fake::{Fake, Recorded};
pub(crate) use needs::{Need, needs};
pub(crate) use proxy::Doxy;
pub(crate) use wait::TIMEOUT;
