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

use crate::http::socket::{Address, ping};
use crate::peers::arguments::{CommandLine, External};
use crate::peers::rules;
use crate::peers::setup::{Configured, Setup, Site};
use crate::process::running::Running;

/// How long a process may take to serve its first request.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The extension of an access log.
const RECORDS: &str = "records";

/// A proxy that is measured, or the engine itself.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// The unix socket.
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
        /// The first is the one with a single unix socket.
        setups: Vec<Configured>,
        now: Setup,
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
    pub(crate) fn doxy(binary: &Path, logs: bool, site: &Site<'_>) -> io::Result<Self> {
        let name = if logs { "doxy-log" } else { "doxy" };
        let patterns = site.dir.join(format!("{name}.pattern"));
        fs::write(&patterns, rules::doxy())?;
        let mut setups = Vec::new();
        for (setup, address) in site.addresses(name)? {
            let mut command: Vec<OsString> = vec![
                binary.into(),
                "--docker-socket".into(),
                site.engine.into(),
                "--pattern-file".into(),
                patterns.clone().into(),
                "--max-connections".into(),
                "6000".into(),
                "--proxy-socket".into(),
            ];
            command.push(match &address {
                Address::Unix(path) => path.into(),
                Address::Tcp(address) | Address::Tls(address, _) => {
                    format!("tcp://{address}").into()
                }
            });
            if !matches!(address, Address::Unix(_)) {
                // The load opens tunnels, into which commands are written.
                command.extend(["--accept-risk".into(), "exec".into()]);
            }
            if matches!(address, Address::Tls(..)) {
                command.extend(["--tls-cert".into(), site.certificate.chain.clone().into()]);
                command.extend(["--tls-key".into(), site.certificate.key.clone().into()]);
            }
            if logs {
                command.extend(["--log-format".into(), "json".into(), "--access-log".into()]);
                command.push(site.socket(name).with_extension(RECORDS).into());
            }
            setups.push(Configured {
                setup,
                address,
                command,
            });
        }
        if !logs {
            setups.push(Self::doxy_sockets(binary, site)?);
        }
        let about = version(&[binary.into()], "--version");
        Ok(Self::own(name, about, setups, site))
    }

    /// doxy with many sockets. The address is that of the last one.
    fn doxy_sockets(binary: &Path, site: &Site<'_>) -> io::Result<Configured> {
        let folder = site.dir.join("sockets");
        fs::create_dir(&folder)?;
        let socket = |number| folder.join(format!("{number}.sock"));
        let config = site.dir.join("doxy.toml");
        let text = rules::doxy_sockets(site.engine, (1..=site.sockets).map(socket));
        fs::write(&config, text)?;
        Ok(Configured {
            setup: Setup::Sockets,
            address: Address::Unix(socket(site.sockets)),
            command: vec![binary.into(), "--config".into(), config.into()],
        })
    }

    /// HAProxy with its fastest settings.
    pub(crate) fn haproxy(named: CommandLine, site: &Site<'_>) -> io::Result<Self> {
        let name = named.name.unwrap_or_else(|| "haproxy".to_owned());
        let [get, post] = ["get", "post"].map(|method| site.dir.join(format!("{name}.{method}")));
        fs::write(&get, rules::get_patterns())?;
        fs::write(&post, rules::post_patterns())?;
        let configurations = site.addresses(&name)?.map(|(setup, address)| {
            let bind = rules::haproxy_bind(&address, site.certificate);
            let text = rules::haproxy(site.engine, &bind, &get, &post);
            (setup, address, text)
        });
        Self::haproxy_with(&name, &named.command, configurations, site)
    }

    /// HAProxy with the settings of images that filter Docker's socket.
    pub(crate) fn haproxy_deployed(program: &Path, site: &Site<'_>) -> io::Result<Self> {
        let name = "haproxy-deployed";
        let socket = site.socket(name);
        let text = rules::haproxy_deployed(site.engine, &socket);
        let configuration = [(Setup::Unix, Address::Unix(socket), text)];
        Self::haproxy_with(name, &[program.into()], configuration, site)
    }

    fn haproxy_with(
        name: &str,
        command: &[OsString],
        configurations: impl IntoIterator<Item = (Setup, Address, String)>,
        site: &Site<'_>,
    ) -> io::Result<Self> {
        let mut setups = Vec::new();
        for (setup, address, text) in configurations {
            let config = site.dir.join(format!("{name}-{setup:?}.cfg"));
            fs::write(&config, text)?;
            let mut command = command.to_vec();
            // In the foreground, without a master process.
            command.extend(["-db".into(), "-f".into(), config.into()]);
            setups.push(Configured {
                setup,
                address,
                command,
            });
        }
        let about = version(command, "-v");
        Ok(Self::own(name, about, setups, site))
    }

    pub(crate) fn nginx(program: &Path, site: &Site<'_>) -> io::Result<Self> {
        let name = "nginx";
        let mut setups = Vec::new();
        for (setup, address) in site.addresses(name)? {
            let config = site.dir.join(format!("nginx-{setup:?}.conf"));
            let listen = rules::nginx_listen(&address, site.certificate);
            fs::write(&config, rules::nginx(site.engine, &listen, site.dir))?;
            let command = vec![
                program.into(),
                // Where it prints errors before it has read the configuration.
                "-e".into(),
                "stderr".into(),
                "-c".into(),
                config.into(),
            ];
            setups.push(Configured {
                setup,
                address,
                command,
            });
        }
        let about = version(&[program.into()], "-v");
        Ok(Self::own(name, about, setups, site))
    }

    fn own(name: &str, about: String, setups: Vec<Configured>, site: &Site<'_>) -> Self {
        Self {
            name: name.to_owned(),
            socket: site.socket(name),
            about,
            process: Process::Own {
                setups,
                now: Setup::Unix,
                cpu: site.cpu,
                running: None,
            },
        }
    }

    /// Whether it can be set up so.
    pub(crate) fn has(&self, setup: Setup) -> bool {
        match &self.process {
            Process::Own { setups, .. } => setups.iter().any(|known| known.setup == setup),
            Process::Direct | Process::External(_) => setup == Setup::Unix,
        }
    }

    /// Starts it anew with this setup, unless it has it already.
    pub(crate) async fn set_up(&mut self, setup: Setup) -> io::Result<()> {
        match &mut self.process {
            Process::Own { now, .. } if *now != setup => {
                *now = setup;
                self.restart().await
            }
            _ => Ok(()),
        }
    }

    /// Where it listens now.
    pub(crate) fn address(&self) -> Address {
        let now = match &self.process {
            Process::Own { setups, now, .. } => setups.iter().find(|known| known.setup == *now),
            Process::Direct | Process::External(_) => None,
        };
        now.map_or_else(
            || Address::Unix(self.socket.clone()),
            |known| known.address.clone(),
        )
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
            setups,
            now,
            cpu,
            running,
        } = &mut self.process
        else {
            return Ok(());
        };
        let Configured {
            address, command, ..
        } = find(setups, *now)?;
        let log = self.socket.with_extension("log");
        let started = running.insert(Running::start(command, *cpu, &log)?);
        ready(&self.name, address, started, &log).await
    }

    /// Restarts it as a plain child process, without waiting. Returns when it was started.
    pub(crate) fn start_bare(&mut self) -> io::Result<Instant> {
        self.end()?;
        let Process::Own {
            setups,
            now,
            cpu,
            running,
        } = &mut self.process
        else {
            return Err(io::Error::other("this peer is not started here"));
        };
        let command = &find(setups, *now)?.command;
        let log = self.socket.with_extension("log");
        let since = Instant::now();
        *running = Some(Running::start_bare(command, *cpu, &log)?);
        Ok(since)
    }

    /// Ends it, if this process started it, and removes the files that it leaves.
    fn end(&mut self) -> io::Result<()> {
        if let Process::Own {
            setups, running, ..
        } = &mut self.process
        {
            *running = None;
            let mut left = vec![self.socket.with_extension(RECORDS)];
            for configured in setups {
                left.extend(configured.sockets()?);
            }
            for file in left {
                match fs::remove_file(file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// All sockets on which it listens now.
    pub(crate) fn sockets(&self) -> io::Result<Vec<PathBuf>> {
        match &self.process {
            Process::Own { setups, now, .. } => find(setups, *now)?.sockets(),
            Process::Direct | Process::External(_) => Ok(vec![self.socket.clone()]),
        }
    }
}

fn find(setups: &[Configured], wanted: Setup) -> io::Result<&Configured> {
    let found = setups.iter().find(|known| known.setup == wanted);
    found.ok_or_else(|| io::Error::other(format!("there is no setup {wanted:?} of it")))
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
    let address = Address::Unix(socket.to_owned());
    ready("the engine", &address, &mut running, &log).await?;
    Ok(running)
}

/// Waits until `/_ping` is answered.
async fn ready(name: &str, address: &Address, running: &mut Running, log: &Path) -> io::Result<()> {
    let since = Instant::now();
    loop {
        let Err(error) = ping(address, START_TIMEOUT) else {
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
