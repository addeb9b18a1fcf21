//! Files and folders of a test.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

/// The names of everything in a folder.
pub(crate) fn listing(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A new folder with a path that is short enough for a socket in it, whatever `TMPDIR` is.
pub(crate) fn short_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("doxy-t.")
        .tempdir_in("/tmp")
        .unwrap()
}
