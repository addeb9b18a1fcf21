//! A folder that only its owner can look into, for one run.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// How many names are tried.
const TRIES: u32 = 100;

/// A folder with mode 0700. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Creates it where the user's other sockets are, or else where temporary files are.
    pub(super) fn create() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
        let parent = runtime.unwrap_or_else(std::env::temp_dir);
        let mut count = 0;
        loop {
            let path = parent.join(format!("doxy-learn-{}-{count}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < TRIES => {
                    count += 1;
                }
                Err(error) => {
                    let why = format!(
                        "{}: cannot create a folder there: {error}",
                        parent.display()
                    );
                    return Err(io::Error::new(error.kind(), why));
                }
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
