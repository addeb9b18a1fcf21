//! What is written in a policy that a request could be compared with: for tools that look for the
//! requests that a policy decides otherwise. It must never decide anything.

use std::collections::BTreeSet;

/// The texts and numbers of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Literals {
    /// Texts, keys of maps, and texts that are made of constants.
    pub texts: BTreeSet<String>,
    /// Whole numbers.
    pub numbers: BTreeSet<i64>,
    /// Whether that is all there is: a policy can have too many.
    pub complete: bool,
    /// Whether whatever the policy does with the path is to compare it with what is here: it takes
    /// no part of it and does not measure it.
    pub compares_path: bool,
    /// The same of the name of the object in the path.
    pub compares_name: bool,
}
