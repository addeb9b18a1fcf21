//! A peer: one of the proxies that are compared, or the engine itself. Starts it, waits until it
//! serves, ends it.
//!
//! It does not know what is measured.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::http::client::Client;
use crate::peers::arguments::{CommandLine, External};
use crate::peers::rules;
use crate::process::running::Running;

/// How long a process may take to serve its first request.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The extension of an access log.
const RECORDS: &str = "records";

/// A proxy that is measured, or the engine itself.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) socket: PathBuf,
    /// Its version, as it prints it.
    pub(crate) about: String,
    process: Process,
}

#[derive(Debug)]
enum Process {
    /// The engine, without a proxy.
    Direct,
    External(u32),
    Own {
        command: Vec<OsString>,
        cpu: Option<usize>,
        running: Option<Running>,
    },
}

impl Peer {
    pub(crate) fn direct(engine: &Path) -> Self {
        Self {
            name: "direct".to_owned(),
            socket: engine.to_owned(),
            about: "the stand-in engine itself".to_owned(),
            process: Process::Direct,
        }
    }

    pub(crate) fn external(external: External) -> Self {
        Self {
            about: format!("process {}", external.pid),
            name: external.name,
            socket: external.socket,
            process: Process::External(external.pid),
        }
    }

    /// doxy, with or without an access log.
    pub(crate) fn doxy(binary: &Path, logs: bool, place: &Site<'_>) -> io::Result<Self> {
        let name = if logs { "doxy-log" } else { "doxy" };
        let patterns = place.dir.join(format!("{name}.pattern"));
        fs::write(&patterns, rules::doxy())?;
        let socket = place.socket(name);
        let mut command = vec![
            binary.into(),
            "--docker-socket".into(),
            place.engine.into(),
            "--proxy-socket".into(),
            socket.clone().into(),
            "--pattern-file".into(),
            patterns.into(),
            "--max-connections".into(),
            "6000".into(),
        ];
        if logs {
            command.extend(["--log-format".into(), "json".into(), "--access-log".into()]);
            command.push(socket.with_extension(RECORDS).into());
        }
        let about = version(&[binary.into()], "--version");
        Ok(Self::own(name, about, command, place))
    }

    /// HAProxy with its fastest settings.
    pub(crate) fn haproxy(named: CommandLine, place: &Site<'_>) -> io::Result<Self> {
        let name = named.name.unwrap_or_else(|| "haproxy".to_owned());
        let [get, post] = ["get", "post"].map(|method| place.dir.join(format!("{name}.{method}")));
        fs::write(&get, rules::get_patterns())?;
        fs::write(&post, rules::post_patterns())?;
        let text = rules::haproxy(place.engine, &place.socket(&name), &get, &post);
        Self::haproxy_with(&name, named.command, &text, place)
    }

    /// HAProxy with the settings of images that filter Docker's socket.
    pub(crate) fn haproxy_deployed(program: &Path, place: &Site<'_>) -> io::Result<Self> {
        let name = "haproxy-deployed";
        let text = rules::haproxy_deployed(place.engine, &place.socket(name));
        Self::haproxy_with(name, vec![program.into()], &text, place)
    }

    fn haproxy_with(
        name: &str,
        mut command: Vec<OsString>,
        text: &str,
        place: &Site<'_>,
    ) -> io::Result<Self> {
        let config = place.dir.join(format!("{name}.cfg"));
        fs::write(&config, text)?;
        let about = version(&command, "-v");
        // In the foreground, without a master process.
        command.extend(["-db".into(), "-f".into(), config.into()]);
        Ok(Self::own(name, about, command, place))
    }

    pub(crate) fn nginx(program: &Path, place: &Site<'_>) -> io::Result<Self> {
        let name = "nginx";
        let config = place.dir.join("nginx.conf");
        let text = rules::nginx(place.engine, &place.socket(name), place.dir);
        fs::write(&config, text)?;
        let about = version(&[program.into()], "-v");
        let command = vec![
            program.into(),
            // Where it prints errors before it has read the configuration.
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            config.into(),
        ];
        Ok(Self::own(name, about, command, place))
    }

