//! The lock under which the socket is created: nobody else can hold it, and what doxy did not make is
//! left alone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, inotify};

use super::answers;
use crate::support::files::{chmod, listing};
use crate::support::process::{Process, copy_binary, doxy, unprivileged};
use crate::support::{Need, TIMEOUT, needs};

const LOCK: &str = "doxy.sock.lock";
const HELP: &str = "remove it, or choose a folder that only doxy may write to";

/// Whoever may read a folder may lock it, for as long as they like.
#[test]
fn a_lock_that_others_hold_on_the_folder_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let held = File::open(folder.path()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let process = Process::start(&mut doxy(folder.path()));
    answers(&folder.path().join("doxy.sock"));
    process.stop();
    assert_eq!(listing(folder.path()), BTreeSet::new());
}

#[test]
fn a_lock_file_that_a_killed_doxy_has_left_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join(LOCK);
    for mode in [0o600, 0o400] {
        File::create(&lock).unwrap();
        chmod(&lock, mode);
        let process = Process::start(&mut doxy(folder.path()));
        assert_eq!(listing(folder.path()), ["doxy.sock".to_owned()].into());
        process.stop();
        assert_eq!(listing(folder.path()), BTreeSet::new());
    }
}

/// It waits for the one that starts there, and takes no lock on a file that is gone by then.
#[test]
fn doxy_waits_for_the_lock_and_then_makes_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join(LOCK);
    let held = File::create(&lock).unwrap();
    chmod(&lock, 0o600);
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, &lock, inotify::WatchFlags::CLOSE).unwrap();
    let process = Process::spawn(&mut doxy(folder.path()));
    let limit = Timespec::try_from(TIMEOUT).unwrap();
    let tried = poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(tried, 1, "doxy does not try the lock: {}", process.log());
    assert_eq!(listing(folder.path()), [LOCK.to_owned()].into());
    fs::remove_file(&lock).unwrap();
    drop(held);
    assert!(process.listens(), "{}", process.log());
    answers(&folder.path().join("doxy.sock"));
    assert_eq!(listing(folder.path()), ["doxy.sock".to_owned()].into());
    process.stop();
}

#[test]
fn a_lock_that_is_never_free_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join(LOCK);
    let held = File::create(&lock).unwrap();
    chmod(&lock, 0o600);
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let ended = Process::spawn(&mut doxy(folder.path())).end();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert_eq!(
        ended.stderr,
        "doxy: DOXY_PROXY_SOCKET=doxy.sock: another process holds its lock file doxy.sock.lock\n\
         help: wait until the other doxy has started, or stop the process\n"
    );
    assert_eq!(listing(folder.path()), [LOCK.to_owned()].into());
}

/// Checks that doxy refuses the lock file that is there, says why, and leaves it as it is.
#[track_caller]
fn refused(process: &Process, folder: &Path, why: &str) {
    let lock = folder.join(LOCK);
    let state = || {
        let found = fs::symlink_metadata(&lock).unwrap();
        (found.ino(), found.mode(), found.uid(), listing(folder))
    };
    let before = state();
    assert!(!process.listens(), "{why}: listens instead");
    assert_eq!(state(), before, "{why}");
}

#[track_caller]
fn says(process: Process, why: &str) {
    let ended = process.end();
    let said =
        format!("doxy: DOXY_PROXY_SOCKET=doxy.sock: its lock file {LOCK} {why}\nhelp: {HELP}\n");
    assert_eq!((ended.code, ended.stderr), (Some(2), said));
}

#[test]
fn a_file_of_that_name_that_doxy_has_not_made_is_an_error() {
    type Make = fn(&Path);
    let makes: [(&str, Make); 9] = [
        ("is a link, which doxy does not follow", |path| {
            symlink("nothing", path).unwrap();
        }),
        ("is a link, which doxy does not follow", |path| {
            File::create(path.with_file_name("other")).unwrap();
            chmod(&path.with_file_name("other"), 0o600);
            symlink("other", path).unwrap();
        }),
        ("is a folder", |path| fs::create_dir(path).unwrap()),
        ("is not a plain file", |path| {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        }),
        ("may be opened by others", |path| {
            File::create(path).unwrap();
            chmod(path, 0o644);
        }),
        ("may be opened by others", |path| {
            File::create(path).unwrap();
            chmod(path, 0o620);
        }),
        ("has a second name (a hard link)", |path| {
            File::create(path).unwrap();
            chmod(path, 0o600);
            fs::hard_link(path, path.with_file_name("other")).unwrap();
        }),
        ("has something in it, so doxy did not make it", |path| {
            fs::write(path, "diary").unwrap();
            chmod(path, 0o600);
        }),
        ("belongs to another user (uid 4710)", |path| {
            File::create(path).unwrap();
            chmod(path, 0o600);
            chown(path, Some(4710), Some(4710)).unwrap();
        }),
    ];
    // In a folder such as /tmp the kernel has rules of its own for files of others.
    for folder_mode in [0o700, 0o1777] {
        for (why, make) in makes {
            if why.contains("uid") && !needs(Need::Root) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            chmod(folder.path(), folder_mode);
            make(&folder.path().join(LOCK));
            let process = Process::spawn(&mut doxy(folder.path()));
            refused(&process, folder.path(), why);
            says(process, why);
        }
    }
}

/// Its owner has closed it to everyone else, so doxy cannot even open it.
#[test]
fn without_root_a_lock_file_of_another_user_is_named_as_such() {
    if !needs(Need::Root) {
        return;
    }
    for folder_mode in [0o777, 0o1777] {
        let folder = tempfile::tempdir().unwrap();
        chmod(folder.path(), folder_mode);
        copy_binary(folder.path());
        File::create(folder.path().join(LOCK)).unwrap();
        chmod(&folder.path().join(LOCK), 0o600);
        let Some(mut command) = unprivileged(folder.path()) else {
            return;
        };
        let process = Process::spawn(&mut command);
        let why = "belongs to another user (uid 0)";
        refused(&process, folder.path(), why);
        says(process, why);
    }
}
