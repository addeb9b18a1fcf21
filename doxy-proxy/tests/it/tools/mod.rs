//! The tools: subcommands of the binary.

mod check;
mod explain;
mod pages;
mod run;
