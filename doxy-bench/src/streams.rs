//! One run of the suite: who takes part, in what order, and where the results go.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::time::timeout;

use crate::load::{Sizes, Workload, ping};
use crate::measure::{kernel, load_average, processor};
use crate::peers::{Foreign, Named, Peer, engine, version};
use crate::process::{Running, cpus, pin, raise_descriptors};
use crate::report::{Sample, print, progress, table};

/// How long one run of a workload may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) reps: usize,
    pub(crate) doxy: Option<PathBuf>,
    pub(crate) haproxies: Vec<Named>,
    pub(crate) foreign: Vec<Foreign>,
    pub(crate) only: Vec<String>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) sizes: Sizes,
}

/// What runs. Processes end before the folder goes that their sockets are in.
#[derive(Debug)]
struct Lab {
    peers: Vec<Peer>,
    /// The HAProxy that the others are compared with: the last one named.
    reference: Option<String>,
    _engine: Running,
    _dir: tempfile::TempDir,
}

/// Which CPU the driver and the engine have, and which the proxies.
#[derive(Debug, Clone, Copy)]
struct Cpus {
    driver: Option<usize>,
    proxy: Option<usize>,
}

impl Cpus {
    fn choose() -> io::Result<Self> {
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

    fn describe(self) -> String {
        match (self.driver, self.proxy) {
            (Some(driver), Some(proxy)) => {
                format!("engine and driver on CPU {driver}, proxies on CPU {proxy}")
            }
            _ => "nothing pinned: there is one CPU only".to_owned(),
        }
    }
}

pub(crate) async fn run(plan: Plan) -> io::Result<()> {
    let descriptors = raise_descriptors()?;
    let cpus = Cpus::choose()?;
    pin(cpus.driver)?;
    let mut out = plan.out.as_deref().map(File::create).transpose()?;
    let mut lab = Lab::set_up(&plan, cpus).await?;

    let facts = format!(
        "{}, Linux {}, {} descriptors; {}",
        processor(),
        kernel(),
        descriptors,
        cpus.describe()
    );
    let load = load_average();
    let abouts: Vec<(String, String)> = lab
        .peers
        .iter()
        .map(|peer| (peer.name.clone(), peer.about.clone()))
        .collect();
    if let Some(out) = &mut out {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let head = json!({
            "unix_time": now.map_or(0, |now| now.as_secs()),
            "machine": facts,
            "load_average": load,
            "reps": plan.reps,
            "peers": abouts.iter().cloned().collect::<BTreeMap<_, _>>(),
        });
        writeln!(out, "{head}")?;
    }

    let samples = lab.measure(&plan, out.as_mut()).await?;

    print(&format!(
        "{facts}\nload average {load} before, {} after",
        load_average()
    ))?;
    for (name, about) in &abouts {
        print(&format!("{name}: {about}"))?;
    }
    let legend = match &lab.reference {
        Some(reference) => {
            format!("median (best) and its ratio to direct, d, and to {reference}, h")
        }
        None => "median (best) and its ratio to direct, d".to_owned(),
    };
    print(&format!("{legend}; {} repetitions\n", plan.reps))?;
    let names: Vec<&str> = abouts.iter().map(|(name, _)| name.as_str()).collect();
    print(&table(&samples, &names, lab.reference.as_deref()))?;
    let failed = samples.iter().filter(|sample| sample.result.is_err());
    match failed.count() {
        0 => Ok(()),
        count => Err(io::Error::other(format!("{count} runs failed"))),
    }
}

impl Lab {
    async fn set_up(plan: &Plan, cpus: Cpus) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("doxy-bench").tempdir()?;
        let path = dir.path();
        let socket = path.join("engine.sock");
        let running = engine(&socket, cpus.driver).await?;

        let wanted = |name: &str| plan.only.is_empty() || plan.only.iter().any(|only| only == name);
        let mut peers = vec![Peer::direct(&socket)];
        let mut reference = None;
        for named in haproxies(plan) {
            let peer = Peer::haproxy(named, &socket, path, cpus.proxy)?;
            if wanted(&peer.name) {
                reference = Some(peer.name.clone());
                peers.push(peer);
            }
        }
        for foreign in plan.foreign.iter().filter(|peer| wanted(&peer.name)) {
            peers.push(Peer::foreign(foreign.clone()));
        }
        if wanted("doxy") {
            let binary = match &plan.doxy {
                Some(binary) => binary.clone(),
                None => beside_this("doxy")?,
            };
            peers.push(Peer::doxy(&binary, &socket, path, cpus.proxy)?);
        }
        for (number, peer) in peers.iter().enumerate() {
            if peers
                .iter()
                .skip(number + 1)
                .any(|other| other.name == peer.name)
            {
                let text = format!("two peers are called {}", peer.name);
                return Err(io::Error::other(text));
            }
        }
        for peer in &mut peers {
            peer.restart().await?;
        }
        Ok(Self {
            peers,
            reference,
            _engine: running,
            _dir: dir,
        })
    }

    /// Every workload, for all peers one after the other; every other time the other way round,
    /// but the direct call first, as the floor.
    async fn measure(
        &mut self,
        plan: &Plan,
        mut out: Option<&mut File>,
    ) -> io::Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for rep in 1..=plan.reps {
            progress(&format!("repetition {rep} of {}", plan.reps));
            for &workload in &plan.workloads {
                if rep > workload.reps(plan.reps) {
                    continue;
                }
                for peer in in_turn(&mut self.peers, rep % 2 == 0) {
                    let ran = timeout(LIMIT, workload.run(peer, &plan.sizes)).await;
                    let result = ran
                        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                        .map_err(|error| error.to_string());
                    let sample = Sample {
                        rep,
                        workload: workload.name(),
                        peer: peer.name.clone(),
                        result,
                    };
                    let line = sample.json();
                    match &sample.result {
                        Ok(figures) if figures.is_empty() => continue,
                        Ok(_) => {}
                        Err(_) => progress(&line.to_string()),
                    }
                    if let Some(out) = &mut out {
                        writeln!(out, "{line}")?;
                    }
                    if sample.result.is_err() {
                        revive(peer).await?;
                    }
                    samples.push(sample);
                }
            }
        }
        Ok(samples)
    }
}

/// The peers, the first of them first in any case.
fn in_turn(peers: &mut [Peer], backwards: bool) -> Vec<&mut Peer> {
    let mut turn: Vec<&mut Peer> = peers.iter_mut().collect();
    if backwards && let Some(others) = turn.get_mut(1..) {
        others.reverse();
    }
    turn
}

/// After a failure: the next run is not to suffer from it.
async fn revive(peer: &mut Peer) -> io::Result<()> {
    peer.restart().await?;
    ping(&peer.socket).await
}

/// Those that were named, or the one that is installed.
fn haproxies(plan: &Plan) -> Vec<Named> {
    if !plan.haproxies.is_empty() {
        return plan.haproxies.clone();
    }
    let installed = Named {
        name: None,
        command: vec!["haproxy".into()],
    };
    let found = version(&installed.command, "-v").starts_with("HA");
    found.then_some(installed).into_iter().collect()
}

/// Another binary of the same build.
fn beside_this(name: &str) -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let path = this.parent().unwrap_or(Path::new("")).join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(io::Error::other(format!(
        "{}: no such file\nhelp: build it, or name it with `--doxy PATH`",
        path.display()
    )))
}
