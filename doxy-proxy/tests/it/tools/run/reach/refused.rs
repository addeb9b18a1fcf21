//! Commands and settings with which nothing is started.

use super::not_started;
use crate::support::files::chmod;
use crate::support::process::{Process, doxy};
use crate::support::{Need, needs};
use crate::tools::run::{GROUP, Place, USER};

/// A name of the socket in another folder cannot be covered, because nobody can find it.
#[test]
fn a_socket_with_a_name_elsewhere_is_not_covered() {
    let place = Place::new(0, 0o666);
    let link = place.path("link.sock");
    std::fs::hard_link(place.path("engine/docker.sock"), &link).unwrap();
    let Some(command) = place.covered(&[], "ask \"$FOLDER/link.sock\" /secrets") else {
        return;
    };
    let stderr = not_started(command);
    let said = "the socket has another name somewhere (a hard link), which cannot be covered";
    assert!(stderr.contains(said), "{stderr}");
    assert_eq!(place.asked(), [""; 0]);
    // Another user is kept out by the mode, which is that of every name.
    if needs(Need::Root) {
        let place = Place::new(0, 0o660);
        let link = place.path("link.sock");
        std::fs::hard_link(place.path("engine/docker.sock"), &link).unwrap();
        let mut command = place.apart(&[], "ask \"$FOLDER/link.sock\" /secrets");
        let ended = Process::spawn(&mut command).end();
        assert!(ended.stderr.is_empty(), "{ended}");
        assert_eq!(place.asked(), [""; 0], "{ended}");
    }
}

/// A policy that only tells what it would deny keeps nothing from the engine.
#[test]
fn a_dry_run_is_refused() {
    let place = Place::new(0, 0o660);
    let Some(mut command) = place.covered(&["--dry-run"], "ask \"$own\" /secrets") else {
        return;
    };
    let stderr = not_started(place.covered(&["--dry-run"], "exit 0").unwrap());
    let said = "doxy: dry-run: what the policy denies would reach the engine\nhelp: ";
    assert!(stderr.starts_with(said), "{stderr}");
    command.env("DOXY_DRY_RUN", "1h");
    assert!(not_started(command).starts_with(said));
    assert_eq!(place.asked(), [""; 0]);
}

#[test]
fn a_command_that_could_open_the_engine_is_not_started() {
    if !needs(Need::Root) {
        return;
    }
    let user = USER.to_string();
    let group = GROUP.to_string();
    for (owner, mode, options, said) in [
        (
            0,
            0o666,
            &["--user", &user, "--group", &group][..],
            "can open it",
        ),
        (
            GROUP,
            0o660,
            &["--user", &user, "--group", &group],
            "can open it",
        ),
        (0, 0o660, &["--user", &user, "--group", "0"], "can open it"),
        (0, 0o660, &["--user", "root"], "root can open every socket"),
        (0, 0o660, &[], "root can open every socket"),
    ] {
        let place = Place::new(owner, mode);
        let command = place.run(doxy(place.folder.path()), options, "echo started");
        let stderr = not_started(command);
        assert!(stderr.contains(said), "{options:?}: {stderr}");
        assert!(stderr.contains("--advisory"), "{options:?}: {stderr}");
        // The user may still not pass the folder.
        chmod(&place.path("engine"), 0o700);
        if options.len() == 4 && owner == 0 && mode == 0o660 && options[3] == group {
            let mut command = place.run(doxy(place.folder.path()), options, "echo started");
            assert!(Process::spawn(&mut command).end().success());
        }
    }
    // Nobody knows who will be able to open what is not there yet.
    let place = Place::new(0, 0o660);
    std::fs::remove_file(place.path("engine/docker.sock")).unwrap();
    let stderr = not_started(place.apart(&[], "echo started"));
    let setting = format!(
        "doxy: DOXY_DOCKER_SOCKET={}: there is no socket yet",
        place.path("engine/docker.sock").display()
    );
    assert!(stderr.starts_with(&setting), "{stderr}");
    assert!(
        stderr.contains("\nhelp: start the engine first, or name its socket with --docker-socket"),
        "{stderr}"
    );
    // The network has no users.
    let mut command = place.apart(&[], "echo started");
    command.env("DOXY_DOCKER_SOCKET", "tcp://127.0.0.1:1");
    let stderr = not_started(command);
    assert!(stderr.contains("can be reached without doxy"), "{stderr}");
}

/// A folder that the user enters only because it is there already leads to what its path does not.
#[test]
fn the_current_folder_must_be_within_the_users_reach() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o666);
    chmod(place.folder.path(), 0o700);
    let mut command = place.apart(&[], "ask docker.sock /secrets");
    command.current_dir(place.path("engine"));
    let stderr = not_started(command);
    let said = "doxy: the current folder: the command's user cannot enter it by its path";
    assert!(stderr.starts_with(said), "{stderr}");
    assert_eq!(place.asked(), [""; 0]);
}

/// An engine in a folder that everybody writes to cannot be covered.
#[test]
fn a_folder_for_everybody_is_not_covered() {
    let place = Place::new(0, 0o666);
    chmod(&place.path("engine"), 0o777);
    let Some(command) = place.covered(&[], "echo started") else {
        return;
    };
    let stderr = not_started(command);
    let without = stderr.contains("cannot make a user namespace");
    let said = "the engine's socket is in a folder that others need as it is";
    assert!(without || stderr.contains(said), "{stderr}");
}
