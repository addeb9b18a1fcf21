//! The socket-forwarding core of doxy: a library that gets its listeners, its policies and its stop
//! signal. The binary `doxy` adds command line and configuration.
//!
//! # The way of a request
//!
//! **accept → parse → decide → forward → stream → log**. `proxy/handler.rs` has these steps in one
//! function; open it first. On its way a request enters each folder once.
//!
//! | step | where | what |
//! |---|---|---|
//! | accept | `net/listener`, `proxy/accept.rs`, `proxy/connection.rs`, `proxy/idle.rs` | a task for each listener and for each client, how long that may wait |
//! | | `proxy/secure.rs`, `net/handshake.rs`, `net/tls` | over TLS: the handshake, and what a certificate lets in |
//! | | `proxy/door.rs`, `shares`, `proxy/overflow.rs` | who gets a place, and strangers that come in a crowd |
//! | | `proxy/containers.rs`, `net/cgroup.rs`, `upstream/container.rs` | which container a client is in, if somebody wants to know |
//! | parse | `http/head.rs` | where the head ends |
//! | | `http/request.rs` | one reading of the head, or a refusal |
//! | decide | `policy` | rules and a script: the only maker of a permit |
//! | forward | `proxy/upstream_request.rs`, `upstream` | a permit becomes a request to the engine |
//! | stream | `proxy/exchange.rs`, `http/response.rs`, `http/body.rs` | the response; bodies, piece by piece |
//! | | `proxy/tunnel.rs`, `net/splice.rs` | an upgraded connection: bytes, both ways |
//! | log | `log/record.rs` | one record, at the very end |
//! | or explain | `proxy/explain.rs` | the same way up to the decision, for a request that nobody sent |
//! | | `proxy/coverage.rs` | the same for every endpoint, with many requests |
//! | or answer itself | `proxy/respond.rs`, `proxy/error.rs` | the only place with status codes |
//!
//! # The floors
//!
//! From the lowest to the highest. No floor imports one above it; a test checks that.
//!
//! | floor | what it is for | what it must never know |
//! |---|---|---|
//! | `clock` | the coarse clock for timeouts and caches | what is timed |
//! | `facts` | the closed sets of values that logs and metrics name | who notes them |
//! | `metrics` | what doxy counts of itself, for each thread and socket | who reads it, how it is shown |
//! | `net` | bytes and who sends them: streams, TLS, buffers, splicing, listeners, peers | HTTP |
//! | `shares` | how peers share connections, memory of bodies and the time of scripts | HTTP, what is allowed |
//! | `http` | HTTP/1 messages: heads, framing, bodies, read strictly and written anew | policies, logs, the engine's address |
//! | `log` | records of requests, the access log, diagnostics | what is allowed |
//! | `policy` | decides, by rules and a script; makes permits | sockets |
//! | `upstream` | the engine: its address, dialling, kept connections | who asks, and why |
//! | `proxy` | the way of a request, from accept to log | files, options, users |
//! | `web` | an ordinary HTTP server that only reads, at an address of its own: for the admin side | what is asked for, and what is known |
//! | `privilege` | what the process gives up: users, capabilities, Landlock, seccomp | options, configuration |
//!
//! # Why not hyper
//!
//! `httparse`, which hyper uses too, parses heads; doxy writes them anew on the other side, so nothing
//! that was not parsed is passed on. hyper itself keeps 16 KiB for every connection, hides what a
//! filter has to see (a fragment, a length beside a transfer coding), and its two state machines cost
//! a third of a request. `docs/performance.md` has the figures.
//!
//! # What holds
//!
//! - No byte of a request reaches the engine unless that request was judged and allowed: forwarding
//!   takes nothing but a permit, which holds the request that was judged.
//! - What is sent is what was judged: target, end-to-end headers and body as they came.
//! - Bodies stream both ways, and no clock ends them. Only a script has one collected, up to a limit.
//! - No log has a query, a byte of a body, or a header other than `Host` and `X-Request-Id`.
//! - No global state: several proxies live in one process.

mod clock;
mod facts;
mod http;
pub mod log;
mod metrics;
mod net;
mod policy;
pub mod privilege;
mod proxy;
mod shares;
mod upstream;
mod web;

pub use crate::http::head::{MAX_HEAD, MAX_HEADERS};
pub use crate::log::access::{AccessLog, Format, LogDestination};
pub use crate::log::denials::DeniedKind;
pub use crate::metrics::Metrics;
pub use crate::metrics::denials::DenialTotal;
pub use crate::metrics::histogram::HistogramTotals;
pub use crate::metrics::requests::RequestTotal;
pub use crate::metrics::script::ScriptTotals;
pub use crate::metrics::shares::ShareTotal;
pub use crate::net::container::ContainerRule;
pub use crate::net::listener::error::ListenError;
pub use crate::net::listener::inherited::InheritedSockets;
pub use crate::net::listener::place::SocketPlace;
pub use crate::net::listener::present::{
    ListeningProcess, listening_process, listening_program, try_connect,
};
pub use crate::net::listener::tcp::TcpListener;
pub use crate::net::listener::unix::{MAX_SOCKET_PATH, UnixListenConfig, UnixListener};
pub use crate::net::listener::{ListenConfig, Listener};
pub use crate::net::peer::PeerAcl;
pub use crate::net::read::read_file;
pub use crate::net::reason::io_reason;
pub use crate::net::tls::certificate::{Certificate, CertificateRule};
pub use crate::net::tls::client::{TlsClient, TlsClientFiles};
pub use crate::net::tls::dated::{Dated, dated, dates_in};
pub use crate::net::tls::files::{TlsFile, TlsFileError};
pub use crate::net::tls::server::{TlsServer, TlsServerFiles};
pub use crate::net::tls::shown::{Shown, shown};
pub use crate::policy::{DryRun, Policy, PolicyHandle};
pub use crate::proxy::coverage::Covered;
pub use crate::proxy::door::{ListenerId, SocketId};
pub use crate::proxy::explain::{
    Answer, Asker, AskingCertificate, AskingContainer, Changed, DecidedBy, Explanation,
    KnownObject, ObjectAnswer, Question, RecordedPeer, RecordedRequest,
};
pub use crate::proxy::observe::{Observer, SocketTotals};
pub use crate::proxy::server::Server;
pub use crate::proxy::service::{Denied, Limits, Service};
pub use crate::upstream::{GetError, Upstream, UpstreamAddr, is_mount_point};
pub use crate::web::{WebAnswer, WebEvents, WebRefusals, WebServer};
#[cfg(feature = "script")]
pub use doxy_script::{Limits as ScriptLimits, Script, ScriptError};
