//! How long something took, counted by classes of time.

use std::time::Duration;

use crate::metrics::counter::Counter;

/// The upper ends of the classes, in microseconds. The last class has none.
const BOUNDS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000, 60_000_000,
];
const CLASSES: usize = BOUNDS.len() + 1;

/// Times, by class.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    classes: [Counter; CLASSES],
    /// The sum of all times, in microseconds.
    sum: Counter,
}

impl Histogram {
    pub(crate) fn add(&self, micros: u64) {
        let class = BOUNDS.iter().position(|bound| micros <= *bound);
        if let Some(class) = self.classes.get(class.unwrap_or(BOUNDS.len())) {
            class.add(1);
        }
        self.sum.add(micros);
    }
}

/// Times of several threads together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramTotals {
    /// How many times each class came, without those below it.
    classes: [u64; CLASSES],
    sum: u64,
}

impl HistogramTotals {
    pub(crate) fn add(&mut self, one: &Histogram) {
        for (total, class) in self.classes.iter_mut().zip(&one.classes) {
            *total += class.get();
        }
        self.sum += one.sum.get();
    }

    /// How many times were at most so long, for each upper end: all of them for the last, which is
    /// `None`.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS
            .iter()
            .map(|bound| Some(Duration::from_micros(*bound)));
        let mut so_far = 0;
        bounds
            .chain([None])
            .zip(self.classes)
            .map(move |(bound, count)| {
                so_far += count;
                (bound, so_far)
            })
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum)
    }

    /// The upper end of the class that this share of all times, such as 0.99, is at most in. None if
    /// there were none, or if it is in the class without an end.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let (bound, _) = self
            .cumulative()
            .find(|(_, so_far)| *so_far as f64 >= share * count as f64)?;
        bound
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CLASSES, Histogram, HistogramTotals};

    fn totals(times: &[u64]) -> HistogramTotals {
        let histogram = Histogram::default();
        times.iter().for_each(|micros| histogram.add(*micros));
        let mut totals = HistogramTotals::default();
        totals.add(&histogram);
        totals
    }

    #[test]
    fn each_time_is_in_the_first_class_that_holds_it() {
        let totals = totals(&[0, 50, 51, 100, 60_000_000, 60_000_001, u64::MAX / 2]);
        let cumulative: Vec<_> = totals.cumulative().collect();
        assert_eq!(cumulative.len(), CLASSES);
        for (class, bound, count) in [
            (0, Some(Duration::from_micros(50)), 2),
            (1, Some(Duration::from_micros(100)), 4),
            (CLASSES - 2, Some(Duration::from_secs(60)), 5),
            (CLASSES - 1, None, 7),
        ] {
            assert_eq!(cumulative.get(class), Some(&(bound, count)), "{class}");
        }
        assert_eq!(totals.count(), 7);
    }

    #[test]
    fn quantiles_are_upper_ends_of_classes() {
        assert_eq!(totals(&[]).quantile(0.5), None);
        let times = totals(&[10, 10, 10, 300]);
        assert_eq!(times.quantile(0.5), Some(Duration::from_micros(50)));
        assert_eq!(times.quantile(0.99), Some(Duration::from_micros(500)));
        assert_eq!(times.sum(), Duration::from_micros(330));
        assert_eq!(totals(&[u64::MAX / 2]).quantile(0.5), None);
    }
}
