//! The seccomp filter: an allow-list of system calls. All others fail with `EPERM`.
//!
//! [`calls`] has the calls that are harmless whatever their arguments, [`arguments`] those that are
//! allowed with some arguments only. What a filter cannot tell is where a pointer leads and what a
//! descriptor is: a call that is harmless for some files or sockets and not for others is allowed for
//! none. Therefore nothing here changes a file's mode, owner, times or attributes, and nothing listens
//! where a socket of the internet can be made.
//!
//! A refused call returns an error and does not end the process: a library that tries it goes another
//! way, and clients are not cut off. An attacker who controls doxy gains nothing by trying again.
//!
//! # Sockets at a reload
//!
//! With a unix engine, binding and listening stay allowed: Landlock permits sockets in the folders of
//! those that were there at the start. The mode of such a socket comes from the umask (`umask(2)` is
//! allowed, `bind(2)` applies it), before anyone can connect; it belongs to doxy's own user and group.
//! `chmod`, `fchmod` and `chown` stay refused, as they would reach every file of that user. Other
//! owners, and sockets beside an engine with a TCP address, take a restart.

mod arguments;
mod calls;

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use crate::net::reason::io_reason;
use crate::privilege::needs::Needs;

/// The newest call known here. Calls with higher numbers return `ENOSYS`, as on a kernel that lacks
/// them: then libraries use older ones. Among them are those of x32, the third ABI of x86, which
/// repeats the same calls under other numbers.
const NEWEST: u32 = libc::SYS_mseal as u32;
/// Its flags are in memory, where a filter cannot read them. The C library uses `clone` if it is told
/// that there is no such call.
const CLONE3: u32 = libc::SYS_clone3 as u32;

pub(super) fn install(needs: &Needs) -> Result<(), String> {
    let program = program(needs).map_err(|error| error.to_string())?;
    // Applies to every existing thread and to each that is started later.
    seccompiler::apply_filter_all_threads(&program).map_err(|error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => io_reason(&error),
        error => error.to_string(),
    })
}

/// The filter as the kernel loads it.
///
/// Its length hardly matters: since Linux 5.11 the kernel caches which calls are allowed whatever
/// their arguments, and skips the filter for them. Therefore the filter inspects arguments only of
/// calls that are not made for every request (with a TCP engine, those that send are).
fn program(needs: &Needs) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    // Without rules a call is allowed whatever its arguments.
    rules.extend(calls::allowed(needs.network).map(|call| (call, vec![])));
    rules.extend(arguments::allowed(needs)?);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    let mut program = absent();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// The prologue: calls that return `ENOSYS`. Their numbers are the same on all processors, so this
/// comes before the check of the architecture.
fn absent() -> BpfProgram {
    let statement = |code: u32, jt, jf, k| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let jump = libc::BPF_JMP | libc::BPF_K;
    let enosys = u32::from(SeccompAction::Errno(libc::ENOSYS as u32));
    vec![
        // The call's number is the first field.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(jump | libc::BPF_JGT, 1, 0, NEWEST),
        statement(jump | libc::BPF_JEQ, 0, 1, CLONE3),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, enosys),
    ]
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]
mod tests;
