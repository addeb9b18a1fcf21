//! `doxy run` with the real docker CLI as its command: it works by the policy, and has no other way to the
//! engine, which is started anew meanwhile.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode};

use super::{docker_command, real};
use crate::support::files::{chmod, short_folder};
use crate::support::needs::{Need, missing, needs};
use crate::support::process::{Process, copy_binary};

/// The group of the engine's socket.
const GROUP: u32 = 47_111;

/// A private engine that root and a group may open.
fn open_to_group(socket: &Path) {
    chmod(socket.parent().unwrap(), 0o711);
    chown(socket, Some(0), Some(GROUP)).unwrap();
    chmod(socket, 0o660);
}

/// `doxy run` in front of `engine`, started by `starts`, with a script of the shell as its command.
fn run(starts: &[&str], folder: &Path, engine: &Path, options: &[&str], script: &str) -> Command {
    let mut command = Command::new(starts[0]);
    let docker = docker_command(engine);
    command
        .args(&starts[1..])
        .args(["--preset", "docker-cli-read-only", "--docker-socket"])
        .arg(engine)
        .arg("run")
        .args(options)
        .args(["--", "sh", "-c", script])
        .env("DOCKER", docker.get_program())
        .env("ENGINE", format!("unix://{}", engine.display()))
        .env("FOLDER", folder)
        .env("DOCKER_CONFIG", "/nonexistent/doxy-test")
        .current_dir(folder);
    command
}

#[test]
fn a_user_without_the_engines_group_has_the_policy_alone() {
    let Some(engine) = real::private() else {
        return;
    };
    open_to_group(engine.socket());
    let folder = short_folder();
    let starts = [env!("CARGO_BIN_EXE_doxy")];
    let script = "$DOCKER ps -q && echo listed; $DOCKER volume create doxytest || echo denied
        $DOCKER -H $ENGINE ps || echo no way; exit 9";
    let user = ["--user", "4710", "--group", "4711"];
    let ended = Process::spawn(&mut run(
        &starts,
        folder.path(),
        engine.socket(),
        &user,
        script,
    ))
    .end();
    assert_eq!(ended.code, Some(9), "{ended}");
    assert_eq!(ended.stdout, "listed\ndenied\nno way\n", "{ended}");
    for said in [
        "permission denied",
        "doxy: denied 1 request:\n      1  POST /volumes/create",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {ended}");
    }
}

/// The same user is in the group of the engine's socket, and would be root on the host.
#[test]
fn a_member_of_the_engines_group_has_the_policy_alone() {
    let Some(mut engine) = real::private() else {
        return;
    };
    if !needs(Need::Tool("setpriv")) {
        return;
    }
    open_to_group(engine.socket());
    let folder = short_folder();
    chmod(folder.path(), 0o755);
    copy_binary(folder.path());
    let again = folder.path().join("again");
    rustix::fs::mknodat(CWD, &again, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    chmod(&again, 0o666);
    let group = format!("--groups={GROUP}");
    let starts = ["setpriv", "--reuid=65534", "--regid=65534", &group, "./bin"];
    let script = "$DOCKER -H $ENGINE volume create doxytest || echo denied
        read line < $FOLDER/again
        $DOCKER -H $ENGINE volume create doxytest || echo denied
        $DOCKER ps -q && echo listed";
    let mut command = run(&starts, folder.path(), engine.socket(), &[], script);
    let process = Process::spawn(&mut command);
    process.prints();
    engine.kill();
    engine.start_again();
    open_to_group(engine.socket());
    let pipe = OpenOptions::new().read(true).write(true).open(&again);
    let mut pipe = pipe.unwrap();
    pipe.write_all(b"go\n").unwrap();
    let ended = process.end();
    if ended.stderr.contains("cannot make a user namespace") {
        missing("it needs user namespaces");
        return;
    }
    assert_eq!(ended.stdout, "denied\ndenied\nlisted\n", "{ended}");
    let summary = "doxy: denied 2 requests:\n      2  POST /volumes/create";
    assert!(ended.stderr.contains(summary), "{ended}");

    // Without doxy the same user needs no permission.
    let mut direct = Command::new(starts[0]);
    direct
        .args(&starts[1..4])
        .arg(docker_command(engine.socket()).get_program());
    direct
        .arg("-H")
        .arg(format!("unix://{}", engine.socket().display()));
    let ended = Process::spawn(direct.args(["volume", "create", "doxytest"])).end();
    assert!(ended.success(), "{ended}");
}
