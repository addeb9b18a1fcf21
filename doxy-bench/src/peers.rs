//! Who is measured: the engine itself, doxy, HAProxy, and whatever else listens on a socket.
//!
//! All judge by one list of rules, written here in the language of each.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::process::Running;

/// What is allowed: exactly what the workloads ask for.
const RULES: [(&str, &str); 7] = [
    ("GET", r"/_ping"),
    ("GET", r"/v1\.41/containers/json"),
    ("GET", r"/v1\.41/networks"),
    ("GET", r"/v1\.41/events"),
    ("GET", r"/v1\.41/containers/big/(json|export)"),
    ("POST", r"/v1\.41/images/load"),
    ("POST", r"/v1\.41/containers/(source|sink|echo)/attach"),
];
/// How long a process may take until it serves.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command line to start, `[NAME=]COMMAND…`.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: Option<String>,
    pub(crate) command: Vec<OsString>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, line) = match text.split_once('=') {
            Some((name, line)) if !name.contains(['/', ' ']) => (Some(name.to_owned()), line),
            _ => (None, text),
        };
        let command: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        if command.is_empty() {
            return Err("no command".to_owned());
        }
        Ok(Self { name, command })
    }
}

/// A proxy that runs already, `NAME=SOCKET,PID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    socket: PathBuf,
    pid: u32,
}

impl FromStr for Foreign {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (socket, pid) = rest.rsplit_once(',')?;
            Some((name, socket, pid.parse().ok()?))
        });
        let (name, socket, pid) = parts.ok_or("not NAME=SOCKET,PID")?;
        Ok(Self {
            name: name.to_owned(),
            socket: socket.into(),
            pid,
        })
    }
}

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

    pub(crate) fn doxy(
        binary: &Path,
        engine: &Path,
        dir: &Path,
        cpu: Option<usize>,
    ) -> io::Result<Self> {
        let rules = dir.join("doxy.pattern");
        fs::write(&rules, doxy_rules())?;
        let socket = dir.join("doxy.sock");
        let command = vec![
            binary.into(),
            "--docker-socket".into(),
            engine.into(),
            "--proxy-socket".into(),
            socket.clone().into(),
            "--pattern-file".into(),
            rules.into(),
        ];
        Ok(Self {
            name: "doxy".to_owned(),
            socket,
            about: version(&[binary.into()], "--version"),
            process: Process::Own {
                command,
                cpu,
                running: None,
            },
        })
    }

    pub(crate) fn haproxy(
        named: Named,
        engine: &Path,
        dir: &Path,
        cpu: Option<usize>,
    ) -> io::Result<Self> {
        let name = named.name.unwrap_or_else(|| "haproxy".to_owned());
        let socket = dir.join(format!("{name}.sock"));
        let config = dir.join(format!("{name}.cfg"));
        fs::write(&config, haproxy_config(engine, &socket))?;
        let about = version(&named.command, "-v");
        let mut command = named.command;
        // In the foreground, without a master process.
        command.extend(["-db".into(), "-f".into(), config.into()]);
        Ok(Self {
            name,
            socket,
            about,
            process: Process::Own {
                command,
                cpu,
                running: None,
            },
        })
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
        if let Process::Own {
            command,
            cpu,
            running,
        } = &mut self.process
        {
            *running = None;
            match fs::remove_file(&self.socket) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let log = self.socket.with_extension("log");
            let started = running.insert(Running::start(command, *cpu, &log)?);
            return ready(&self.name, &self.socket, started, &log).await;
        }
        Ok(())
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
        String::from_utf8(output.stdout).ok()
    });
    let first = said.as_deref().and_then(|said| said.lines().next());
    first.unwrap_or("unknown").to_owned()
}

fn doxy_rules() -> String {
    RULES
        .iter()
        .map(|(method, path)| format!("{method} {path}\n"))
        .collect()
}

/// HAProxy at its best for this: one thread, connections kept, `splice(2)`, no log.
fn haproxy_config(engine: &Path, socket: &Path) -> String {
    let acls: String = RULES
        .iter()
        .map(|(method, path)| {
            let name = method.to_ascii_lowercase();
            format!("    acl {name} path -m reg ^{path}$\n")
        })
        .collect();
    format!(
        "global
    nbthread 1
    maxconn 6000
defaults
    mode http
    option http-keep-alive
    option splice-auto
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout http-keep-alive 1h
frontend docker
    bind {socket}
{acls}    http-request deny unless METH_GET get or METH_POST post
    default_backend engine
backend engine
    server engine unix@{engine}
",
        socket = socket.display(),
        engine = engine.display(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let named: Named = "hap32=/x/ld.so --library-path /x /x/haproxy"
            .parse()
            .unwrap();
        assert_eq!(named.name.as_deref(), Some("hap32"));
        assert_eq!(named.command.len(), 4);
        let plain: Named = "/usr/sbin/haproxy -L a=b".parse().unwrap();
        assert_eq!(plain.name, None);
        assert_eq!(plain.command.len(), 3);
        assert!("x=".parse::<Named>().is_err());
    }

    #[test]
    fn foreign_proxies() {
        let foreign: Foreign = "nginx=/tmp/a,b.sock,123".parse().unwrap();
        let expected = Foreign {
            name: "nginx".to_owned(),
            socket: "/tmp/a,b.sock".into(),
            pid: 123,
        };
        assert_eq!(foreign, expected);
        for wrong in ["nginx", "nginx=/tmp/a", "nginx=/tmp/a,x"] {
            assert!(wrong.parse::<Foreign>().is_err());
        }
    }

    #[test]
    fn one_list_in_both_languages() {
        let config = haproxy_config(Path::new("/e"), Path::new("/s"));
        let rules = doxy_rules();
        for (method, path) in RULES {
            let acl = format!("acl {} path -m reg ^{path}$", method.to_lowercase());
            assert!(config.contains(&acl), "{acl}");
            assert!(rules.contains(&format!("{method} {path}\n")));
        }
    }
}
