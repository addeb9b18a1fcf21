//! The tests of doxy-proxy: raw bytes with a recording engine, the binary with invalid settings,
//! the real docker CLI with a real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says where"
)]

// The access log.
mod access;
// Answers that tell the client what would work.
mod advice;
// Status and message of every response that doxy makes itself.
mod answers;
// What doxy shows of itself.
mod admin;
// The command line and its errors.
mod cli;
// Which container a client is in.
mod containers;
// A corpus of raw requests, and the verdict that each must get.
mod corpus;
// Heads that are cut short.
mod cut_heads;
/// What is logged of denials by default.
mod denials;
/// Denials that end with the rule that would allow the request.
mod suggestions;
// One process with a unix socket, TCP and TLS.
mod doors;
// Sockets on which denials are only recorded.
mod dry_run;
// The real docker CLI and a real engine, through doxy and directly.
mod engine;
// The engine and doxy are killed under load.
mod faults;
// What doxy forwards, in both directions.
mod forwarding;
// A pattern file of what a tool asks for.
mod learn;
// The engine stops and starts, clients close, doxy stops.
mod lifecycle;
// Limits for clients, and which peers may connect.
mod limits;
// Sockets that the service manager passes on.
mod inherited;
// The journal of systemd, as access log and as standard error.
mod journal;
// The socket that doxy creates.
mod listening;
// A log that cannot be written, or that nobody reads.
mod logging;
// What policy scripts look up.
#[cfg(feature = "script")]
mod lookups;
// The manual: its links, and its table of options.
mod manual;
// An engine that is not Docker, and one that is.
mod not_docker;
// hyper in the engine's place, as a second opinion.
mod opinion;
// A changed policy and what was recorded.
mod replay;
// SIGHUP reloads the policy.
mod reload;
// The privileges that doxy gives up.
mod sandbox;
// Policy scripts in the proxy.
#[cfg(feature = "script")]
mod scripts;
// Requests that a policy changes.
#[cfg(feature = "script")]
mod changes;
// The live page in a browser.
mod live_page;
// What clients take from each other.
mod shares;
// A long mix of everything: memory and descriptors must not grow.
mod soak;
// Many sockets from one file: what comes, goes and changes while doxy serves.
mod sockets;
// A recording engine, doxy, a raw client, a second reader of HTTP.
mod support;
// A second doxy follows the first without a gap.
mod takeover;
// The tools of the binary.
mod tools;
// Listening over TCP, and what is known of a client there.
mod tcp;
// TLS on both sides.
mod tls;
// Several worker threads.
mod threads;
// Connections that the engine hijacks.
mod tunnels;
// Responses that come faster than the client reads them.
mod unread;
