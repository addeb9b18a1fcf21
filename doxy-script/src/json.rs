//! Bodies as the engine will read them, or a refusal.
//!
//! Go's decoder is lenient: it merges repeated keys, ignores the case of fields, and accepts one
//! string for some lists. A policy that sees another body than the engine protects nothing. So a
//! body that the engine could read differently is refused, and never repaired.
//!
//! `case_fold` compares keys as Go does, `lexer` reads tokens, `keys` checks keys, `parse` builds the
//! `doc`. The fields of each endpoint are in `doxy_filter::api`.

mod case_fold;
mod doc;
mod keys;
mod lexer;
mod parse;

pub(crate) use self::doc::{Doc, Member, Node, NodeId};
pub(crate) use self::parse::parse;
