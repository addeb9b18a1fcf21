//! Policy scripts of doxy: a Rhai file with one function, `decide(req)`, that judges every request.
//!
//! A [`Script`] is compiled and checked once. [`Script::decide`] then takes a request and what is
//! known of its [`Body`], and gives a [`Decision`]. `docs/scripts.md` is the manual for authors of
//! policies.
//!
//! # What holds
//!
//! - Whatever fails is a denial: an error, a limit, an unexpected return value, a body that the
//!   engine could read differently from the policy.
//! - A policy keeps nothing between calls and reaches nothing outside: no file, network, process or
//!   clock.
//! - One call is bounded in steps, time, depth and sizes, closures included.
//! - A policy sees the values that the engine will see, or the request is refused.
//!
//! Absent on purpose: sockets, HTTP, async, bodies that are still to be read. The caller does that.
//!
//! # Map
//!
//! From the lowest floor to the highest. A module imports only from floors below its own.
//!
//! | floor | what it is for | what it must never know |
//! |---|---|---|
//! | `limits` | `Limits`: steps and time of one call; fixed sizes | what is limited |
//! | `error` | `ScriptError`: an error in a policy and how to fix it | what a policy means |
//! | `json` | JSON read strictly by the schema of an endpoint, or a refusal | Rhai, scripts, requests |
//! | `budget` | what one call has used up, and why it was stopped | what the call does |
//! | `reads` | which parts of a request a policy has read | what is in them |
//! | `literals` | what is written in a policy that a request could be compared with | how it was found; requests |
//! | `lookup` | what a policy looks up, and the engine's answers | how the engine is asked |
//! | `query` | a query as the engine reads it, and with other values | what a parameter means |
//! | `rewrite` | `Rewrite`: how a policy changes a request that it allows | the request |
//! | `decision` | `Decision`: what comes out of a policy, and where it was decided | how it was found |
//! | `request` | the request, as the caller gives it and as a script can hold it | the engine, policies |
//! | `view` | `req` and its properties: what a script sees of a request | verdicts, compilation |
//! | `library` | the functions that scripts can call | how a script is compiled or run |
//! | `run` | one bounded call: engine, depth of values, request cell | what is checked before a call |
//! | `compile` | the text of a policy becomes one that can run, or an error | requests, bodies |
//! | `script` | `Script`: compile, ask, explain failures | sockets, files, HTTP |

mod budget;
mod compile;
mod decision;
mod error;
mod json;
mod library;
mod limits;
mod literals;
mod lookup;
mod query;
mod reads;
mod request;
mod rewrite;
mod run;
mod script;
mod view;

pub use crate::decision::{Decision, Location};
pub use crate::error::ScriptError;
pub use crate::limits::Limits;
pub use crate::literals::Literals;
pub use crate::lookup::{Identity, Lookup, Lookups, Unanswered};
pub use crate::reads::{Part, Reads, watch_reads};
pub use crate::request::{Body, Certificate, Container, Peer, PeerContainer, ScriptRequest};
pub use crate::rewrite::Rewrite;
pub use crate::script::Script;
