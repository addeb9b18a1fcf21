//! The child that becomes the command: another user, or a view of the files without the engine; then a look
//! at what is within reach, and the program.
//!
//! It gives rights up and never gets any. Whatever fails, the command does not start.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use doxy_proxy::io_reason;
use rustix::process::{Pid, Signal, geteuid, getppid, set_parent_process_death_signal, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::command::cover::cover;
use crate::command::order::{MISUSED, Order, say};
use crate::command::reach::Engine;
use crate::command::{descriptors, namespace, tie};
use crate::config::{ConfigError, Login};
use crate::tools::docker_host::lead_to;

const HELP: &str = "start doxy as root with --user USER, or accept with --advisory that COMMAND can go \
                    past doxy";
/// What a shell says of a program that cannot be run, and of one that is not there.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How the command is kept from the engine's own socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// It is another user.
    Apart,
    /// Doxy's socket lies over the engine's.
    Covered,
    /// By nothing.
    Advisory,
}

/// All that the child has to know.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) order: Order,
    pub(super) engine: Engine,
    /// Doxy's own socket.
    pub(super) socket: PathBuf,
    /// An empty folder to work in.
    pub(super) stage: PathBuf,
    pub(super) keeps: Keeps,
}

/// Waits until it is told to go on, and becomes the command. Returns only if that fails, with an exit code.
pub(super) fn run(start: &Start, tie: &OwnedFd) -> u8 {
    let parent = getppid();
    match tie::answers(tie).map(|go| go.then(|| start.prepare(parent))) {
        // The process that waits has ended, or the proxy could not start.
        Ok(None) => 0,
        Ok(Some(Ok(()))) => start.exec(),
        Ok(Some(Err(error))) => {
            say(&error.to_string());
            MISUSED
        }
        Err(error) => {
            say(&error.to_string());
            1
        }
    }
}

impl Start {
    fn prepare(&self, parent: Option<Pid>) -> Result<(), ConfigError> {
        // Without the terminal it cannot put input into it, for the shell outside to execute.
        let apart = setsid().map(drop);
        apart.map_err(|error| cannot("leave the terminal", &error.into()))?;
        if let Some(login) = &self.order.login {
            assume(login)
                .map_err(|error| cannot(&format!("become user {}", login.name), &error))?;
        }
        if self.keeps == Keeps::Covered {
            namespace::enter().map_err(|error| cannot("make a user namespace", &error))?;
            cover(self.engine.paths(), &self.socket, &self.stage)
                .map_err(|error| cannot("cover the engine's socket", &error))?;
        }
        if self.keeps == Keeps::Advisory {
            if let Some(path) = self.engine.within_reach(&self.socket) {
                say(&format!(
                    "WARNING: ADVISORY ONLY: the command can open {} itself, and do everything past doxy",
                    path.display()
                ));
            }
        } else {
            Self::give_up().map_err(|error| cannot("give up rights", &error))?;
            self.look()?;
        }
        descriptors::close_at_exec().map_err(|error| cannot("close descriptors", &error))?;
        // What has started doxy may end it, and means the command.
        let tied = set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
        tied.map_err(|error| cannot("be tied to doxy", &error))?;
        match getppid() == parent {
            true => Ok(()),
            false => Err(cannot("be tied to doxy", &io::Error::other("it has ended"))),
        }
    }

    /// Gives up every capability, and every way to get one by a program.
    fn give_up() -> io::Result<()> {
        empty_bounding_set();
        let none = CapabilitySet::empty();
        let sets = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        set_capabilities(None, sets)?;
        set_no_new_privs(true)?;
        Ok(())
    }

    /// Refuses what leads to the engine.
    fn look(&self) -> Result<(), ConfigError> {
        if let Some(which) = descriptors::way_among_three() {
            return Err(ConfigError::new(
                which,
                "it is a folder, or only names a file, and leads past what lies over the engine's socket",
                "redirect it to a file, a pipe or /dev/null",
            ));
        }
        // By its path, so that it is what everybody sees there, and nothing that only its descriptor leads to.
        env::current_dir()
            .and_then(env::set_current_dir)
            .map_err(|error| {
                ConfigError::new(
                    "the current folder",
                    format_args!(
                        "the command's user cannot enter it by its path: {}",
                        io_reason(&error)
                    ),
                    "change to another folder first",
                )
            })?;
        match self.engine.within_reach(&self.socket) {
            None => Ok(()),
            Some(path) => Err(ConfigError::new(
                path.display(),
                format_args!(
                    "user {} can open it, and so go past doxy",
                    self.order
                        .login
                        .as_ref()
                        .map_or_else(|| geteuid().to_string(), |login| login.name.clone())
                ),
                "take the user out of the socket's group, use another user, or accept it with --advisory",
            )),
        }
    }

    /// Becomes the command. Returns only if that fails, with the exit code.
    fn exec(&self) -> u8 {
        let mut words = self.order.command.iter();
        let Some(program) = words.next() else {
            return NOT_FOUND;
        };
        let mut command = Command::new(program);
        lead_to(command.args(words), &self.socket);
        if let Some(login) = &self.order.login {
            command.env("USER", &login.name).env("LOGNAME", &login.name);
            command.env("HOME", login.home.as_deref().unwrap_or("/"));
        }
        let error = command.exec();
        say(&format!("{}: {}", program.display(), io_reason(&error)));
        match error.kind() {
            io::ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_RUN,
        }
    }
}

/// Becomes a user, for good.
fn assume(login: &Login) -> io::Result<()> {
    empty_bounding_set();
    set_thread_groups(&login.groups)?;
    set_thread_res_gid(login.gid, login.gid, login.gid)?;
    set_thread_res_uid(login.uid, login.uid, login.uid)?;
    Ok(())
}

/// Empties the set of capabilities that a program could give.
fn empty_bounding_set() {
    for (_, capability) in CapabilitySet::all().iter_names() {
        // Fails for those that the kernel does not know. Without new privileges no program gives any, anyway.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

fn cannot(what: &str, error: &io::Error) -> ConfigError {
    ConfigError::new(
        "doxy run",
        format_args!("cannot {what}: {}", io_reason(error)),
        HELP,
    )
}
