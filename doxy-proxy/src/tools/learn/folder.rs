//! A folder that only its owner can look into, for one run.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use doxy_proxy::SocketPlace;

/// How many names are tried.
const TRIES: u32 = 100;

/// A folder with mode 0700. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Creates it where the user's other sockets are, or else where temporary files are. Root may have got the
    /// variables of another user: who can replace the folder could have doxy write elsewhere.
    pub(super) fn create() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|folder| folder.is_absolute());
        let places = [runtime, Some(std::env::temp_dir()), Some("/tmp".into())];
        let Some(parent) = places.into_iter().flatten().find(|folder| is_own(folder)) else {
            return Err(io::Error::other(
                "no folder for temporary files in which nobody else can replace what is doxy's; name one in \
                 TMPDIR",
            ));
        };
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

/// Whether nobody else can replace what doxy makes in this folder.
fn is_own(folder: &Path) -> bool {
    SocketPlace::of(&folder.join("x")).is_ok_and(|place| place.is_private())
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
