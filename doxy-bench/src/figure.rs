//! Figures: what can be measured, and the result of one run of a workload.
//!
//! It does not know how figures are measured, or shown.

use serde_json::{Map, Value, json};

/// A quantity that a run measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Its name in JSON.
    pub(crate) key: &'static str,
    /// Its name in the table.
    pub(crate) title: &'static str,
    pub(crate) better: Better,
    pub(crate) digits: usize,
}

impl Figure {
    /// The best of some values.
    pub(crate) fn best(self, values: &[f64]) -> f64 {
        let values = values.iter().copied();
        match self.better {
            Better::Higher => values.fold(f64::MIN, f64::max),
            Better::Lower => values.fold(f64::MAX, f64::min),
        }
    }
}

/// Whether lower or higher values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

pub(crate) const fn figure(
    key: &'static str,
    title: &'static str,
    better: Better,
    digits: usize,
) -> Figure {
    Figure {
        key,
        title,
        better,
        digits,
    }
}

/// The figures of a run.
pub(crate) type Figures = Vec<(Figure, f64)>;

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Measured(Figures),
    /// Skipped, for this reason.
    Skipped(&'static str),
    Failed(String),
}

/// One run of a workload against a peer.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) rep: usize,
    pub(crate) workload: &'static str,
    pub(crate) peer: String,
    pub(crate) outcome: Outcome,
}

impl Sample {
    /// The value of a figure, if the run measured it.
    pub(crate) fn figures(&self) -> &[(Figure, f64)] {
        match &self.outcome {
            Outcome::Measured(figures) => figures,
            _ => &[],
        }
    }

    pub(crate) const fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    pub(crate) fn json(&self) -> Value {
        let mut line = Map::new();
        line.insert("rep".to_owned(), json!(self.rep));
        line.insert("workload".to_owned(), json!(self.workload));
        line.insert("peer".to_owned(), json!(self.peer));
        match &self.outcome {
            Outcome::Measured(figures) => {
                for (figure, value) in figures {
                    line.insert(figure.key.to_owned(), json!(value));
                }
            }
            Outcome::Skipped(reason) => {
                line.insert("skipped".to_owned(), json!(reason));
            }
            Outcome::Failed(error) => {
                line.insert("error".to_owned(), json!(error));
            }
        }
        Value::Object(line)
    }
}

/// All values of a figure of a peer.
pub(crate) fn values(samples: &[Sample], workload: &str, peer: &str, key: &str) -> Vec<f64> {
    samples
        .iter()
        .filter(|sample| sample.workload == workload && sample.peer == peer)
        .flat_map(Sample::figures)
        .filter(|(figure, _)| figure.key == key)
        .map(|(_, value)| *value)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_json() {
        const CPU: Figure = figure("cpu", "CPU", Better::Lower, 2);
        for (outcome, expected) in [
            (Outcome::Measured(vec![(CPU, 0.5)]), r#""cpu":0.5"#),
            (Outcome::Skipped("why"), r#""skipped":"why""#),
            (Outcome::Failed("x".to_owned()), r#""error":"x""#),
        ] {
            let sample = Sample {
                rep: 1,
                workload: "down",
                peer: "doxy".to_owned(),
                outcome,
            };
            let line: Value = sample.json();
            assert!(line.to_string().contains(expected), "{line}");
            assert_eq!(line.get("workload"), Some(&json!("down")));
        }
    }
}
