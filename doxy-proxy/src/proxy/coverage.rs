//! How much of each endpoint a policy opens.
//!
//! Of rules that is decided by what they match. A script can only be asked: with typical requests for
//! each endpoint, and with what is written in the script. It must never say `denied` of what a script
//! decides by a body or by a lookup, nor where the script looks closer at an endpoint than at most.

#[cfg(feature = "script")]
mod asked;
#[cfg(feature = "script")]
mod guesses;
#[cfg(feature = "script")]
mod question;
#[cfg(feature = "script")]
mod samples;
#[cfg(feature = "script")]
mod search;

#[cfg(feature = "script")]
use std::collections::{BTreeMap, BTreeSet};

#[cfg(feature = "script")]
use doxy_filter::Access;
use doxy_filter::Coverage;
#[cfg(feature = "script")]
use doxy_filter::api::{Api, Endpoint};

use crate::policy::Policy;
#[cfg(feature = "script")]
use crate::proxy::coverage::search::Search;

/// What a policy opens.
#[derive(Debug)]
pub struct Covered {
    /// Each endpoint of the table, in its order.
    pub endpoints: Vec<Coverage>,
    /// Whether a script was asked.
    pub has_script: bool,
    /// How often the script failed, and how it did so first.
    pub failures: Option<(usize, String)>,
}

impl Policy {
    /// Finds out what this policy opens at a socket of this name. It takes up to a second.
    #[must_use]
    pub fn coverage(&self, socket: &str) -> Covered {
        #[cfg_attr(
            not(feature = "script"),
            expect(unused_mut, reason = "scripts refine it")
        )]
        let mut covered = Covered {
            endpoints: self.rules().coverage(),
            has_script: self.has_script(),
            failures: None,
        };
        #[cfg(feature = "script")]
        if let Some(script) = self.script() {
            ask(self, script.literals(), socket, &mut covered);
        }
        #[cfg(not(feature = "script"))]
        let _ = socket;
        covered
    }
}

#[cfg(feature = "script")]
fn ask(policy: &Policy, literals: &doxy_script::Literals, socket: &str, covered: &mut Covered) {
    let mut search = Search::new(policy, literals, socket);
    let rows = covered.endpoints.iter();
    let asked: Vec<_> = rows.map(|row| search.row(row)).collect();
    covered.failures = search.failures();
    let mut denied_at: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (row, asked) in covered.endpoints.iter().zip(&asked) {
        for place in &asked.places {
            let groups = denied_at.entry(place).or_default();
            groups.insert(group(row.endpoint));
        }
    }
    let general = |place: &String| {
        let groups = denied_at.get(&**place);
        groups.is_some_and(|groups| groups.len() >= GENERAL)
    };
    for (row, asked) in covered.endpoints.iter_mut().zip(&asked) {
        row.access = asked.access(row.access);
        if row.access == Access::Denied && !asked.places.iter().all(general) {
            row.access = Access::Partly;
        }
    }
}

/// A place in a script that denies endpoints of so many groups denies whatever is not named before. One
/// that denies fewer looks closer at these, and another query or body may pass it.
#[cfg(feature = "script")]
const GENERAL: usize = 3;

/// What the objects of an endpoint are: the first segment of its path.
#[cfg(feature = "script")]
fn group(endpoint: &Endpoint) -> &'static str {
    let mut segments = endpoint.template.split('/').filter(|it| !it.is_empty());
    let first = segments.next().unwrap_or_default();
    match endpoint.api {
        Api::Docker => first,
        Api::Libpod => segments.next().unwrap_or_default(),
    }
}

#[cfg(all(test, feature = "script"))]
mod tests;
