//! Pattern files of any size, and paths to judge by them.
//!
//! Made, never read from anywhere: every run has the same.

/// A pattern file of `count` rules, each for another container, in the manner of the defaults.
///
/// No two of its rules match the same path, and all of them begin alike: what a loop over the
/// rules would have to try one by one.
pub fn rules(count: usize) -> String {
    (0..count)
        .map(|n| format!("^/(v\\d\\.\\d+/)?containers/job{n}(-\\w+)?/(json|stats|top)$\n"))
        .collect()
}

/// Paths to judge by [`rules`], with what each is for.
pub fn paths(count: usize) -> [(&'static str, String); 3] {
    [
        ("first", "/v1.41/containers/job0-a1/json".to_owned()),
        (
            "last",
            format!("/v1.41/containers/job{}-a1/json", count.saturating_sub(1)),
        ),
        ("none", "/v1.41/containers/proj-web-1/export".to_owned()),
    ]
}
