//! CPU time, memory and descriptors of a process and its descendants, from /proc.
//!
//! It only reads. It does not know which process it is.

use std::fs;
use std::io;
use std::time::Duration;

/// The process and its descendants: some proxies fork workers.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        found.push(pid);
        for thread in threads(pid) {
            let path = format!("/proc/{pid}/task/{thread}/children");
            // A thread that has exited meanwhile has none.
            open.extend(numbers(&fs::read_to_string(path).unwrap_or_default()));
        }
    }
    found
}

pub(crate) fn threads(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// User and system time of all living threads of the tree.
pub(crate) fn cpu(pid: u32) -> io::Result<Duration> {
    let mut total = 0;
    for pid in tree(pid) {
        for thread in threads(pid) {
            let path = format!("/proc/{pid}/task/{thread}/schedstat");
            total += fs::read_to_string(path)
                .ok()
                .and_then(|text| on_cpu(&text))
                .unwrap_or(0);
        }
    }
    if total == 0 {
        return Err(io::Error::other(format!("process {pid} has exited")));
    }
    Ok(Duration::from_nanos(total))
}

/// Resident memory of the tree, in KiB.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    let mut total = 0;
    for pid in tree(pid) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        total += field_kib(&status, "VmRSS").unwrap_or(0);
    }
    if total == 0 {
        return Err(io::Error::other(format!("process {pid} has exited")));
    }
    Ok(total)
}

/// How many descriptors the tree has open.
pub(crate) fn descriptors(pid: u32) -> usize {
    tree(pid)
        .into_iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok())
        .map(Iterator::count)
        .sum()
}

/// Nanoseconds on a CPU, the first number in `schedstat`.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
}

/// A line of `status` such as `VmRSS:   1234 kB`.
fn field_kib(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let value = (key == name).then(|| value.trim().strip_suffix("kB"))??;
        value.trim().parse().ok()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn proc_files() {
        assert_eq!(on_cpu("104852123 1234 17\n"), Some(104_852_123));
        assert_eq!(on_cpu(""), None);
        assert_eq!(numbers("12 345 \n").collect::<Vec<_>>(), [12, 345]);
        let status = "Name:\tdoxy\nVmRSSx:\t1 kB\nVmRSS:\t    5432 kB\nThreads:\t1\n";
        assert_eq!(field_kib(status, "VmRSS"), Some(5432));
        assert_eq!(field_kib(status, "Threads"), None);
        assert_eq!(field_kib(status, "VmHWM"), None);
    }

    /// A shell, killed when dropped.
    struct Shell(std::process::Child);

    impl Shell {
        fn run(script: &str) -> Self {
            let mut shell = std::process::Command::new("sh");
            Self(shell.args(["-c", script]).spawn().unwrap())
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            // Both fail only if it has already exited.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_busy_process_uses_more_and_more() {
        // Not the current process: its threads are tests, and their CPU time is lost when they end.
        let busy = Shell::run("while :; do :; done");
        let pid = busy.0.id();
        // A process that has not run yet has used nothing, which looks as if it had exited.
        let used = || cpu(pid).unwrap_or_default();
        let before = used();
        while used() < before + Duration::from_millis(2) {}
        assert!(resident(pid).unwrap() > 100);
    }

    #[test]
    fn children_are_counted() {
        let child = Shell::run("exec sleep 60");
        let found = tree(std::process::id());
        assert!(found.contains(&child.0.id()));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        // No process has this number: it is above the kernel's limit.
        assert!(cpu(u32::MAX).is_err());
        assert!(resident(u32::MAX).is_err());
    }
}
