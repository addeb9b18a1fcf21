//! The folders of sockets: who may write to them, and those that doxy makes.
//!
//! systemd makes `/run/doxy` anew at each boot, and names it in `RUNTIME_DIRECTORY`. Each client is to have
//! a folder of its own in there, which nobody else makes. It makes one level, there and nowhere else, and
//! before the sandbox is entered: a reload cannot.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// What systemd calls the folders that it has made for a service.
const VARIABLE: &str = "RUNTIME_DIRECTORY";

/// Everybody may enter: who may connect is a matter of the socket's mode.
const MODE: u32 = 0o755;

/// Makes the folder of a socket if it is missing, and belongs right into the runtime directory.
///
/// # Errors
/// It cannot be made.
pub(super) fn make_for(socket: &Path) -> io::Result<()> {
    let Some(folder) = socket.parent() else {
        return Ok(());
    };
    let named = env::var_os(VARIABLE).unwrap_or_default();
    let within = env::split_paths(&named)
        .any(|runtime| runtime.is_absolute() && folder.parent() == Some(runtime.as_path()));
    // Where others may write, what is made could be another's folder the next moment.
    if !within || folder.parent().is_none_or(others_may_write) {
        return Ok(());
    }
    match DirBuilder::new().mode(MODE).create(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(MODE)), // whatever the umask is
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The folder above is missing too: the socket says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether others than doxy's user may replace the sockets in a folder. In a sticky one such as /tmp they
/// may not.
pub(crate) fn others_may_write(folder: &Path) -> bool {
    rustix::fs::stat(folder).is_ok_and(|stat| {
        let sticky = stat.st_mode & 0o1000 != 0;
        let own_group = stat.st_gid == rustix::process::getegid().as_raw();
        let group = stat.st_mode & 0o020 != 0 && !own_group;
        !sticky && (group || stat.st_mode & 0o002 != 0)
    })
}
