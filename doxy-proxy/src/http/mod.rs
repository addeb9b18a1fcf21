//! HTTP/1 messages: heads, framing and bodies, read strictly and written anew.
//!
//! Nothing in this folder knows policies, logs or where the engine is.

pub(crate) mod body;
pub(crate) mod chunked;
pub(crate) mod collect;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod malformed;
pub(crate) mod request;
pub(crate) mod response;
#[cfg(feature = "script")]
mod rewriting;
#[cfg(feature = "script")]
pub(crate) mod rewritten;
pub(crate) mod target;
