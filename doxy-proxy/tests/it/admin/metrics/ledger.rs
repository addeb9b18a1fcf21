//! Which metrics have moved, and by how much.

use std::collections::BTreeSet;

use crate::support::{Binary, wait};

use super::documented::documented;
use super::labels_are_documented;
use super::scrape::{Scrape, parts};

/// What was seen to move in a doxy.
pub(super) struct Ledger<'a> {
    pub(super) doxy: &'a Binary,
    metrics: BTreeSet<String>,
    /// Metrics with each value of their labels.
    values: BTreeSet<(String, String, String)>,
    wrong: Vec<String>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(doxy: &'a Binary) -> Self {
        Self {
            doxy,
            metrics: BTreeSet::new(),
            values: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// Does something, and waits until each of these samples has changed by so much. Nothing else was
    /// denied then.
    #[track_caller]
    pub(super) fn moves<T>(&mut self, samples: &[(String, f64)], act: impl FnOnce() -> T) -> T {
        let before = Scrape::of(self.doxy);
        let done = act();
        let mut after = before.clone();
        let moved = wait::try_until(|| {
            after = Scrape::of(self.doxy);
            let mut changes = samples.iter();
            let done = changes.all(|(sample, by)| after.get(sample) - before.get(sample) == *by);
            done.then_some(())
        });
        let denials = |of: &Scrape| -> f64 {
            let samples = of.samples().iter();
            let denials = samples.filter(|(sample, _)| sample.starts_with("doxy_denials_total{"));
            denials.map(|(_, value)| value).sum()
        };
        let expected: f64 = samples
            .iter()
            .filter(|(sample, _)| sample.starts_with("doxy_denials_total{"))
            .map(|(_, by)| by)
            .sum();
        let changes = after.samples().iter().filter_map(|(sample, value)| {
            let by = value - before.get(sample);
            (by != 0.0 && !sample.contains("_bucket{")).then(|| format!("{sample} {by}"))
        });
        let changes: Vec<_> = changes.collect();
        if moved.is_none() || denials(&after) - denials(&before) != expected {
            let wrong = format!("expected {samples:#?}, changed {changes:#?}");
            self.wrong.push(wrong);
        }
        for (sample, _) in samples {
            self.seen(sample);
        }
        done
    }

    /// Notes that a sample was seen as it should be.
    #[track_caller]
    pub(super) fn seen(&mut self, sample: &str) {
        let (metric, labels) = parts(sample);
        self.metrics.insert(metric.to_owned());
        for (label, value) in labels {
            self.values
                .insert((metric.to_owned(), label.to_owned(), value));
        }
    }

    /// Checks that all documented metrics have moved, with each of their values, except these.
    #[track_caller]
    pub(super) fn is_complete(&self, except: &[(&str, &str)]) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        let documented = documented();
        labels_are_documented(&Scrape::of(self.doxy), &documented);
        let mut missing = Vec::new();
        for (metric, it) in &documented {
            if !self.metrics.contains(metric) {
                missing.push(metric.clone());
            }
            for (label, values) in &it.labels {
                for value in values.iter().flatten() {
                    let key = (metric.clone(), label.clone(), value.clone());
                    let except = except.contains(&(label, value));
                    if !self.values.contains(&key) && !except {
                        missing.push(format!("{metric}{{{label}=\"{value}\"}}"));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "never moved: {missing:#?}");
    }
}

/// `metric{socket="…",label="…"}`
pub(super) fn sample(metric: &str, labels: &[(&str, &str)]) -> String {
    let labels = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{value}\""));
    format!("{metric}{{{}}}", labels.collect::<Vec<_>>().join(","))
}

/// One more request that ended so: `socket endpoint method verdict status`.
pub(super) fn request(words: &str) -> (String, f64) {
    let words: Vec<_> = words.split(' ').collect();
    let labels = ["socket", "endpoint", "method", "verdict", "status"];
    let labels: Vec<_> = labels.into_iter().zip(words).collect();
    (sample("doxy_requests_total", &labels), 1.0)
}

/// One more denial: `socket verdict reason`, and the rule.
pub(super) fn denial(words: &str, rule: &str) -> (String, f64) {
    let words: Vec<_> = words.split(' ').chain([rule]).collect();
    let labels = ["socket", "verdict", "reason", "rule"];
    let labels: Vec<_> = labels.into_iter().zip(words).collect();
    (sample("doxy_denials_total", &labels), 1.0)
}

/// So much more of `metric socket`, or of `metric socket label value`.
pub(super) fn more(words: &str, by: f64) -> (String, f64) {
    let words: Vec<_> = words.split(' ').collect();
    let sample = match words[..] {
        [metric, socket] => sample(metric, &[("socket", socket)]),
        [metric, socket, label, value] => sample(metric, &[("socket", socket), (label, value)]),
        _ => panic!("{words:?}"),
    };
    (sample, by)
}
