//! Shell scripts that do what clients do. Each runs directly on the engine and through doxy, and
//! must print both times what the file says.
//!
//! A file in `jobs/` contains any number of jobs: a title (`===`), a script, and its output (`---
//! prints`). `jobs/prelude.sh` runs before each, and describes what the scripts may use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::real::{self, Engine, Made};
use super::{
    clean_environment, docker, docker_command, doxy, link_plugins, named_path, run, unique,
};
use crate::support::Binary;
use crate::support::files::short_folder;
use crate::support::needs::{missing, say};
use crate::support::process::Ended;

const PRELUDE: &str = include_str!("jobs/prelude.sh");

/// Everything is allowed.
pub(super) const ALL: &str = "* /.*\n";

/// An engine, a doxy in front of it that allows everything, and an image to use.
pub(super) struct Pair {
    pub(super) image: Made,
    pub(super) doxy: Binary,
    /// Where that doxy listens.
    pub(super) proxy: PathBuf,
    pub(super) engine: Engine,
}

impl Pair {
    /// None if there is no engine; the reason has been printed.
    #[track_caller]
    pub(super) fn find() -> Option<Self> {
        let engine = real::engine()?;
        let doxy = doxy(&engine.socket, ALL, &[]);
        Some(Self {
            image: engine.image(),
            proxy: doxy.socket(),
            doxy,
            engine,
        })
    }

    /// Both ways to the engine, with their names.
    pub(super) fn ways(&self) -> [(&'static str, &Path); 2] {
        [
            ("directly", &self.engine.socket),
            ("through doxy", &self.proxy),
        ]
    }

    /// Whether a script succeeds without doxy. If not, this engine or this CLI cannot run the test,
    /// and the reason has been printed.
    #[track_caller]
    fn able(&self, what: &str, script: &str) -> bool {
        let engine = &self.engine.socket;
        let job = Job {
            title: what,
            script,
            prints: "",
        };
        let tried = run_job(&job, &self.image.name, engine, engine);
        if !tried.success() {
            missing(&format!("{what}: {}", tried.stderr.trim()));
        }
        tried.success()
    }

    /// Runs every job of a file, directly and through doxy.
    #[track_caller]
    fn check(&self, file: &str) {
        let mut failed = Vec::new();
        for job in Job::all(file) {
            // Both at the same time, because a job mostly waits for containers to start and to end.
            let (job, image, engine) = (&job, &*self.image.name, &*self.engine.socket);
            let outputs = thread::scope(|scope| {
                let runs = self.ways().map(|(way, socket)| {
                    (
                        way,
                        scope.spawn(move || run_job(job, image, socket, engine)),
                    )
                });
                runs.map(|(way, run)| (way, run.join().expect("a job that ends")))
            });
            for (way, output) in &outputs {
                if !output.success() || output.stdout != job.prints {
                    failed.push(format!("{way}: {}: {output}", job.title));
                }
            }
            let [(_, directly), (_, through)] = &outputs;
            if directly.stderr != through.stderr {
                failed.push(format!(
                    "{}: other words on stderr, directly\n{}\nthrough doxy\n{}",
                    job.title, directly.stderr, through.stderr
                ));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}

/// Runs a script in a folder of its own, and removes what it leaves on the engine. In the output,
/// names that differ from run to run are replaced by fixed words.
#[track_caller]
fn run_job(job: &Job<'_>, image: &str, socket: &Path, engine: &Path) -> Ended {
    let dir = short_folder();
    let (bin, work) = (dir.path().join("bin"), dir.path().join("work"));
    let config = dir.path().join("config");
    for folder in [&bin, &work] {
        std::fs::create_dir_all(folder).expect("make a folder");
    }
    if let Some(program) = named_path("DOXY_TEST_DOCKER") {
        std::os::unix::fs::symlink(program, bin.join("docker")).expect("link the CLI");
    }
    link_plugins(&config);
    let name = unique();
    let made = format!("doxy-test/made:{name}");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
    let mut shell = Command::new("sh");
    clean_environment(&mut shell);
    shell
        .arg("-c")
        .arg(format!("{PRELUDE}\n{}", job.script))
        .current_dir(&work)
        .env("PATH", path.expect("a PATH"))
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("DOCKER_CONFIG", &config)
        .env("IMAGE", image)
        .env("MADE", &made)
        .env("JOB", job.title) // said when it does not end
        .env("NAME", &name)
        .env("TERM", "dumb");
    let leftovers = Leftovers {
        engine,
        container: &name,
        image: &made,
    };
    let mut output = run(&mut shell);
    drop(leftovers);
    let work = work.display().to_string();
    for text in [&mut output.stdout, &mut output.stderr] {
        *text = text.replace(&name, "NAME").replace(&work, "WORK");
    }
    output
}

/// The objects that a job may leave on the engine. They are removed when this is dropped.
struct Leftovers<'job> {
    engine: &'job Path,
    container: &'job str,
    image: &'job str,
}

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        // Most jobs leave nothing. Older CLIs report that as a failure.
        let _ = docker(self.engine, ["rm", "-f", "-v", self.container]);
        let _ = docker(self.engine, ["rmi", "-f", self.image]);
    }
}

struct Job<'file> {
    title: &'file str,
    script: &'file str,
    prints: &'file str,
}

