//! A running process: its output, and its end.

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::process::{Pid, Signal};

use super::{Need, TIMEOUT, needs};

/// Part of the line that doxy logs when it listens.
const LISTENS: &str = " listening on ";

/// The binary, to be run in `folder`: sockets `doxy.sock` and `engine.sock`, no other settings.
pub(crate) fn doxy(folder: &Path) -> Command {
    command(env!("CARGO_BIN_EXE_doxy"), folder)
}

/// The command line of another program, with the same folder and environment.
pub(crate) fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("DOXY_PROXY_SOCKET", "doxy.sock")
        .env("DOXY_DOCKER_SOCKET", "engine.sock")
        .current_dir(folder);
    command
}

/// A running process. When this is dropped it is killed.
pub(crate) struct Process {
    child: Child,
    stdout: Arc<Printed>,
    stderr: Arc<Printed>,
    /// Whether it leads a process group, which is killed with it.
    group: bool,
}

/// The output so far, and whether the process has closed it.
#[derive(Default)]
struct Printed {
    output: Mutex<(Vec<u8>, bool)>,
    more: Condvar,
}

impl Printed {
    /// Collects the output in a thread. Without a source there is none.
    fn read(source: Option<impl Read + Send + 'static>) -> Arc<Self> {
        let printed = Arc::new(Self::default());
        let shared = Arc::clone(&printed);
        let Some(mut source) = source else {
            printed.output.lock().unwrap().1 = true;
            return printed;
        };
        thread::spawn(move || {
            let mut chunk = [0; 65536];
            loop {
                let count = source.read(&mut chunk).unwrap();
                let mut output = shared.output.lock().unwrap();
                output.0.extend(&chunk[..count]);
                output.1 = count == 0;
                shared.more.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        printed
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap().0).into_owned()
    }

    /// Waits until `enough` is true of the output so far, or the process has closed it. None if
    /// neither happens in time.
    fn wait(&self, enough: impl Fn(&str) -> bool) -> Option<String> {
        let enough =
            |output: &(Vec<u8>, bool)| output.1 || enough(&String::from_utf8_lossy(&output.0));
        let output = self.output.lock().unwrap();
        let waited = self
            .more
            .wait_timeout_while(output, TIMEOUT, |output| !enough(output))
            .unwrap();
        // The lock is released first: a panic of the caller would poison it for the reader.
        let timed_out = waited.1.timed_out();
        drop(waited);
        (!timed_out).then(|| self.text())
    }
}

/// The exit code and the whole output of a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn success(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(out, "exit code {code}")?,
            None => writeln!(out, "ended by a signal")?,
        }
        writeln!(
            out,
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}

impl Process {
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::spawn_with_stderr(command, Stdio::piped())
    }

    /// Starts a process as the leader of a group. When this is dropped, the whole group is killed.
    #[track_caller]
    pub(crate) fn spawn_group(command: &mut Command) -> Self {
        let mut process = Self::spawn(command.process_group(0));
        process.group = true;
        process
    }

    #[track_caller]
    pub(crate) fn spawn_with_stderr(command: &mut Command, stderr: Stdio) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: Printed::read(child.stdout.take()),
            stderr: Printed::read(child.stderr.take()),
            child,
            group: false,
        }
    }

    /// With two descriptors as its standard input and output, for a shell that passes them on.
    #[track_caller]
    pub(crate) fn spawn_passed(command: &mut Command, passed: Option<[OwnedFd; 2]>) -> Self {
        let Some([input, output]) = passed else {
            return Self::spawn(command);
        };
        let mut child = command
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: Printed::read(child.stdout.take()),
            stderr: Printed::read(child.stderr.take()),
            child,
            group: false,
        }
    }

    /// Starts doxy, and waits until it logs that it listens.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_passed(command, None)
    }

    /// The same, with two descriptors.
    #[track_caller]
    pub(crate) fn start_passed(command: &mut Command, passed: Option<[OwnedFd; 2]>) -> Self {
        let process = Self::spawn_passed(command, passed);
        process.logged(LISTENS);
        process
    }

    /// Waits until it listens or has ended; returns whether it listens.
    #[track_caller]
    pub(crate) fn listens(&self) -> bool {
        let log = self.stderr.wait(|log| log.contains(LISTENS));
        let log = log.unwrap_or_else(|| panic!("neither listens nor ends: {}", self.log()));
        log.contains(LISTENS)
    }

    /// Waits until it has printed something to standard output.
    #[track_caller]
    pub(crate) fn prints(&self) {
        let output = self.stdout.wait(|output| !output.is_empty());
        assert!(
            output.is_some_and(|output| !output.is_empty()),
            "it prints nothing"
        );
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a whole line of the log that contains `words`.
    #[track_caller]
    pub(crate) fn logged(&self, words: &str) -> String {
        self.logged_all(&[words])
    }

    /// Waits for a whole line of the log that contains each of `words`.
    #[track_caller]
    pub(crate) fn logged_all(&self, words: &[&str]) -> String {
        let find = |log: &str| {
            log.split_inclusive('\n')
                .find(|line| line.ends_with('\n') && words.iter().all(|word| line.contains(word)))
                .map(|line| line.trim_end().to_owned())
        };
        let log = self.stderr.wait(|log| find(log).is_some());
        log.and_then(|log| find(&log))
            .unwrap_or_else(|| panic!("no line with {words:?} in the log:\n{}", self.log()))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// A number from `/proc/PID/FILE`, in KiB.
    #[track_caller]
    pub(crate) fn kib(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.unwrap().trim().strip_suffix(" kB");
        kib.unwrap().parse().unwrap()
    }

    /// The targets of its open descriptors.
    #[track_caller]
    pub(crate) fn descriptors(&self) -> Vec<PathBuf> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        // A descriptor may be closed in between.
        open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .collect()
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|printed| {
            let output = printed.wait(|_| false);
            output.unwrap_or_else(|| panic!("does not end, and has printed:\n{}", printed.text()))
        });
        let code = self.child.wait().unwrap().code();
        self.group = false; // its number may be given to others now
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    /// Stops it with SIGTERM, and waits for its end.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{ended}");
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // All of these fail only for a process that has ended already.
        if self.group {
            let _ = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() && !self.log().is_empty() {
            eprintln!("log of process {}:\n{}", self.pid(), self.log());
        }
    }
}

/// The command line of doxy as a user other than root. None if that is not possible here.
pub(crate) fn unprivileged(folder: &Path) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(doxy(folder));
    }
    if !needs(Need::Tool("setpriv")) {
        return None;
    }
    let mut command = command("setpriv", folder);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./bin"]);
    Some(command)
}

/// Copies the binary to a place where every user can run it.
pub(crate) fn copy_binary(folder: &Path) {
    copy_program(env!("CARGO_BIN_EXE_doxy").as_ref(), &folder.join("bin"));
}

/// Copies a program, such as these tests, to where it is run from next.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    // By another process: a fork of this process, in another test, could still have the file open
    // for writing, and then nobody can run it.
    let copied = Command::new("cp").args([from, to]).status();
    assert!(copied.unwrap().success());
}
