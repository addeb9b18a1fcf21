//! The plots: which figures each one shows.

use std::io;
use std::path::Path;

use crate::figure::{Better, Figure, Sample, values};
use crate::load::meter::{P50, P90, P99, P999};
use crate::report::bars::{Bar, Bars, Group};
use crate::report::summary::Facts;
use crate::stats::median;
use crate::workloads::catalogue::{self, Workload};
use crate::workloads::memory::EACH;
use crate::workloads::requests;
use crate::workloads::start::{IDLE, START};
use crate::workloads::streams::CPU_GIB;

/// The contents of one plot.
#[derive(Debug)]
struct Plot {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    of: catalogue::Group,
    /// The rows: all workloads of the group that have the figure, or one workload with several
    /// figures.
    rows: Rows,
    /// The factor that a value is multiplied by.
    scale: f64,
    digits: usize,
    log: bool,
}

#[derive(Debug, Clone, Copy)]
enum Rows {
    Workloads(Figure),
    Figures(Workload, &'static [(&'static str, Figure)]),
}

const PERCENTILES: &[(&str, Figure)] = &[("p50", P50), ("p90", P90), ("p99", P99), ("p99.9", P999)];

const PLOTS: [Plot; 7] = [
    Plot {
        file: "cpu-per-request.svg",
        title: "CPU time per request",
        unit: "\u{b5}s, user and system, of the proxy alone",
        of: catalogue::Group::Requests,
        rows: Rows::Workloads(requests::CPU),
        scale: 1.0,
        digits: 1,
        log: false,
    },
    Plot {
        file: "requests-per-second.svg",
        title: "Requests per second",
        unit: "thousands; the rate of rate-32 is fixed",
        of: catalogue::Group::Requests,
        rows: Rows::Workloads(requests::RATE),
        scale: 0.001,
        digits: 1,
        log: false,
    },
    Plot {
        file: "latency.svg",
        title: "Latency at a fixed rate",
        unit: "\u{b5}s from when a request was due, logarithmic",
        of: catalogue::Group::Requests,
        rows: Rows::Figures(Workload::Rate32, PERCENTILES),
        scale: 1.0,
        digits: 0,
        log: true,
    },
    Plot {
        file: "cpu-per-gib.svg",
        title: "CPU time per GiB",
        unit: "s, user and system, of the proxy alone",
        of: catalogue::Group::Streams,
        rows: Rows::Workloads(CPU_GIB),
        scale: 1.0,
        digits: 2,
        log: false,
    },
    Plot {
        file: "memory-per-connection.svg",
        title: "Memory per idle connection",
        unit: "KiB of resident memory per connection",
        of: catalogue::Group::Memory,
        rows: Rows::Workloads(EACH),
        scale: 1.0,
        digits: 1,
        log: false,
    },
    Plot {
        file: "memory-at-rest.svg",
        title: "Memory after the start and one request",
        unit: "MiB of resident memory",
        of: catalogue::Group::Start,
        rows: Rows::Workloads(IDLE),
        scale: 1.0 / 1024.0,
        digits: 1,
        log: false,
    },
    Plot {
        file: "start.svg",
        title: "Time to serve",
        unit: "ms from exec to the first 200",
        of: catalogue::Group::Start,
        rows: Rows::Workloads(START),
        scale: 1.0,
        digits: 1,
        log: false,
    },
];

/// Draws every plot that there are figures for. Returns the names of the files.
pub(crate) fn draw(
    folder: &Path,
    samples: &[Sample],
    facts: &Facts,
) -> io::Result<Vec<&'static str>> {
    let mut drawn = Vec::new();
    for plot in &PLOTS {
        let bars = plot.bars(samples, facts);
        if !bars.groups.is_empty() {
            bars.draw(&folder.join(plot.file))?;
            drawn.push(plot.file);
        }
    }
    Ok(drawn)
}

