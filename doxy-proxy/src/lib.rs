//! The socket-forwarding core of doxy: a library that is handed its listener, its policy and
//! its stop signal. The binary `doxy` adds the command line.
//!
//! # The way of a request
//!
//! | step | where | what |
//! |---|---|---|
//! | accept | `listen`, `server`, `connection` | a socket, a task for each client |
//! | parse | `head`, `request` | one reading of the head, or a refusal |
//! | decide | `policy`, `scripted` | rules, and a script; the only maker of a permit |
//! | forward | `forward`, `headers`, `hijack`, `upstream` | takes a permit, asks the engine |
//! | stream | `answer`, `body`, `chunks` | the engine's answer; bodies, piece by piece |
//! | | `tunnel`, `pipe` | where the engine switches the connection: bytes, both ways |
//! | log | `record`, `said`, `access` | one line, at the very end |
//!
//! `handler` has these steps in one function. `respond` makes the answers that are doxy's own,
//! `error` has their words. `socket` and `buffer` are what everything is read from and held in, `held` bounds the bodies that
//! a script wants to see, `idle` how long a connection may wait for a request.
//! `sandbox` takes from the process what none of this needs.
//!
//! Heads are taken apart by `httparse`, the parser that hyper has too, and written anew on the
//! other side: nothing of a head is passed on that was not parsed. hyper itself is not used. It
//! keeps 16 KiB for every connection, hides from its user what a filter has to see (a fragment, a
//! length beside a transfer coding), and its two state machines cost a third of a request.
//!
//! # What holds
//!
//! - No byte of a request reaches the engine unless that request was judged and allowed:
//!   `forward` takes nothing but a permit, which holds the request that was judged.
//! - What is sent is what was judged: target, end-to-end headers and body as they came.
//! - Bodies are streamed both ways, never collected, and no clock ends them.
//! - Nothing of a body, a header or a query is logged, but the `Host`.
//! - No global state: several proxies live in one process.

mod clock;
mod http;
pub mod log;
mod net;
mod policy;
pub mod privilege;
mod proxy;
mod upstream;

pub use crate::http::head::{MAX_HEAD, MAX_HEADERS};
pub use crate::log::access::{AccessLog, Format, LogDestination};
pub use crate::net::listener::Listener;
pub use crate::net::listener::unix::{ListenError, MAX_SOCKET_PATH, UnixListenConfig, try_connect};
pub use crate::net::peer::PeerAcl;
pub use crate::net::reason::io_reason;
pub use crate::policy::{Policy, PolicyHandle};
pub use crate::proxy::accept::serve;
pub use crate::proxy::service::{Limits, Service};
pub use crate::upstream::{Upstream, UpstreamAddr};
#[cfg(feature = "script")]
pub use doxy_script::{Script, ScriptError};
