//! An engine's socket that is mounted as a file: when the engine restarts it makes a new socket, and the
//! mount keeps the old one, which nobody serves any more.
//!
//! It only says so, once until the engine can be reached again. Source: proc(5), `mountinfo`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether it was said.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    told: AtomicBool,
}

impl Mounted {
    /// The engine was reached.
    pub(super) fn reached(&self) {
        if self.told.load(Relaxed) {
            self.told.store(false, Relaxed);
        }
    }

    /// Says what to do if the engine is not there because its socket is a mount of its own.
    pub(super) fn refused(&self, engine: &Path, error: &io::Error) {
        if error.kind() != io::ErrorKind::ConnectionRefused || self.told.swap(true, Relaxed) {
            return;
        }
        if is_mount_point(engine) {
            tracing::warn!(
                "{} is mounted as a file: if the engine was restarted, the mount still leads to its old \
                 socket; restart doxy's container, and mount the folder around the socket instead of \
                 the socket",
                engine.display()
            );
        }
    }
}

/// Whether a path, through any links, is a mount point.
pub fn is_mount_point(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = fs::canonicalize(path);
    is_mount(&mounts, real.as_deref().unwrap_or(path))
}

/// Whether a path is a mount point.
fn is_mount(mounts: &str, path: &Path) -> bool {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .into_iter()
        .any(|point| path == Path::new(&unescaped(point)))
}

/// A path of `mountinfo`, in which blanks and backslashes are octal numbers.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let text = text.to_owned();
    escapes
        .iter()
        .fold(text, |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
603 560 0:24 /docker.sock /run/docker.sock rw,nosuid - tmpfs tmpfs rw,size=10%
604 560 0:24 /a\\040b.sock /run/a\\040b.sock rw - tmpfs tmpfs rw
605 560 0:25 / /run/engine rw - tmpfs tmpfs rw
";

    #[test]
    fn a_socket_is_told_from_the_folder_that_it_is_in() {
        for (path, expected) in [
            ("/run/docker.sock", true),
            ("/run/a b.sock", true),
            ("/run/engine/docker.sock", false),
            ("/docker.sock", false),
            ("/run", false),
        ] {
            assert_eq!(super::is_mount(MOUNTS, Path::new(path)), expected, "{path}");
        }
    }
}
