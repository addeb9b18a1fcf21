//! The private folder of one command, with its socket. It is gone when this is dropped.
//!
//! Root makes it, and gives it to the command's user. What is changed is what was made, by its descriptor.

use std::cell::Cell;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use doxy_proxy::SocketPlace;
use rustix::fs::{Mode, OFlags, fchown, fstat};
use rustix::process::geteuid;

use crate::config::Login;

/// A folder that only its owner may enter.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The children have a copy of this, from before.
    created: Cell<bool>,
}

impl Folder {
    /// Chooses a name that nothing has. Nothing is created.
    pub(super) fn choose() -> Self {
        let run = geteuid().is_root() && Path::new("/run").is_dir();
        let above = if run { "/run" } else { "/tmp" };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.subsec_nanos());
        let name = format!("doxy-run.{}.{nanos}", std::process::id());
        Self {
            path: Path::new(above).join(name),
            created: Cell::new(false),
        }
    }

    /// Where the socket is.
    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("docker.sock")
    }

    /// Where a view of other folders is built.
    pub(super) fn stage(&self) -> PathBuf {
        self.path.join("stage")
    }

    /// Creates it. It is an error if anything has this name.
    pub(super) fn create(&self, stage: bool) -> io::Result<()> {
        let mut private = DirBuilder::new();
        private.mode(0o700);
        private.create(&self.path)?;
        self.created.set(true);
        if stage {
            private.create(self.stage())?;
        }
        Ok(())
    }

    /// Makes the command's user its owner. What is in it must be there already: from now on that user may
    /// change it.
    pub(super) fn give_to(&self, login: &Login) -> io::Result<()> {
        let only_this = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.path, OFlags::RDONLY | only_this, Mode::empty())?;
        let stat = fstat(&folder)?;
        if stat.st_uid != geteuid().as_raw() || stat.st_mode & 0o7777 != 0o700 {
            return Err(io::Error::other("somebody has replaced doxy's folder"));
        }
        Ok(fchown(&folder, Some(login.uid), Some(login.gid))?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.created.get() {
            // Follows no link, whatever its owner has made of it.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The proxy's socket, removed when this is dropped: the proxy may be unable to, or may have been killed.
#[derive(Debug)]
pub(super) struct Left {
    place: SocketPlace,
    identity: (u64, u64),
}

impl Left {
    /// Finds the folder of the socket. If the socket that the proxy has created is not in it, somebody else has
    /// changed the path, and there is nothing to remove.
    pub(super) fn note(path: &Path, created: (u64, u64)) -> Option<Self> {
        let place = SocketPlace::of(path).ok()?;
        // Made only if it is: it removes what it has noted.
        (place.identity() == Some(created)).then(|| Self {
            place,
            identity: created,
        })
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.place.remove(Some(self.identity));
    }
}
