//! Where a socket is: a folder that was opened once, and a name in it.
//!
//! Whatever doxy creates, changes or removes there goes by the folder's descriptor. Root may have been told
//! to put a socket where somebody else may write: who can change a part of the path must not lead doxy to
//! another folder in the middle of its work, nor to one where only doxy may write. So the way to the folder
//! follows no link that somebody else may have put there.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities};

use crate::net::reason::io_reason;

/// What is wrong, and what to do.
pub(super) type Refusal = (String, &'static str);

/// As many as the kernel follows.
const MAX_LINKS: usize = 40;
const NAMED: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder, which stays the same one whatever becomes of its path, and a name in it.
#[derive(Debug)]
pub struct SocketPlace {
    folder: OwnedFd,
    /// The path of the folder, as it was named.
    shown: PathBuf,
    name: OsString,
    is_private: bool,
}

impl SocketPlace {
    /// Finds the folder of a path. What the path leads to is not looked at.
    ///
    /// # Errors
    /// The folder is missing or not within reach; there is a link on the way that another user may have made;
    /// the path names a folder.
    pub fn of(path: &Path) -> Result<Self, (String, &'static str)> {
        let Some(name) = path
            .file_name()
            .filter(|name| path.as_os_str().as_bytes().ends_with(name.as_bytes()))
        else {
            return Err(("it is the path of a folder".to_owned(), "name a file in it"));
        };
        let shown = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut way = Way::from(&shown).map_err(|error| unusable(&shown, error))?;
        way.walk(&shown)?;
        Ok(Self {
            folder: way.here,
            name: name.to_owned(),
            is_private: way.is_private,
            shown,
        })
    }

    /// Another name in the same folder: this one, and what follows.
    pub(super) fn beside(&self, suffix: &str) -> Result<Self, Errno> {
        let mut name = self.name.clone();
        name.push(suffix);
        Ok(Self {
            folder: rustix::io::fcntl_dupfd_cloexec(&self.folder, 0)?,
            shown: self.shown.clone(),
            name,
            is_private: self.is_private,
        })
    }

    /// Whether nobody but root and doxy's user can put something else in the place of what these have made
    /// here, or of a folder on the way.
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// The path, for people.
    pub(super) fn path(&self) -> PathBuf {
        self.shown.join(&self.name)
    }

    /// The address of a socket here: its path, or one that leads to this very folder if others may change
    /// what the path leads to.
    pub(super) fn address(&self) -> Result<SocketAddrUnix, Errno> {
        match self.is_private {
            true => SocketAddrUnix::new(self.path()),
            false => {
                let folder = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
                SocketAddrUnix::new(Path::new(&folder).join(&self.name))
            }
        }
    }

    /// What is here. A link is not followed.
    pub(super) fn stat(&self) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Device and inode of what is here.
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.stat().ok().map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// Opens what is here. A link is not followed.
    pub(super) fn open(&self, how: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.folder, &self.name, how, mode)
    }

    /// A descriptor that only names what is here.
    pub(super) fn inode(&self) -> Result<OwnedFd, Errno> {
        self.open(OFlags::PATH, Mode::empty())
    }

    /// Sets the mode of what is here. Only for what nobody else can have replaced: a link is followed.
    pub(super) fn chmod(&self, mode: Mode) -> Result<(), Errno> {
        rustix::fs::chmodat(&self.folder, &self.name, mode, AtFlags::empty())
    }

    pub(super) fn unlink(&self) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty())
    }

    /// Removes what is here if it has this identity.
    pub fn remove(&self, identity: Option<(u64, u64)>) {
        if identity.is_some() && self.identity() == identity {
            let _ = self.unlink();
        }
    }

    /// Has what is here take another place.
    pub(super) fn rename(&self, to: &Self) -> Result<(), Errno> {
        rustix::fs::renameat(&self.folder, &self.name, &to.folder, &to.name)
    }

    /// The folder itself.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Why the folder cannot be used.
    pub(super) fn unusable(&self, error: Errno) -> Refusal {
        unusable(&self.shown, error)
    }
}

fn shown(folder: &Path) -> &Path {
    match folder == Path::new("") {
        true => Path::new("."),
        false => folder,
    }
}

/// The folders on the way to one, each opened from the one before it.
struct Way {
    here: OwnedFd,
    stat: Stat,
    is_private: bool,
    links: usize,
}

