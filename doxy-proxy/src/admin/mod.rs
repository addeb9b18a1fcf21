//! The admin side: what doxy shows of itself to whoever looks after it.
//!
//! It runs on a thread of its own and reads what others have counted, so nothing here holds up a request
//! to the engine. It shows nothing of bodies, queries and headers, and has no way to change anything.

mod board;
mod coverage;
mod events;
mod page;
mod process;
mod prometheus;
mod ready;
mod routes;
mod status;
mod thread;

pub(crate) use self::board::{AddressFacts, Board, Facts, Reloads, SocketFacts};
pub(crate) use self::coverage::{coverage_json, risks};
pub(crate) use self::thread::AdminThread;
