//! The tests of doxy-proxy: raw bytes against a recording engine, the binary against bad input,
//! real docker against a real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says where"
)]

// The access log: one record a request, whatever becomes of it.
mod access;
// The words and statuses of every answer that doxy makes itself.
mod answers;
// The command line, and settings that are wrong.
mod cli;
// The corpus of raw requests: what may reach the engine and what may not.
mod corpus;
// The real docker CLI against a real engine, through doxy and directly.
mod engine;
// Engine and doxy dying under load.
mod faults;
// What arrives at the engine, and what comes back.
mod forwarding;
// The engine absent, gone, back; doxy told to stop.
mod lifecycle;
// What a client may cost, and who may be one.
mod limits;
// The socket: modes, stale ones, live ones.
mod listening;
// The log, when nobody takes it.
mod logging;
// Another reader of heads in the engine's place: hyper.
mod opinion;
// SIGHUP: the policy read again.
mod reload;
// What doxy gives up, tried from inside and seen from outside.
mod sandbox;
// Policy scripts, as the proxy asks them.
#[cfg(feature = "script")]
mod scripts;
// The binary under a long mix of everything: memory and descriptors stay what they are.
mod soak;
// A recording engine, a proxy in this process, a client that speaks bytes.
mod support;
// Connections that the engine switches: bytes both ways, and how they end.
mod threads;
mod tunnels;
mod unread;
