//! Reads a file without waiting for anybody: a pipe with nobody at its other end would stop doxy, at a
//! reload all that it serves.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// The bytes of a file, of which there may be `most`.
///
/// # Errors
/// If it cannot be read or is longer; if it is a folder; if it is a pipe, unless a shell passes it: those have their paths
/// below /dev and /proc.
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    let passed = ["/dev", "/proc"]
        .iter()
        .any(|folder| path.starts_with(folder));
    if kind.is_fifo() && !passed {
        return Err(io::Error::other("this is a pipe, not a file"));
    }
    if kind.is_dir() {
        return Err(io::Error::other("this is a folder, not a file"));
    }
    let mut bytes = Vec::new();
    // A device would never end.
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!(
            "the file has more than {} MiB",
            most >> 20
        ))),
        false => Ok(bytes),
    }
}
