//! Processes that are started here: kept to a CPU, and ended with the one that started them.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::measure::{threads, tree};

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts a command line on a CPU, or on any. What it says goes to a file.
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

    /// Starts a command line on a CPU, or on any, as a child like any other: nothing runs before
    /// it, but it would outlive a process that is killed.
    pub(crate) fn start_bare(
        command: &[OsString],
        cpu: Option<usize>,
        log: &Path,
    ) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::other("no command"));
        };
        let log = File::create(log)?;
        // A child is where its parent was.
        let _there = cpu.map(|cpu| moved(None, &one(cpu))).transpose()?;
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
        // Fails when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Becomes the command, on one CPU, to be killed when the parent is, however that ends.
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

/// Keeps this process, and what it starts from now on, to a CPU.
pub(crate) fn pin(cpu: Option<usize>) -> io::Result<()> {
    if let Some(cpu) = cpu {
        sched_setaffinity(None, &one(cpu))?;
    }
    Ok(())
}

fn one(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}

/// A thread that is on other CPUs than its own, until this is dropped.
#[derive(Debug)]
pub(crate) struct Moved {
    thread: Option<Pid>,
    own: CpuSet,
}

/// Moves a thread, or this one.
fn moved(thread: Option<Pid>, to: &CpuSet) -> io::Result<Moved> {
    let own = sched_getaffinity(thread)?;
    sched_setaffinity(thread, to)?;
    Ok(Moved { thread, own })
}

impl Drop for Moved {
    fn drop(&mut self) {
        // Fails when the thread has ended.
        let _ = sched_setaffinity(self.thread, &self.own);
    }
}

/// Moves all threads of a process and its descendants to where this one is.
pub(crate) fn brought_here(pid: u32) -> io::Result<Vec<Moved>> {
    let here = sched_getaffinity(None)?;
    tree(pid)
        .into_iter()
        .flat_map(threads)
        .map(|thread| {
            let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
            moved(thread, &here)
        })
        .collect()
}

/// The CPUs that this process may use.
pub(crate) fn cpus() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&cpu| set.is_set(cpu))
        .collect())
}

/// As many descriptors as may be had, also for what is started from now on. Gives how many.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_brought_here_and_back() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let own = sched_getaffinity(Some(pid)).unwrap();
        let one = one(*cpus().unwrap().last().unwrap());
        let here = moved(None, &one).unwrap();
        let there = brought_here(child.id()).unwrap();
        assert_eq!(sched_getaffinity(Some(pid)).unwrap(), one);
        drop(there);
        assert_eq!(sched_getaffinity(Some(pid)).unwrap(), own);
        drop(here);
        assert_eq!(sched_getaffinity(None).unwrap(), own);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
