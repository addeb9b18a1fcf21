//! The policies in `scripts/`, with other constants at their top, in front of a real engine.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::real::Engine;
use super::{docker_command, run};
use crate::support::process::Ended;
use crate::support::{Binary, Setup};

/// A user without an account, without groups.
pub(super) const USER: u32 = 54_321;

/// The text of a policy, each of these constants set to another expression.
#[track_caller]
pub(super) fn edited(name: &str, constants: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let mut text = std::fs::read_to_string(file.join(name)).expect("read the policy");
    for (constant, value) in constants {
        let declared = format!("\nconst {constant} = ");
        let (before, rest) = text
            .split_once(&declared)
            .unwrap_or_else(|| panic!("{constant}"));
        let (_, after) = rest.split_once(";").expect("the end of a constant");
        text = format!("{before}{declared}{value};{after}");
    }
    text
}

impl Engine {
    /// A doxy in front of this engine, with this script and nothing else that allows. Every user may
    /// connect.
    #[track_caller]
    pub(super) fn judged_by(&self, script: &str) -> Binary {
        let setup = Setup::new()
            .engine(&self.socket)
            .rules("!.*\n")
            .file("policy.rhai", script);
        let path = setup.path("policy.rhai");
        let path = path.to_str().expect("a path in UTF-8");
        setup
            .args(["--script", path, "--socket-mode", "0666"])
            .start()
    }
}

impl Binary {
    /// What docker prints for [`USER`], who asks this doxy.
    #[track_caller]
    pub(super) fn user_ok(&self, args: &[&str]) -> String {
        let ended = docker_as(USER, &self.socket(), args);
        assert!(ended.success(), "docker {args:?}: {ended}");
        ended.stdout.trim_end().to_owned()
    }

    /// Has [`USER`] denied for this reason.
    #[track_caller]
    pub(super) fn user_denied(&self, args: &[&str], reason: &str) {
        let ended = docker_as(USER, &self.socket(), args);
        assert!(
            !ended.success() && ended.stderr.contains(reason),
            "docker {args:?} should say {reason}, but: {ended}"
        );
    }
}

/// Runs docker as a user of this machine.
#[track_caller]
pub(super) fn docker_as(uid: u32, socket: &Path, args: &[&str]) -> Ended {
    run(as_user(docker_command(socket).args(args), uid))
}

/// Makes a command run as a user of this machine, with the group of the same number and no other.
pub(super) fn as_user(command: &mut Command, uid: u32) -> &mut Command {
    // The standard library gives up the groups of root when it changes the user.
    command.gid(uid).uid(uid).current_dir("/")
}
