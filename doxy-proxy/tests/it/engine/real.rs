//! Finds the real engine: the one named by `DOXY_TEST_ENGINE`, or a private `dockerd`.
//!
//! A private engine has its own folder, no network and no iptables rules. It ends with this test
//! process, even if that is killed; `guardian.sh` describes how. On an engine that the user names,
//! the tests remove only their own objects. Objects that a killed test process left there have the
//! label `doxy.test`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use super::{docker, docker_command, docker_ok, unique};
use crate::support::TIMEOUT;
use crate::support::needs::{missing, on_path, say};
use crate::support::wait;

const GUARDIAN: &str = include_str!("guardian.sh");

/// The engine that all tests of this process share. One test at a time holds it: tests compare what
/// it lists with and without doxy, so no other test may change it meanwhile.
pub(super) struct Engine {
    pub(super) socket: PathBuf,
    /// Whether only this test process uses it.
    pub(super) private: bool,
    _turn: Option<MutexGuard<'static, Option<Result<Found, String>>>>,
}

/// The shared engine. None if there is no engine: the reason has been printed, and the test has to
/// end. The search happens once.
#[track_caller]
pub(super) fn engine() -> Option<Engine> {
    static SHARED: Mutex<Option<Result<Found, String>>> = Mutex::new(None);
    let mut turn = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let (socket, private) = match turn.get_or_insert_with(find) {
        Ok(Found::Users(socket)) => (socket.clone(), false),
        Ok(Found::Private(engine)) => (engine.socket.clone(), true),
        Err(reason) => return no_engine(reason, named().is_some()),
    };
    Some(Engine {
        socket,
        private,
        _turn: Some(turn),
    })
}

/// An engine for one test alone, which may kill it and start it again. It is never the user's.
#[track_caller]
pub(super) fn private() -> Option<Private> {
    match docker_cli().and_then(|()| Private::start()) {
        Ok(engine) => Some(engine),
        Err(reason) => no_engine(&reason, false),
    }
}

/// Prints why there is no engine and how to get one. Fails in CI, and if the user named an engine.
#[track_caller]
fn no_engine<T>(reason: &str, named: bool) -> Option<T> {
    static TOLD: Once = Once::new();
    assert!(!named, "no Docker engine to test with: {reason}");
    missing(reason);
    TOLD.call_once(|| {
        say(
            "To run the real-engine tests: set DOXY_TEST_ENGINE to the socket of a Docker engine, \
             or, as root on Debian,\n`apt-get install docker.io busybox-static procps`.",
        );
    });
    None
}

enum Found {
    Users(PathBuf),
    Private(Private),
}

fn find() -> Result<Found, String> {
    docker_cli()?;
    let Some(socket) = named() else {
        return Private::start().map(Found::Private);
    };
    if answers(&socket) {
        Ok(Found::Users(socket))
    } else {
        let socket = socket.display();
        Err(format!("DOXY_TEST_ENGINE={socket} does not answer `_ping`"))
    }
}

fn named() -> Option<PathBuf> {
    let value = std::env::var("DOXY_TEST_ENGINE").ok()?;
    let path = value.strip_prefix("unix://").unwrap_or(&value);
    (!path.is_empty()).then(|| path.into())
}

fn docker_cli() -> Result<(), String> {
    let version = docker_command(Path::new("/")).arg("--version").output();
    match version {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("`docker --version` fails: {}", output.status)),
        Err(error) => Err(format!("no docker command line client: {error}")),
    }
}

/// Whether an engine answers at `socket`.
fn answers(socket: &Path) -> bool {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}

/// A private `dockerd`. It ends and its folder is removed when this is dropped. The one in a static
/// ends when this process ends, because that closes the guardian's standard input.
pub(super) struct Private {
    socket: PathBuf,
    log: PathBuf,
    guardian: Child,
    commands: Option<ChildStdin>,
    events: Receiver<String>,
}

