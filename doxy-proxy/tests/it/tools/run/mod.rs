//! `doxy run`: one command with a socket of its own, and no way past it.
//!
//! - `reach`: what the command tries in order to get at the engine's own socket, and when it is not started.
//! - `place`: a path of the socket where the command's user may write.
//! - `ending`: exit codes, signals, and what is left behind.

mod ending;
mod place;
mod reach;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

use crate::support::files::{chmod, short_folder};
use crate::support::needs::missing;
use crate::support::process::{Ended, Process, copy_binary, doxy, unprivileged};
use crate::support::{Fake, Need, needs};

/// A user and a group without a name.
const USER: u32 = 4710;
const GROUP: u32 = 4711;
/// What asks at a socket for a path, and prints the status; 000 if nothing answers.
const ASK: &str = r#"ask() { curl -s -m 20 -o /dev/null -w '%{http_code}\n' --unix-socket "$1" "http://d$2"; }
own=${DOCKER_HOST#unix://}
"#;

/// A folder for everybody, with an engine in a folder of its own.
struct Place {
    folder: TempDir,
    fake: Fake,
}

impl Place {
    /// An engine whose socket has this group, if root can give it one, and this mode.
    fn new(group: u32, mode: u32) -> Self {
        let folder = short_folder();
        chmod(folder.path(), 0o755);
        fs::create_dir(folder.path().join("engine")).unwrap();
        let fake = engine(&folder.path().join("engine/docker.sock"), group, mode);
        let second = folder.path().join("engine/second.sock");
        fs::hard_link(folder.path().join("engine/docker.sock"), second).unwrap();
        copy_binary(folder.path());
        Self { folder, fake }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds `run` to a command line of doxy, with a script of the shell as its command.
    fn run(&self, mut doxy: Command, options: &[&str], script: &str) -> Command {
        let engine = self.path("engine/docker.sock");
        doxy.env("PATH", std::env::var_os("PATH").unwrap())
            .env("DOXY_DOCKER_SOCKET", &engine)
            .env("ENGINE", &engine)
            .env("FOLDER", self.folder.path())
            .env_remove("DOXY_PROXY_SOCKET")
            .args(["--patterns", "/info", "run"])
            .args(options)
            .args(["--", "sh", "-c"])
            .arg(format!("{ASK}{script}"));
        doxy
    }

    /// Started by root, with a command of another user.
    fn apart(&self, options: &[&str], script: &str) -> Command {
        let (user, group) = (USER.to_string(), GROUP.to_string());
        let mut all = vec!["--user", &user, "--group", &group];
        all.extend(options);
        self.run(doxy(self.folder.path()), &all, script)
    }

    /// Not started by root, with a command of doxy's own user. None if that is not possible here.
    fn covered(&self, options: &[&str], script: &str) -> Option<Command> {
        Some(self.run(unprivileged(self.folder.path())?, options, script))
    }

    /// The paths that the engine was asked for.
    fn asked(&self) -> Vec<String> {
        let requests = self.fake.requests();
        let paths = requests.iter().map(|it| it.target().to_owned());
        paths.collect()
    }
}

/// An engine that answers everything.
fn engine(socket: &Path, group: u32, mode: u32) -> Fake {
    let fake = Fake::at(socket, |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            .is_ok()
    });
    if rustix::process::geteuid().is_root() {
        chown(socket, Some(0), Some(group)).unwrap();
    }
    chmod(socket, mode);
    fake
}

/// A pipe with a name. Who reads from it waits until somebody writes.
fn fifo(path: &Path) {
    let everybody = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(CWD, path, FileType::Fifo, everybody, 0).unwrap();
    chmod(path, 0o666);
}

/// Whether the kernel gives doxy's user namespaces. Otherwise says so.
#[track_caller]
fn has_namespaces(ended: &Ended) -> bool {
    let without = ended.stderr.contains("cannot make a user namespace");
    !without || missing("it needs user namespaces")
}

/// The user of a command that is not another one's.
fn own_user() -> u32 {
    match rustix::process::getuid().as_raw() {
        0 => 65_534,
        own => own,
    }
}

/// What holds of every command: it has a socket in a folder of its own, gets its verdicts there, and
/// everything is gone when it ends.
const USUAL: &str = r#"
echo "$own"
stat -c '%a %u' "$(dirname "$own")" "$own"
ask "$own" /info
ask "$own" /secrets
ask "$own" /secrets
exit 7"#;

#[track_caller]
fn is_usual(place: &Place, ended: &Ended, user: u32) {
    assert_eq!(ended.code, Some(7), "{ended}");
    let (socket, rest) = ended.stdout.split_once('\n').unwrap();
    let expected = format!("700 {user}\n600 {user}\n200\n403\n403\n");
    assert_eq!(rest, expected, "{ended}");
    assert!(!Path::new(socket).parent().unwrap().exists(), "{ended}");
    let summary = "doxy: denied 2 requests:\n      2  GET /secrets\n";
    assert!(ended.stderr.ends_with(summary), "{ended}");
    assert_eq!(place.asked(), ["/info"]);
}

#[test]
fn a_command_of_another_user_has_a_socket_of_its_own() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    let ended = Process::spawn(&mut place.apart(&[], USUAL)).end();
    is_usual(&place, &ended, USER);
}

