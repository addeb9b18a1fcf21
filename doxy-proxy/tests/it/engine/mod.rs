//! doxy in front of a real Docker engine, used by the real docker CLI.
//!
//! The rest of this test binary speaks bytes to a recording daemon; here is what only the real
//! pair can show: that the CLI gets the same answers through doxy as without it, prints doxy's
//! refusals as its own users know them, and that nothing refused has reached the engine.
//!
//! - `real`: finds or starts the engine, and says so loudly when there is none.
//! - `cli`: what the CLI shows, and what of it is refused.
//! - `jobs`: what clients do, as scripts: streams, terminals, builds, compose, swarm.
//! - `raw`: clients that speak bytes, for what the CLI does not do.
//! - `routes`: which handler answers odd targets, and what doxy judged them as.
//! - `leaving`: either side going away in the middle of a stream, and doxy itself.
//!
//! `DOXY_TEST_ENGINE` names the engine, `DOXY_TEST_DOCKER` the CLI, `DOXY_TEST_PLUGINS` a folder
//! of plugins for it, and `DOXY_TEST_SWARM=1` allows to make the engine a swarm for a while.
//!
//! Every wait is for an event and has one outer limit, far above what is ever needed; no test
//! asserts a duration.

mod cli;
mod jobs;
mod leaving;
mod raw;
mod real;
mod routes;

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The outer limit of every wait: a hang becomes a failure that says what was waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a condition is looked at that nobody announces.
const POLL: Duration = Duration::from_millis(20);

/// Looks at `condition` until it gives something, or says so by `None` after [`LIMIT`].
fn poll<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if start.elapsed() > LIMIT {
            return None;
        }
        thread::sleep(POLL);
    }
}

/// A name nobody else uses, of letters and digits only: the embedded patterns take names as `\w+`.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("doxytest{}x{count}", std::process::id())
}

/// A fresh folder with a path short enough for a socket in it, whatever `TMPDIR` says.
fn short_dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("doxy-t.")
        .tempdir_in("/tmp")
        .expect("a folder in /tmp")
}

/// What a finished command has left.
struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl fmt::Display for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        writeln!(out, "{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Runs `command` to its end with an empty standard input; killed and failed after [`LIMIT`],
/// with everything it has started.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stdout = read_all(child.stdout.take());
    let stderr = read_all(child.stderr.take());
    let mut ended = poll(|| child.try_wait().expect("wait for a child"));
    let closed = || (stdout.is_finished() && stderr.is_finished()).then_some(());
    if ended.is_none() || poll(closed).is_none() {
        // Whoever is left holds the group's number.
        signal(&format!("-{}", child.id()), "KILL");
        ended = None;
    }
    let output = Output {
        status: child.wait().expect("wait for a child"),
        stdout: stdout.join().expect("read stdout"),
        stderr: stderr.join().expect("read stderr"),
    };
    assert!(
        ended.is_some(),
        "{command:?} did not end within {LIMIT:?}: {output}"
    );
    output
}

/// Reads in a thread, so that a child that writes much to both its outputs is not held up.
fn read_all(source: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            // What was read before an error is still worth showing.
            let _ = source.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Sends a signal by the shell's own `kill`: the standard library has none, and procps may be
/// missing.
#[track_caller]
fn signal(process: &str, name: &str) {
    let kill = format!("kill -{name} {process}");
    let sent = Command::new("sh").arg("-c").arg(&kill).status();
    assert!(sent.is_ok_and(|status| status.success()), "{kill}");
}

/// A path that the environment names.
fn named_path(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable)?;
    (!path.is_empty()).then(|| path.into())
}

/// Takes what would change what docker and its plugins do out of a command's environment.
fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let theirs = ["DOCKER_", "BUILDX_", "BUILDKIT_", "COMPOSE_"];
        if theirs
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
}

