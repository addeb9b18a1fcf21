//! Ends the build for other systems than Linux with one sentence, instead of a page of errors.
//!
//! It checks the target and not this machine: doxy for Linux may be built anywhere.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        println!(
            "cargo::error=doxy runs on Linux only: build it there, in a Linux container, or with \
             `--target` for Linux"
        );
    }
}
