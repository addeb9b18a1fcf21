//! Bytes and who sends them: streams, TLS, buffers, splicing, listeners and peers.
//!
//! Nothing in this folder knows HTTP, policies or the Docker engine.

pub(crate) mod block;
pub(crate) mod buffer;
pub(crate) mod cgroup;
pub(crate) mod container;
mod credentials;
pub(crate) mod handshake;
pub(crate) mod listener;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod read;
pub(crate) mod reason;
pub(crate) mod socket;
pub(crate) mod splice;
pub(crate) mod stream;
pub(crate) mod tls;
