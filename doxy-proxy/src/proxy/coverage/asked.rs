//! What a script has said about requests for one endpoint, taken together.

use std::collections::BTreeSet;

use doxy_filter::Access;

use crate::proxy::explain::{Answer, DecidedBy, Explanation};

/// What a script says about an endpoint.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Of how many requests it says so.
    pub(super) allowed: usize,
    pub(super) denied: usize,
    /// It leaves them to the rules.
    pub(super) passed: usize,
    /// It wants to know more than a request has that it was asked about.
    pub(super) depends: bool,
    /// Where in the script it denies.
    pub(super) places: BTreeSet<String>,
}

impl Asked {
    pub(super) fn add(&mut self, said: &Explanation) {
        match (&said.answer, &said.by) {
            (Answer::Depends(_), _) => self.depends = true,
            (Answer::Allow, DecidedBy::Script(_)) => self.allowed += 1,
            (Answer::Deny, DecidedBy::Script(place)) => {
                self.denied += 1;
                if !self.places.contains(place) {
                    self.places.insert(place.clone());
                }
            }
            (_, DecidedBy::Rule(_) | DecidedBy::NoRule) => self.passed += 1,
            // A request that is refused unread says nothing.
            (_, DecidedBy::Reading | DecidedBy::Open) => {}
        }
    }

    /// How much of the endpoint is open, if the rules open so much of it.
    pub(super) fn access(&self, rules: Access) -> Access {
        let passed = (self.passed > 0).then_some(rules);
        let allowed = (self.allowed > 0).then_some(Access::Allowed);
        let denied = (self.denied > 0).then_some(Access::Denied);
        let depends = self.depends.then_some(Access::Partly);
        let mut all = [passed, allowed, denied, depends].into_iter().flatten();
        let Some(first) = all.next() else {
            // No request got as far as the policy.
            return Access::Partly;
        };
        match all.all(|other| other == first) {
            true => first,
            false => Access::Partly,
        }
    }
}

#[cfg(test)]
mod tests {
    use doxy_filter::Access::{Allowed, Denied, Partly};

    use super::Asked;

    #[test]
    fn what_a_script_says_and_what_it_leaves_to_the_rules() {
        for (allowed, denied, passed, depends, rules, expected) in [
            (0, 0, 3, false, Allowed, Allowed),
            (0, 0, 3, false, Partly, Partly),
            (0, 0, 3, false, Denied, Denied),
            (3, 0, 0, false, Denied, Allowed),
            (0, 3, 0, false, Allowed, Denied),
            (1, 2, 0, false, Allowed, Partly),
            (1, 0, 2, false, Allowed, Allowed),
            (1, 0, 2, false, Denied, Partly),
            (0, 1, 2, false, Denied, Denied),
            (0, 1, 2, false, Allowed, Partly),
            // It decides by what a request does not have.
            (0, 3, 0, true, Denied, Partly),
            (0, 0, 0, true, Denied, Partly),
            (0, 0, 0, false, Denied, Partly),
        ] {
            let asked = Asked {
                allowed,
                denied,
                passed,
                depends,
                ..Asked::default()
            };
            assert_eq!(asked.access(rules), expected, "{asked:?} {rules}");
        }
    }
}