    fn own(name: &str, about: String, command: Vec<OsString>, place: &Site<'_>) -> Self {
        Self {
            name: name.to_owned(),
            socket: place.socket(name),
            about,
            process: Process::Own {
                command,
                cpu: place.cpu,
                running: None,
            },
        }
    }

    pub(crate) const fn is_direct(&self) -> bool {
        matches!(self.process, Process::Direct)
    }

    /// Whether this process starts and ends it.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self.process, Process::Own { .. })
    }

    /// The process whose CPU time and memory count; `None` for the engine itself.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.process {
            Process::Direct => None,
            Process::External(pid) => Some(*pid),
            Process::Own { running, .. } => running.as_ref().map(Running::pid),
        }
    }

    /// Restarts it, if this process starts it, and waits until it serves.
    pub(crate) async fn restart(&mut self) -> io::Result<()> {
        self.end()?;
        let Process::Own {
            command,
            cpu,
            running,
        } = &mut self.process
        else {
            return Ok(());
        };
        let log = self.socket.with_extension("log");
        let started = running.insert(Running::start(command, *cpu, &log)?);
        ready(&self.name, &self.socket, started, &log).await
    }

    /// Restarts it as a plain child process, without waiting. Returns when it was started.
    pub(crate) fn start_bare(&mut self) -> io::Result<Instant> {
        self.end()?;
        let Process::Own {
            command,
            cpu,
            running,
        } = &mut self.process
        else {
            return Err(io::Error::other("this peer is not started here"));
        };
        let log = self.socket.with_extension("log");
        let since = Instant::now();
        *running = Some(Running::start_bare(command, *cpu, &log)?);
        Ok(since)
    }

    /// Ends it, if this process started it, and removes the files that it leaves.
    fn end(&mut self) -> io::Result<()> {
        if let Process::Own { running, .. } = &mut self.process {
            *running = None;
            for left in [self.socket.clone(), self.socket.with_extension(RECORDS)] {
                match fs::remove_file(left) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Where the peers that are started here listen, and where the engine does.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) engine: &'a Path,
    pub(crate) dir: &'a Path,
    /// The CPU of the proxies.
    pub(crate) cpu: Option<usize>,
}

impl Site<'_> {
    fn socket(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.sock"))
    }
}

/// Starts the stand-in engine.
pub(crate) async fn engine(socket: &Path, cpu: Option<usize>) -> io::Result<Running> {
    let command = [
        std::env::current_exe()?.into(),
        "engine".into(),
        "--socket".into(),
        socket.into(),
    ];
    let log = socket.with_extension("log");
    let mut running = Running::start(&command, cpu, &log)?;
    ready("the engine", socket, &mut running, &log).await?;
    Ok(running)
}

/// Waits until `/_ping` is answered.
async fn ready(name: &str, socket: &Path, running: &mut Running, log: &Path) -> io::Result<()> {
    let since = Instant::now();
    loop {
        let asked = async { Client::connect(socket).await?.fetch("/_ping").await };
        let Err(error) = asked.await else {
            return Ok(());
        };
        if running.has_ended() || since.elapsed() > START_TIMEOUT {
            let output = fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::other(format!(
                "{name} does not serve: {error}\n{output}"
            )));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// The first line that a program prints about its version.
pub(crate) fn version(command: &[OsString], flag: &str) -> String {
    let printed = command.split_first().and_then(|(program, arguments)| {
        let output = Command::new(program)
            .args(arguments)
            .arg(flag)
            .output()
            .ok()?;
        // nginx prints it to standard error.
        String::from_utf8([output.stdout, output.stderr].concat()).ok()
    });
    let first = printed
        .as_deref()
        .and_then(|printed| printed.lines().next());
    first.unwrap_or("unknown").to_owned()
}
