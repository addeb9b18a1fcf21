//! Lays doxy's socket over the engine's paths, in a mount namespace of this process's own.
//!
//! A mount over a socket is gone as soon as the engine is started anew: it removes its socket, and with it
//! what lies over it. So the folder around the socket is covered, by one that has everything else of the
//! folder in it, and nobody outside can change it. It is for reading only: what is written there would be
//! lost.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move, mount_remount,
};

/// More than any folder with an engine's socket has.
const MAX_ENTRIES: usize = 4096;

/// Covers all of these paths with the socket `own`. `stage` is an empty folder to work in.
pub(super) fn cover(paths: &[PathBuf], own: &Path, stage: &Path) -> io::Result<()> {
    let found = paths.iter().filter_map(|path| fs::metadata(path).ok());
    let engines: Vec<_> = found.map(|found| (found.dev(), found.ino())).collect();
    let own_way = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", own_way)?;
    // Folders without links, the outer ones first: the inner ones are entries of theirs.
    let mut places = vec![];
    for path in paths {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        if let Ok(folder) = fs::canonicalize(folder) {
            places.push((folder, name.to_owned()));
        }
    }
    places.sort();
    places.dedup();
    let mut rest = places.as_slice();
    while let Some((folder, _)) = rest.first() {
        let here = rest.iter().take_while(|(other, _)| other == folder);
        let names: Vec<_> = here.map(|(_, name)| name.as_os_str()).collect();
        cover_folder(folder, &names, &engines, own, stage).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        })?;
        rest = rest.get(names.len()..).unwrap_or_default();
    }
    Ok(())
}

fn cover_folder(
    folder: &Path,
    names: &[&OsStr],
    engines: &[(u64, u64)],
    own: &Path,
    stage: &Path,
) -> io::Result<()> {
    let everybody = 0o002;
    if folder.parent().is_none() || fs::metadata(folder)?.mode() & everybody != 0 {
        return Err(io::Error::other(
            "the engine's socket is in a folder that others need as it is",
        ));
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("doxy", stage, "tmpfs", flags, Some(c"mode=0755"))?;
    let entries = match fs::read_dir(folder) {
        // What cannot be listed cannot be shown: the socket is all that is left.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        entries => Some(entries?),
    };
    for (count, entry) in entries.into_iter().flatten().enumerate() {
        let entry = entry?;
        if count >= MAX_ENTRIES {
            return Err(io::Error::other("too many files in this folder"));
        }
        if names.contains(&&*entry.file_name()) {
            continue;
        }
        // The same socket by another name, as a link makes it, is not shown at all.
        let seen = entry.metadata().map(|entry| (entry.dev(), entry.ino()));
        if seen.is_ok_and(|seen| engines.contains(&seen)) {
            continue;
        }
        match show(&entry, &stage.join(entry.file_name())) {
            // It has gone meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            shown => shown?,
        }
    }
    for name in names {
        let at = stage.join(name);
        fs::write(&at, "")?;
        mount_bind(own, &at)?;
    }
    mount_move(stage, folder)?;
    mount_remount(folder, flags | MountFlags::BIND | MountFlags::RDONLY, "")?;
    Ok(())
}

/// Has an entry of a folder appear at another place.
fn show(entry: &fs::DirEntry, at: &Path) -> io::Result<()> {
    let (kind, from) = (entry.file_type()?, entry.path());
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, at);
    }
    if kind.is_dir() {
        fs::create_dir(at)?;
    } else {
        fs::write(at, "")?;
    }
    mount_bind_recursive(from, at)?;
    Ok(())
}
