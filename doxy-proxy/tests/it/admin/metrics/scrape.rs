//! What a scrape has.

use std::collections::BTreeMap;

use crate::admin::get;
use crate::support::Binary;

/// The metrics at one moment.
#[derive(Debug, Clone)]
pub(super) struct Scrape {
    types: BTreeMap<String, String>,
    /// By name and labels, as they are written.
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    /// What doxy answers to a scraper.
    #[track_caller]
    pub(super) fn text(doxy: &Binary) -> String {
        let reply = get(doxy, "/metrics");
        assert_eq!(reply.status(), 200, "{reply:?}");
        let kind = reply.header("content-type");
        assert_eq!(kind, ["text/plain; version=0.0.4; charset=utf-8"]);
        String::from_utf8(reply.body).unwrap()
    }

    #[track_caller]
    pub(super) fn of(doxy: &Binary) -> Self {
        let mut scrape = Self {
            types: BTreeMap::new(),
            samples: BTreeMap::new(),
        };
        for line in Self::text(doxy).lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                scrape.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let twice = scrape
                    .samples
                    .insert(sample.to_owned(), value.parse().unwrap());
                assert!(twice.is_none(), "{sample}");
            }
        }
        scrape
    }

    /// All metrics with their types, in order.
    pub(super) fn types(&self) -> Vec<(&str, &str)> {
        let types = self.types.iter();
        types.map(|(name, kind)| (&**name, &**kind)).collect()
    }

    #[cfg(feature = "script")]
    /// A sample, as it is written. What was never counted is 0.
    pub(super) fn get(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or_default()
    }

    /// All samples by the name and labels that they have, in order.
    pub(super) fn samples(&self) -> &BTreeMap<String, f64> {
        &self.samples
    }
}

/// The metric and the labels of a sample. Those of a histogram belong to the histogram.
pub(super) fn parts(sample: &str) -> (&str, Vec<(&str, String)>) {
    let (name, mut rest) = match sample.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (sample, ""),
    };
    let mut labels = Vec::new();
    while let Some((label, value)) = rest.split_once("=\"") {
        let mut unescaped = String::new();
        let mut bytes = value.char_indices();
        let end = loop {
            match bytes.next().unwrap() {
                (end, '"') => break end,
                (_, '\\') => unescaped.push(match bytes.next().unwrap().1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => unescaped.push(other),
            }
        };
        labels.push((label.trim_start_matches(','), unescaped));
        rest = &value[end + 1..];
    }
    let histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .filter(|histogram| histogram.ends_with("_seconds"));
    (histogram.unwrap_or(name), labels)
}
