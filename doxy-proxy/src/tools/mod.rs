//! What the tools find out and do that is neither pure nor a part of serving: logs that are read, files
//! that are written, a proxy for one tool.
//!
//! It knows no command line and prints nothing but what happens on the way, on standard error.

pub(crate) mod admin_client;
mod at_once;
pub(crate) mod check;
pub(crate) mod compose;
pub(crate) mod docker_host;
pub(crate) mod healthcheck;
pub(crate) mod learn;
pub(crate) mod output;
pub(crate) mod records;
pub(crate) mod replay;
pub(crate) mod say;
pub(crate) mod top;
pub(crate) mod verify;
mod yaml;
