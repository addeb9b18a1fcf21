//! The binary under a mix of everything that clients do, good and bad, from several threads.
//!
//! Its memory and its descriptors must come back to what they were after the first rounds. The
//! engine must never get what the rules deny, nor anything twice, nor in another form than doxy's
//! own; and no client may get an answer that is not to its own request.
//!
//! The short one is a test like all others; the long one is for when there is time:
//! `DOXY_SOAK=3000000 cargo test --release -p doxy-proxy --test it soak -- --ignored --nocapture`

mod engine;
mod user;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use doxy_filter::DEFAULT_PATTERNS;

use crate::corpus;
use crate::support::LIMIT;
use engine::Engine;
use user::{Random, User};

const THREADS: usize = 6;

/// Added to the default patterns.
const RULES: &str = "GET /(events|big)\nPOST /containers/[^/]+/(attach|upload)\n!/info/.*\n";

const BIG: usize = 700_000;

/// What resident memory may grow by after the first rounds: what the allocator keeps of the
/// largest buffers that were ever in use at once, and not a byte a request.
const GROWTH_KIB: u64 = 6 * 1024;

/// Descriptors beside one for the client and one for the engine in each thread: the runtime's, the
/// listener, the standard streams, pipes for splicing, connections that are kept.
const DESCRIPTORS: usize = 2 * THREADS + 24;

#[test]
fn a_short_mix_of_everything_leaves_nothing_behind() {
    soak(6_000, 3);
}

#[test]
#[ignore = "takes minutes: for a release, or after a change of the proxy's core"]
fn a_long_mix_of_everything_leaves_nothing_behind() {
    let requests = std::env::var("DOXY_SOAK").map_or(3_000_000, |n| n.parse().unwrap());
    soak(requests, 12);
}

/// Sends so many requests, in so many rounds, and measures behind each.
fn soak(requests: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(&folder.path().join("engine.sock"), requests);
    let doxy = Doxy::start(folder.path(), &engine.path);
    let corpus: Vec<_> = corpus::raw().filter(|raw| raw.len() < 8192).collect();
    let each = requests / rounds / THREADS;
    let mut figures = vec![doxy.figures()];
    for round in 0..rounds {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let first = (round * THREADS + thread) * each;
                let mut user = User {
                    socket: &doxy.socket,
                    corpus: &corpus,
                    engine: &engine,
                    client: None,
                    random: Random(first as u64 + 1),
                };
                scope.spawn(move || (first..first + each).for_each(|id| user.act(id)));
            }
        });
        engine.check();
        figures.push(doxy.settled());
    }
    let arrived = engine.state.arrived.load(Ordering::SeqCst);
    for (round, figures) in figures.iter().enumerate() {
        eprintln!("after {:>8} requests: {figures:?}", round * each * THREADS);
    }
    eprintln!("{arrived} of them arrived at the engine");
    assert!(arrived > requests / 3, "only {arrived} arrived");
    // The first round fills what is kept for use again.
    let (first, last) = (figures[1], figures[rounds]);
    assert!(
        last.resident_kib <= first.resident_kib + GROWTH_KIB,
        "memory grows: {figures:#?}"
    );
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Figures {
    resident_kib: u64,
    #[expect(dead_code, reason = "for whoever reads the figures")]
    peak_kib: u64,
    descriptors: usize,
}

struct Doxy {
    child: Child,
    socket: PathBuf,
}

impl Doxy {
    fn start(folder: &Path, engine: &Path) -> Self {
        let socket = folder.join("doxy.sock");
        let rules = folder.join("soak.pattern");
        std::fs::write(&rules, format!("{DEFAULT_PATTERNS}\n{RULES}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_doxy"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DOXY_") {
                command.env_remove(name);
            }
        }
        command.arg("--docker-socket").arg(engine);
        command.arg("--proxy-socket").arg(&socket);
        command.arg("--pattern-file").arg(rules);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut doxy = Self { child, socket };
        doxy.poll("it does not listen", |doxy| {
            UnixStream::connect(&doxy.socket).is_ok()
        });
        doxy
    }

    /// Looks until `condition` holds. Nobody announces what is looked for.
    #[track_caller]
    fn poll(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "doxy has ended");
            assert!(start.elapsed() < LIMIT, "{what}: {:?}", self.figures());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn figures(&self) -> Figures {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let kib = |file: &str, name: &str| {
            let text = std::fs::read_to_string(proc.join(file)).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.unwrap().trim().strip_suffix(" kB");
            kib.unwrap().parse().unwrap()
        };
        Figures {
            // What `status` says of it is out of date by some pages for each processor.
            resident_kib: kib("smaps_rollup", "Rss:"),
            peak_kib: kib("status", "VmHWM:"),
            descriptors: std::fs::read_dir(proc.join("fd")).unwrap().count(),
        }
    }

    /// What it holds when everybody has gone.
    #[track_caller]
    fn settled(&self) -> Figures {
        let start = Instant::now();
        loop {
            let figures = self.figures();
            if figures.descriptors <= DESCRIPTORS {
                return figures;
            }
            assert!(start.elapsed() < LIMIT, "descriptors leak: {figures:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Doxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
