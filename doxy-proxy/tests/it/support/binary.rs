//! The binary `doxy` in a folder of its own: its rules, its socket `doxy.sock`, its logs.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::files::short_folder;
use super::process::{Ended, Process, doxy};
use super::{Client, Reply, wait};

/// A binary that is about to be started: its folder, and its command line so far.
pub(crate) struct Setup {
    folder: TempDir,
    command: Command,
    /// What is passed to it.
    passed: Option<[OwnedFd; 2]>,
}

impl Setup {
    /// An empty folder. Without [`engine`](Self::engine) the engine is `engine.sock` in it.
    pub(crate) fn new() -> Self {
        let folder = short_folder();
        let command = doxy(folder.path());
        Self {
            folder,
            command,
            passed: None,
        }
    }

    /// In front of the engine at this socket.
    pub(crate) fn engine(mut self, socket: &Path) -> Self {
        self.command.env("DOXY_DOCKER_SOCKET", socket);
        self
    }

    /// With this configuration, in the file `doxy.toml`, which names the sockets.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.command.env_remove("DOXY_PROXY_SOCKET");
        self.file("doxy.toml", toml).args(["--config", "doxy.toml"])
    }

    /// With a file in its folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    /// With these rules, in the file `rules`.
    pub(crate) fn rules(self, rules: &str) -> Self {
        self.file("rules", rules).args(["--pattern-file", "rules"])
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable that it has as a rule.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// With these descriptors as numbers 3 and 4, as systemd passes them.
    pub(crate) fn passed(mut self, names: &str, [three, four]: [OwnedFd; 2]) -> Self {
        let shell = "exec 3<&0 4<&1 0</dev/null 1>&2
            export LISTEN_PID=$$ LISTEN_FDS=2
            exec \"$0\" \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", shell]).arg(self.command.get_program());
        command.env_clear().env("LISTEN_FDNAMES", names);
        let variables = self.command.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.folder.path());
        self.command = command;
        self.passed = Some([three, four]);
        self
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it; returns when it listens.
    #[track_caller]
    pub(crate) fn start(mut self) -> Binary {
        Binary {
            process: Process::start_passed(&mut self.command, self.passed),
            folder: self.folder,
        }
    }

    /// Starts it with its log going elsewhere; returns when it accepts connections.
    #[track_caller]
    pub(crate) fn start_with_log(mut self, log: impl Into<Stdio>) -> Binary {
        let process = Process::spawn_with_stderr(&mut self.command, log.into());
        let binary = Binary {
            process,
            folder: self.folder,
        };
        wait::until("doxy listens", || UnixStream::connect(binary.socket()).ok());
        binary
    }

    /// Starts it, and waits until it ends by itself. Its folder is still there afterwards.
    #[track_caller]
    pub(crate) fn run(&mut self) -> Ended {
        let passed = self.passed.take();
        Process::spawn_passed(&mut self.command, passed).end()
    }
}

/// The running binary. When this is dropped the process is killed and its folder removed.
pub(crate) struct Binary {
    pub(crate) process: Process,
    folder: TempDir,
}

impl Binary {
    /// In front of the engine at this socket, with these arguments.
    #[track_caller]
    pub(crate) fn start(engine: &Path, args: &[&str]) -> Self {
        Setup::new().engine(engine).args(args).start()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("doxy.sock")
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.socket())
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        self.connect().ask(request)
    }

    /// Waits for a line of the log that contains `words`.
    #[track_caller]
    pub(crate) fn logged(&self, words: &str) -> String {
        self.process.logged(words)
    }

    /// Stops it with SIGTERM; checks that it ends with status 0.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.process.stop()
    }
}
