//! The processes of one comparison: the stand-in engine and the peers in front of it.
//!
//! It starts and ends them. It measures nothing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::compare::plan::Plan;
use crate::peers::arguments::CommandLine;
use crate::peers::certificate::Certificate;
use crate::peers::peer::{Peer, engine};
use crate::peers::setup::Site;
use crate::process::affinity::cpus;
use crate::process::running::Running;

/// Folders of system programs, which may be missing from `PATH`.
const SYSTEM: [&str; 2] = ["/usr/local/sbin", "/usr/sbin"];

/// The running processes. Fields are dropped in order: processes end before the folder of their
/// sockets is removed.
#[derive(Debug)]
pub(crate) struct Testbed {
    pub(crate) peers: Vec<Peer>,
    /// The HAProxy that ratios refer to: the last one named.
    pub(crate) reference: Option<String>,
    /// The peers that are left out, with the reason.
    pub(crate) missing: Vec<String>,
    _engine: Running,
    _dir: tempfile::TempDir,
}

/// The CPU of driver and engine, and the CPU of the proxies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpus {
    pub(crate) driver: Option<usize>,
    proxy: Option<usize>,
}

impl Cpus {
    pub(crate) fn choose() -> io::Result<Self> {
        Ok(match cpus()?.as_slice() {
            [first, second, ..] => Self {
                driver: Some(*first),
                proxy: Some(*second),
            },
            _ => Self {
                driver: None,
                proxy: None,
            },
        })
    }

    pub(crate) fn describe(self) -> String {
        match (self.driver, self.proxy) {
            (Some(driver), Some(proxy)) => {
                format!("engine and driver on CPU {driver}, proxies on CPU {proxy}")
            }
            _ => "nothing is pinned: there is only one CPU".to_owned(),
        }
    }
}

impl Testbed {
    pub(crate) async fn set_up(plan: &Plan, cpus: Cpus) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("doxy-bench").tempdir()?;
        let socket = dir.path().join("engine.sock");
        let running = engine(&socket, cpus.driver).await?;
        let certificate = Certificate::make(dir.path())?;
        let sockets = plan.sizes.sockets;
        let place = Site::new(&socket, dir.path(), &certificate, sockets, cpus.proxy);
        let Guests {
            mut peers,
            reference,
            missing,
        } = Guests::invite(plan, &place)?;
        for peer in &mut peers {
            peer.restart().await?;
        }
        Ok(Self {
            peers,
            reference,
            missing,
            _engine: running,
            _dir: dir,
        })
    }
}

/// The peers: the engine itself and the proxies in front of it.
#[derive(Debug)]
struct Guests {
    peers: Vec<Peer>,
    reference: Option<String>,
    missing: Vec<String>,
}

impl Guests {
    fn invite(plan: &Plan, place: &Site<'_>) -> io::Result<Self> {
        let wanted = |name: &str| plan.only.is_empty() || plan.only.iter().any(|only| only == name);
        let mut peers = vec![Peer::direct(place.engine)];
        let mut missing = Vec::new();
        let mut reference = None;
        let installed = program("haproxy");
        for named in haproxies(plan, installed.as_deref()) {
            let peer = Peer::haproxy(named, place)?;
            if wanted(&peer.name) {
                reference = Some(peer.name.clone());
                peers.push(peer);
            }
        }
        match &installed {
            Some(program) if wanted("haproxy-deployed") => {
                peers.push(Peer::haproxy_deployed(program, place)?);
            }
            None if plan.haproxies.is_empty() => missing.push("haproxy"),
            _ => {}
        }
        match program("nginx") {
            Some(program) if wanted("nginx") => peers.push(Peer::nginx(&program, place)?),
            None => missing.push("nginx"),
            _ => {}
        }
        for external in plan.external.iter().filter(|peer| wanted(&peer.name)) {
            peers.push(Peer::external(external.clone()));
        }
        for (name, logs) in [("doxy", false), ("doxy-log", true)] {
            if wanted(name) {
                let binary = match &plan.doxy {
                    Some(binary) => binary.clone(),
                    None => beside_this("doxy")?,
                };
                peers.push(Peer::doxy(&binary, logs, place)?);
            }
        }
        Self::are_named(&peers, &plan.only, &missing)?;
        Ok(Self {
            peers,
            reference,
            missing: missing
                .into_iter()
                .map(|name| format!("{name} is left out: it is not installed"))
                .collect(),
        })
    }

    /// Checks that no name occurs twice, and that all names that were asked for exist.
    fn are_named(peers: &[Peer], only: &[String], missing: &[&str]) -> io::Result<()> {
        let count = |name: &str| peers.iter().filter(|peer| peer.name == name).count();
        if let Some(twice) = peers.iter().find(|peer| count(&peer.name) > 1) {
            let text = format!("two peers have the name {}", twice.name);
            return Err(io::Error::other(text));
        }
        let unknown = |name: &&String| {
            count(name) == 0 && !missing.iter().any(|missing| name.starts_with(missing))
        };
        match only.iter().find(unknown) {
            Some(name) => Err(io::Error::other(format!("no peer has the name {name}"))),
            None => Ok(()),
        }
    }
}

/// The HAProxies that were named, or the installed one.
fn haproxies(plan: &Plan, installed: Option<&Path>) -> Vec<CommandLine> {
    if !plan.haproxies.is_empty() {
        return plan.haproxies.clone();
    }
    let named = |program: &Path| CommandLine {
        name: None,
        command: vec![OsString::from(program)],
    };
    installed.map(named).into_iter().collect()
}

/// Finds an installed program.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Finds another binary of the same build.
fn beside_this(name: &str) -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let path = this.parent().unwrap_or(Path::new("")).join(name);
    if path.exists() {
        return Ok(path);
    }
    let profile = match path
        .parent()
        .is_some_and(|folder| folder.ends_with("release"))
    {
        true => " --release",
        false => "",
    };
    Err(io::Error::other(format!(
        "{}: no such file\nhelp: build it with `cargo build{profile}`, or name it with `--doxy PATH`",
        path.display()
    )))
}
