//! Mode, owner and group of the socket, from the moment it is created.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::answers;
use crate::support::files::{chmod, listing};
use crate::support::process::{Process, command, doxy};
use crate::support::sockets::stale;
use crate::support::{Need, needs};

/// Mode, owner and group of a socket at some moment.
type Rights = (u32, u32, u32);

fn rights(path: &Path) -> Option<Rights> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.mode() & 0o7777, found.uid(), found.gid()))
}

/// Sets the flag when it is dropped.
struct Announce<'a>(&'a AtomicBool);

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Starts doxy under `umask` with `args`. Checks that its socket ends up with these rights, and
/// never had wider ones before.
#[track_caller]
fn rights_are(umask: &str, args: &[&str], expected: Rights) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let listening = AtomicBool::new(false);
    let observed = thread::scope(|scope| {
        // This is dropped even after a panic; otherwise the scope would wait for the observer for
        // ever.
        let announce = Announce(&listening);
        let observer = scope.spawn(|| {
            let mut observed = BTreeSet::new();
            loop {
                let last = listening.load(Ordering::SeqCst);
                observed.extend(rights(&path));
                if last {
                    return observed;
                }
            }
        });
        let process = Process::start(
            command("/bin/sh", folder.path())
                .args(["-c", "umask $0 && exec \"$@\"", umask])
                .arg(env!("CARGO_BIN_EXE_doxy"))
                .args(args),
        );
        drop(announce);
        let observed = observer.join().unwrap();
        assert_eq!(rights(&path), Some(expected), "{umask} {args:?}");
        answers(&path);
        process.stop();
        observed
    });
    assert!(observed.contains(&expected), "{umask} {args:?}");
    let (mode, uid, gid) = expected;
    for seen in observed {
        let (early, owner, group) = seen;
        let narrow = early & !mode == 0 && (early == 0 || (owner, group) == (uid, gid));
        assert!(narrow, "{umask} {args:?}: was {seen:?} (mode {early:o})");
    }
}

#[test]
fn modes() {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    for umask in ["022", "000", "077", "777"] {
        rights_are(umask, &[], (0o660, uid, gid));
        for (text, mode) in [("0600", 0o600), ("0666", 0o666), ("777", 0o777)] {
            rights_are(umask, &["--socket-mode", text], (mode, uid, gid));
        }
    }
}

#[test]
fn owners_and_groups() {
    let uid = rustix::process::geteuid();
    let gid = rustix::process::getegid();
    let (own, group) = (uid.as_raw().to_string(), gid.as_raw().to_string());
    let mine = (0o660, uid.as_raw(), gid.as_raw());
    rights_are("022", &["--socket-group", &group], mine);
    rights_are("022", &["--socket-owner", &own], mine);
    if !needs(Need::Root) {
        return; // who may not change the owner
    }
    for umask in ["022", "000"] {
        let group = ["--socket-group", "54321"];
        rights_are(umask, &group, (0o660, 0, 54321));
        let both = [
            "--socket-owner",
            "65534",
            "--socket-group",
            "54321",
            "--socket-mode=0620",
        ];
        rights_are(umask, &both, (0o620, 65534, 54321));
        rights_are(umask, &["--socket-owner", "root"], (0o660, 0, gid.as_raw()));
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    stale(&path);
    // The mode of the stale socket does not matter.
    chmod(&path, 0o777);
    let process = Process::start(&mut doxy(folder.path()));
    assert_eq!(rights(&path).unwrap().0, 0o660);
    answers(&path);
    process.stop();
    assert_eq!(listing(folder.path()), BTreeSet::new());
}

#[test]
fn a_folder_that_others_may_write_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, told) in [(0o755, false), (0o1777, false), (0o777, true)] {
        chmod(folder.path(), mode);
        let process = Process::start(&mut doxy(folder.path()));
        let ended = process.stop();
        let line = ": others may write to this folder, and replace the sockets in it";
        assert_eq!(ended.stderr.contains(line), told, "{mode:o}: {ended}");
    }
}