impl<'file> Job<'file> {
    fn all(file: &'file str) -> impl Iterator<Item = Self> {
        let jobs = file.split("=== ").filter(|job| !job.is_empty());
        jobs.map(|job| {
            let (title, rest) = job.split_once('\n').expect("a title");
            let (script, prints) = rest.split_once("--- prints\n").expect("`--- prints`");
            // Between two jobs there is an empty line.
            let prints = prints.strip_suffix("\n\n").map_or(prints, |_| {
                prints.strip_suffix('\n').expect("an empty line")
            });
            Self {
                title,
                script,
                prints,
            }
        })
    }
}

#[test]
fn streams() {
    let Some(pair) = Pair::find() else { return };
    pair.check(include_str!("jobs/streams.jobs"));
}

#[test]
fn terminals() {
    let Some(pair) = Pair::find() else { return };
    if pair.able(
        "no pseudo-terminals",
        "script -qec true /dev/null </dev/null",
    ) {
        pair.check(include_str!("jobs/terminals.jobs"));
    }
}

/// The bound is far above what doxy needs, and far below what a buffered body would take.
#[test]
fn large_bodies_in_little_memory() {
    let Some(pair) = Pair::find() else { return };
    pair.check(include_str!("jobs/bodies.jobs"));
    let most = pair.doxy.process.kib("status", "VmHWM:");
    assert!(most < 32 * 1024, "doxy has used {most} KiB");
    say(&format!("doxy has used {most} KiB at most"));
}

#[test]
#[ignore = "needs buildx, or a CLI older than 23"]
fn buildkit() {
    let Some(pair) = Pair::find() else { return };
    let file = include_str!("jobs/buildkit.jobs");
    if old_cli() {
        // A CLI older than 23 contains the client of BuildKit.
        pair.check(&file.replace("docker $BUILD", "DOCKER_BUILDKIT=1 docker build"));
    } else if pair.able("no buildx", "docker buildx version") {
        pair.check(&file.replace("$BUILD", "build"));
        pair.check(include_str!("jobs/buildx.jobs"));
    }
}

/// Whether the CLI is older than 23.
fn old_cli() -> bool {
    let version = run(docker_command(Path::new("/")).arg("--version")).stdout;
    let major = version.split(' ').nth(2).and_then(|v| v.split('.').next());
    major.is_some_and(|major| major.parse::<u32>().is_ok_and(|major| major < 23))
}

#[test]
#[ignore = "needs compose, and an engine with networks"]
fn compose() {
    let Some(pair) = Pair::find() else { return };
    if pair.engine.private {
        missing("a private engine has no networks");
    } else if pair.able("no compose", "docker compose version") {
        pair.check(include_str!("jobs/compose.jobs"));
    }
}

#[test]
#[ignore = "needs DOXY_TEST_SWARM, and an engine that may be a swarm for a while"]
fn swarm() {
    let Some(pair) = Pair::find() else { return };
    if std::env::var_os("DOXY_TEST_SWARM").is_none() {
        missing("DOXY_TEST_SWARM, which allows it to make the engine a swarm, is not set");
        return;
    }
    let begin = ["swarm", "init", "--advertise-addr", "127.0.0.1"];
    let begun = docker(&pair.proxy, begin);
    assert!(begun.success(), "docker {begin:?}: {begun}");
    let _swarm = Swarm(&pair);
    pair.check(include_str!("jobs/swarm.jobs"));
}

struct Swarm<'pair>(&'pair Pair);

impl Drop for Swarm<'_> {
    fn drop(&mut self) {
        let ended = docker(&self.0.proxy, ["swarm", "leave", "--force"]);
        if !ended.success() {
            say(&format!("the engine is still a swarm: {ended}"));
        }
    }
}
