//! TLS, on both sides: doxy as the server of its clients, and as a client of the engine.
//!
//! rustls does what is cryptography; here is how its bytes come on and off a socket. TLS 1.2 and 1.3,
//! and nothing older. Nothing here decides who may do what: it says who has proved what.

pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod dated;
mod der;
pub(crate) mod files;
mod pinned;
mod provider;
pub(crate) mod server;
pub(crate) mod shown;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
