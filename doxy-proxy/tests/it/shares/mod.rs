//! What clients take from each other: nothing, however much one of them asks for.
//!
//! These tests assert order, never time. A doxy that is stopped by a signal while clients connect and
//! send finds everything at once when it goes on, the crowd first.

mod accepting;
mod bodies;
mod connections;
mod memory;
mod turns;

use std::path::PathBuf;

use crate::support::files::chmod;
use crate::support::{Binary, Need, Setup, needs};

/// The user of the crowd. The tests themselves are root.
const CROWD: u32 = 12345;

/// Whether these tests can run: only root can be two users.
#[track_caller]
fn two_users() -> bool {
    needs(Need::Root)
}

/// A doxy that every user can reach.
#[track_caller]
fn start(setup: Setup) -> Binary {
    let doxy = setup.args(["--socket-mode", "666"]).start();
    chmod(doxy.folder(), 0o755);
    doxy
}

/// Does something as the user of the crowd, with the path of doxy's socket.
fn as_crowd<T: Send + 'static>(
    doxy: &Binary,
    act: impl FnOnce(PathBuf) -> T + Send + 'static,
) -> T {
    let socket = doxy.socket();
    // A thread can have another user than its process.
    let crowd = std::thread::spawn(move || {
        let user = Some(rustix::process::Uid::from_raw(CROWD));
        rustix::thread::set_thread_res_uid(None, user, None).unwrap();
        act(socket)
    });
    crowd.join().unwrap()
}
