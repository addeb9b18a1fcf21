//! What will fail later, found out at the start: files that doxy cannot read, write or remove any more.
//!
//! It only asks the kernel for rights; it opens and changes nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, RawMode};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::privilege::needs::{Needs, folder_of};

/// A file that doxy needs later and will not be able to use.
pub(super) struct Obstacle {
    pub(super) path: PathBuf,
    what: &'static str,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.what)
    }
}

/// Checks `needs` with the rights that the process has now.
pub(super) fn preflight(needs: &Needs) -> Vec<Obstacle> {
    let mut found = vec![];
    let mut note = |path: &Path, what| {
        let path = path.to_owned();
        found.push(Obstacle { path, what });
    };
    for file in &needs.read_files {
        if forbidden(file, Access::READ_OK) {
            note(file, "cannot be read again when doxy reloads");
        }
    }
    for file in &needs.write_files {
        let create = Access::WRITE_OK | Access::EXEC_OK;
        if forbidden(file, Access::WRITE_OK) || forbidden(&folder_of(file), create) {
            note(file, "cannot be created and opened again");
        }
    }
    for file in &needs.sockets {
        if !removable(file) {
            note(
                file,
                "stays behind when doxy stops; the next start replaces it",
            );
        }
    }
    found
}

/// Asks for the effective user. A file that does not exist is not forbidden.
fn forbidden(path: &Path, access: Access) -> bool {
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS) == Err(Errno::ACCESS)
}

/// Whether the file may be removed.
fn removable(file: &Path) -> bool {
    let folder = folder_of(file);
    if forbidden(&folder, Access::WRITE_OK | Access::EXEC_OK) {
        return false;
    }
    let (Ok(folder), Ok(file)) = (rustix::fs::stat(&folder), rustix::fs::lstat(file)) else {
        return true;
    };
    // In a sticky folder such as /tmp only the owner of the file or of the folder may remove it.
    let sticky = folder.st_mode & RawMode::from(Mode::SVTX.bits()) != 0;
    !sticky || [folder.st_uid, file.st_uid].contains(&geteuid().as_raw())
}
