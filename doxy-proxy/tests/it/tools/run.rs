//! `doxy run`: one command with a socket of its own, and no way past it.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    /// An engine whose socket has this group and mode.
    fn new(group: u32, mode: u32) -> Self {
        let folder = short_folder();
        chmod(folder.path(), 0o755);
        let engine = folder.path().join("engine");
        fs::create_dir(&engine).unwrap();
        let fake = Self::engine(&engine, group, mode);
        Self { folder, fake }
    }

    fn engine(folder: &Path, group: u32, mode: u32) -> Fake {
        let socket = folder.join("docker.sock");
        let fake = Fake::at(&socket, |_, stream| {
            use std::io::Write as _;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
                .is_ok()
        });
        if needs_root_quietly() {
            chown(&socket, Some(0), Some(group)).unwrap();
        }
        chmod(&socket, mode);
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `doxy run`, with a script of the shell as its command.
    fn shell(&self, mut doxy: Command, options: &[&str], script: &str) -> Process {
        doxy.env("PATH", std::env::var_os("PATH").unwrap())
            .env("DOXY_DOCKER_SOCKET", self.path("engine/docker.sock"))
            .env("ENGINE", self.path("engine/docker.sock"))
            .env_remove("DOXY_PROXY_SOCKET")
            .args(["--patterns", "/info", "run"])
            .args(options)
            .args(["--", "sh", "-c"])
            .arg(format!("{ASK}{script}"));
        Process::spawn(&mut doxy)
    }

    /// As root, with a command of another user.
    fn as_root(&self, options: &[&str], script: &str) -> Process {
        let (user, group) = (USER.to_string(), GROUP.to_string());
        let mut all = vec!["--user", &user, "--group", &group];
        all.extend(options);
        self.shell(doxy(self.folder.path()), &all, script)
    }

    /// Without root: the command has doxy's own user. None if that is not possible here.
    fn covered(&self, options: &[&str], script: &str) -> Option<Process> {
        copy_binary(self.folder.path());
        Some(self.shell(unprivileged(self.folder.path())?, options, script))
    }

    /// The paths that the engine was asked for.
    fn asked(&self) -> Vec<String> {
        let requests = self.fake.requests();
        let paths = requests.iter().map(|it| it.target().to_owned());
        paths.collect()
    }
}

fn needs_root_quietly() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the kernel gives this user namespaces. Otherwise says so.
#[track_caller]
fn has_namespaces(ended: &Ended) -> bool {
    let without = ended.stderr.contains("cannot make a user namespace");
    !without || missing("it needs user namespaces")
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
    assert!(
        ended
            .stderr
            .ends_with("doxy: denied 2 requests:\n      2  GET /secrets\n"),
        "{ended}"
    );
    assert_eq!(place.asked(), ["/info"]);
}

#[test]
fn a_command_of_another_user_has_a_socket_of_its_own() {
    if !needs(Need::Root) || !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o660);
    let ended = place.as_root(&[], USUAL).end();
    is_usual(&place, &ended, USER);
}

#[test]
fn a_command_of_the_same_user_has_a_socket_of_its_own() {
    if !needs(Need::Tool("curl")) {
        return;
    }
    let place = Place::new(0, 0o666);
    let Some(process) = place.covered(&[], USUAL) else {
        return;
    };
    let ended = process.end();
    if has_namespaces(&ended) {
        let root = needs_root_quietly();
        let user = rustix::process::getuid().as_raw();
        is_usual(&place, &ended, if root { 65_534 } else { user });
    }
}
