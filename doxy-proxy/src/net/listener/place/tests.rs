//! A socket is made, changed and removed in the folder that was found first, whatever becomes of its path.

#![expect(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener as Plain;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::SocketPlace;
use crate::net::listener::unix::{UnixListenConfig, UnixListener, own_inode};

const NAME: &str = "docker.sock";

/// A folder `shared` with another, `sockets`, and an engine's socket in a folder that is not shared.
struct Swapped {
    top: TempDir,
    _engine: Plain,
}

impl Swapped {
    fn new(mode: u32) -> Self {
        let top = tempfile::Builder::new()
            .prefix("doxy-t.")
            .tempdir_in("/tmp");
        let top = top.unwrap();
        for folder in ["shared", "shared/sockets", "engine"] {
            fs::create_dir(top.path().join(folder)).unwrap();
            chmod(&top.path().join(folder), mode);
        }
        let engine = Plain::bind(top.path().join("engine").join(NAME)).unwrap();
        chmod(&top.path().join("engine").join(NAME), 0o600);
        Self {
            top,
            _engine: engine,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Puts a link to the engine's folder in the place of the socket's.
    fn swap(&self) {
        fs::rename(self.at("shared/sockets"), self.at("shared/moved")).unwrap();
        symlink(self.at("engine"), self.at("shared/sockets")).unwrap();
    }

    fn config(&self) -> UnixListenConfig {
        UnixListenConfig {
            path: self.at("shared/sockets").join(NAME),
            mode: 0o666,
            owner: None,
            group: None,
        }
    }

    /// The socket of the engine: inode, mode, and what else is in its folder.
    fn engine(&self) -> (u64, u32, usize) {
        let socket = fs::metadata(self.at("engine").join(NAME)).unwrap();
        let others = fs::read_dir(self.at("engine")).unwrap().count();
        (socket.ino(), socket.mode(), others)
    }

    fn moved(&self) -> Vec<(String, u32)> {
        let entries = fs::read_dir(self.at("shared/moved")).unwrap();
        let entries = entries.map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let found = entry.metadata().unwrap();
            assert!(found.file_type().is_socket(), "{name}");
            (name, found.mode() & 0o777)
        });
        entries.collect()
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
}

type Make = fn(&UnixListenConfig, SocketPlace) -> UnixListener;

/// The folder is swapped when it has been found, which is when the race of an attacker begins.
#[test]
fn what_becomes_of_the_path_does_not_matter_any_more() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let ways: [(&str, Make); 2] = [
        ("listen", |config, place| config.listen_at(place).unwrap()),
        ("prepare", |config, place| {
            let mut listener = config.prepare_at(place).unwrap();
            listener.move_in().unwrap();
            listener
        }),
    ];
    for (way, make) in ways {
        let place = Swapped::new(0o777);
        let before = place.engine();
        let config = place.config();
        let found = SocketPlace::of(&config.path).unwrap();
        place.swap();
        let listener = make(&config, found);
        assert_eq!(place.engine(), before, "{way}");
        assert_eq!(place.moved(), [(NAME.to_owned(), 0o666)], "{way}");
        assert_eq!(
            listener.identity(),
            SocketPlace::of(&place.at("shared/moved").join(NAME))
                .unwrap()
                .identity(),
            "{way}"
        );
        // What is removed is doxy's own, and nothing is where it would be by its path.
        drop(listener);
        assert_eq!(place.engine(), before, "{way}");
        assert_eq!(place.moved(), [], "{way}");
    }
}

/// It ends while the link is there.
#[test]
fn the_end_does_not_follow_the_path_either() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let place = Swapped::new(0o777);
    let before = place.engine();
    let listener = place.config().listen().unwrap();
    place.swap();
    drop(listener);
    assert_eq!(place.engine(), before);
    assert_eq!(place.moved(), []);
}

#[test]
fn a_link_in_a_folder_of_others_is_not_followed() {
    for (mode, followed) in [(0o755, true), (0o1777, true), (0o777, false)] {
        let place = Swapped::new(mode);
        place.swap();
        let found = SocketPlace::of(&place.config().path);
        match followed {
            true => assert!(found.unwrap().identity().is_some(), "{mode:o}"),
            false => {
                let (what, _) = found.unwrap_err();
                let said = "`sockets` is a link, and another user may lead it elsewhere";
                assert!(what.contains(said), "{what}");
            }
        }
    }
    // In a folder for everybody that keeps names, a link of somebody else's is not followed.
    if rustix::process::geteuid().is_root() {
        let place = Swapped::new(0o1777);
        place.swap();
        let link = place.at("shared/sockets");
        std::os::unix::fs::lchown(link, Some(4710), Some(4710)).unwrap();
        assert!(SocketPlace::of(&place.config().path).is_err());
        // Nor one in a folder that belongs to somebody else.
        let place = Swapped::new(0o755);
        place.swap();
        std::os::unix::fs::chown(place.at("shared"), Some(4710), None).unwrap();
        assert!(SocketPlace::of(&place.config().path).is_err());
    }
}

#[test]
fn a_place_is_private_if_nobody_else_can_change_the_way_to_it() {
    for (above, folder, private) in [
        (0o755, 0o755, true),
        (0o755, 0o700, true),
        (0o755, 0o1777, true),
        (0o1777, 0o755, true),
        (0o755, 0o777, false),
        (0o777, 0o755, false),
        (0o757, 0o1777, false),
    ] {
        let place = Swapped::new(0o755);
        chmod(&place.at("shared"), above);
        chmod(&place.at("shared/sockets"), folder);
        let found = SocketPlace::of(&place.config().path).unwrap();
        assert_eq!(found.is_private(), private, "{above:o} {folder:o}");
    }
}

/// Only what has just been bound gets another owner and mode.
#[test]
fn a_socket_that_is_not_fresh_is_not_doxys() {
    let place = Swapped::new(0o755);
    let path = place.at("engine").join(NAME);
    let found = SocketPlace::of(&path).unwrap();
    assert!(own_inode(&found, 0o600).is_ok());
    assert!(own_inode(&found, 0).is_err(), "another mode");
    fs::hard_link(&path, place.at("shared/link")).unwrap();
    assert!(own_inode(&found, 0o600).is_err(), "a second name");
    fs::remove_file(place.at("shared/link")).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    chmod(&path, 0o600);
    assert!(own_inode(&found, 0o600).is_err(), "a file");
    fs::remove_file(&path).unwrap();
    symlink(place.at("shared"), &path).unwrap();
    assert!(own_inode(&found, 0o777).is_err(), "a link");
}

#[test]
fn paths_of_folders_are_none_of_sockets() {
    for path in ["", "/", "..", "/run/x/", "/run/x/.", "x/.."] {
        let (what, _) = SocketPlace::of(Path::new(path)).unwrap_err();
        assert_eq!(what, "it is the path of a folder", "{path}");
    }
    for (path, help) in [
        (
            "/no/such/folder/x",
            "create the folder first, or choose another path",
        ),
        (
            "/etc/passwd/x",
            "choose a folder that doxy may read and write",
        ),
    ] {
        assert_eq!(
            SocketPlace::of(Path::new(path)).unwrap_err().1,
            help,
            "{path}"
        );
    }
    // Links that lead in a circle end.
    let place = Swapped::new(0o755);
    symlink(place.at("engine/b"), place.at("engine/a")).unwrap();
    symlink(place.at("engine/a"), place.at("engine/b")).unwrap();
    assert!(SocketPlace::of(&place.at("engine/a/x")).is_err());
}
