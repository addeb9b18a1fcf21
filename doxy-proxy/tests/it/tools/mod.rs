//! The tools: subcommands of the binary.

mod check;
mod coverage;
mod explain;
mod healthcheck;
mod pages;
mod run;
mod top;
mod verify;
