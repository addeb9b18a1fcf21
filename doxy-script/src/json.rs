//! Bodies as the engine will read them, or a refusal.
//!
//! The engine's decoder is forgiving: it merges duplicate keys, matches keys without regard to case, and reads
//! a list where one word stands. A policy that saw another body than the engine would be void. So a body is read
//! strictly here: where the engine could read it otherwise, it is refused, and never repaired.
//!
//! `case_fold` compares keys as Go does, `parse` reads, `doc` holds what was
//! read. Which fields an endpoint reads is said by `doxy_filter::api`.

mod case_fold;
mod doc;
mod keys;
mod lexer;
mod parse;

pub(crate) use self::doc::{Doc, Lookup, Node, NodeId};
pub(crate) use self::parse::parse;
