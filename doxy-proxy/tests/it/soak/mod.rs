//! The binary under a mix of everything that clients do, valid and invalid, from several threads.
//!
//! Memory and descriptors must return to the level of the first round. The engine must never
//! receive a request that the rules deny, a request twice, or a request in another form than doxy
//! writes. No client may get the response to another request.
//!
//! The short run is a normal test. The long run takes minutes:
//! `DOXY_SOAK=3000000 cargo test --release -p doxy-proxy --test it soak -- --ignored --nocapture`

mod engine;
mod user;

use std::sync::atomic::Ordering;

use doxy_filter::DEFAULT_PATTERNS;

use crate::corpus;
use crate::support::{Binary, Setup, wait};
use engine::Engine;
use user::{Random, User};

const THREADS: usize = 6;

/// Added to the default patterns.
const RULES: &str = "GET /(events|big)\nPOST /containers/[^/]+/(attach|upload)\n!/info/.*\n";

const BIG: usize = 700_000;

/// The limit for the growth of resident memory after the first round. The allocator keeps the
/// largest buffers that were in use at once; nothing may remain of a request.
const GROWTH_KIB: u64 = 6 * 1024;

/// One descriptor for the client and one for the engine in each thread, and 24 for the runtime, the
/// listener, the standard streams, the pipes for splicing, and idle connections.
const DESCRIPTORS: usize = 2 * THREADS + 24;

#[test]
fn a_short_mix_of_everything_leaks_nothing() {
    soak(6_000, 3);
}

#[test]
#[ignore = "takes minutes: for a release, or after a change of the proxy's core"]
fn a_long_mix_of_everything_leaks_nothing() {
    let requests = std::env::var("DOXY_SOAK").map_or(3_000_000, |n| n.parse().unwrap());
    soak(requests, 12);
}

/// Sends `requests` requests in `rounds` rounds, and measures after each round.
fn soak(requests: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(&folder.path().join("engine.sock"), requests);
    let doxy = Setup::new()
        .engine(&engine.path)
        .rules(&format!("{DEFAULT_PATTERNS}\n{RULES}"))
        .start();
    let socket = doxy.socket();
    let corpus: Vec<_> = corpus::raw().filter(|raw| raw.len() < 8192).collect();
    let each = requests / rounds / THREADS;
    let mut figures = vec![Figures::of(&doxy)];
    for round in 0..rounds {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let first = (round * THREADS + thread) * each;
                let mut user = User {
                    socket: &socket,
                    corpus: &corpus,
                    engine: &engine,
                    client: None,
                    random: Random(first as u64 + 1),
                };
                scope.spawn(move || (first..first + each).for_each(|id| user.act(id)));
            }
        });
        engine.check();
        figures.push(Figures::settled(&doxy));
    }
    let arrived = engine.state.arrived.load(Ordering::SeqCst);
    for (round, figures) in figures.iter().enumerate() {
        eprintln!("after {:>8} requests: {figures:?}", round * each * THREADS);
    }
    eprintln!("{arrived} of them arrived at the engine");
    assert!(arrived > requests / 3, "only {arrived} arrived");
    // The first round fills pools and caches.
    let (first, last) = (figures[1], figures[rounds]);
    assert!(
        last.resident_kib <= first.resident_kib + GROWTH_KIB,
        "memory grows: {figures:#?}"
    );
}

/// The memory and the descriptors of a process.
#[derive(Debug, Clone, Copy)]
struct Figures {
    resident_kib: u64,
    #[expect(dead_code, reason = "for whoever reads the figures")]
    peak_kib: u64,
    descriptors: usize,
}

impl Figures {
    fn of(doxy: &Binary) -> Self {
        Self {
            // `status` may lag by some pages for each processor.
            resident_kib: doxy.process.kib("smaps_rollup", "Rss:"),
            peak_kib: doxy.process.kib("status", "VmHWM:"),
            descriptors: doxy.process.descriptors().len(),
        }
    }

    /// The figures when all clients have closed.
    #[track_caller]
    fn settled(doxy: &Binary) -> Self {
        wait::until("few descriptors", || {
            let figures = Self::of(doxy);
            (figures.descriptors <= DESCRIPTORS).then_some(figures)
        })
    }
}