/// The docker CLI, asking at `socket`, with nothing of the user's own configuration.
fn docker_command(socket: &Path) -> Command {
    let program = named_path("DOXY_TEST_DOCKER").unwrap_or_else(|| "docker".into());
    let mut command = Command::new(program);
    clean_environment(&mut command);
    // A folder that never exists counts as an empty configuration, and nothing here writes one.
    command
        .env("DOCKER_CONFIG", "/nonexistent/doxy-test")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()));
    command
}

#[track_caller]
fn docker<I>(socket: &Path, args: I) -> Output
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    run(docker_command(socket).args(args))
}

/// As [`docker`], for what a test needs to have worked: gives what was printed, without its end of line.
#[track_caller]
fn docker_ok<I>(socket: &Path, args: I) -> String
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = docker_command(socket);
    let output = run(command.args(args));
    assert!(output.status.success(), "{command:?}: {output}");
    output.stdout.trim_end().to_owned()
}

/// A running doxy with a folder of its own; killed and reaped when dropped.
struct Doxy {
    child: Child,
    socket: PathBuf,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Doxy {
    /// In front of the engine at `engine`; with `patterns` written to a file and named, or with
    /// the embedded ones. Comes back once the proxy socket accepts.
    #[track_caller]
    fn start(engine: &Path, patterns: Option<&str>, args: &[&str]) -> Self {
        let dir = short_dir();
        let socket = dir.path().join("doxy.sock");
        let mut command = Command::new(env!("CARGO_BIN_EXE_doxy"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DOXY_") {
                command.env_remove(name);
            }
        }
        command.arg("--docker-socket").arg(engine);
        command.arg("--proxy-socket").arg(&socket).args(args);
        if let Some(patterns) = patterns {
            let file = dir.path().join("test.pattern");
            std::fs::write(&file, patterns).expect("write a pattern file");
            command.arg("--pattern-file").arg(file);
        } else {
            // It would be used in place of what this test is about.
            assert!(
                !Path::new("/etc/doxy.pattern").exists(),
                "this test is about the embedded patterns: move /etc/doxy.pattern away to run it"
            );
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || collect(stderr, &log)
        });
        let mut doxy = Self {
            child,
            socket,
            log,
            reader: Some(reader),
            _dir: dir,
        };
        let accepts = poll(|| match doxy.child.try_wait().expect("wait for doxy") {
            Some(status) => Some(Err(status)),
            None => UnixStream::connect(&doxy.socket).ok().map(|_| Ok(())),
        });
        assert!(
            matches!(accepts, Some(Ok(()))),
            "doxy does not accept ({accepts:?}), its log:\n{}",
            doxy.log()
        );
        doxy
    }

    fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a line of the log that has all of `words`; doxy may log after it has answered.
    #[track_caller]
    fn logged(&self, words: &[&str]) -> String {
        poll(|| {
            self.log()
                .lines()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .map(str::to_owned)
        })
        .unwrap_or_else(|| {
            panic!(
                "no line of doxy's log has all of {words:?}:\n{}",
                self.log()
            )
        })
    }

    /// How many sockets it has open.
    #[track_caller]
    fn sockets(&self) -> u64 {
        let open =
            std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("doxy's files");
        let targets = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:"));
        sockets.count() as u64
    }

    /// The most memory it has had at any time.
    #[track_caller]
    fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("doxy's status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|rest| rest.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse().ok()).expect("VmHWM")
    }

    /// Asks doxy to end, as a service manager does, and waits until it has.
    #[track_caller]
    fn terminate(&mut self) -> ExitStatus {
        signal(&self.child.id().to_string(), "TERM");
        poll(|| self.child.try_wait().expect("wait for doxy"))
            .unwrap_or_else(|| panic!("doxy does not end on SIGTERM, its log:\n{}", self.log()))
    }
}

impl Drop for Doxy {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if thread::panicking() {
            eprintln!("doxy's log:\n{}", self.log());
        }
    }
}

fn collect(stderr: impl Read, log: &Mutex<String>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

/// Says something that the test harness does not capture, as it would `eprintln!`.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("\n{text}\n").as_bytes());
}
