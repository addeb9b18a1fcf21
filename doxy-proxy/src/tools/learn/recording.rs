//! What was recorded: requests, and what is missing or cannot be used.

use std::io::{self, BufRead};
use std::path::Path;

use doxy_filter::api::Risk;
use doxy_filter::{Learned, Noted};
use doxy_proxy::io_reason;

use crate::config::ConfigError;
use crate::startup::Failure;
use crate::tools::records::{Line, Records, Verdict};
use crate::tools::say::say;

/// How many lines that are no records are told one by one.
const MAX_TOLD: u64 = 5;
/// If so many lines at the beginning are no records, the file is something else.
const MAX_FOREIGN: u64 = 100;

/// Everything that was recorded.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) learned: Learned,
    /// Requests that the policy in force denied.
    pub(crate) denied: u64,
    /// Requests that were never judged.
    pub(crate) refused: u64,
    /// Requests of whose path only the beginning is known.
    pub(crate) cut: u64,
    /// Requests that the log has lost.
    pub(crate) lost: u64,
    /// Lines that are no records.
    pub(crate) faults: u64,
}

impl Recording {
    /// Takes a line over. Returns what is new about it, if it is a request that can be learned.
    fn take(&mut self, line: Line) -> Option<(String, String, Noted)> {
        match line {
            Line::Lost(lost) => self.lost = self.lost.saturating_add(lost),
            Line::Fault(_) => self.faults += 1,
            Line::Request(record) => {
                let denied = record.verdict == Verdict::Denied;
                self.denied += u64::from(denied);
                self.refused += u64::from(record.verdict == Verdict::Refused);
                if let Some(path) = record.path {
                    let noted = self.learned.note(&record.method, &path, denied);
                    return Some((record.method, path, noted));
                }
                self.cut += u64::from(record.verdict != Verdict::Refused);
            }
        }
        None
    }
}

/// Reads records as they come, until nobody writes any more, and tells what is new.
pub(super) fn live(mut records: Records<impl BufRead>) -> Recording {
    let mut recording = Recording::default();
    while let Ok(Some(line)) = records.next() {
        match recording.take(line) {
            Some((method, path, noted)) if noted.is_new => match noted.endpoint {
                Some(endpoint) => {
                    let risks = Risk::ALL
                        .iter()
                        .filter(|risk| endpoint.risks.contains(risk));
                    let risks: Vec<_> = risks.map(|risk| risk.name()).collect();
                    let risks = match risks.join(", ") {
                        none if none.is_empty() => "harmless".to_owned(),
                        risks => risks,
                    };
                    say(&format!(
                        "new: {} {} ({risks})",
                        endpoint.method, endpoint.template
                    ));
                }
                None => say(&format!(
                    "new, and no endpoint: {} {}",
                    method.escape_default(),
                    path.escape_default()
                )),
            },
            _ => {}
        }
    }
    recording
}

/// Reads a log. What is no record is told, and left out; a file without any record is an error.
pub(crate) fn of_log(path: &Path) -> Result<Recording, Failure> {
    let unread = |error: io::Error| {
        let help = "name an access log of doxy in the format json";
        ConfigError::new(path.display(), io_reason(&error), help)
    };
    let mut records = Records::open(path).map_err(unread)?;
    let mut recording = Recording::default();
    let mut found = 0_u64;
    let mut first = None;
    while let Some(line) = records.next().map_err(unread)? {
        if let Line::Fault(why) = line {
            first.get_or_insert((records.number, why));
            if found == 0 && recording.faults >= MAX_FOREIGN {
                break;
            }
            if recording.faults < MAX_TOLD {
                say(&format!(
                    "{}:{}: {why}; left out",
                    path.display(),
                    records.number
                ));
            }
        } else {
            found += 1;
        }
        recording.take(line);
    }
    match (found, first) {
        (0, Some((number, why))) => Err(Failure::Config(ConfigError::new(
            format_args!("{}:{number}", path.display()),
            why,
            "name an access log of doxy, written with log-format json",
        ))),
        _ => Ok(recording),
    }
}
