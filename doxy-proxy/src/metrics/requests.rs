//! How many requests there were, by endpoint, verdict and class of status.

use std::sync::OnceLock;

use doxy_filter::api::Endpoint;

use crate::facts::Verdict;
use crate::metrics::counter::Counter;
use crate::metrics::endpoints::Asked;

/// The classes of a response's status: none, then by the first digit.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const VERDICTS: usize = Verdict::ALL.len();

/// What is counted of one endpoint: for each verdict each class of status.
type Row = [[Counter; CLASSES.len()]; VERDICTS];

/// The requests of one socket on one thread. What nobody asks for takes next to no memory.
#[derive(Debug, Default)]
pub(crate) struct Requests(OnceLock<Box<[OnceLock<Box<Row>>]>>);

impl Requests {
    /// Counts a request that got this status, or none if there is 0.
    pub(crate) fn add(&self, asked: Asked, verdict: Verdict, status: u16) {
        let rows = self.0.get_or_init(|| {
            let rows = std::iter::repeat_with(OnceLock::new);
            rows.take(Asked::count()).collect()
        });
        let Some(row) = rows.get(asked.number()) else {
            return;
        };
        let row = row.get_or_init(Box::default);
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        let counter = row.get(verdict as usize).and_then(|row| row.get(class));
        if let Some(counter) = counter {
            counter.add(1);
        }
    }
}

/// How many requests were alike.
#[derive(Debug, Clone, Copy)]
pub struct RequestTotal {
    /// The endpoint, if it is one.
    pub endpoint: Option<&'static Endpoint>,
    /// The endpoint's method; of what is no endpoint one of a closed set.
    pub method: &'static str,
    /// `allowed`, `denied`, `would_deny` or `refused`.
    pub verdict: &'static str,
    /// `2xx`, or `none` if the client got no response.
    pub status: &'static str,
    /// How many.
    pub count: u64,
}

/// The requests of several threads together, without those that never were.
pub(crate) fn totals<'a>(all: impl Iterator<Item = &'a Requests> + Clone) -> Vec<RequestTotal> {
    let mut totals = Vec::new();
    let tables = all.filter_map(|requests| requests.0.get());
    for (number, (method, endpoint)) in Asked::all().enumerate() {
        let rows = tables.clone().filter_map(|rows| rows.get(number)?.get());
        for verdict in Verdict::ALL {
            for (class, status) in CLASSES.iter().enumerate() {
                let cell = |row: &Row| Some(row.get(verdict as usize)?.get(class)?.get());
                let count = rows.clone().filter_map(|row| cell(row)).sum();
                if count > 0 {
                    totals.push(RequestTotal {
                        endpoint,
                        method,
                        verdict: verdict.name(),
                        status,
                        count,
                    });
                }
            }
        }
    }
    totals
}
