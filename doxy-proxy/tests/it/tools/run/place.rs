//! A fixed path of the socket in folders that are the command's user's: root does nothing outside of them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, lchown, symlink};

use super::{GROUP, Place, USER};
use crate::support::files::{chmod, listing};
use crate::support::process::{Process, doxy};
use crate::support::{Need, needs};

/// A folder of the command's user, with another in it.
fn of_the_user(place: &Place) {
    for folder in ["mine", "mine/sockets"] {
        fs::create_dir(place.path(folder)).unwrap();
        chown(place.path(folder), Some(USER), Some(GROUP)).unwrap();
    }
}

/// The engine's socket: inode, owner, mode.
fn engine(place: &Place) -> (u64, u32, u32) {
    let found = fs::symlink_metadata(place.path("engine/docker.sock")).unwrap();
    (found.ino(), found.uid(), found.mode())
}

#[test]
fn the_socket_may_be_in_a_folder_of_the_commands_user() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    of_the_user(&place);
    let script = "stat -c '%a %u' $own; ask $own /info";
    let options = ["--socket", "mine/sockets/docker.sock"];
    let ended = Process::spawn(&mut place.apart(&options, script)).end();
    assert_eq!(ended.stdout, format!("600 {USER}\n200\n"), "{ended}");
    assert!(ended.success(), "{ended}");
    assert!(listing(&place.path("mine/sockets")).is_empty(), "{ended}");
}

/// The command puts a link to the engine's folder where its own was: the socket is removed where it is, and
/// the engine's stays.
#[test]
fn a_folder_that_is_replaced_leads_nowhere_at_the_end() {
    if !needs(Need::Root) {
        return;
    }
    for proxy in [None, Some("65534")] {
        let place = Place::new(65_534, 0o660);
        of_the_user(&place);
        let before = engine(&place);
        let script = "cd $FOLDER/mine && mv sockets moved && ln -s ../engine sockets && ls moved";
        let mut command = place.apart(&["--socket", "mine/sockets/docker.sock"], script);
        if let Some(user) = proxy {
            command.env("DOXY_USER", user).env("DOXY_GROUP", user);
        }
        let ended = Process::spawn(&mut command).end();
        assert_eq!(ended.stdout, "docker.sock\n", "{ended}");
        assert!(ended.success(), "{ended}");
        assert_eq!(engine(&place), before, "{ended}");
        assert!(listing(&place.path("mine/moved")).is_empty(), "{ended}");
    }
}

/// A link of the user's would have root make a socket for that user in a folder of root's. The server looks as well.
#[test]
fn a_link_of_another_user_is_refused() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o660);
    of_the_user(&place);
    fs::create_dir(place.path("roots")).unwrap();
    symlink("../roots", place.path("mine/link")).unwrap();
    lchown(place.path("mine/link"), Some(USER), Some(GROUP)).unwrap();
    let said = "`link` is a link, and another user may lead it elsewhere\nhelp: name the folder";
    let mut serving = doxy(place.folder.path());
    serving.env("DOXY_PROXY_SOCKET", "mine/link/x.sock");
    let mut taking_over = doxy(place.folder.path());
    taking_over.env("DOXY_PROXY_SOCKET", "mine/link/x.sock");
    taking_over.arg("--takeover");
    let running = place.apart(&["--socket", "mine/link/x.sock"], "echo started");
    for mut command in [serving, taking_over, running] {
        let ended = Process::spawn(&mut command).end();
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(said), "{ended}");
        assert_eq!(ended.stdout, "", "{ended}");
        assert!(listing(&place.path("roots")).is_empty(), "{ended}");
    }
    // One of root's leads where root wants it to.
    symlink("roots", place.path("link")).unwrap();
    let mut serving = doxy(place.folder.path());
    Process::start(serving.env("DOXY_PROXY_SOCKET", "link/x.sock")).stop();
}

/// Kubernetes gives containers such folders. Others may replace the socket, which the log says.
#[test]
fn a_folder_for_everybody_is_served_and_told() {
    let place = Place::new(0, 0o660);
    fs::create_dir_all(place.path("all/inner")).unwrap();
    for (mode, folder) in [(0o1777, ""), (0o777, "all/inner"), (0o757, "all")] {
        for path in ["all", "all/inner"] {
            chmod(&place.path(path), 0o755);
        }
        if folder.is_empty() {
            chmod(&place.path("all"), mode);
        } else {
            chmod(&place.path(folder), mode);
        }
        let mut command = doxy(place.folder.path());
        let process = Process::start(command.env("DOXY_PROXY_SOCKET", "all/inner/x.sock"));
        let rights = fs::metadata(place.path("all/inner/x.sock")).unwrap();
        assert_eq!(rights.mode() & 0o777, 0o660);
        let ended = process.stop();
        let line = format!("/{folder}: others may write to this folder");
        let told = !folder.is_empty();
        assert_eq!(ended.stderr.contains(&line), told, "{mode:o} {ended}");
        assert!(listing(&place.path("all/inner")).is_empty(), "{ended}");
    }
}
