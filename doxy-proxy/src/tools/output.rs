//! Files that a tool writes: replaced whole, or not at all.
//!
//! A file that exists stays unless the user says otherwise. Nothing but a regular file is ever
//! replaced.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use doxy_proxy::io_reason;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::config::ConfigError;

const FORCE: &str = "give another name, or --force to replace it";

/// A file that is to be written.
#[derive(Debug)]
pub(crate) struct Output {
    /// Without links.
    path: PathBuf,
    /// As it was given, for messages.
    named: PathBuf,
    force: bool,
}

impl Output {
    /// Refuses at once what could not be written in the end.
    pub(crate) fn new(named: &Path, force: bool) -> Result<Self, ConfigError> {
        let wrong = |why: &str, help: &str| ConfigError::new(named.display(), why, help);
        let path = match fs::symlink_metadata(named) {
            Ok(_) => fs::canonicalize(named).map_err(|error| {
                let help = "this is a link: have it lead to a file, or remove it";
                wrong(&io_reason(&error), help)
            })?,
            Err(_) => named.to_owned(),
        };
        let output = Self {
            named: named.to_owned(),
            force,
            path,
        };
        match fs::metadata(&output.path) {
            Ok(found) if !found.is_file() => {
                return Err(wrong("this is not a file", "give the name of a file"));
            }
            Ok(_) if !force => return Err(wrong("the file exists", FORCE)),
            _ => {}
        }
        let folder = output.folder();
        if output.path.file_name().is_none() || !folder.is_dir() {
            let help = "name a file in a folder that exists";
            return Err(wrong("there is no such folder", help));
        }
        Ok(output)
    }

    /// Writes the file: under another name in the same folder, then it is renamed.
    pub(crate) fn write(&self, text: &[u8]) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let other = self
            .folder()
            .join(format!(".{name}.{}", std::process::id()));
        let written = self.write_at(&other, text);
        if written.is_err() {
            // What cannot be removed was not made here.
            let _ = fs::remove_file(&other);
        }
        written.map_err(|error| {
            let reason = io_reason(&error);
            let why = format!("{}: not written: {reason}", self.named.display());
            io::Error::new(error.kind(), why)
        })
    }

    fn write_at(&self, other: &Path, text: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(other)?;
        file.write_all(text)?;
        file.sync_all()?;
        if self.force {
            return fs::rename(other, &self.path);
        }
        match renameat_with(CWD, other, CWD, &self.path, RenameFlags::NOREPLACE) {
            // Not every file system can do this; a link to an existing name fails as well.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(other, &self.path)?;
                fs::remove_file(other)
            }
            done => Ok(done?),
        }
    }

    fn folder(&self) -> &Path {
        let folder = self.path.parent();
        folder
            .filter(|folder| *folder != Path::new(""))
            .unwrap_or(Path::new("."))
    }

    /// As it was given.
    pub(crate) fn named(&self) -> &Path {
        &self.named
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::symlink;

    use super::Output;

    #[test]
    fn a_file_is_replaced_whole_and_only_if_that_is_wanted() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("out");
        let link = folder.path().join("link");
        let new = |path, force| Output::new(path, force).map_err(|it| it.to_string());
        let first = new(&path, false);
        assert!(first.as_ref().is_ok_and(|it| it.write(b"one").is_ok()));
        assert_eq!(fs::read(&path)?, b"one");
        // It has come into being meanwhile, or was there before.
        assert!(first.is_ok_and(|it| it.write(b"two").is_err()));
        assert!(new(&path, false).is_err_and(|it| it.contains("the file exists")));
        assert_eq!(fs::read(&path)?, b"one");
        symlink(&path, &link)?;
        assert!(new(&link, true).is_ok_and(|it| it.write(b"three").is_ok()));
        assert_eq!(fs::read(&path)?, b"three");
        assert!(fs::symlink_metadata(&link)?.is_symlink());
        for wrong in [
            folder.path(),
            "/dev/null".as_ref(),
            &path.join("x"),
            "/nowhere/x".as_ref(),
        ] {
            assert!(new(wrong, true).is_err(), "{}", wrong.display());
        }
        // Nothing else is left.
        assert_eq!(fs::read_dir(folder.path())?.count(), 2);
        Ok(())
    }
}
