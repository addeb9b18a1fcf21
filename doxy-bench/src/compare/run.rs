//! Runs a comparison: in which order, and where the results go.

use std::fs;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use crate::compare::plan::Plan;
use crate::compare::testbed::{Cpus, Testbed};
use crate::figure::{Outcome, Sample};
use crate::peers::peer::Peer;
use crate::process::affinity::pin;
use crate::process::machine::{kernel, load_average, processor};
use crate::process::running::raise_descriptors;
use crate::report::plots;
use crate::report::runs::Runs;
use crate::report::summary::{Facts, print, progress, summary};
use crate::workloads::catalogue::Workload;
use crate::workloads::sizes::Sizes;

/// How long one run of a workload may take.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) async fn run(plan: Plan) -> io::Result<()> {
    let descriptors = raise_descriptors()?;
    let cpus = Cpus::choose()?;
    pin(cpus.driver)?;
    let mut testbed = Testbed::set_up(&plan, cpus).await?;
    let facts = Facts {
        machine: format!(
            "{}, Linux {}, {descriptors} descriptors; {}",
            processor(),
            kernel(),
            cpus.describe()
        ),
        load_before: load_average(),
        reps: plan.reps,
        time: plan.sizes.time,
        peers: testbed
            .peers
            .iter()
            .map(|peer| (peer.name.clone(), peer.about.clone()))
            .collect(),
        reference: testbed.reference.clone(),
        missing: testbed.missing.clone(),
    };
    let mut runs = match &plan.out {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            Some(Runs::create(folder, &facts)?)
        }
        None => None,
    };

    let samples = measure(&mut testbed.peers, &plan, runs.as_mut()).await?;

    let summary = summary(&facts, &load_average(), &samples);
    print(&summary)?;
    if let Some(folder) = &plan.out {
        let pictures = plots::draw(folder, &samples, &facts)?;
        let links = pictures.iter().map(|name| format!("![{name}]({name})\n\n"));
        let text = format!("{summary}\n{}", links.collect::<String>());
        fs::write(folder.join("summary.md"), text)?;
    }
    match samples.iter().filter(|sample| sample.failed()).count() {
        0 => Ok(()),
        count => Err(io::Error::other(format!("{count} runs failed"))),
    }
}

/// Runs every workload for all peers, one after the other. Every second repetition goes backwards,
/// so that no peer has an advantage; the direct call always comes first.
async fn measure(
    peers: &mut [Peer],
    plan: &Plan,
    mut runs: Option<&mut Runs>,
) -> io::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for rep in 1..=plan.reps {
        progress(&format!("repetition {rep} of {}", plan.reps));
        for &workload in &plan.workloads {
            if rep > workload.reps(plan.reps) {
                continue;
            }
            for peer in in_turn(peers, rep % 2 == 0) {
                let sample = Sample {
                    rep,
                    workload: workload.name(),
                    peer: peer.name.clone(),
                    outcome: attempt(workload, peer, &plan.sizes).await,
                };
                if let Some(runs) = &mut runs {
                    runs.add(&sample)?;
                }
                if sample.failed() {
                    progress(&sample.json().to_string());
                    // The failure must not affect the next run.
                    peer.restart().await?;
                }
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

async fn attempt(workload: Workload, peer: &mut Peer, sizes: &Sizes) -> Outcome {
    if let Some(reason) = workload.skipped(peer) {
        return Outcome::Skipped(reason);
    }
    match timeout(LIMIT, workload.run(peer, sizes)).await {
        Ok(Ok(figures)) => Outcome::Measured(figures),
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(_) => Outcome::Failed(format!("not finished after {} s", LIMIT.as_secs())),
    }
}

/// The peers in order or backwards, the first of them always first.
fn in_turn(peers: &mut [Peer], backwards: bool) -> Vec<&mut Peer> {
    let mut turn: Vec<&mut Peer> = peers.iter_mut().collect();
    if backwards && let Some(others) = turn.get_mut(1..) {
        others.reverse();
    }
    turn
}
