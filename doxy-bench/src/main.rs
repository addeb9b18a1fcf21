//! The binary `doxy-bench`: doxy beside HAProxy and the engine itself, in one run.
//!
//! `streams` starts everything, in a folder of its own, measures, and ends it. The stand-in
//! engine is the same binary as a child.

mod chunked;
mod client;
mod crowd;
mod engine;
mod load;
mod measure;
mod peers;
mod process;
mod report;
mod streams;
mod wire;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::load::{Sizes, Workload};
use crate::peers::{Foreign, Named};
use crate::streams::Plan;

#[derive(Debug, Parser)]
#[command(name = "doxy-bench", about = "Measures doxy beside other proxies")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tunnels, large bodies and many streams at once: cost, rate, memory and latency
    Streams(StreamsArgs),
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
struct StreamsArgs {
    /// How often everything is measured
    #[arg(long, default_value_t = 5, value_name = "N")]
    reps: usize,
    /// The binary of doxy; the one beside this if not given
    #[arg(long, value_name = "PATH")]
    doxy: Option<PathBuf>,
    /// An HAProxy to start; repeatable, the last is what ratios are to. `haproxy` if not given
    #[arg(long, value_name = "[NAME=]COMMAND")]
    haproxy: Vec<Named>,
    /// A proxy that runs already, in front of an engine of its own or of this kind; repeatable
    #[arg(long, value_name = "NAME=SOCKET,PID")]
    peer: Vec<Foreign>,
    /// Only these proxies; `direct` is always there
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these workloads
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = workload)]
    workloads: Vec<Workload>,
    /// A line of JSON for every run goes here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Very little of everything: whether it works, not how fast
    #[arg(long, hide = true)]
    tiny: bool,
}

impl StreamsArgs {
    fn plan(self) -> Plan {
        Plan {
            reps: self.reps,
            doxy: self.doxy,
            haproxies: self.haproxy,
            foreign: self.peer,
            only: self.only,
            workloads: match self.workloads.is_empty() {
                true => Workload::ALL.to_vec(),
                false => self.workloads,
            },
            out: self.out,
            sizes: match self.tiny {
                true => Sizes::TINY,
                false => Sizes::FULL,
            },
        }
    }
}

fn workload(name: &str) -> Result<Workload, String> {
    let all = Workload::ALL;
    let found = all.into_iter().find(|workload| workload.name() == name);
    found.ok_or_else(|| format!("there are: {}", all.map(Workload::name).join(", ")))
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::progress(&format!("doxy-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<()> {
    // Everything is on one thread, which one CPU has to suffice for anyway.
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    match command {
        Command::Confine { cpu, command } => Err(process::confine(&command, cpu)),
        Command::Engine { socket } => runtime()?.block_on(engine::serve(&socket)),
        Command::Streams(args) => runtime()?.block_on(async {
            let mut int = signal(SignalKind::interrupt())?;
            let mut term = signal(SignalKind::terminate())?;
            // What was started ends when it is dropped, which happens in every case.
            tokio::select! {
                done = Box::pin(streams::run(args.plan())) => done,
                _ = int.recv() => Err(io::Error::other("interrupted")),
                _ = term.recv() => Err(io::Error::other("terminated")),
            }
        }),
    }
}
