//! Instruction counts: parses and renders the recorded ones, and compares.
//!
//! `benches/instructions.rs` counts. Nothing here reads files or runs anything.

use std::fmt;

/// By how many percent a count may exceed the recorded one. The README gives the reason.
pub const TOLERANCE: f64 = 2.0;

/// The total of instructions in a file that callgrind has written.
pub fn total(callgrind: &str) -> Option<u64> {
    let line = |name| callgrind.lines().find_map(|line| line.strip_prefix(name));
    // `summary` is missing if a run was dumped in parts, `totals` if it was cut off.
    let count = line("totals:").or_else(|| line("summary:"))?;
    count.split_whitespace().next()?.parse().ok()
}

/// Instructions per iteration of every path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// What the counts depend on besides doxy: compiler, C library, valgrind, processor.
    pub with: String,
    /// By the name of the path.
    pub paths: Vec<(String, u64)>,
}

impl Counts {
    /// Reads what [`Counts::render`] wrote.
    ///
    /// # Errors
    /// A line that is neither a comment, nor `with` and a text, nor a name and a number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut counts = Self::default();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            if name == "with" {
                rest.trim().clone_into(&mut counts.with);
                continue;
            }
            let count = rest.trim().parse();
            let count = count.map_err(|_| format!("line {number}: no number after `{name}`"))?;
            counts.paths.push((name.to_owned(), count));
        }
        Ok(counts)
    }

    /// Renders the file of recorded counts, with `comment` at its top.
    pub fn render(&self, comment: &str) -> String {
        let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
        text.push_str(&format!("with {}\n", self.with));
        for (name, count) in &self.paths {
            text.push_str(&format!("{name} {count}\n"));
        }
        text
    }

    fn of(&self, path: &str) -> Option<u64> {
        let mut paths = self.paths.iter();
        paths
            .find(|(name, _)| name == path)
            .map(|(_, count)| *count)
    }

    /// Compares paths with each other: a message for each whose count exceeds that of its bound by
    /// more than a number of percent.
    pub fn exceeded(&self, bounds: &[(&str, &str, u64)]) -> Vec<String> {
        let exceeds = |&(path, bound, percent): &(&str, &str, u64)| match (
            self.of(path),
            self.of(bound),
        ) {
            (Some(count), Some(limit)) if count * 100 <= limit * (100 + percent) => None,
            (Some(count), Some(limit)) => Some(format!(
                "{path} takes {count} instructions, over {percent} % more than the {limit} of {bound}"
            )),
            _ => Some(format!("{path} or its bound {bound} was not counted")),
        };
        bounds.iter().filter_map(exceeds).collect()
    }

    /// Compares `now` with these recorded counts.
    pub fn compare(&self, now: &Self) -> Report {
        let mut rows: Vec<Row> = now
            .paths
            .iter()
            .map(|(name, count)| Row::new(name, self.of(name), Some(*count)))
            .collect();
        let gone = self.paths.iter().filter(|(name, _)| now.of(name).is_none());
        rows.extend(gone.map(|(name, count)| Row::new(name, Some(*count), None)));
        Report {
            rows,
            elsewhere: (self.with != now.with).then(|| [self.with.clone(), now.with.clone()]),
        }
    }
}

/// The result of a comparison.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
    /// The recorded environment and the current one, if they differ.
    elsewhere: Option<[String; 2]>,
}

#[derive(Debug)]
struct Row {
    path: String,
    recorded: Option<u64>,
    now: Option<u64>,
    finding: Finding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// Within the tolerance.
    Same,
    More,
    Fewer,
    NotRecorded,
    NotCounted,
}

impl Row {
    fn new(path: &str, recorded: Option<u64>, now: Option<u64>) -> Self {
        let finding = match (recorded, now) {
            (None, _) => Finding::NotRecorded,
            (_, None) => Finding::NotCounted,
            (Some(recorded), Some(now)) => match percent(recorded, now) {
                more if more > TOLERANCE => Finding::More,
                less if less < -TOLERANCE => Finding::Fewer,
                _ => Finding::Same,
            },
        };
        Self {
            path: path.to_owned(),
            recorded,
            now,
            finding,
        }
    }
}

/// The difference in percent.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn percent(recorded: u64, now: u64) -> f64 {
    // Any count exceeds a recorded zero by an infinite percentage.
    (now as f64 - recorded as f64) / recorded as f64 * 100.0
}

impl Report {
    /// Whether any path fails the gate.
    pub fn failed(&self) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| !matches!(row.finding, Finding::Same | Finding::Fewer))
    }

    fn has(&self, finding: Finding) -> bool {
        self.rows.iter().any(|row| row.finding == finding)
    }
}

