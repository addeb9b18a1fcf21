//! Reads a file without ever waiting for it: a pipe with nobody at its other end would stop doxy, at a
//! reload all that it serves.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// The bytes of a file, and one more than `most` if it has more. Pipes are read only where a shell passes
/// them, below /dev and /proc.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    let passed = ["/dev", "/proc"]
        .iter()
        .any(|folder| path.starts_with(folder));
    if kind.is_fifo() && !passed {
        return Err(io::Error::other("this is a pipe, not a file"));
    }
    let mut bytes = Vec::new();
    // A device would never end.
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
