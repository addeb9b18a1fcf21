//! Child processes: started on one CPU, and killed with the process that started them.
//!
//! It does not know what the children are for.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, Signal};

use crate::process::affinity::{move_to, one, pin};

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts a command, on one CPU if given. Its output goes to a file.
    pub(crate) fn start(command: &[OsString], cpu: Option<usize>, log: &Path) -> io::Result<Self> {
        let log = File::create(log)?;
        let mut confined = Command::new(std::env::current_exe()?);
        confined.arg("confine");
        if let Some(cpu) = cpu {
            confined.arg("--cpu").arg(cpu.to_string());
        }
        let child = confined
            .arg("--")
            .args(command)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    /// Starts a command as a plain child, on one CPU if given: without the helper process that
    /// would add to its start, but it would survive if this process is killed.
    pub(crate) fn start_bare(
        command: &[OsString],
        cpu: Option<usize>,
        log: &Path,
    ) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::other("no command"));
        };
        let log = File::create(log)?;
        // A child inherits the CPUs of its parent.
        let _there = cpu.map(|cpu| move_to(None, &one(cpu))).transpose()?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Replaces this process by the command, on one CPU, to be killed when the parent ends in any way.
pub(crate) fn confine(command: &[OsString], cpu: Option<usize>) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::other("no command");
    };
    let prepared = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    match prepared.map_err(io::Error::from).and_then(|()| pin(cpu)) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    }
}

/// Raises the limit of descriptors to its maximum, for future children too. Returns the limit.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(maximum.unwrap_or(u64::MAX))
}
