//! Running as another user: what doxy keeps, and when it refuses to start.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;

use super::{GET, Status, answer};
use crate::support::files::{chmod, listing};
use crate::support::process::{Process, command, copy_binary, doxy, unprivileged};
use crate::support::{Client, Fake, Need, needs};

/// A group without members.
const GROUP: u32 = 47_110;

/// A folder with this mode, which lets every user pass.
fn open_folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    chmod(folder.path(), mode);
    folder
}

/// An engine whose socket belongs to root and a group.
fn engine(folder: &Path, group: u32, mode: u32) -> Fake {
    let path = folder.join("engine.sock");
    let engine = Fake::at(&path, answer);
    chown(&path, Some(0), Some(group)).unwrap();
    chmod(&path, mode);
    engine
}

#[test]
fn user_and_group_replace_root_and_only_the_engines_group_is_kept() {
    if !needs(Need::Root) {
        return;
    }
    for (options, group, groups) in [
        (vec![], GROUP, vec![GROUP]),
        (vec!["--sandbox", "off"], GROUP, vec![GROUP]),
        (vec!["--sandbox", "require"], 4711, vec![]),
        // As on a NAS: what may open the socket is root's group.
        (vec![], 0, vec![0]),
    ] {
        let folder = open_folder(0o777);
        let at = |name: &str| folder.path().join(name);
        let mode = if groups.is_empty() { 0o666 } else { 0o660 };
        let fake = engine(folder.path(), group, mode);
        let mut command = doxy(folder.path());
        command
            .args(["--user", "4710", "--group", "4711"])
            .args(&options);
        let process = Process::start(&mut command);
        let status = Status::of(process.pid());
        assert_eq!(status.get("Uid"), ["4710"; 4]);
        assert_eq!(status.get("Gid"), ["4711"; 4]);
        let expected: Vec<_> = groups.iter().map(u32::to_string).collect();
        assert_eq!(status.get("Groups"), expected);
        status.has_no_capabilities();
        if !options.contains(&"off") {
            status.is_locked();
        }
        let socket = fs::metadata(at("doxy.sock")).unwrap();
        assert_eq!((socket.uid(), socket.gid()), (4710, 4711));
        let mut client = Client::connect(&at("doxy.sock"));
        assert_eq!(client.ask(GET).status(), 200);
        drop(fake);
        assert_eq!(client.ask(GET).status(), 502);
        let _fake = engine(folder.path(), group, mode);
        assert_eq!(client.ask(GET).status(), 200);
        drop(client);
        let log = process.stop().stderr;
        let warned = log.lines().filter(|line| line.contains("WARN"));
        // The folder of this test is everybody's.
        let warned: Vec<_> = warned
            .filter(|line| !line.contains("others may write"))
            .collect();
        match group {
            0 => assert!(
                warned.len() == 1
                    && warned[0].contains(" WARN as user 4710: in root's group too, "),
                "{log}"
            ),
            _ => assert!(warned.is_empty(), "{log}"),
        }
        assert!(!at("doxy.sock").exists());
    }
}

#[test]
fn doxy_warns_at_start_of_what_the_user_may_not_do() {
    if !needs(Need::Root) {
        return;
    }
    let folder = open_folder(0o755);
    let _fake = engine(folder.path(), GROUP, 0o660);
    fs::write(folder.path().join("a.pattern"), "/info").unwrap();
    chmod(&folder.path().join("a.pattern"), 0o600);
    for _ in 0..2 {
        let mut command = doxy(folder.path());
        command.args(["--pattern-file", "a.pattern"]);
        let process = Process::start(command.args(["--user", "4710", "--group", "4711"]));
        process.logged("WARN as user 4710: a.pattern cannot be read again");
        // The socket stays, and the next start replaces it.
        process.logged("WARN as user 4710: doxy.sock stays behind when doxy stops");
        let mut client = Client::connect(&folder.path().join("doxy.sock"));
        assert_eq!(client.ask(GET).status(), 200);
        drop(client);
        process.stop();
        assert!(folder.path().join("doxy.sock").exists());
    }
}

#[track_caller]
fn refused(folder: &Path, args: &[&str]) -> String {
    refused_by(doxy(folder), folder, args)
}

#[track_caller]
fn refused_by(mut command: Command, folder: &Path, args: &[&str]) -> String {
    let before = listing(folder);
    let ended = Process::spawn(command.args(args)).end();
    assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
    assert_eq!(listing(folder), before, "{args:?}: left behind");
    ended.stderr
}

#[test]
fn unknown_users_and_groups_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (args, said) in [
        (
            &["--user", "no-such-user"][..],
            "--user no-such-user: no such user in /etc/passwd\n\
             help: use a name from there, or a number",
        ),
        (
            &["--user", "4294967295"],
            "--user 4294967295: no such user in /etc/passwd\n\
             help: use a name from there, or a number",
        ),
        (
            &["--user", "471147"],
            "--user 471147: /etc/passwd does not say what group this user has\n\
             help: name the group with --group",
        ),
        (
            &["--user", "root", "--group", "no-such-group"],
            "--group no-such-group: no such group in /etc/group\n\
             help: use a name from there, or a number",
        ),
        (
            &["--group", "root"],
            "--group root: this is the group of --user, which is not given\n\
             help: name the user as well, or leave it out",
        ),
        (
            &["--sandbox", "maybe"],
            "--sandbox maybe: unknown choice\nhelp: write `auto`, `require` or `off`",
        ),
    ] {
        assert_eq!(refused(folder.path(), args), format!("doxy: {said}\n"));
    }
}