impl Plot {
    fn bars(&self, samples: &[Sample], facts: &Facts) -> Bars {
        let rows: Vec<(&str, Workload, Figure)> = match self.rows {
            Rows::Workloads(figure) => Workload::ALL
                .into_iter()
                .filter(|workload| workload.group() == self.of)
                .map(|workload| (workload.name(), workload, figure))
                .collect(),
            Rows::Figures(workload, figures) => figures
                .iter()
                .map(|&(label, figure)| (label, workload, figure))
                .collect(),
        };
        let mut groups = Vec::new();
        for (label, workload, figure) in rows {
            let bars = self.group(samples, facts, workload, figure);
            if !bars.is_empty() {
                groups.push(Group {
                    label: label.to_owned(),
                    bars,
                });
            }
        }
        let better = match self.rows {
            Rows::Workloads(figure) if figure.better == Better::Higher => "More",
            _ => "Less",
        };
        let mut unit = format!("{}. {better} is better.", self.unit);
        unit.push_str(&match &facts.reference {
            Some(reference) => format!(
                " Bar: median of {}, mark: the best; in brackets the ratio to {reference}.",
                facts.reps
            ),
            None => format!(" Bar: median of {}, mark: the best.", facts.reps),
        });
        Bars {
            title: self.title.to_owned(),
            unit,
            names: facts.peers.iter().map(|(name, _)| name.clone()).collect(),
            groups,
            digits: self.digits,
            log: self.log,
        }
    }

    fn group(
        &self,
        samples: &[Sample],
        facts: &Facts,
        workload: Workload,
        figure: Figure,
    ) -> Vec<Bar> {
        let of = |peer: &str| values(samples, workload.name(), peer, figure.key);
        let reference = facts.reference.as_deref();
        let base = reference.and_then(|name| median(&of(name)));
        let mut bars = Vec::new();
        for (series, name) in facts.names().into_iter().enumerate() {
            let values = of(name);
            let Some(middle) = median(&values) else {
                continue;
            };
            let ratio = base.filter(|&base| base > 0.0 && Some(name) != reference);
            bars.push(Bar {
                series,
                value: middle * self.scale,
                best: figure.best(&values) * self.scale,
                ratio: ratio.map(|base| middle / base),
            });
        }
        bars
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figure::Outcome;

    fn sample(peer: &str, value: f64) -> Sample {
        Sample {
            rep: 1,
            workload: "keep-32",
            peer: peer.to_owned(),
            outcome: Outcome::Measured(vec![(requests::CPU, value)]),
        }
    }

    #[test]
    fn only_what_was_measured() {
        let peer = |name: &str| (name.to_owned(), String::new());
        let facts = Facts {
            machine: String::new(),
            load_before: String::new(),
            reps: 2,
            time: Duration::ZERO,
            peers: vec![peer("direct"), peer("haproxy"), peer("doxy")],
            reference: Some("haproxy".to_owned()),
            missing: Vec::new(),
        };
        let samples = [
            sample("haproxy", 16.0),
            sample("doxy", 8.0),
            sample("haproxy", 24.0),
            sample("doxy", 12.0),
        ];
        let bars = PLOTS[0].bars(&samples, &facts);
        assert_eq!(bars.groups.len(), 1);
        let [haproxy, doxy] = &bars.groups[0].bars[..] else {
            panic!("{bars:?}");
        };
        assert_eq!(
            (haproxy.series, haproxy.value, haproxy.ratio),
            (1, 20.0, None)
        );
        assert_eq!((doxy.series, doxy.value, doxy.best), (2, 10.0, 8.0));
        assert_eq!(doxy.ratio, Some(0.5));

        let dir = tempfile::tempdir().unwrap();
        let drawn = draw(dir.path(), &samples, &facts).unwrap();
        assert_eq!(drawn, ["cpu-per-request.svg"]);
        let svg = std::fs::read_to_string(dir.path().join(drawn[0])).unwrap();
        assert!(svg.contains("10.0 (0.50\u{d7})"), "{svg}");
    }
}
