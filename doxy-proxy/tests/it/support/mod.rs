//! What the tests are made of: a recording engine, a proxy in this process, a raw client,
//! a second reading of HTTP.
//!
//! Nothing sleeps here and nothing has a fixed name. What is waited for is an event; the one
//! time limit there is turns a hang into a failure.

mod client;
mod fake;
pub(crate) mod files;
pub(crate) mod process;
mod proxy;
pub(crate) mod sockets;
pub(crate) mod wire;

pub(crate) use client::{Client, Reply};
pub(crate) use fake::{Fake, Recorded};
pub(crate) use proxy::Doxy;

use std::time::Duration;

/// When a test gives up waiting.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