#[test]
fn a_command_of_the_same_user_has_a_socket_of_its_own() {
    let place = Place::new(0, 0o666);
    let Some(mut command) = place.covered(&[], USUAL) else {
        return;
    };
    let ended = Process::spawn(&mut command).end();
    if needs(Need::Tool("curl")) && has_namespaces(&ended) {
        is_usual(&place, &ended, own_user());
    }
}

/// A harness that allows one socket by its path gets it there.
#[test]
fn the_path_of_the_socket_can_be_fixed() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    fs::create_dir(place.path("sockets")).unwrap();
    let socket = place.path("sockets/d.sock");
    // One that is left over is replaced.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    for named in ["sockets/d.sock", socket.to_str().unwrap()] {
        let script = "echo $DOCKER_HOST; ls $FOLDER/sockets; stat -c '%a %u' $own; ask $own /info";
        let ended = Process::spawn(&mut place.apart(&["--socket", named], script)).end();
        let expected = format!("unix://{}\nd.sock\n600 {USER}\n200\n", socket.display());
        assert_eq!(ended.stdout, expected, "{ended}");
        assert!(ended.success() && !socket.exists(), "{ended}");
    }
}

/// Nothing in the current folder is policy, whatever it is called.
#[test]
fn the_current_folder_has_no_say() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    for name in [
        "doxy.pattern",
        ".doxy.pattern",
        "doxy.toml",
        ".env",
        "patterns",
    ] {
        let text = match name {
            "doxy.toml" => "patterns = \".*\"\n",
            ".env" => "DOXY_PATTERNS=.*\n",
            _ => ".*\n* .*\n",
        };
        fs::write(place.path(name), text).unwrap();
    }
    let ended = Process::spawn(&mut place.apart(&[], "ask $own /secrets")).end();
    assert_eq!(ended.stdout, "403\n", "{ended}");
}

/// Variables that would have the client look elsewhere, or speak TLS, are gone; those of a user are there.
#[test]
fn the_environment_of_the_command() {
    if !needs(Need::Root) {
        return;
    }
    let place = Place::new(0, 0o660);
    let script =
        "echo $HOME $USER $LOGNAME $KEPT; env | grep -c '^DOCKER_'; env | grep -c '^CONTAINER_'
        env | grep -cE '^(DOXY|BUILD|CONTAINERD|IMAGE|TESTCONTAINERS|NOTIFY|WATCHDOG|LISTEN)'
        test $CONTAINER_HOST = $DOCKER_HOST";
    let mut command = place.apart(&[], script);
    for name in [
        "DOCKER_CONTEXT",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
        "CONTAINER_HOST",
        "CONTAINER_CONNECTION",
        "CONTAINER_SSHKEY",
        "BUILDKIT_HOST",
        "BUILDX_BUILDER",
        "CONTAINERD_ADDRESS",
        "CONTAINER_RUNTIME_ENDPOINT",
        "IMAGE_SERVICE_ENDPOINT",
        "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "DOXY_ANYTHING",
        "HOME",
        "KEPT",
    ] {
        command.env(name, "kept");
    }
    let ended = Process::spawn(&mut command).end();
    assert_eq!(
        ended.stdout,
        format!("/ {USER} {USER} kept\n1\n1\n0\n"),
        "{ended}"
    );
    assert_eq!(ended.code, Some(0), "{ended}");
}

