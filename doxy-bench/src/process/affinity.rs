//! The CPUs that processes and threads may use.
//!
//! The caller chooses the CPU.

use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::process::usage::{threads, tree};

/// Pins this process, and its future children, to a CPU.
pub(crate) fn pin(cpu: Option<usize>) -> io::Result<()> {
    if let Some(cpu) = cpu {
        sched_setaffinity(None, &one(cpu))?;
    }
    Ok(())
}

pub(super) fn one(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}

/// A thread that is moved to other CPUs until this is dropped.
#[derive(Debug)]
pub(crate) struct MovedThread {
    thread: Option<Pid>,
    own: CpuSet,
}

/// Moves a thread; `None` is the current one.
pub(super) fn move_to(thread: Option<Pid>, to: &CpuSet) -> io::Result<MovedThread> {
    let own = sched_getaffinity(thread)?;
    sched_setaffinity(thread, to)?;
    Ok(MovedThread { thread, own })
}

impl Drop for MovedThread {
    fn drop(&mut self) {
        // Fails when the thread has ended.
        let _ = sched_setaffinity(self.thread, &self.own);
    }
}

/// Moves all threads of a process and its descendants to the CPUs of the current thread.
pub(crate) fn move_here(pid: u32) -> io::Result<Vec<MovedThread>> {
    let here = sched_getaffinity(None)?;
    tree(pid)
        .into_iter()
        .flat_map(threads)
        .map(|thread| {
            let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
            move_to(thread, &here)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_brought_here_and_back() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let own = sched_getaffinity(Some(pid)).unwrap();
        let one = one(*cpus().unwrap().last().unwrap());
        let here = move_to(None, &one).unwrap();
        let there = move_here(child.id()).unwrap();
        assert_eq!(sched_getaffinity(Some(pid)).unwrap(), one);
        drop(there);
        assert_eq!(sched_getaffinity(Some(pid)).unwrap(), own);
        drop(here);
        assert_eq!(sched_getaffinity(None).unwrap(), own);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
