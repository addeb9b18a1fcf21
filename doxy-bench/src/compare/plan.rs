//! What a comparison measures, as the user asked for it.

use std::path::PathBuf;

use crate::peers::arguments::{CommandLine, External};
use crate::workloads::catalogue::Workload;
use crate::workloads::sizes::Sizes;

/// What to measure.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) reps: usize,
    pub(crate) doxy: Option<PathBuf>,
    pub(crate) haproxies: Vec<CommandLine>,
    pub(crate) external: Vec<External>,
    pub(crate) only: Vec<String>,
    pub(crate) workloads: Vec<Workload>,
    /// The folder for results.
    pub(crate) out: Option<PathBuf>,
    pub(crate) sizes: Sizes,
}
