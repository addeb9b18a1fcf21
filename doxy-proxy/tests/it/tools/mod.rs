//! The tools: subcommands of the binary.

mod run;