#[test]
fn a_user_without_access_to_the_engine_is_an_error() {
    if !needs(Need::Root) {
        return;
    }
    let folder = open_folder(0o755);
    let user = ["--user", "4710", "--group", "4711"];
    let reach = |folder: &Path| refused(folder, &user);
    let named = refused(folder.path(), &["--user", "nobody"]);
    assert_eq!(
        named,
        "doxy: --user nobody: engine.sock does not exist, so the group that may open it is unknown\n\
         help: start the engine first (in a container: mount its socket), or name the group of its \
         socket with --group\n"
    );
    // With --group, the engine may start later.
    Process::start(doxy(folder.path()).args(user)).stop();
    fs::remove_file(folder.path().join("doxy.sock")).unwrap();

    let beyond = "doxy: --user 4710: this user cannot open engine.sock, even with the socket's group\n\
                  help: give the socket's group write permission, and everybody search permission \
                  (x) on the folders above it; or stay root, without its capabilities: --user root\n";
    for group in [GROUP, 0] {
        let _fake = engine(folder.path(), group, 0o600);
        assert_eq!(reach(folder.path()), beyond);
    }
    let _fake = engine(folder.path(), GROUP, 0o660);
    chmod(folder.path(), 0o700);
    assert_eq!(reach(folder.path()), beyond);
}

#[test]
fn without_root_doxy_cannot_become_another_user() {
    let folder = open_folder(0o777);
    copy_binary(folder.path());
    let Some(command) = unprivileged(folder.path()) else {
        return;
    };
    assert_eq!(
        refused_by(command, folder.path(), &["--user", "1", "--group", "1"]),
        "doxy: --user 1: cannot become this user: operation not permitted\n\
         help: start doxy as root (in a container with SETUID, SETGID, CHOWN and FOWNER) or as 1:1, \
         or leave it out\n"
    );
    let ids = [
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    ];
    let root = rustix::process::geteuid().is_root();
    let ids = ids.map(|id| if root { 65534 } else { id }.to_string());
    let [user, group] = &ids;
    let mut command = unprivileged(folder.path()).unwrap();
    let process = Process::start(command.args(["--user", user, "--group", group]));
    let status = Status::of(process.pid());
    assert_eq!(status.get("Uid"), [user; 4]);
    status.is_locked();
    process.stop();
}

/// A container with `cap_drop: [ALL]` runs doxy as root without root's rights. The help names what is
/// missing, not "start doxy as root".
#[test]
fn a_root_without_capabilities_is_told_which_ones_it_lacks() {
    if !needs(Need::Root) || !needs(Need::Tool("setpriv")) {
        return;
    }
    for (dropped, args, said) in [
        (
            "chown",
            &["--socket-owner", "4710"][..],
            "DOXY_PROXY_SOCKET=doxy.sock: cannot set owner and group: operation not permitted\n\
             help: root lacks the capability CHOWN here; add it (in a compose file `cap_add: \
             [CHOWN, FOWNER]`), or leave out --socket-owner, --socket-group and --user",
        ),
        (
            "fowner",
            &["--socket-owner", "4710"],
            "DOXY_PROXY_SOCKET=doxy.sock: cannot set the mode: operation not permitted\n\
             help: root lacks the capability FOWNER here; add it (in a compose file `cap_add: \
             [CHOWN, FOWNER]`), or leave out --socket-owner and --user",
        ),
        (
            "setuid",
            &["--user", "4710", "--group", "4711"],
            "--user 4710: cannot become this user: operation not permitted\n\
             help: root lacks capabilities here; add them (in a compose file `cap_add: [SETUID]`), \
             start doxy as 4710:4711 (`user: \"4710:4711\"`), or leave it out",
        ),
        (
            "all",
            &["--user", "4710", "--group", "4711"],
            "--user 4710: cannot become this user: operation not permitted\n\
             help: root lacks capabilities here; add them (in a compose file `cap_add: [SETUID, \
             SETGID, CHOWN, FOWNER]`), start doxy as 4710:4711 (`user: \"4710:4711\"`), or leave it out",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command("/usr/bin/setpriv", folder.path());
        let dropped = format!("-{dropped}");
        command.args(["--bounding-set", &dropped, "--inh-caps", &dropped]);
        command.arg(env!("CARGO_BIN_EXE_doxy"));
        let stderr = refused_by(command, folder.path(), args);
        assert_eq!(stderr, format!("doxy: {said}\n"), "{dropped}");
    }
}

/// Only a capability lets root open what other users own. doxy keeps that one and no other.
#[test]
fn root_keeps_dac_override_only_for_an_engine_of_another_user() {
    if !needs(Need::Root) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let engines = folder.path().join("theirs");
    fs::create_dir(&engines).unwrap();
    let _fake = Fake::at(&engines.join("engine.sock"), answer);
    chmod(&engines, 0o700);
    chown(&engines, Some(4710), None).unwrap();
    let mut command = doxy(folder.path());
    let process = Process::start(command.args(["--docker-socket", "theirs/engine.sock"]));
    let line = process.logged("sandbox: ");
    assert!(
        line.contains("capability dac_override only (for theirs/engine.sock)"),
        "{line}"
    );
    assert_eq!(
        Status::of(process.pid()).get("CapEff"),
        ["0000000000000002"]
    );
    let mut client = Client::connect(&folder.path().join("doxy.sock"));
    assert_eq!(client.ask(GET).status(), 200);
    drop(client);
    process.stop();
}
