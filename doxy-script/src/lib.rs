//! Policy scripts of doxy: who may ask what of a Docker engine, with which query, headers and body.
//!
//! A [`Script`] is a Rhai file with one function, `decide(req)`. It is compiled and checked once, and then asked about
//! every request: [`Script::decide`] takes an [`Input`] and what there is of the [`Body`], and gives a [`Decision`].
//! `REFERENCE.md` is the page for those who write policies.
//!
//! # What holds
//!
//! - Whatever fails is a denial: an error, a limit, an odd return value, a body that the engine could read otherwise
//!   than the script does.
//! - A script has no memory between calls, and reaches nothing outside: no file, network, process or clock.
//! - One call is bounded in steps, time, depth and sizes, closures included.
//! - A script sees the values that the engine will see, or the request is refused.
//!
//! Absent on purpose: sockets, HTTP, async, bodies that are still to be read. The caller does that.
//!
//! # Where things are
//!
//! `script` compiles and asks, `syntax` and `check` tell what is wrong before it is asked, `engine` is what scripts run in, `desk` the memory they find there, `budget` is what they may use up, `nesting`
//! how deep their values go. `input` holds the request, `view` shows it to the script, `body` reads bodies
//! strictly, `library` has the functions, `decision` and `error` the words that come out.

mod body;
mod budget;
mod check;
mod decision;
mod desk;
mod engine;
mod error;
mod input;
mod library;
mod nesting;
mod script;
mod syntax;
mod view;

pub use crate::budget::Limits;
pub use crate::decision::{Decision, Place};
pub use crate::error::ScriptError;
pub use crate::input::{Body, Input, Peer};
pub use crate::script::Script;
