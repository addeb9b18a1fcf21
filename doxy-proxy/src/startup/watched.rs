//! Whether files have changed, by looking at them: notifications miss changes on network and desktop
//! mounts, and files that are replaced through a link.

use std::path::PathBuf;

use rustix::fs::stat;

/// Files, and how each was when it was looked at last.
#[derive(Debug)]
pub(super) struct Watched {
    files: Vec<(PathBuf, Option<Look>)>,
    /// Whether something had changed when they were looked at last.
    changing: bool,
}

/// Device, inode, size and time of change. None stands for a file that is not there.
type Look = (u64, u64, i64, i64, u64);

impl Watched {
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = files.into_iter().map(|path| (path.clone(), look(&path)));
        let mut files: Vec<_> = files.collect();
        files.sort();
        files.dedup();
        Self {
            files,
            changing: false,
        }
    }

    /// Whether any has changed, and none is changing any more: half a file is not read.
    pub(super) fn have_changed(&mut self) -> bool {
        let changing = self.look();
        let settled = self.changing && !changing;
        self.changing = changing;
        settled
    }

    /// Whether any has changed since they were looked at last.
    fn look(&mut self) -> bool {
        let mut changed = false;
        for (path, before) in &mut self.files {
            let now = look(path);
            changed |= now != *before;
            *before = now;
        }
        changed
    }
}

/// Through links: what counts is the file that would be read.
fn look(path: &PathBuf) -> Option<Look> {
    let stat = stat(path).ok()?;
    #[allow(clippy::useless_conversion, reason = "other systems have other types")]
    let nanos = u64::try_from(stat.st_mtime_nsec).unwrap_or_default();
    Some((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, nanos))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Watched;

    #[test]
    fn changes_in_place_by_rename_and_through_links_are_seen_once() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("rules"), "one")?;
        fs::create_dir(at("v1"))?;
        fs::create_dir(at("v2"))?;
        fs::write(at("v1/script"), "a")?;
        fs::write(at("v2/script"), "a")?;
        symlink("v1", at("data"))?;
        let mut watched = Watched::new([at("rules"), at("data/script"), at("none")]);
        let mut changed = || {
            [
                watched.have_changed(),
                watched.have_changed(),
                watched.have_changed(),
            ]
        };
        // Once, when the second look finds what the first one did.
        let once = [false, true, false];
        assert_eq!(changed(), [false; 3]);

        fs::write(at("rules"), "other")?;
        assert_eq!(changed(), once);
        fs::write(at("new"), "other")?;
        fs::rename(at("new"), at("rules"))?;
        assert_eq!(changed(), once);
        // As Kubernetes does.
        symlink("v2", at("next"))?;
        fs::rename(at("next"), at("data"))?;
        assert_eq!(changed(), once);
        fs::write(at("none"), "")?;
        assert_eq!(changed(), once);
        fs::remove_file(at("none"))?;
        assert_eq!(changed(), once);
        Ok(())
    }
}
