//! Sockets as clients see them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::{BRIEFLY, engine, found, started, verify, verify_with};
use crate::support::process::{Process, command};
use crate::support::{Need, Setup, needs, sockets};

#[test]
fn what_is_at_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let _engine = engine(folder.path());
    let path = folder.path().join("doxy.sock");
    let look = |words: &str| {
        let found = verify(folder.path(), &BRIEFLY);
        found.is("socket", "failed", words);
        // Nothing can go through it.
        assert!(found.of("ping").is_empty(), "{words}");
    };
    look("no such file or directory");
    fs::create_dir(&path).unwrap();
    look("this is a folder: Docker makes one");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    look("this is no socket");
    fs::remove_file(&path).unwrap();
    sockets::stale(&path);
    look("nobody listens: the socket is left over");
    fs::remove_file(&path).unwrap();
    let full = sockets::full(&path);
    look("it does not accept connections: its queue is full");
    drop(full);
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    look("not doxy listens there, but ");
}

#[test]
fn a_socket_that_was_removed_below_a_doxy_that_listens() {
    let setup = Setup::new();
    let path = setup.path("here.sock").display().to_string();
    // Of the names of all sockets of this machine, not every one is text.
    let odd = setup.path("").join(OsStr::from_bytes(b"odd\xff.sock"));
    let _odd = UnixListener::bind(odd).unwrap();
    let (_engine, doxy) = started(setup.env("DOXY_PROXY_SOCKET", &path));
    fs::remove_file(&path).unwrap();
    let found = verify_with(doxy.folder(), &[], &[("DOXY_PROXY_SOCKET", &path)]);
    let words = "doxy listens, but its socket was removed";
    found.is("socket", "failed", words);
}

#[test]
fn modes_and_owners_that_are_not_those_of_the_settings() {
    let (_engine, doxy) = started(Setup::new());
    for (mode, level, words) in [
        (0o660, "ok", "mode 0660, "),
        (
            0o666,
            "failed",
            "; the settings say mode 0660: more may connect",
        ),
        (0o600, "warning", "; the settings say mode 0660"),
    ] {
        fs::set_permissions(doxy.socket(), fs::Permissions::from_mode(mode)).unwrap();
        verify(doxy.folder(), &[]).is("socket", level, words);
    }
    fs::set_permissions(doxy.socket(), fs::Permissions::from_mode(0o660)).unwrap();
    let args = ["--socket-owner", "4000000", "--socket-group", "4000001"];
    let found = verify(doxy.folder(), &args);
    let words = "; the settings say uid 4000000, gid 4000001";
    found.is("socket", "warning", words);
}

#[test]
fn a_folder_that_others_may_write_to() {
    let (_engine, doxy) = started(Setup::new());
    assert!(verify(doxy.folder(), &[]).of("folder").is_empty());
    fs::set_permissions(doxy.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    let words = "others may write to its folder, and replace the socket";
    verify(doxy.folder(), &[]).is("folder", "warning", words);
}

#[test]
fn a_socket_that_comes_from_systemd_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let _engine = engine(folder.path());
    let found = verify_with(folder.path(), &[], &[("DOXY_PROXY_SOCKET", "fd://one")]);
    found.is(
        "socket",
        "skipped",
        "the settings do not say where this socket is",
    );
}

/// What a shell finds that has the socket mounted as a file, in a mount namespace of its own.
fn mounted(folder: &Path, then: &str) -> super::Found {
    let script = format!(
        "touch seen.sock && mount --bind doxy.sock seen.sock && {{ {then}; }} && \
         DOXY_PROXY_SOCKET=seen.sock exec \"$0\" verify --format json"
    );
    let mut command = command("unshare", folder);
    command.args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_doxy")]);
    found(Process::spawn(&mut command).end())
}

/// The mount keeps the socket of the first doxy when the second one makes its own.
#[test]
fn a_socket_that_is_mounted_as_a_file() {
    if !needs(Need::Root) || !needs(Need::Tool("unshare")) {
        return;
    }
    let (_engine, doxy) = started(Setup::new());
    let seen = mounted(doxy.folder(), "true");
    seen.is("socket", "ok", "");
    let words = "the socket is mounted as a file: when doxy restarts, this leads nowhere";
    seen.is("mount", "warning", words);
    let pid = doxy.process.pid();
    let stop = format!("kill {pid}; while [ -e doxy.sock ]; do sleep 0.01; done");
    let seen = mounted(doxy.folder(), &stop);
    let words = "nobody listens: it is mounted as a file";
    seen.is("socket", "failed", words);
}
