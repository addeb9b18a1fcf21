//! What a comparison is to measure.

use std::path::PathBuf;

use crate::peers::arguments::{Foreign, Named};
use crate::workloads::catalogue::Workload;
use crate::workloads::sizes::Sizes;

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) reps: usize,
    pub(crate) doxy: Option<PathBuf>,
    pub(crate) haproxies: Vec<Named>,
    pub(crate) foreign: Vec<Foreign>,
    pub(crate) only: Vec<String>,
    pub(crate) workloads: Vec<Workload>,
    /// The folder for what is to be kept.
    pub(crate) out: Option<PathBuf>,
    pub(crate) sizes: Sizes,
}
