//! The result as Markdown, for people: the peers, one table of medians, what was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::time::Duration;

use crate::figure::{Figure, Outcome, Sample, values};
use crate::stats::median;

/// What is known about a comparison besides its figures.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) machine: String,
    pub(crate) load_before: String,
    pub(crate) reps: usize,
    /// How long requests were sent.
    pub(crate) time: Duration,
    /// The names of the peers and their versions.
    pub(crate) peers: Vec<(String, String)>,
    pub(crate) reference: Option<String>,
    pub(crate) missing: Vec<String>,
}

impl Facts {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.peers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// The whole result as Markdown.
pub(crate) fn summary(facts: &Facts, load_after: &str, samples: &[Sample]) -> String {
    let Facts {
        machine,
        load_before,
        reps,
        ..
    } = facts;
    let mut text = format!("{machine}\nload average {load_before} before, {load_after} after\n\n");
    for (name, about) in &facts.peers {
        text.push_str(&format!("- {name}: {about}\n"));
    }
    for missing in &facts.missing {
        text.push_str(&format!("- {missing}\n"));
    }
    let legend = match &facts.reference {
        Some(reference) => {
            format!("median (best) and its ratio to direct, d, and to {reference}, h")
        }
        None => "median (best) and its ratio to direct, d".to_owned(),
    };
    text.push_str(&format!("\n{legend}; {reps} repetitions\n\n"));
    text.push_str(&table(samples, &facts.names(), facts.reference.as_deref()));
    text.push_str(&left_out(samples));
    text
}

/// What was skipped: the workloads and peers for each reason.
fn left_out(samples: &[Sample]) -> String {
    let mut reasons: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for sample in samples {
        if let Outcome::Skipped(reason) = sample.outcome {
            let key = (sample.peer.as_str(), reason);
            reasons.entry(key).or_default().insert(sample.workload);
        }
    }
    let mut text = String::new();
    for ((peer, reason), workloads) in reasons {
        let workloads: Vec<&str> = workloads.into_iter().collect();
        let workloads = workloads.join(", ");
        text.push_str(&format!("\nSkipped for {peer}: {workloads} ({reason})"));
    }
    text.push('\n');
    text
}

/// The table: one row per figure, one column per peer. A cell has the median, the best value, and
/// the ratios of the median to that of the direct call (`d`) and of the `reference` (`h`).
fn table(samples: &[Sample], peers: &[&str], reference: Option<&str>) -> String {
    let mut rows = vec![header(peers)];
    let mut seen: Vec<&str> = Vec::new();
    for Sample { workload, .. } in samples {
        if seen.contains(workload) {
            continue;
        }
        seen.push(workload);
        // A run of a peer that has all figures: the direct call has no CPU time.
        let runs = samples.iter().filter(|sample| sample.workload == *workload);
        let most = runs
            .map(Sample::figures)
            .max_by_key(|figures| figures.len());
        for (figure, _) in most.unwrap_or_default() {
            rows.push(figure_row(samples, peers, reference, workload, *figure));
        }
    }
    rows.push(failures(samples, peers));
    aligned(&rows)
}

fn header(peers: &[&str]) -> Vec<String> {
    let mut row = vec!["workload".to_owned(), "figure".to_owned()];
    row.extend(peers.iter().map(|&peer| peer.to_owned()));
    row
}

fn figure_row(
    samples: &[Sample],
    peers: &[&str],
    reference: Option<&str>,
    workload: &str,
    figure: Figure,
) -> Vec<String> {
    let values = |peer: &str| values(samples, workload, peer, figure.key);
    let direct = median(&values("direct"));
    let other = reference.and_then(|name| median(&values(name)));
    let mut row = vec![workload.to_owned(), figure.title.to_owned()];
    row.extend(peers.iter().map(|&peer| {
        let values = values(peer);
        let Some(middle) = median(&values) else {
            return "-".to_owned();
        };
        let best = figure.best(&values);
        let digits = figure.digits;
        let mut cell = format!("{middle:.digits$} ({best:.digits$})");
        for (mark, base, wanted) in [
            ('d', direct, peer != "direct"),
            ('h', other, peer != "direct" && Some(peer) != reference),
        ] {
            if let Some(ratio) = base.and_then(|base| ratio(middle, base))
                && wanted
            {
                cell.push_str(&format!(" {ratio:.2}{mark}"));
            }
        }
        cell
    }));
    row
}

/// A ratio, unless one of the values is zero.
fn ratio(value: f64, base: f64) -> Option<f64> {
    (base > 0.0 && value >= 0.0).then(|| value / base)
}

fn failures(samples: &[Sample], peers: &[&str]) -> Vec<String> {
    let mut row = vec!["all".to_owned(), "failed runs".to_owned()];
    row.extend(peers.iter().map(|&peer| {
        let failed = samples
            .iter()
            .filter(|sample| sample.peer == peer && sample.failed());
        failed.count().to_string()
    }));
    row
}

/// Aligns a Markdown table, so that it reads well as plain text too.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, &width) in row.iter().zip(&widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for &width in &widths {
                text.push_str(&format!("|{:-<1$}", "", width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Prints progress to standard error.
pub(crate) fn progress(text: &str) {
    // Fails if nobody reads it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints the result.
pub(crate) fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Better;

    const CPU: Figure = Figure {
        key: "cpu",
        title: "CPU",
        better: Better::Lower,
        digits: 2,
    };
    const RATE: Figure = Figure {
        key: "rate",
        title: "GB/s",
        better: Better::Higher,
        digits: 1,
    };

    fn sample(peer: &str, cpu: Option<f64>, rate: f64) -> Sample {
        let cpu = cpu.map(|cpu| (CPU, cpu));
        Sample {
            rep: 1,
            workload: "down",
            peer: peer.to_owned(),
            outcome: Outcome::Measured(cpu.into_iter().chain([(RATE, rate)]).collect()),
        }
    }

    #[test]
    fn medians_bests_and_ratios() {
        let mut samples = vec![
            sample("direct", None, 4.0),
            sample("hap", Some(0.5), 2.0),
            sample("doxy", Some(0.2), 3.0),
            sample("direct", None, 6.0),
            sample("hap", Some(0.7), 4.0),
            sample("doxy", Some(0.4), 5.0),
        ];
        samples.push(Sample {
            rep: 1,
            workload: "up",
            peer: "doxy".to_owned(),
            outcome: Outcome::Failed("x".to_owned()),
        });
        let table = table(&samples, &["direct", "hap", "doxy"], Some("hap"));
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let expected = [
            vec!["workload", "figure", "direct", "hap", "doxy"],
            vec![],
            vec!["down", "CPU", "-", "0.60 (0.50)", "0.30 (0.20) 0.50h"],
            vec![
                "down",
                "GB/s",
                "5.0 (6.0)",
                "3.0 (4.0) 0.60d",
                "4.0 (5.0) 0.80d 1.33h",
            ],
            vec!["all", "failed runs", "0", "0", "1"],
        ];
        assert_eq!(lines.len(), expected.len());
        for (line, expected) in lines.iter().zip(&expected) {
            if !expected.is_empty() {
                assert_eq!(line, expected);
            }
        }
    }

    #[test]
    fn nothing_is_left_out_silently() {
        let skipped = |workload| Sample {
            rep: 1,
            workload,
            peer: "direct".to_owned(),
            outcome: Outcome::Skipped("why"),
        };
        let samples = [skipped("b"), skipped("a"), skipped("b")];
        assert_eq!(left_out(&samples), "\nSkipped for direct: a, b (why)\n");
    }

    #[test]
    fn no_ratio_to_nothing() {
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(-1.0, 2.0), None);
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
    }
}
