//! Over a unix socket: the container in whose cgroup, or below it, the client's process is.
//!
//! The tests make cgroups themselves, and the recording engine says which process is a container's.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use doxy_filter::RuleSet;
use doxy_proxy::{
    ContainerRule, ListenConfig, Policy, Service, UnixListenConfig, Upstream, UpstreamAddr,
};

use super::{answered, call, description, id, is_own, respond};
use crate::support::needs::missing;
use crate::support::process::Process;
use crate::support::{Doxy, Fake, Need, needs};

/// Where hierarchies are mounted in which cgroups need no further settings: version 2, and of
/// version 1 one that counts processes.
fn mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mounts = mounts.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        let [_, at, kind, options, ..] = *fields.as_slice() else {
            return None;
        };
        let counts = kind == "cgroup" && options.split(',').any(|option| option == "pids");
        (kind == "cgroup2" || counts).then(|| PathBuf::from(at))
    });
    mounts.collect()
}

/// Cgroups of a name of their own in every hierarchy. When this is dropped they are removed.
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    pub(crate) fn new(name: &str) -> Option<Self> {
        let top = format!("doxytest{}{name}", std::process::id());
        let folders: Vec<_> = mounts().iter().map(|at| at.join(&top)).collect();
        let made = Self(folders);
        let able = |folder: &PathBuf| fs::create_dir(folder).is_ok();
        (!made.0.is_empty() && made.0.iter().all(able)).then_some(made)
    }

    /// One below it, in each hierarchy.
    pub(crate) fn below(&self, path: &str) -> Vec<PathBuf> {
        let folders: Vec<_> = self.0.iter().map(|folder| folder.join(path)).collect();
        for folder in &folders {
            fs::create_dir_all(folder).unwrap();
        }
        folders
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        fn remove(folder: &Path) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    remove(&entry.path());
                }
            }
            let _ = fs::remove_dir(folder);
        }
        self.0.iter().for_each(|folder| remove(folder));
    }
}

/// A command that first goes into these cgroups.
pub(crate) fn in_cgroups(cgroups: &[PathBuf], words: &[String]) -> Command {
    let mut command = Command::new("sh");
    let count = cgroups.len();
    let enter = format!(
        "for i in $(seq {count}); do echo $$ >\"$1/cgroup.procs\" || exit 1; shift; done; exec \"$@\""
    );
    command.args(["-c", &enter, "sh"]).args(cgroups).args(words);
    command
}

#[test]
fn a_client_is_in_the_container_that_its_cgroup_proves() {
    if !needs(Need::Root) {
        return;
    }
    let (Some(real), Some(made)) = (Made::new("real"), Made::new("made")) else {
        missing("it needs cgroups that it may write to");
        return;
    };
    let sleep = ["sleep", "86400"].map(str::to_owned);
    let [web, db] = ["web", "db"].map(|name| {
        let mut command = in_cgroups(&real.below(&id(name)), &sleep);
        command.stdin(Stdio::null());
        (name, Process::spawn_group(&mut command))
    });
    let pid = |process: &Process| process.pid().as_raw_nonzero().get().cast_unsigned();
    let known = [
        ("web", pid(&web.1)),
        ("db", pid(&db.1)),
        ("ended", 0),
        ("gone", u32::MAX >> 1),
    ];
    for (name, process) in [&web, &db] {
        let inside = || {
            let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", process.pid())).ok()?;
            cgroup.contains(&id(name)).then_some(())
        };
        crate::support::wait::until("the container runs", inside);
    }
    let fake = Fake::with(move |request, stream| {
        let named =
            |(name, _): &&(&str, u32)| request.target() == format!("/containers/{}/json", id(name));
        let answer = match (is_own(request), known.iter().find(named)) {
            (false, _) => respond("200 OK", "OK"),
            (true, Some((name, pid))) => respond("200 OK", &description(name, *pid).to_string()),
            (true, None) => respond("404 Not Found", r#"{"message":"none"}"#),
        };
        stream.write_all(&answer).is_ok()
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doxy.sock");
    let bind = ListenConfig::Unix(UnixListenConfig {
        path: path.clone(),
        mode: 0o600,
        owner: None,
        group: None,
    });
    let upstream = Upstream::new(
        UpstreamAddr::Unix(fake.path().to_owned()),
        Duration::from_secs(1),
    );
    let policy = Policy::new(RuleSet::embedded().unwrap());
    let mut service = Service::new("door", policy, upstream);
    service.peers.containers = vec![ContainerRule::Name("web".to_owned())];
    let _doxy = Doxy::serving(bind, service, Duration::ZERO);

    let (not_its_own, none) = ("is not that container's", "in no container of this engine");
    let first = |cgroups: Vec<PathBuf>| cgroups.into_iter().take(1).collect::<Vec<_>>();
    let exe = std::env::current_exe().expect("this program");
    for (what, cgroups, words) in [
        ("the container", real.below(&id("web")), ""),
        ("below it", real.below(&format!("{}/sub", id("web"))), ""),
        // Named like another one, by the container: the outermost counts.
        (
            "a container's own name",
            real.below(&format!("{}/{}", id("web"), id("db"))),
            "",
        ),
        (
            "that of another",
            real.below(&id("db")),
            "container db may not use this socket",
        ),
        (
            "the other's, named like it",
            real.below(&format!("{}/{}", id("db"), id("web"))),
            "container db may",
        ),
        (
            "a made one of its name",
            made.below(&id("web")),
            not_its_own,
        ),
        (
            "a made one of a scope's name",
            made.below(&format!("docker-{}.scope", id("web"))),
            not_its_own,
        ),
        (
            "one hierarchy of several",
            first(real.below(&id("web"))),
            if mounts().len() > 1 { not_its_own } else { "" },
        ),
        ("one that does not run", real.below(&id("ended")), none),
        (
            "one whose process is not there",
            real.below(&id("gone")),
            not_its_own,
        ),
        (
            "one that the engine does not know",
            made.below(&id("nobody")),
            none,
        ),
        ("none", vec![], none),
    ] {
        let (status, message) = answered(&mut in_cgroups(&cgroups, &call(&exe, &path)));
        let expected = if words.is_empty() { 200 } else { 403 };
        assert_eq!(status, expected, "{what}: {message}");
        assert!(message.contains(words), "{what}: {message}");
    }
    drop((web, db));
}
