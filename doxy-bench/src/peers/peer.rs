//! One of those that are compared: started, waited for, ended.
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
use crate::peers::arguments::{Foreign, Named};
use crate::peers::rules;
use crate::process::running::Running;

/// How long a process may take until it serves.
const PATIENCE: Duration = Duration::from_secs(10);
/// How a file of records of requests is called.
const RECORDS: &str = "records";

/// One of those that are measured.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) socket: PathBuf,
    /// What it says of its version.
    pub(crate) about: String,
    process: Process,
}

#[derive(Debug)]
enum Process {
    /// None of its own: the engine, asked directly.
    Direct,
    Foreign(u32),
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

    pub(crate) fn foreign(foreign: Foreign) -> Self {
        Self {
            about: format!("process {}", foreign.pid),
            name: foreign.name,
            socket: foreign.socket,
            process: Process::Foreign(foreign.pid),
        }
    }

    /// doxy, with or without a record of each request.
    pub(crate) fn doxy(binary: &Path, logs: bool, place: &Place<'_>) -> io::Result<Self> {
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

    /// HAProxy at its best.
    pub(crate) fn haproxy(named: Named, place: &Place<'_>) -> io::Result<Self> {
        let name = named.name.unwrap_or_else(|| "haproxy".to_owned());
        let [get, post] = ["get", "post"].map(|method| place.dir.join(format!("{name}.{method}")));
        fs::write(&get, rules::get_patterns())?;
        fs::write(&post, rules::post_patterns())?;
        let text = rules::haproxy(place.engine, &place.socket(&name), &get, &post);
        Self::haproxy_with(&name, named.command, &text, place)
    }

    /// HAProxy as it is used for this.
    pub(crate) fn haproxy_deployed(program: &Path, place: &Place<'_>) -> io::Result<Self> {
        let name = "haproxy-deployed";
        let text = rules::haproxy_deployed(place.engine, &place.socket(name));
        Self::haproxy_with(name, vec![program.into()], &text, place)
    }

    fn haproxy_with(
        name: &str,
        mut command: Vec<OsString>,
        text: &str,
        place: &Place<'_>,
    ) -> io::Result<Self> {
        let config = place.dir.join(format!("{name}.cfg"));
        fs::write(&config, text)?;
        let about = version(&command, "-v");
        // In the foreground, without a master process.
        command.extend(["-db".into(), "-f".into(), config.into()]);
        Ok(Self::own(name, about, command, place))
    }

    pub(crate) fn nginx(program: &Path, place: &Place<'_>) -> io::Result<Self> {
        let name = "nginx";
        let config = place.dir.join("nginx.conf");
        let text = rules::nginx(place.engine, &place.socket(name), place.dir);
        fs::write(&config, text)?;
        let about = version(&[program.into()], "-v");
        let command = vec![
            program.into(),
            // Where it would say what goes wrong before it has read the configuration.
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            config.into(),
        ];
        Ok(Self::own(name, about, command, place))
    }

    fn own(name: &str, about: String, command: Vec<OsString>, place: &Place<'_>) -> Self {
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

    /// Is it started and ended here?
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self.process, Process::Own { .. })
    }

    /// Whose time and memory are counted; none for the engine asked directly.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.process {
            Process::Direct => None,
            Process::Foreign(pid) => Some(*pid),
            Process::Own { running, .. } => running.as_ref().map(Running::pid),
        }
    }

    /// Starts it anew, where it is ours, and waits until it serves.
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

    /// Starts it anew, with nothing in between and without waiting for anything. Gives when.
    pub(crate) fn start_bare(&mut self) -> io::Result<Instant> {
        self.end()?;
        let Process::Own {
            command,
            cpu,
            running,
        } = &mut self.process
        else {
            return Err(io::Error::other("not started here"));
        };
        let log = self.socket.with_extension("log");
        let since = Instant::now();
        *running = Some(Running::start_bare(command, *cpu, &log)?);
        Ok(since)
    }

    /// Ends it, where it is ours, and removes what it leaves.
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

/// Where those that are started here listen, and whom they ask.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) engine: &'a Path,
    pub(crate) dir: &'a Path,
    /// The proxies' own.
    pub(crate) cpu: Option<usize>,
}

impl Place<'_> {
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
        if running.has_ended() || since.elapsed() > PATIENCE {
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::other(format!(
                "{name} does not serve: {error}\n{said}"
            )));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// The first line of what a program says of itself.
pub(crate) fn version(command: &[OsString], flag: &str) -> String {
    let said = command.split_first().and_then(|(program, arguments)| {
        let output = Command::new(program)
            .args(arguments)
            .arg(flag)
            .output()
            .ok()?;
        // nginx says it where errors go.
        String::from_utf8([output.stdout, output.stderr].concat()).ok()
    });
    let first = said.as_deref().and_then(|said| said.lines().next());
    first.unwrap_or("unknown").to_owned()
}
