//! Has the linker pack the relocations of the binary, where what loads it can unpack them.
//!
//! They are a third of a megabyte that is read at the start of every process and resident from then on;
//! packed they are 4 KiB. The C library reads them so since glibc 2.36, and a binary that has them does not
//! start with an older one: so that is asked first. `DOXY_PORTABLE=1` leaves them as they are, for a binary
//! that is to run on other machines.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DOXY_PORTABLE");
    let portable = env::var_os("DOXY_PORTABLE").is_some();
    let same = env::var("HOST") == env::var("TARGET");
    let gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if !portable && same && gnu && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bin=doxy=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's C library, as in `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, rest) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
