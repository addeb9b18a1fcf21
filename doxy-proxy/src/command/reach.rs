//! Which sockets of the engine there are, and whether this process can open one.
//!
//! The kernel is asked, by connecting: it knows modes, groups, access lists and folders. What cannot be told
//! counts as within reach.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use doxy_proxy::{UpstreamAddr, try_connect};

/// Where clients look for an engine that nobody has named.
const USUAL: [&str; 2] = ["/run/docker.sock", "/var/run/docker.sock"];

/// The paths that lead to an engine.
#[derive(Debug)]
pub(super) struct Engine {
    /// The engines that are served, as they were named.
    named: Vec<PathBuf>,
    /// All paths, with and without links.
    paths: Vec<PathBuf>,
}

impl Engine {
    /// Finds the paths to these engines and to that in the usual place.
    pub(super) fn find<'a>(engines: impl Iterator<Item = &'a UpstreamAddr>) -> Self {
        let named: Vec<PathBuf> = engines
            .filter_map(|engine| match engine {
                UpstreamAddr::Unix(path) => std::path::absolute(path).ok(),
                UpstreamAddr::Tcp(_) => None,
            })
            .collect();
        let mut paths = vec![];
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        let mounts: Vec<_> = mounts
            .split(|byte| *byte == b'\n')
            .filter_map(mount)
            .collect();
        for path in named.iter().cloned().chain(USUAL.map(PathBuf::from)) {
            if let Ok(real) = fs::canonicalize(&path) {
                paths.extend(elsewhere(&real, &mounts));
                paths.push(real);
            }
            paths.push(path);
        }
        paths.sort();
        paths.dedup();
        Self { named, paths }
    }

    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// An engine that is not there yet.
    pub(super) fn missing(&self) -> Option<&Path> {
        let mut named = self.named.iter();
        named.find(|path| !path.exists()).map(PathBuf::as_path)
    }

    /// An engine's socket that has more names than there are in the folders of the engines: nobody can find
    /// the others.
    pub(super) fn linked(&self) -> Option<&Path> {
        let folders: BTreeSet<_> = self
            .paths
            .iter()
            .filter_map(|path| fs::canonicalize(path.parent()?).ok())
            .collect();
        let names = |socket: (u64, u64)| {
            let entries = folders
                .iter()
                .filter_map(|folder| fs::read_dir(folder).ok());
            let entries = entries.flatten().flatten();
            let same = entries.filter(|entry| {
                let found = entry.metadata();
                found.is_ok_and(|found| (found.dev(), found.ino()) == socket)
            });
            same.count() as u64
        };
        let linked = |path: &&PathBuf| match fs::metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                found.nlink() > names((found.dev(), found.ino())).max(1)
            }
            _ => false,
        };
        self.paths.iter().find(linked).map(PathBuf::as_path)
    }

    /// Whether a socket that was bound to this path may be an engine's. A path that leads nowhere may be that of an
    /// engine which has been started anew, or in another folder.
    pub(super) fn is_bound_to(&self, path: &Path) -> bool {
        let known = self.paths.iter().any(|engine| engine == path);
        let found = identity(path).filter(|_| path.is_absolute());
        known || found.is_none_or(|found| self.paths.iter().any(|it| identity(it) == Some(found)))
    }

    /// The first path by which this process reaches an engine past the socket `own`.
    pub(super) fn within_reach(&self, own: &Path) -> Option<&Path> {
        let mut paths = self.paths.iter();
        paths.find(|path| opens(path, own)).map(PathBuf::as_path)
    }
}

fn opens(path: &Path, own: &Path) -> bool {
    if let Err(error) = try_connect(path)
        && [ErrorKind::PermissionDenied, ErrorKind::NotFound].contains(&error.kind())
    {
        return false;
    }
    match fs::metadata(path) {
        Ok(found) => found.file_type().is_socket() && identity(path) != identity(own),
        Err(_) => true,
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// A line of /proc/self/mountinfo.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: String,
    /// Which folder of the file system is mounted.
    root: PathBuf,
    at: PathBuf,
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    Some(Mount {
        device: String::from_utf8(fields.next()?.to_vec()).ok()?,
        root: plain(fields.next()?),
        at: plain(fields.next()?),
    })
}

/// A path without the kernel's escapes: `\040` is a space.
fn plain(text: &[u8]) -> PathBuf {
    let mut bytes = vec![];
    let mut rest = text;
    while let Some((first, more)) = rest.split_first() {
        let octal = more.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        let octal = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal.filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// Other mounts that show the file at `real`, a path without links.
fn elsewhere(real: &Path, mounts: &[Mount]) -> Vec<PathBuf> {
    // The last one lies over those before it.
    let here = mounts.iter().filter(|mount| real.starts_with(&mount.at));
    let Some(here) = here.max_by_key(|mount| mount.at.as_os_str().len()) else {
        return vec![];
    };
    let Ok(below) = real.strip_prefix(&here.at) else {
        return vec![];
    };
    let inside = here.root.join(below);
    let same = mounts.iter().filter(|mount| mount.device == here.device);
    let seen = same.filter_map(|mount| {
        let below = inside.strip_prefix(&mount.root).ok()?;
        // A socket may be mounted by itself.
        Some(match below == Path::new("") {
            true => mount.at.clone(),
            false => mount.at.join(below),
        })
    });
    seen.filter(|path| identity(path) == identity(real))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Mount, mount, opens};

    #[test]
    fn lines_of_mountinfo() {
        let read = |line: &str| mount(line.as_bytes());
        let of = |device: &str, root: &str, at: &str| {
            Some(Mount {
                device: device.to_owned(),
                root: root.into(),
                at: PathBuf::from(at),
            })
        };
        for (line, expected) in [
            (
                "22 27 0:21 / /proc rw,relatime - proc proc rw",
                of("0:21", "/", "/proc"),
            ),
            (
                "40 31 254:0 /a\\040b /c\\134d\\012 rw - ext4 /dev/vda rw",
                of("254:0", "/a b", "/c\\d\n"),
            ),
            ("22 27 0:21", None),
            ("", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_there_or_no_socket_is_out_of_reach() {
        let folder = tempfile::tempdir().map_or_else(|_| PathBuf::new(), tempfile::TempDir::keep);
        let (one, other) = (folder.join("one"), folder.join("other"));
        let listener = std::os::unix::net::UnixListener::bind(&one);
        assert!(listener.is_ok());
        assert!(std::fs::write(&other, "").is_ok());
        assert!(opens(&one, &other));
        // Nobody listens any more: the engine may come back.
        drop(listener);
        assert!(opens(&one, &other));
        assert!(!opens(&one, &one));
        assert!(!opens(&other, &one));
        assert!(!opens(Path::new("/no/such/socket"), &one));
        let _ = std::fs::remove_dir_all(folder);
    }
}
