//! The tools: subcommands of the binary.

mod check;
mod coverage;
mod explain;
mod pages;
mod run;
