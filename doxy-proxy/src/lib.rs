//! The socket-forwarding core of doxy: a library that is handed its listener, its policy and
//! its stop signal. The binary `doxy` adds the command line.
//!
//! # The way of a request
//!
//! | step | where | what |
//! |---|---|---|
//! | accept | `listen`, `server`, `connection`, `client_io` | a socket, a task for each client |
//! | parse | `request` | one reading of the head, or a refusal |
//! | decide | `policy` | rules; the only maker of a permit |
//! | forward | `forward`, `headers`, `hijack`, `upstream` | takes a permit, asks the engine |
//! | stream | `stream` | the answer's body, frame by frame |
//! | | `tunnel`, `pipe` | where the engine switches the connection: bytes, both ways |
//! | log | `record` | one line, at the very end |
//!
//! `handler` has these steps in one function. `respond` makes the answers that are doxy's own,
//! `error` has their words.
//!
//! # What holds
//!
//! - No byte of a request reaches the engine unless that request was judged and allowed:
//!   `forward` takes nothing but a permit, which holds the request that was judged.
//! - What is sent is what was judged: target, end-to-end headers and body as they came.
//! - Bodies are streamed both ways, never collected, and no clock ends them.
//! - Nothing of a body, a header or a query is logged, but the `Host`.
//! - No global state: several proxies live in one process.

mod client_io;
mod connection;
mod error;
mod forward;
mod handler;
mod headers;
mod hijack;
mod listen;
mod pipe;
mod policy;
mod record;
mod request;
mod respond;
mod server;
mod socket;
mod stream;
mod tunnel;
mod upstream;

pub use connection::{MAX_HEAD, MAX_HEADERS};
pub use error::plain;
pub use handler::Proxy;
pub use listen::{Bind, BindError, LONGEST_PATH, Listener, probe};
pub use policy::Policy;
pub use server::serve;
pub use upstream::{Engine, Upstream};
