//! What the kernel says of this process.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the kernel says of this process.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// Of all threads, in seconds.
    pub(super) cpu: f64,
    /// In bytes.
    pub(super) resident: u64,
    pub(super) virtual_memory: u64,
    pub(super) threads: u64,
    /// Open files, if the kernel is new enough to say so.
    pub(super) open_files: Option<u64>,
    pub(super) max_files: Option<u64>,
}

impl Process {
    /// Looks. What the kernel does not say is 0 or none.
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the command, which may have anything in it, is in parentheses.
        let (_, behind) = stat.rsplit_once(')').unwrap_or_default();
        let fields: Vec<u64> = behind
            .split_ascii_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        // By proc(5) the first field behind the name is number 3.
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
        let ticks = field(14) + field(15);
        // Linux 6.2 and newer say it there. The sandbox lets nobody list the folder.
        let open = fs::metadata("/proc/self/fd").ok().map(|fd| fd.len());
        Self {
            cpu: ticks as f64 / clock_ticks_per_second() as f64,
            resident: field(24) * page_size() as u64,
            virtual_memory: field(23),
            threads: field(20),
            open_files: open.filter(|open| *open > 0),
            max_files: getrlimit(Resource::Nofile).current,
        }
    }
}
