//! How many connections a tool may have at a time: no more than it may have open files.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

/// What a process has open beside its connections.
const OTHERS: usize = 16;
/// As many at a time as any machine has to do with.
const MOST: usize = 4096;

/// A permit for each thing that may be looked at now. Looking takes up to two connections.
pub(crate) fn permits() -> Arc<Semaphore> {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    Arc::new(Semaphore::new(count(limit)))
}

fn count(limit: Option<usize>) -> usize {
    let files = limit.map_or(MOST, |limit| limit.saturating_sub(OTHERS));
    (files / 2).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn there_is_always_one_and_never_more_than_files() {
        for (limit, expected) in [
            (Some(0), 1),
            (Some(18), 1),
            (Some(24), 4),
            (Some(1024), 504),
            (Some(1_000_000), 4096),
            (None, 2048),
        ] {
            assert_eq!(count(limit), expected, "{limit:?}");
        }
    }
}