/// The engine is what DOCKER_HOST names, if nothing else does and it is not a doxy.
#[test]
fn the_engine_comes_from_docker_host() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    let host = |path: &Path| format!("unix://{}", path.display());
    let ask = "ask $own /info";
    let mut command = place.apart(&[], ask);
    command.env_remove("DOXY_DOCKER_SOCKET");
    command.env("DOCKER_HOST", host(&place.path("engine/docker.sock")));
    let ended = Process::spawn(&mut command).end();
    assert_eq!(ended.stdout, "200\n", "{ended}");
    // Doxy's own setting comes first.
    let mut command = place.apart(&[], ask);
    command.env("DOCKER_HOST", "unix:///no/such/engine");
    let ended = Process::spawn(&mut command).end();
    assert_eq!(ended.stdout, "200\n", "{ended}");
    // A doxy is no engine.
    let other = Process::start(&mut {
        let mut serving = doxy(place.folder.path());
        serving.env("DOXY_PROXY_SOCKET", "outer.sock");
        serving.env("DOXY_DOCKER_SOCKET", place.path("engine/docker.sock"));
        serving
    });
    let mut command = place.apart(&[], ask);
    command.env_remove("DOXY_DOCKER_SOCKET");
    command.env("DOCKER_HOST", host(&place.path("outer.sock")));
    let ended = Process::spawn(&mut command).end();
    // What is left is the usual place, where tests have no engine.
    if needs(Need::NoFile("/var/run/docker.sock")) {
        assert_eq!(ended.code, Some(2), "{ended}");
        let said = "doxy: --docker-socket /var/run/docker.sock: there is no socket yet";
        assert!(ended.stderr.starts_with(said), "{ended}");
    }
    other.stop();
}

#[test]
fn wrong_command_lines() {
    let folder = short_folder();
    for (args, said) in [
        (
            &["run"][..],
            "doxy run: there is no command\nhelp: write it behind `--`, as in `doxy run -- docker ps`",
        ),
        (
            &["--proxy-socket", "x", "run", "--", "true"],
            "--proxy-socket x: the command gets a socket of its own\n\
             help: leave it out, or name its path with --socket",
        ),
        (
            &["run", "--group", "1", "--", "true"],
            "--group 1: this is the group of --user, which is not given\n\
             help: name the user as well, or leave it out",
        ),
        (
            &["run", "--user", "no-such-user", "--", "true"],
            "--user no-such-user: no such user in /etc/passwd\n\
             help: use a name from there, or a number",
        ),
        (
            &["--config", "tables.toml", "run", "--", "true"],
            "[socket.web]: the command gets one socket, which has no table\n\
             help: name a file without tables: what stands at its top holds",
        ),
        (
            &[
                "run",
                "--advisory",
                "--socket",
                "no/such/folder/x",
                "--",
                "true",
            ],
            "--socket",
        ),
    ] {
        let toml = "[socket.web]\nproxy-socket = \"x\"\n";
        fs::write(folder.path().join("tables.toml"), toml).unwrap();
        let mut command = doxy(folder.path());
        let ended = Process::spawn(command.env_remove("DOXY_PROXY_SOCKET").args(args)).end();
        assert_eq!(ended.code, Some(2), "{args:?}: {ended}");
        let line = format!("doxy: {said}");
        assert!(ended.stderr.starts_with(&line), "{args:?}: {ended}");
    }
    let mut command = doxy(folder.path());
    command.env_remove("DOXY_DOCKER_SOCKET");
    command.env("DOCKER_HOST", OsStr::new("ssh://somewhere"));
    let ended = Process::spawn(command.args(["run", "--advisory", "--", "true"])).end();
    let said = "doxy: DOCKER_HOST=ssh://somewhere: unknown kind of address\n";
    assert!(
        ended.code == Some(2) && ended.stderr.starts_with(said),
        "{ended}"
    );
}
