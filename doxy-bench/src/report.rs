//! What came out: a line of JSON a run, and one table of medians for people.

use std::io::{self, Write as _};

use serde_json::{Map, Value, json};

use crate::measure::median;

/// Something that a run measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure {
    /// In JSON.
    pub(crate) key: &'static str,
    /// In the table.
    pub(crate) title: &'static str,
    pub(crate) better: Better,
    pub(crate) digits: usize,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One run of a workload against a peer.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) rep: usize,
    pub(crate) workload: &'static str,
    pub(crate) peer: String,
    pub(crate) result: Result<Vec<(Figure, f64)>, String>,
}

impl Sample {
    pub(crate) fn json(&self) -> Value {
        let mut line = Map::new();
        line.insert("rep".to_owned(), json!(self.rep));
        line.insert("workload".to_owned(), json!(self.workload));
        line.insert("peer".to_owned(), json!(self.peer));
        match &self.result {
            Ok(figures) => {
                for (figure, value) in figures {
                    line.insert(figure.key.to_owned(), json!(value));
                }
            }
            Err(error) => {
                line.insert("error".to_owned(), json!(error));
            }
        }
        Value::Object(line)
    }
}

/// The table: a row a figure, a column a peer; in a cell the median, the best, and the ratios of
/// the median to that of the direct call (`d`) and of the `reference` (`h`).
pub(crate) fn table(samples: &[Sample], peers: &[&str], reference: Option<&str>) -> String {
    let mut rows = vec![header(peers)];
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for sample in samples {
        for (figure, _) in sample.result.iter().flatten() {
            let row = (sample.workload, figure.key);
            if !seen.contains(&row) {
                seen.push(row);
                rows.push(figure_row(
                    samples,
                    peers,
                    reference,
                    sample.workload,
                    *figure,
                ));
            }
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
    let values = |peer: &str| -> Vec<f64> {
        samples
            .iter()
            .filter(|sample| sample.workload == workload && sample.peer == peer)
            .flat_map(|sample| sample.result.iter().flatten())
            .filter(|(other, _)| other.key == figure.key)
            .map(|(_, value)| *value)
            .collect()
    };
    let direct = median(&values("direct"));
    let other = reference.and_then(|name| median(&values(name)));
    let mut row = vec![workload.to_owned(), figure.title.to_owned()];
    row.extend(peers.iter().map(|&peer| {
        let values = values(peer);
        let Some(middle) = median(&values) else {
            return "-".to_owned();
        };
        let best = match figure.better {
            Better::Higher => values.iter().copied().fold(f64::MIN, f64::max),
            Better::Lower => values.iter().copied().fold(f64::MAX, f64::min),
        };
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

/// Only of what is more than nothing: the rest says nothing as a ratio.
fn ratio(value: f64, base: f64) -> Option<f64> {
    (base > 0.0 && value >= 0.0).then(|| value / base)
}

fn failures(samples: &[Sample], peers: &[&str]) -> Vec<String> {
    let mut row = vec!["all".to_owned(), "failed runs".to_owned()];
    row.extend(peers.iter().map(|&peer| {
        let failed = samples
            .iter()
            .filter(|sample| sample.peer == peer && sample.result.is_err());
        failed.count().to_string()
    }));
    row
}

/// As Markdown, which also reads well as it is.
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

/// Says how far it is.
pub(crate) fn progress(text: &str) {
    // Fails when nobody reads it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints the result.
pub(crate) fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            result: Ok(cpu.into_iter().chain([(RATE, rate)]).collect()),
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
            result: Err("x".to_owned()),
        });
        let table = table(&samples, &["direct", "hap", "doxy"], Some("hap"));
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let expected = [
            vec!["workload", "figure", "direct", "hap", "doxy"],
            vec![],
            vec![
                "down",
                "GB/s",
                "5.0 (6.0)",
                "3.0 (4.0) 0.60d",
                "4.0 (5.0) 0.80d 1.33h",
            ],
            vec!["down", "CPU", "-", "0.60 (0.50)", "0.30 (0.20) 0.50h"],
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
    fn no_ratio_to_nothing() {
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(-1.0, 2.0), None);
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
    }

    #[test]
    fn lines_of_json() {
        let line = sample("doxy", Some(0.5), 2.0).json().to_string();
        assert_eq!(
            line,
            r#"{"cpu":0.5,"peer":"doxy","rate":2.0,"rep":1,"workload":"down"}"#
        );
    }
}