impl Way {
    /// The folder at which a path begins. The current one stays what it is, so what leads to it does not matter.
    fn from(path: &Path) -> Result<Self, Errno> {
        let start = if path.is_absolute() { "/" } else { "." };
        let here = rustix::fs::openat(CWD, start, NAMED | OFlags::DIRECTORY, Mode::empty())?;
        let stat = rustix::fs::fstat(&here)?;
        Ok(Self {
            is_private: stays(&stat),
            here,
            stat,
            links: 0,
        })
    }

    fn walk(&mut self, path: &Path) -> Result<(), Refusal> {
        for component in path.components() {
            match component {
                Component::CurDir | Component::Prefix(_) => {}
                Component::RootDir => self.enter_at(OsStr::new("/"), path)?,
                Component::ParentDir => self.enter_at(OsStr::new(".."), path)?,
                Component::Normal(name) => self.enter_at(name, path)?,
            }
        }
        Ok(())
    }

    /// Enters a folder by its name, or where a link of this name leads.
    fn enter_at(&mut self, name: &OsStr, path: &Path) -> Result<(), Refusal> {
        let fail = |error| unusable(path, error);
        let found = rustix::fs::openat(&self.here, name, NAMED, Mode::empty()).map_err(fail)?;
        let stat = rustix::fs::fstat(&found).map_err(fail)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.is_private &= stays(&stat);
                (self.here, self.stat) = (found, stat);
                Ok(())
            }
            FileType::Symlink => {
                self.links += 1;
                if self.links > MAX_LINKS {
                    return Err(fail(Errno::LOOP));
                }
                if !self.may_follow(&stat) {
                    return Err((
                        format!(
                            "folder {}: `{}` is a link, and another user may lead it elsewhere",
                            shown(path).display(),
                            name.display()
                        ),
                        "name the folder that it leads to, or one in a folder that only doxy's user may \
                         write to",
                    ));
                }
                let target = rustix::fs::readlinkat(found.as_fd(), "", vec![]).map_err(fail)?;
                self.walk(Path::new(&OsString::from_vec(target.into_bytes())))
            }
            _ => Err(fail(Errno::NOTDIR)),
        }
    }

    /// Whether nobody else can have put this link where it is. Links of root's may be moved, or have a second
    /// name, in a folder of somebody else.
    fn may_follow(&self, link: &Stat) -> bool {
        match self.stat.st_mode & STICKY {
            0 => stays(&self.stat),
            _ => stays(&self.stat) && is_trusted(link.st_uid) && link.st_nlink == 1,
        }
    }
}

const STICKY: u32 = 0o1000;

/// Whether in this folder nobody but root and doxy's own user can replace what these have made.
fn stays(folder: &Stat) -> bool {
    // An access list of the folder shows in the bits of the group.
    let own_group = !geteuid().is_root() && folder.st_gid == getegid().as_raw();
    let others = if own_group { 0o002 } else { 0o022 };
    is_trusted(folder.st_uid) && (folder.st_mode & others == 0 || folder.st_mode & STICKY != 0)
}

/// Root, whoever owns the root of all files (in a namespace root has another number), and doxy's own user.
fn is_trusted(uid: u32) -> bool {
    let top = || rustix::fs::stat("/").is_ok_and(|top| top.st_uid == uid);
    uid == 0 || uid == geteuid().as_raw() || top()
}

fn unusable(folder: &Path, error: Errno) -> Refusal {
    let reason = io_reason(&io::Error::from(error));
    let help = match error {
        Errno::NOENT => "create the folder first, or choose another path",
        Errno::NOTDIR | Errno::ACCESS => "choose a folder that doxy may read and write",
        _ => "choose another path",
    };
    (
        format!("folder {}: {reason}", shown(folder).display()),
        help,
    )
}

/// What to do if nothing can be created in the folder of a socket.
pub(super) fn cannot_create(error: Errno) -> &'static str {
    match error {
        Errno::ROFS => {
            "choose a folder in which doxy may create files; in a container that is read-only, mount a \
             volume or a tmpfs there"
        }
        Errno::ACCESS if root_lacks(CapabilitySet::DAC_OVERRIDE) => {
            "root lacks the capability DAC_OVERRIDE here, which folders of others take; add it (in a compose \
             file `cap_add: [DAC_OVERRIDE]`), or start doxy as the user that the folder belongs to"
        }
        _ => {
            "choose a folder in which doxy may create files, or give this one to doxy's user (chown); a \
             volume too belongs to a user"
        }
    }
}

/// Whether doxy runs as root without this capability, as a container with `cap_drop` has it.
pub(super) fn root_lacks(capability: CapabilitySet) -> bool {
    geteuid().is_root() && capabilities(None).is_ok_and(|sets| !sets.effective.contains(capability))
}

#[cfg(test)]
mod tests;
