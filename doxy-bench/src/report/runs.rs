//! The runs as lines of JSON, for programs: one line that describes the comparison, then one for
//! each run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::figure::Sample;
use crate::report::summary::Facts;

/// A file that gets a line when a run ends, so that an interrupted comparison loses little.
#[derive(Debug)]
pub(crate) struct Runs(File);

impl Runs {
    pub(crate) fn create(folder: &Path, facts: &Facts) -> io::Result<Self> {
        let mut file = File::create(folder.join("runs.jsonl"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let head = json!({
            "unix_time": now.map_or(0, |now| now.as_secs()),
            "machine": facts.machine,
            "load_average": facts.load_before,
            "reps": facts.reps,
            "secs": facts.time.as_secs_f64(),
            "peers": facts.peers.iter().cloned().collect::<BTreeMap<_, _>>(),
            "missing": facts.missing,
        });
        writeln!(file, "{head}")?;
        Ok(Self(file))
    }

    pub(crate) fn add(&mut self, sample: &Sample) -> io::Result<()> {
        writeln!(self.0, "{}", sample.json())
    }
}
