//! What the process gives up once it listens: its user, capabilities, files, addresses and calls.
//!
//! An attacker who takes over a proxy still holds what the proxy needs, the engine's socket above
//! all. The sandbox denies everything else.
//!
//! What is needed later is data, [`Needs`]; nothing here reads settings or gives a right back. It must
//! run before there is a second thread; threads started later inherit all of it. Capabilities go
//! before Landlock comes, as some lead past it (`CAP_PERFMON` reads other processes' memory maps and
//! environments).

mod capabilities;
mod error;
mod landlock;
mod needs;
mod preflight;
mod run_as;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod seccomp;

use std::fmt;

pub use self::error::PrivilegeError;
pub use self::needs::{Needs, Network};
pub use self::run_as::{Credentials, RunAs};

use self::capabilities::drop_capabilities;
use self::preflight::preflight;
use self::run_as::threads;
use crate::net::reason::io_reason;
use crate::upstream::UpstreamAddr;

/// How much of the sandbox is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxMode {
    /// Apply what the kernel supports.
    Auto,
    /// Refuse to start if anything is missing.
    Require,
    /// No sandbox.
    Off,
}

/// What [`enter`] has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SandboxReport {
    /// What is in force, in a few words each.
    parts: Vec<String>,
    /// What is not, and why.
    missing: Vec<String>,
}

impl fmt::Display for SandboxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join(", "))?;
        if !self.missing.is_empty() {
            write!(f, "; missing: {}", self.missing.join(", "))?;
        }
        Ok(())
    }
}

/// Becomes the user of `credentials`, drops capabilities and enters the sandbox. Returns a line for
/// the log that says what is in force. `setting` is where `mode` comes from, for messages.
///
/// # Errors
/// If the user cannot be changed, or the sandbox is required and the kernel lacks a part of it. The
/// process must end then: some of its rights are gone already.
pub fn drop_privileges(
    credentials: Option<&Credentials>,
    mode: SandboxMode,
    setting: &dyn fmt::Display,
    engines: &[&UpstreamAddr],
    needs: &Needs,
) -> Result<String, PrivilegeError> {
    let mut parts = vec![];
    if let Some(credentials) = credentials {
        credentials.assume()?;
        parts.push(credentials.to_string());
        parts.push("no capabilities".to_owned());
        if credentials.is_in_group_of_root() {
            tracing::warn!(
                "as user {}: in root's group too, which the engine's socket belongs to; a group of the \
                 socket's own (dockerd --group NAME) would open nothing else",
                credentials.name()
            );
        }
        for obstacle in preflight(needs) {
            tracing::warn!("as user {}: {obstacle}", credentials.name());
        }
    }
    if mode == SandboxMode::Off {
        parts.push("off".to_owned());
        return Ok(parts.join(", "));
    }
    if credentials.is_none() {
        parts.push(drop_capabilities(engines, needs));
    }
    let report = enter(needs);
    if mode == SandboxMode::Require && !report.missing.is_empty() {
        return Err(PrivilegeError::new(
            setting,
            format_args!("missing: {}", report.missing.join(", ")),
            "use a kernel that supports this, or `--sandbox auto`, which applies what the kernel \
             supports",
        ));
    }
    parts.push(report.to_string());
    Ok(parts.join(", "))
}

/// Enters the sandbox: gives up everything but `needs`, for good, as far as the kernel supports it.
fn enter(needs: &Needs) -> SandboxReport {
    let mut report = SandboxReport::default();
    let mut note = |part: Result<String, String>| match part {
        Ok(part) => report.parts.push(part),
        Err(why) => report.missing.push(why),
    };
    note(match rustix::thread::set_no_new_privs(true) {
        Ok(()) => Ok("no-new-privs".to_owned()),
        Err(error) => Err(format!("no-new-privs ({})", io_reason(&error.into()))),
    });
    if threads() > 1 {
        note(Err("landlock on threads that run already".to_owned()));
    }
    landlock::install(needs).into_iter().for_each(&mut note);
    // Other processors have other call numbers.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    note(Err("seccomp (not for this processor)".to_owned()));
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    note(match seccomp::install(needs) {
        Ok(()) => Ok("seccomp".to_owned()),
        Err(why) => Err(format!("seccomp ({why})")),
    });
    report
}
