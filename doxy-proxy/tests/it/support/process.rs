//! The binary, running: what it prints, and how it ends.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::process::{Pid, Signal};

use super::LIMIT;

/// The binary, to be run in `folder`: sockets `doxy.sock` and `engine.sock`, no other settings.
pub(crate) fn doxy(folder: &Path) -> Command {
    command(env!("CARGO_BIN_EXE_doxy"), folder)
}

/// Another program in place of the binary: one that ends up running it.
pub(crate) fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("DOXY_PROXY_SOCKET", "doxy.sock")
        .env("DOXY_DOCKER_SOCKET", "engine.sock")
        .current_dir(folder);
    command
}

/// A running process. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    stdout: Arc<Printed>,
    stderr: Arc<Printed>,
}

/// What has been printed so far, and whether that is all.
#[derive(Default)]
struct Printed {
    text: Mutex<(Vec<u8>, bool)>,
    more: Condvar,
}

impl Printed {
    fn read(mut source: impl Read + Send + 'static) -> Arc<Self> {
        let printed = Arc::new(Self::default());
        let shared = Arc::clone(&printed);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let count = source.read(&mut chunk).unwrap();
                let mut text = shared.text.lock().unwrap();
                text.0.extend(&chunk[..count]);
                text.1 = count == 0;
                shared.more.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        printed
    }

    /// Waits until `enough` says so of what has been printed and of whether that is all.
    #[track_caller]
    fn wait(&self, enough: impl Fn(&str, bool) -> bool) -> String {
        let told = |text: &(Vec<u8>, bool)| String::from_utf8_lossy(&text.0).into_owned();
        // A panic with the lock held would be one of the reader's, too.
        let (text, timed_out) = {
            let text = self.text.lock().unwrap();
            let (text, timeout) = self
                .more
                .wait_timeout_while(text, LIMIT, |text| !enough(&told(text), text.1))
                .unwrap();
            (told(&text), timeout.timed_out())
        };
        assert!(!timed_out, "nothing more after {text:?}");
        text
    }
}

/// What a process has left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: Printed::read(child.stdout.take().unwrap()),
            stderr: Printed::read(child.stderr.take().unwrap()),
            child,
        }
    }

    /// A doxy that has said that it listens.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let process = Self::spawn(command);
        process.logged(" listening on ");
        process
    }

    /// Waits until it listens or has ended; says whether it listens.
    #[track_caller]
    pub(crate) fn listens(&self) -> bool {
        let listens = |text: &str| text.contains(" listening on ");
        listens(&self.stderr.wait(|text, all| listens(text) || all))
    }

    /// Waits for a whole line of the log with `words` in it.
    #[track_caller]
    pub(crate) fn logged(&self, words: &str) -> String {
        let find = |text: &str| {
            text.split_inclusive('\n')
                .find(|line| line.contains(words) && line.ends_with('\n'))
                .map(|line| line.trim_end().to_owned())
        };
        let text = self.stderr.wait(|text, all| find(text).is_some() || all);
        find(&text).unwrap_or_else(|| panic!("no {words:?} in {text:?}"))
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let stderr = self.stderr.wait(|_, all| all);
        let stdout = self.stdout.wait(|_, all| all);
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    /// Tells it to stop, and waits for that.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command line of doxy without the rights of root; none if that cannot be had here.
pub(crate) fn unprivileged(folder: &Path) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(doxy(folder));
    }
    if !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("no /usr/bin/setpriv: what is forbidden to root is not tested");
        return None;
    }
    let mut command = command("/usr/bin/setpriv", folder);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./bin"]);
    Some(command)
}

/// Puts the binary where everybody can run it.
pub(crate) fn copy_binary(folder: &Path) {
    // By another process: a file that this one writes cannot be run while a fork of it, in
    // another test, still has it open.
    let copied = Command::new("cp")
        .args([
            env!("CARGO_BIN_EXE_doxy").as_ref(),
            folder.join("bin").as_os_str(),
        ])
        .status();
    assert!(copied.unwrap().success());
}