/// One line for each path, then what to do.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        writeln!(f, "{:<20} {:>10} {:>10}", "instructions", "recorded", "now")?;
        for row in &self.rows {
            let (recorded, now) = (shown(row.recorded), shown(row.now));
            write!(f, "{:<20} {recorded:>10} {now:>10}", row.path)?;
            if let (Some(recorded), Some(now)) = (row.recorded, row.now) {
                write!(f, " {:>+7.2} %", percent(recorded, now))?;
            }
            f.write_str(match row.finding {
                Finding::Same => "\n",
                Finding::More => "  FAILED\n",
                Finding::Fewer => "  fewer\n",
                Finding::NotRecorded => "  FAILED: not recorded\n",
                Finding::NotCounted => "  FAILED: recorded, but not counted any more\n",
            })?;
        }
        if self.failed() {
            writeln!(
                f,
                "error: a path takes over {TOLERANCE} % more instructions than recorded, or is missing on one side\n\
                 help: find the cause; if the cost is justified, record the counts with `--record` \
                 and commit them with the reason"
            )?;
        }
        if self.has(Finding::Fewer) {
            writeln!(
                f,
                "hint: a path takes over {TOLERANCE} % fewer; record it with `--record`, or a later loss goes unnoticed"
            )?;
        }
        if let Some([recorded, now]) = &self.elsewhere {
            writeln!(
                f,
                "note: counts depend on compiler, libraries and processor, which differ; if the code is the same, record again\n\
                 recorded with {recorded}\n\
                 counted  with {now}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn counts(with: &str, paths: &[(&str, u64)]) -> Counts {
        Counts {
            with: with.to_owned(),
            paths: paths
                .iter()
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect(),
        }
    }

    #[test]
    fn the_total_of_a_callgrind_file() {
        let file = "version: 1\ncreator: callgrind-3.19.0\nevents: Ir\nsummary: 7\n\n\
                    fn=(1) main\n16 400\ncalls=2 20\n16 400\n\ntotals: 1234567\n";
        assert_eq!(total(file), Some(1_234_567));
        assert_eq!(total("events: Ir\nsummary: 42\n"), Some(42));
        assert_eq!(total("events: Ir Dr\ntotals: 42 17\n"), Some(42));
        assert_eq!(total("events: Ir\n"), None);
        assert_eq!(total("totals: \n"), None);
    }

    #[test]
    fn recorded_counts_are_read_as_they_were_written() {
        let written = counts(
            "rustc 1.90.0 (x 2025-01-01), AVX2",
            &[("a", 1), ("b_2", 20)],
        );
        let text = written.render("One line.\nAnother line.");
        assert!(
            text.starts_with("# One line.\n# Another line.\nwith rustc"),
            "{text}"
        );
        assert_eq!(Counts::parse(&text).unwrap(), written);
    }

    #[test]
    fn recorded_counts_that_are_none() {
        for (text, error) in [
            ("a 1\n\nb x", "line 3: no number after `b`"),
            ("a", "line 1: no number after `a`"),
            ("a -1", "line 1: no number after `a`"),
        ] {
            assert_eq!(Counts::parse(text).unwrap_err(), error);
        }
    }

    #[test]
    fn the_gate() {
        let recorded = counts("x", &[("path", 10_000)]);
        for (now, finding, failed) in [
            (10_000, Finding::Same, false),
            (10_200, Finding::Same, false),
            (10_201, Finding::More, true),
            (20_000, Finding::More, true),
            (9_800, Finding::Same, false),
            (9_799, Finding::Fewer, false),
            (0, Finding::Fewer, false),
        ] {
            let report = recorded.compare(&counts("x", &[("path", now)]));
            assert!(report.has(finding), "{now}: {report}");
            assert_eq!(report.failed(), failed, "{now}: {report}");
        }
    }

    #[test]
    fn a_path_that_is_new_or_gone_fails() {
        let recorded = counts("x", &[("a", 1), ("b", 1)]);
        let report = recorded.compare(&counts("x", &[("a", 1)]));
        assert!(report.failed() && report.has(Finding::NotCounted));
        let report = recorded.compare(&counts("x", &[("a", 1), ("b", 1), ("c", 1)]));
        assert!(report.failed() && report.has(Finding::NotRecorded));
        // A path without a recorded count must not pass.
        assert!(
            counts("x", &[("a", 0)])
                .compare(&counts("x", &[("a", 1)]))
                .failed()
        );
        assert!(Counts::default().compare(&recorded).failed());
    }

    #[test]
    fn one_path_bounds_another() {
        let counts = Counts {
            with: String::new(),
            paths: [("small", 10), ("equal", 20), ("large", 21), ("bound", 20)]
                .map(|(name, count)| (name.to_owned(), count))
                .to_vec(),
        };
        let exceeded = |path, bound| counts.exceeded(&[(path, bound, 0)]).join("");
        assert_eq!(exceeded("small", "bound"), "");
        assert_eq!(exceeded("equal", "bound"), "");
        assert_eq!(
            exceeded("large", "bound"),
            "large takes 21 instructions, over 0 % more than the 20 of bound"
        );
        for (percent, count) in [(4, 1), (5, 0)] {
            let exceeded = counts.exceeded(&[("large", "bound", percent)]);
            assert_eq!(exceeded.len(), count, "{percent} %");
        }
        // Nothing to compare must not pass.
        assert!(!exceeded("gone", "bound").is_empty());
        assert!(!exceeded("small", "gone").is_empty());
    }

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let recorded = counts("rustc 1", &[("a", 1000), ("b", 1000), ("c", 1000)]);
        let now = counts("rustc 2", &[("a", 1000), ("b", 1100), ("c", 900)]);
        let output = recorded.compare(&now).to_string();
        for part in [
            "b                          1000       1100  +10.00 %  FAILED\n",
            "c                          1000        900  -10.00 %  fewer\n",
            "--record",
            "recorded with rustc 1\ncounted  with rustc 2\n",
        ] {
            assert!(output.contains(part), "{output}");
        }
        let output = recorded.compare(&recorded).to_string();
        assert_eq!(output.lines().count(), 4, "{output}");
    }
}
