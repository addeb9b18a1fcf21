//! A policy rolled out over a swarm, as `deploy/swarm` does it, while clients ask: none gets a wrong answer,
//! and none gets no answer.
//!
//! The stack is the one that is shipped. Its image is made of this build's binary, and its policy is changed
//! as an operator changes it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::real::{self, Engine, Made};
use super::shared_host::pid_of;
use super::{clean_environment, docker, docker_ok, named_path, run, unique};
use crate::support::files::short_folder;
use crate::support::needs::{missing, say};
use crate::support::process::Ended;
use crate::support::{Client, wait};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/swarm");
/// What each client asks over and over, each time on a new connection.
const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
const INFO: &str = "GET /v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n";

/// The engine as a swarm of one node, and the stack on it.
struct Swarm<'engine> {
    engine: &'engine Engine,
    image: Made,
    stack: String,
    /// The policy that is deployed, and a folder with `docker` alone for the script's path.
    work: tempfile::TempDir,
}

impl<'engine> Swarm<'engine> {
    fn new(engine: &'engine Engine) -> Self {
        let work = short_folder();
        let policy = work.path().join("policy");
        fs::create_dir(&policy).unwrap();
        for entry in fs::read_dir(format!("{SHIPPED}/policy")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), policy.join(entry.file_name())).unwrap();
        }
        // The engine's socket may be root's alone, and then has no group that doxy would find.
        let group = fs::metadata(&engine.socket).unwrap().gid();
        let toml = fs::read_to_string(policy.join("doxy.toml")).unwrap();
        fs::write(policy.join("doxy.toml"), format!("group = {group}\n{toml}")).unwrap();
        let programs = work.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let docker = named_path("DOXY_TEST_DOCKER").unwrap_or_else(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let mut found = std::env::split_paths(&path).map(|folder| folder.join("docker"));
            found.find(|file| file.is_file()).unwrap()
        });
        std::os::unix::fs::symlink(docker, programs.join("docker")).unwrap();
        let image = engine.doxy_image();
        docker_ok(
            &engine.socket,
            ["swarm", "init", "--advertise-addr", "127.0.0.1"],
        );
        Self {
            engine,
            image,
            stack: unique(),
            work,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.work.path().join("policy").join(name)
    }

    /// What an operator types.
    #[track_caller]
    fn deploy(&self) -> Ended {
        let mut script = Command::new("sh");
        clean_environment(&mut script);
        script
            .args([&format!("{SHIPPED}/deploy.sh"), &self.stack])
            .env("DOCKER_CONFIG", "/nonexistent/doxy-test")
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.engine.socket.display()),
            )
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.work.path().join("bin").display()),
            )
            .env("DOXY_FOLDER", self.work.path().join("policy"))
            .env("DOXY_IMAGE", &self.image.name)
            .env("DOXY_ENGINE", &self.engine.socket);
        run(&mut script)
    }
}

impl Drop for Swarm<'_> {
    fn drop(&mut self) {
        let socket = &self.engine.socket;
        let _ = docker(socket, ["stack", "rm", &self.stack]);
        let left = docker(socket, ["swarm", "leave", "--force"]);
        if !left.success() {
            say(&format!("the engine is still a swarm: {left}"));
        }
        let gone = wait::try_until(|| {
            let removed = docker(socket, ["volume", "rm", "doxy-local"]);
            removed.success().then_some(())
        });
        if gone.is_none() {
            say("left on the engine: the volume doxy-local");
        }
    }
}

/// Clients that ask until `stop`. A ping is always allowed. What else they ask may change from denied to
/// allowed once, for each of them, and never back.
fn ask(socket: &Path, stop: &AtomicBool, asked: &AtomicUsize, allowed: &AtomicUsize) {
    let mut last = 403;
    while !stop.load(Relaxed) {
        assert_eq!(Client::connect(socket).ask(PING).status(), 200);
        let status = Client::connect(socket).ask(INFO).status();
        assert!(status == last || (status == 200 && last == 403), "{status}");
        last = status;
        asked.fetch_add(2, Relaxed);
        allowed.fetch_add(usize::from(status == 200), Relaxed);
    }
}

#[test]
#[ignore = "needs DOXY_TEST_SWARM, and an engine that may be a swarm for a while"]
fn a_policy_is_rolled_out_under_load_and_one_with_an_error_is_taken_back() {
    let Some(engine) = real::engine() else { return };
    if std::env::var_os("DOXY_TEST_SWARM").is_none() {
        missing("DOXY_TEST_SWARM, which allows it to make the engine a swarm, is not set");
        return;
    }
    let swarm = Swarm::new(&engine);
    let deployed = swarm.deploy();
    assert!(deployed.success(), "{deployed}");
    // A client on the node, with the volume that is its own. It is asked for its side of the mount.
    let busybox = engine.image();
    let mark = (90_000_000 + std::process::id()).to_string();
    let mount = ["-v", "doxy-local:/run/doxy/local:ro"];
    let _client = engine.running(&busybox, &mount, &["sleep", &mark]);
    let socket = format!("/proc/{}/root/run/doxy/local/docker.sock", pid_of(&mark));
    let socket = Path::new(&socket);

    let again = swarm.deploy();
    assert!(again.stdout.contains("in force already"), "{again}");
    let (stop, asked, allowed) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let more = |count: &AtomicUsize| {
        let so_far = count.load(Relaxed);
        wait::until("more answers", || {
            (count.load(Relaxed) > so_far + 50).then_some(())
        });
    };
    let rules = fs::read_to_string(swarm.file("local.pattern")).unwrap();
    thread::scope(|scope| {
        // Whatever fails here ends the clients.
        struct Stop<'stop>(&'stop AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let _stop = Stop(&stop);
        for _ in 0..3 {
            scope.spawn(|| ask(socket, &stop, &asked, &allowed));
        }
        more(&asked);
        assert_eq!(allowed.load(Relaxed), 0, "the first policy");

        fs::write(
            swarm.file("local.pattern"),
            format!("{rules}/v[\\d.]+/info\n"),
        )
        .unwrap();
        let updated = swarm.deploy();
        assert!(updated.success(), "{updated}");
        assert!(
            updated.stdout.contains("is in force on 1/1 nodes"),
            "{updated}"
        );
        more(&allowed);

        fs::write(swarm.file("local.pattern"), format!("{rules}[\n")).unwrap();
        let refused = swarm.deploy();
        assert_eq!(refused.code, Some(3), "{refused}");
        assert!(refused.stderr.contains("was taken back"), "{refused}");
        assert!(refused.stderr.contains("local.pattern:5:1: "), "{refused}");
        more(&allowed);
    });
    say(&format!(
        "{} answers, all of them right",
        asked.load(Relaxed)
    ));
}
