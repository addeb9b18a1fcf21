//! The image run wrongly: it says what to do, as the last thing that it says.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;

use super::{Images, binary, docker, docker_ok, real, unique};
use crate::support::files::{chmod, short_folder};
use crate::support::{Fake, wait};

#[test]
fn it_says_what_to_do_if_it_is_run_wrongly() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    let images = Images::build(&engine, &binary, None);
    let folder = short_folder();
    let socket = format!("{}:/var/run/docker.sock", engine.socket.display());
    let group = fs::metadata(&engine.socket)
        .expect("a socket")
        .gid()
        .to_string();
    // Nobody has made it, so the engine makes a folder there.
    let absent = format!(
        "{}/absent.sock:/var/run/docker.sock",
        folder.path().display()
    );
    for (options, said) in [
        (
            &[][..],
            "does not exist, so the group that may open it is unknown\n\
             help: start the engine first (in a container: mount its socket), or name ",
        ),
        (
            &["-v", &absent],
            "this is a folder\nhelp: Docker makes a folder where a socket to be mounted is missing: ",
        ),
        (
            &[
                "-v",
                &socket,
                "--user",
                "65532:65532",
                "--group-add",
                "47110",
            ],
            "permission denied\nhelp: run doxy as root or as a member of the socket's group, which has \
             the number ",
        ),
        (
            &["-v", &socket, "--user", "1000:1000", "--group-add", &group],
            "cannot become this user: operation not permitted\nhelp: start doxy as root (in a container \
             with SETUID, SETGID, CHOWN and FOWNER) or as 65532:65532, or leave it out",
        ),
        (
            &["-v", &socket, "--cap-drop", "ALL"],
            "cannot become this user: operation not permitted\nhelp: root lacks capabilities here; add \
             them (in a compose file `cap_add: [SETUID, SETGID, CHOWN, FOWNER]`), start doxy as \
             65532:65532 (`user: \"65532:65532\"`), or leave it out",
        ),
        (
            &["-v", &socket, "--read-only"],
            "read-only file system\nhelp: choose a folder in which doxy may create files; in a container \
             that is read-only, mount a volume or a tmpfs there",
        ),
        (
            &[
                "-v",
                &socket,
                "--cap-drop",
                "ALL",
                "--cap-add",
                "SETUID",
                "--cap-add",
                "SETGID",
                "--cap-add",
                "CHOWN",
                "--cap-add",
                "FOWNER",
            ],
            "permission denied\nhelp: root lacks the capability DAC_OVERRIDE here, which folders of others \
             take; add it (in a compose file `cap_add: [DAC_OVERRIDE]`), or start doxy as ",
        ),
        (
            // A tmpfs belongs to root.
            &[
                "-v",
                &socket,
                "--user",
                "65532:65532",
                "--group-add",
                &group,
                "--tmpfs",
                "/run/doxy:mode=755",
            ],
            "permission denied\nhelp: choose a folder in which doxy may create files, or give this one to \
             doxy's user (chown); a volume too belongs to a user",
        ),
    ] {
        let name = unique();
        let run = [
            "run",
            "--rm",
            "--network",
            "none",
            "--label",
            "doxy.test=1",
            "--name",
            &name,
        ];
        let ended = docker(
            &engine.socket,
            [&run[..], options, &[&*images.doxy.name]].concat(),
        );
        assert_eq!(ended.code, Some(2), "{options:?}: {ended}");
        assert!(ended.stderr.contains(said), "{options:?}: {ended}");
    }
    fs::remove_dir(folder.path().join("absent.sock")).expect("the engine's folder");
}

/// The mount keeps the old socket when the engine makes a new one. A new start of the container finds it.
#[test]
fn it_says_what_to_do_if_the_sockets_file_was_mounted_and_the_engine_restarted() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    let images = Images::build(&engine, &binary, None);
    let cli = engine.cli_image();
    let folder = short_folder();
    let path = folder.path().join("engine.sock");
    let first = UnixListener::bind(&path).expect("bind a socket");
    chmod(&path, 0o666);
    let volume = engine.volume();
    let shared = format!("{}:/run/doxy", volume.name);
    let mounted = format!("{}:/var/run/docker.sock", path.display());
    let doxy = engine.running(&images.doxy, &["-v", &mounted, "-v", &shared], &[]);
    let said = |words: &str| {
        wait::until(words, || {
            let log = docker(&engine.socket, ["logs", &*doxy.name]).stderr;
            log.contains(words).then_some(())
        });
    };
    said(" listening on ");
    // As an engine ends and starts: nobody listens at the old socket, and the new one is another file.
    drop(first);
    fs::remove_file(&path).expect("remove a socket");
    let _second = Fake::at(&path, |_, stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        stream.write_all(answer).is_ok()
    });
    chmod(&path, 0o666);
    let at = ["--network", "none", "-v", &*shared, "-e", super::HOST];
    let ask = || super::client(&engine, &cli, &at, &["info", "--format", "{{.Name}}"]);
    let refused = ask();
    assert!(
        refused
            .stderr
            .contains("cannot reach the Docker engine at /var/run/docker.sock"),
        "{refused}"
    );
    said(
        "is mounted as a file: if the engine was restarted, the mount still leads to its old socket; restart",
    );
    docker_ok(&engine.socket, ["restart", &doxy.name]);
    let refused = wait::until("the new engine", || {
        let ended = ask();
        (!ended.stderr.contains("cannot reach")).then_some(ended)
    });
    assert!(!refused.stderr.contains("cannot reach"), "{refused}");
}