impl Private {
    fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("starting a private dockerd needs root".to_owned());
        }
        if !on_path("dockerd") {
            return Err("no dockerd here, and DOXY_TEST_ENGINE is not set".to_owned());
        }
        let mut guardian = Command::new("sh")
            .arg("-c")
            .arg(GUARDIAN)
            // In a process group of its own: Ctrl-C ends the tests, and the guardian must outlive
            // them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start sh: {error}"))?;
        let commands = guardian.stdin.take();
        let stdout = guardian.stdout.take().ok_or("stdout is not piped")?;
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let line = events
            .recv_timeout(TIMEOUT)
            .map_err(|error| format!("the guardian of the private engine: {error}"))?;
        let dir = line
            .strip_prefix("dir ")
            .ok_or("the guardian's first line")?;
        let engine = Self {
            socket: Path::new(dir).join("s"),
            log: Path::new(dir).join("log"),
            guardian,
            commands,
            events,
        };
        engine.ready()?;
        Ok(engine)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The engine as tests use it, until it is killed.
    pub(super) fn engine(&self) -> Engine {
        Engine {
            socket: self.socket.clone(),
            private: true,
            _turn: None,
        }
    }

    /// Kills it with SIGKILL. The socket remains in the file system, as after a crash.
    #[track_caller]
    pub(super) fn kill(&mut self) {
        self.command("kill");
        let told = self.events.recv_timeout(TIMEOUT);
        assert_eq!(told.as_deref(), Ok("ended"), "the guardian on `kill`");
    }

    #[track_caller]
    pub(super) fn start_again(&mut self) {
        self.command("start");
        if let Err(reason) = self.ready() {
            panic!("the engine does not start again: {reason}");
        }
    }

    #[track_caller]
    fn command(&mut self, word: &str) {
        let commands = self.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{word}").expect("write to the guardian");
    }

    /// Waits until the engine answers, or has ended.
    fn ready(&self) -> Result<(), String> {
        let answers = wait::try_until(|| match self.events.try_recv() {
            Err(TryRecvError::Empty) => answers(&self.socket).then_some(true),
            Ok(_) | Err(TryRecvError::Disconnected) => Some(false),
        });
        let reason = match answers {
            Some(true) => return Ok(()),
            Some(false) => "has ended",
            None => "does not answer",
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.split_at(lines.len().saturating_sub(20)).1.join("\n");
        Err(format!(
            "the private dockerd {reason}; the end of its log:\n{tail}"
        ))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // At the end of its standard input the guardian cleans up and ends.
        self.commands = None;
        let _ = self.guardian.wait();
    }
}

/// An object on the engine, and the command that removes it.
pub(super) struct Made {
    socket: PathBuf,
    remove: &'static [&'static str],
    pub(super) name: String,
}

impl Made {
    /// The tag of an image, as the column TAG shows it.
    pub(super) fn tag(&self) -> &str {
        self.name.split(':').next_back().unwrap_or_default()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let output = docker(&self.socket, self.remove.iter().chain([&&*self.name]));
        // A second panic while the first unwinds would hide the first.
        if !output.success() {
            say(&format!("left on the engine: {}: {output}", self.name));
        }
    }
}

impl Engine {
    /// A volume. Creating it also makes the engine send an event.
    #[track_caller]
    pub(super) fn volume(&self) -> Made {
        let name = unique();
        docker_ok(
            &self.socket,
            ["volume", "create", "--label", "doxy.test=1", &name],
        );
        self.made(&["volume", "rm", "-f"], name)
    }

    /// A container of `image` that runs until it is removed.
    #[track_caller]
    pub(super) fn container(&self, image: &Made) -> Made {
        self.running(image, &[], &["sleep", "86400"])
    }

    /// A running container, created with these options of `docker create`.
    #[track_caller]
    pub(super) fn running(&self, image: &Made, options: &[&str], command: &[&str]) -> Made {
        // No network: a private engine has no bridge.
        self.running_in("none", image, options, command)
    }

    /// The same in a network.
    #[track_caller]
    pub(super) fn running_in(
        &self,
        network: &str,
        image: &Made,
        options: &[&str],
        command: &[&str],
    ) -> Made {
        let name = unique();
        let create = ["create", "--network", network, "--label", "doxy.test=1"];
        let parts = [
            &create[..],
            &["--name", &*name],
            options,
            &[&*image.name],
            command,
        ];
        docker_ok(&self.socket, parts.concat());
        let made = self.made(&["rm", "-f"], name);
        docker_ok(&self.socket, ["start", &made.name]);
        made
    }

    /// A network with a bridge of its own.
    #[track_caller]
    pub(super) fn network(&self, name: &str) -> Made {
        docker_ok(
            &self.socket,
            ["network", "create", "--label", "doxy.test=1", name],
        );
        self.made(&["network", "rm"], name.to_owned())
    }

    pub(super) fn made(&self, remove: &'static [&'static str], name: String) -> Made {
        Made {
            socket: self.socket.clone(),
            remove,
            name,
        }
    }
}
