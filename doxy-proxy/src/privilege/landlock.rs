//! Landlock: the folders, TCP ports, abstract sockets and signals that stay in reach.
//!
//! It grants what [`Needs`] names and never asks why. Landlock does not restrict connecting to a unix
//! socket by its path; file permissions do that.

use std::fs;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};

use crate::net::listener::place::SocketPlace;
use crate::privilege::needs::{Needs, Network, folder_of};

/// The version whose restrictions doxy requests. Later ones restrict connecting to sockets by path,
/// which a proxy must do, and what the kernel logs.
const WANTED: ABI = ABI::V6;
/// The kernel that introduced it.
const WANTED_SINCE: &str = "Linux 6.12";

/// Restricts this thread, and those that it starts, to `needs`. Says what is in force (`Ok`) and what
/// is missing (`Err`).
pub(super) fn install(needs: &Needs) -> Vec<Result<String, String>> {
    match restrict(needs) {
        Ok(abi) => {
            let in_force = Ok(format!("landlock v{abi}"));
            let missing = Err(format!("landlock v{WANTED} ({WANTED_SINCE})"));
            let missing = (abi < WANTED).then_some(missing);
            [in_force].into_iter().chain(missing).collect()
        }
        Err(why) => vec![Err(format!("landlock ({why})"))],
    }
}

fn restrict(needs: &Needs) -> Result<ABI, String> {
    let status = apply(needs).map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err("switched off in this kernel".to_owned())
        }
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) => Ok(effective_abi.min(WANTED)),
        _ => Err("not in this kernel or container".to_owned()),
    }
}

fn apply(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    for (folder, access) in folders(needs) {
        // A folder that does not exist or cannot be opened cannot be used later either.
        if let Ok(folder) = PathFd::new(folder) {
            rules = rules.add_rule(PathBeneath::new(folder, access))?;
        }
    }
    let mut of_sockets = BitFlags::from(AccessFs::RemoveFile);
    if needs.network == Network::None {
        of_sockets |= AccessFs::MakeSock;
    }
    for socket in &needs.sockets {
        // Found as the listener finds it: not where somebody else's link leads by now.
        if let Ok(place) = SocketPlace::of(socket) {
            rules = rules.add_rule(PathBeneath::new(place.descriptor(), of_sockets))?;
        }
    }
    for port in &needs.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self()
}

/// The folders of files, with the rights in each.
fn folders(needs: &Needs) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
    let read = BitFlags::from(AccessFs::ReadFile);
    let mut folders = vec![];
    for file in &needs.read_files {
        folders.push((folder_of(file), read));
        if let Ok(real) = fs::canonicalize(file) {
            folders.push((folder_of(&real), read));
        }
    }
    for folder in &needs.read_folders {
        folders.push((folder.clone(), read));
    }
    for file in &needs.write_files {
        let write = AccessFs::WriteFile | AccessFs::MakeReg;
        folders.push((folder_of(file), write));
        if let Ok(real) = fs::canonicalize(file) {
            folders.push((folder_of(&real), write));
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::{Needs, restrict};

    /// Somebody puts a link where the folder of doxy's socket was, before doxy has entered the sandbox.
    #[test]
    fn a_folder_that_somebody_else_names_is_not_granted() {
        let top = tempfile::Builder::new()
            .prefix("doxy-t.")
            .tempdir_in("/tmp")
            .unwrap();
        let at = |name: &str| top.path().join(name);
        for folder in ["shared", "own", "roots"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::set_permissions(at("shared"), fs::Permissions::from_mode(0o777)).unwrap();
        symlink(at("roots"), at("shared/sockets")).unwrap();
        let needs = Needs {
            sockets: vec![at("shared/sockets/x.sock"), at("own/x.sock")],
            ..Needs::default()
        };
        let (roots, own) = (at("roots/x.sock"), at("own/x.sock"));
        // The restrictions are this thread's alone.
        let tried = std::thread::spawn(move || {
            restrict(&needs).map(|_| (UnixListener::bind(roots), UnixListener::bind(own)))
        });
        match tried.join().unwrap() {
            Ok((roots, own)) => {
                assert_eq!(roots.unwrap_err().kind(), ErrorKind::PermissionDenied);
                assert!(own.is_ok());
            }
            Err(without) => assert!(without.contains("kernel"), "{without}"),
        }
    }
}
