//! Waiting, with one limit for all of it. No test sleeps, and none asserts a duration.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

/// When a test stops waiting and fails. Far longer than any wait takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
/// How often [`until`] looks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits for something that sends no event: looks again and again until `look` finds it.
///
/// Prefer an event: a channel, the end of a connection, a line of the log, or [`until_in`].
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    try_until(look).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// As [`until`], but returns none after [`TIMEOUT`].
pub(crate) fn try_until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}

/// Waits until `look` finds something in the files of `folder`: it looks whenever one of them
/// has changed.
#[track_caller]
pub(crate) fn until_in<T>(folder: &Path, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    let changes = inotify::WatchFlags::CREATE
        | inotify::WatchFlags::MODIFY
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::MOVED_FROM
        | inotify::WatchFlags::DELETE;
    inotify::add_watch(&watch, folder, changes).unwrap();
    let deadline = Instant::now() + TIMEOUT;
    let mut events = [0; 4096];
    loop {
        // The watch is there before the first look, so no change is missed.
        if let Some(found) = look() {
            return found;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        let mut ready = [PollFd::new(&watch, PollFlags::IN)];
        let changed = poll(&mut ready, Some(&left)).unwrap();
        assert!(changed > 0, "waited in vain: {what}");
        rustix::io::read(&watch, &mut events).unwrap();
    }
}
