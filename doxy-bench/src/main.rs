//! The binary `doxy-bench`: doxy beside HAProxy, nginx and the engine itself, in one run.
//!
//! `compare` starts everything in a folder of its own, measures, and ends it. The stand-in engine
//! is the same binary as a child process.
//!
//! # Map
//!
//! From the lowest floor to the highest. A module imports only from floors below its own.
//!
//! | floor | what it is for | what it must never know |
//! |---|---|---|
//! | `stats` | percentiles and medians | what the values measure |
//! | `figure` | what can be measured, and the figures of one run | how they are measured or shown |
//! | `process` | child processes, CPUs, /proc, the machine | what a process does |
//! | `http` | HTTP/1.1 on a unix socket, TCP or TLS, for engine and driver | proxies, figures |
//! | `engine` | the stand-in engine | proxies, rules |
//! | `peers` | the engine, doxy, HAProxy and nginx: their rules, start and end | workloads, figures |
//! | `load` | many requests at a pace; the cost of a piece of work | which workload it is part of |
//! | `workloads` | requests, streams, memory, crowd, start: each gives figures | how a peer is started, how figures are shown |
//! | `report` | tables, JSON lines, plots | processes, sockets |
//! | `compare` | one run: who takes part, in which order, where results go | the command line |

mod compare;
mod engine;
mod figure;
mod http;
mod load;
mod peers;
mod process;
mod report;
mod stats;
mod workloads;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::compare::plan::Plan;
use crate::peers::arguments::{CommandLine, External};
use crate::workloads::catalogue::Workload;
use crate::workloads::sizes::Sizes;

#[derive(Debug, Parser)]
#[command(name = "doxy-bench", about = "Measures doxy beside other proxies")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Requests, tunnels, large bodies, many streams at once: cost, rate, latency, memory, start-up
    Compare(CompareArgs),
    /// The stand-in engine by itself, on a socket
    Engine {
        /// Where to listen
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
    },
    /// Runs a command on one CPU, and kills it when this process's parent ends
    #[command(hide = true)]
    Confine {
        #[arg(long)]
        cpu: Option<usize>,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

#[derive(Debug, clap::Args)]
struct CompareArgs {
    /// Number of repetitions
    #[arg(long, default_value_t = 5, value_name = "N")]
    reps: usize,
    /// The binary of doxy [default: the one beside this binary]
    #[arg(long, value_name = "PATH")]
    doxy: Option<PathBuf>,
    /// An HAProxy to start; repeatable, ratios refer to the last [default: haproxy]
    #[arg(long, value_name = "[NAME=]COMMAND")]
    haproxy: Vec<CommandLine>,
    /// A proxy that is already running, in front of `doxy-bench engine` or an engine of its own; repeatable
    #[arg(long, value_name = "NAME=SOCKET,PID")]
    peer: Vec<External>,
    /// Only these proxies; `direct` always takes part
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these workloads, by name or by group: requests, streams, memory, start, tcp, tls
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    workloads: Vec<String>,
    /// How long requests are sent for each figure
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    secs: Option<Duration>,
    /// Requests per second of the workload with a fixed rate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// A folder for runs.jsonl, summary.md and plots
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Very short runs: whether it works, not how fast
    #[arg(long, hide = true)]
    tiny: bool,
}

impl CompareArgs {
    fn plan(self) -> io::Result<Plan> {
        let mut workloads = Vec::new();
        for name in &self.workloads {
            workloads.extend(Workload::named(name).map_err(io::Error::other)?);
        }
        let chosen = |workload: &Workload| workloads.is_empty() || workloads.contains(workload);
        let mut sizes = match self.tiny {
            true => Sizes::TINY,
            false => Sizes::FULL,
        };
        sizes.time = self.secs.unwrap_or(sizes.time);
        sizes.rate = self.rate.unwrap_or(sizes.rate);
        Ok(Plan {
            reps: self.reps,
            doxy: self.doxy,
            haproxies: self.haproxy,
            external: self.peer,
            only: self.only,
            workloads: Workload::ALL.into_iter().filter(chosen).collect(),
            out: self.out,
            sizes,
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "not a duration in seconds".to_owned())
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::summary::progress(&format!("doxy-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<()> {
    // One thread is enough: the process is pinned to one CPU.
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    match command {
        Command::Confine { cpu, command } => Err(process::running::confine(&command, cpu)),
        Command::Engine { socket } => runtime()?.block_on(engine::serve(&socket)),
        Command::Compare(args) => runtime()?.block_on(async {
            let mut int = signal(SignalKind::interrupt())?;
            let mut term = signal(SignalKind::terminate())?;
            // Every started process is ended when its handle is dropped, in all three cases.
            tokio::select! {
                done = Box::pin(compare::run::run(args.plan()?)) => done,
                _ = int.recv() => Err(io::Error::other("interrupted")),
                _ = term.recv() => Err(io::Error::other("terminated")),
            }
        }),
    }
}
