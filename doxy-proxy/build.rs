//! Ends the build for other systems than Linux with one sentence, instead of a page of errors.
//!
//! It checks the target and not this machine: doxy for Linux may be built anywhere. It also warns of a
//! setting of the build that 0.1 had; the warning goes after 0.2.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DOXY_PORTABLE");
    if env::var_os("DOXY_PORTABLE").is_some() {
        println!(
            "cargo::warning=DOXY_PORTABLE is for nothing: every build is portable; leave it out"
        );
    }
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        println!(
            "cargo::error=doxy runs on Linux only: build it there, in a Linux container, or with \
             `--target` for Linux"
        );
    }
}
