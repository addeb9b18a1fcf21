//! The tools: subcommands of the binary.

mod check;
mod run;
