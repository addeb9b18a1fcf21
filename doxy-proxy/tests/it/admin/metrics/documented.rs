//! The table of metrics in the manual.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A metric as the manual has it.
#[derive(Debug)]
pub(in crate::admin) struct Documented {
    pub(super) kind: String,
    /// Its labels, each with all of its values if there is a closed set of them.
    pub(super) labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

/// All metrics that the manual lists.
pub(in crate::admin) fn documented() -> BTreeMap<String, Documented> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, page) = page.split_once("\n## Metrics\n").unwrap();
    let reasons = page
        .split("\n\n")
        .find(|it| it.starts_with("The reasons: "));
    let reasons: BTreeSet<_> = quoted(reasons.unwrap())
        .filter(|word| *word != "!")
        .map(str::to_owned)
        .collect();
    let mut all = BTreeMap::new();
    let mut verdicts = None;
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", names, kind, labels, _, ""] = cells[..] else {
            panic!("{row}");
        };
        let mut labels = of_labels(labels);
        if let Some(values) = labels.get_mut("reason").filter(|it| it.is_none()) {
            *values = Some(reasons.clone());
        }
        if let Some(values) = labels.get_mut("verdict") {
            verdicts = verdicts.or_else(|| values.clone());
            values.clone_from(&verdicts);
        }
        for name in quoted(names) {
            let (kind, labels) = (kind.to_owned(), labels.clone());
            let twice = all.insert(name.to_owned(), Documented { kind, labels });
            assert!(twice.is_none(), "{name}");
        }
    }
    assert!(all.len() > 20, "{all:?}");
    all
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `` `a` (`x`, `y`), `b` (words) `` has the label `a` with two values, and `b` with any.
fn of_labels(cell: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut labels = BTreeMap::new();
    let mut rest = cell;
    while let Some((_, label)) = rest.split_once('`') {
        let (label, behind) = label.split_once('`').unwrap();
        let values = behind.strip_prefix(" (");
        let values = values.map(|values| values.split_once(')').unwrap());
        rest = values.map_or(behind, |(_, behind)| behind);
        let closed = values.filter(|(values, _)| {
            let mut between = values.split('`').step_by(2);
            between.all(|between| ["", ", "].contains(&between))
        });
        let values = closed.map(|(values, _)| quoted(values).map(str::to_owned).collect());
        labels.insert(label.to_owned(), values);
    }
    labels
}

#[test]
fn labels_are_read_from_their_cell() {
    let labels = of_labels("`a` (`x`, `y`), `b` (such as `z`), `c`");
    let values = |of: &[&str]| Some(of.iter().map(|it| (*it).to_owned()).collect());
    let expected = [("a", values(&["x", "y"])), ("b", None), ("c", None)];
    let expected = expected.map(|(label, values)| (label.to_owned(), values));
    assert_eq!(labels, BTreeMap::from(expected));
}
