//! Writes metrics. It knows none of them.

use std::fmt::{Display, Write as _};

use doxy_proxy::HistogramTotals;

/// The type of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Metrics, one after the other.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    /// The metric that is being written.
    name: &'static str,
}

/// Names and values.
type Labels<'a> = [(&'a str, &'a str)];

impl Text {
    /// Begins a metric.
    pub(super) fn metric(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// A value of the metric.
    pub(super) fn number(&mut self, labels: &Labels<'_>, value: u64) {
        self.sample("", labels, None, value);
    }

    /// A value in seconds.
    pub(super) fn seconds(&mut self, labels: &Labels<'_>, value: f64) {
        self.sample("", labels, None, value);
    }

    /// The values of a histogram.
    pub(super) fn histogram(&mut self, labels: &Labels<'_>, times: &HistogramTotals) {
        for (bound, count) in times.cumulative() {
            let bound = match bound {
                Some(bound) => bound.as_secs_f64().to_string(),
                None => "+Inf".to_owned(),
            };
            self.sample("_bucket", labels, Some(("le", &bound)), count);
        }
        self.sample("_sum", labels, None, times.sum().as_secs_f64());
        self.sample("_count", labels, None, times.count());
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn sample(
        &mut self,
        suffix: &str,
        labels: &Labels<'_>,
        last: Option<(&str, &str)>,
        value: impl Display,
    ) {
        let mut written = String::new();
        for (name, value) in labels.iter().copied().chain(last) {
            if !written.is_empty() {
                written.push(',');
            }
            written.extend([name, "=\"", &escaped(value), "\""]);
        }
        if !written.is_empty() {
            written = format!("{{{written}}}");
        }
        let name = self.name;
        self.line(format_args!("{name}{suffix}{written} {value}"));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// The value of a label.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Kind, Text};

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Text::default();
        text.metric("one", Kind::Counter, "It counts.");
        text.number(&[("a", "x\"y\\z\nw"), ("b", "")], 3);
        text.seconds(&[], 0.5);
        let expected = "# HELP one It counts.\n# TYPE one counter\n\
                        one{a=\"x\\\"y\\\\z\\nw\",b=\"\"} 3\none 0.5\n";
        assert_eq!(text.finish(), expected);
    }
}
