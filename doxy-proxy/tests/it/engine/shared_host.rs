//! `scripts/no-privileged.rhai` and a real engine: a user with a shell on this machine runs containers, and
//! tries to become root with them.

use std::path::PathBuf;
use std::process::Command;

use super::policy::{USER, as_user, docker_as, edited};
use super::real::{self, Engine, Made};
use super::{docker, docker_ok, run, unique};
use crate::support::process::Ended;
use crate::support::{Binary, wait};

/// What every container is created with.
const HARMLESS: [&str; 8] = [
    "--network",
    "none",
    "--user",
    "2100000000:2100000000",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
];

/// A user of this machine, and a name for one container.
struct Shell {
    engine: Engine,
    image: Made,
    doxy: Binary,
    name: String,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = docker(&self.engine.socket, ["rm", "-f", "-v", &self.name]);
        let _ = docker(&self.engine.socket, ["volume", "rm", "-f", &self.name]);
    }
}

impl Shell {
    /// None if there is no engine; the reason has been printed.
    #[track_caller]
    fn find() -> Option<Self> {
        let engine = real::engine()?;
        let constants = [("IMAGE_LABELS", r#"["doxy.test"]"#)];
        Some(Self {
            image: engine.image(),
            doxy: engine.judged_by(&edited("no-privileged.rhai", &constants)),
            name: format!("team-{}", unique()),
            engine,
        })
    }

    fn socket(&self) -> PathBuf {
        self.doxy.socket()
    }

    #[track_caller]
    fn docker(&self, args: &[&str]) -> Ended {
        docker_as(USER, &self.socket(), args)
    }

    /// A container that is harmless but for these options.
    fn args<'a>(&'a self, verb: &'a str, more: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
        let parts = [
            &[verb, "--name", &*self.name][..],
            &HARMLESS,
            more,
            &[&*self.image.name],
            command,
        ];
        parts.concat()
    }
}

#[test]
fn people_run_their_containers() {
    let Some(shell) = Shell::find() else { return };
    let name = &*shell.name;
    assert_eq!(
        shell
            .doxy
            .user_ok(&shell.args("run", &["--rm"], &["echo", "run"])),
        "run"
    );
    let volume = format!("{name}:/data");
    let id = shell.doxy.user_ok(&shell.args(
        "run",
        &["-d", "-v", &volume],
        &["sh", "-c", "echo hello; exec sleep 86400"],
    ));
    for own in [name, &*id, &id[..12]] {
        assert_eq!(shell.doxy.user_ok(&["logs", own]), "hello");
        assert_eq!(
            shell.doxy.user_ok(&["exec", own, "echo", "inside"]),
            "inside"
        );
        assert_eq!(shell.doxy.user_ok(&["inspect", "-f", "{{.Id}}", own]), id);
    }
    shell.doxy.user_ok(&["restart", "-t", "0", &id[..12]]);
    shell.doxy.user_ok(&["rm", "-f", name]);
    shell.doxy.user_ok(&["volume", "rm", name]);
    shell
        .doxy
        .user_ok(&shell.args("create", &[], &["echo", "attached"]));
    assert_eq!(shell.doxy.user_ok(&["start", "-a", name]), "attached");
}

#[test]
fn containers_of_others_are_not_there() {
    let Some(shell) = Shell::find() else { return };
    let engine = &shell.engine;
    let other = engine.running(&shell.image, &[], &["sleep", "86400"]);
    let id = docker_ok(&engine.socket, ["inspect", "-f", "{{.Id}}", &*other.name]);
    let before = docker_ok(&engine.socket, ["inspect", &*other.name]);
    for name in [&*other.name, &*id, &id[..12], &id[..5]] {
        for args in [
            &["logs", name][..],
            &["exec", name, "true"],
            &["rm", "-f", name],
            &["stop", "-t", "0", name],
            &["kill", name],
            &["pause", name],
            &["attach", "--no-stdin", name],
            &["start", name],
        ] {
            // `docker rm -f` of what is not there is no failure.
            let ended = shell.docker(args);
            let nothing = format!("No such container: {name}");
            assert!(ended.stderr.contains(&nothing), "docker {args:?}: {ended}");
        }
    }
    assert_eq!(docker_ok(&engine.socket, ["inspect", &*other.name]), before);
}

/// The ways to root that need root in a container, or files that the engine makes.
#[test]
fn nothing_brings_root_or_its_files_into_a_container() {
    let Some(shell) = Shell::find() else { return };
    let name = &*shell.name;
    let folder = tempfile::tempdir().expect("a folder");
    let bind = format!("{}:/shared", folder.path().display());
    let run = |without: &str, more: &[&str], reason: &str| {
        let at = HARMLESS.iter().position(|option| *option == without);
        let mut options = HARMLESS.to_vec();
        if let Some(at) = at {
            options.drain(at..at + 2);
        }
        let parts = [
            &["run", "--rm", "--name", name][..],
            &options,
            more,
            &[&*shell.image.name, "true"],
        ];
        shell.doxy.user_denied(&parts.concat(), reason);
    };
    // mknod, and a descriptor for root in the container: it is not root and has no capability.
    run("--user", &[], "a container needs --user");
    for user in [
        "0",
        "0:0",
        "2100000000",
        "2100000000:0",
        "54321:54321",
        "root",
    ] {
        run("--user", &["--user", user], "a container needs --user");
    }
    run("--cap-drop", &[], "a container needs --user");
    run(
        "--cap-drop",
        &["--cap-drop", "MKNOD"],
        "a container needs --user",
    );
    run("", &["--cap-add", "MKNOD"], "may not set CapAdd");
    run("--security-opt", &[], "a container needs --user");
    run(
        "",
        &["--security-opt", "seccomp=unconfined"],
        "no-new-privileges and no other",
    );
    run("", &["--privileged"], "may not set");
    // A setuid file or a socket in a shared folder.
    run("", &["-v", &bind], "paths of the host may not be mounted");
    run(
        "",
        &[
            "--mount",
            &format!("type=bind,src={},dst=/x", folder.path().display()),
        ],
        "Mounts of type bind",
    );
    run("", &["--pid", "host"], "may not set");
    run("", &["--group-add", "0"], "may not set GroupAdd");

    shell
        .doxy
        .user_ok(&shell.args("run", &["-d"], &["sleep", "86400"]));
    shell.doxy.user_denied(
        &["exec", "-u", "0", name, "true"],
        "an exec may not set User",
    );
    shell.doxy.user_denied(
        &["exec", "--privileged", name, "true"],
        "an exec may not set Privileged",
    );
    // Files that the engine makes as root.
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("write a file");
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("open the folder");
    let file = file.to_str().expect("UTF-8");
    shell.doxy.user_denied(
        &["cp", file, &format!("{name}:/file")],
        "nothing is copied into",
    );
    for args in [
        &["import", file, "busybox:mine"][..],
        &["load", "-i", file],
        &["commit", name, "busybox:mine"],
        &["rename", name, "team-other"],
        &["update", "--restart", "always", name],
    ] {
        shell.doxy.user_denied(args, "is not allowed");
    }
    // Who runs there is who was demanded: no setuid file helps, and no capability is left.
    let status = shell
        .doxy
        .user_ok(&["exec", name, "cat", "/proc/self/status"]);
    for line in [
        "Uid:\t2100000000\t2100000000\t2100000000\t2100000000",
        "NoNewPrivs:\t1",
        "CapBnd:\t0000000000000000",
        "Groups:\t",
    ] {
        assert!(
            status
                .lines()
                .any(|said| said.trim_end() == line.trim_end() || said.starts_with(line)),
            "{line}: {status}"
        );
    }
}

/// Else the next `docker run` of the administrator would run what the user chose.
#[test]
fn an_image_keeps_its_name() {
    let Some(shell) = Shell::find() else { return };
    let engine = &shell.engine.socket;
    let name = &*shell.image.name;
    let id = docker_ok(engine, ["inspect", "-f", "{{.Id}}", name]);
    let running = shell.engine.running(&shell.image, &[], &["sleep", "86400"]);
    for (args, reason) in [
        (&["pull", name][..], "is here, and a pull could change"),
        (&["rmi", name], "is not allowed"),
        (&["rmi", "-f", name], "is not allowed"),
        (&["rmi", &id], "is not allowed"),
    ] {
        shell.doxy.user_denied(args, reason);
    }
    assert_eq!(docker_ok(engine, ["inspect", "-f", "{{.Id}}", name]), id);
    drop(running);
    // A name that is not here, and a digest: the engine is asked, and finds no such image.
    let digest = format!("{}@{id}", name.split(':').next().expect("a name"));
    for missing in [&*format!("{name}-not"), &*digest] {
        let ended = shell.docker(&["pull", missing]);
        assert!(!ended.success(), "{ended}");
        for ours in ["is here", "pull one tag", "not allowed"] {
            assert!(!ended.stderr.contains(ours), "{missing}: {ended}");
        }
    }
}

/// `/proc/PID/root` of a container is open to whoever runs as its user, and to nobody else.
#[test]
fn a_shell_does_not_get_at_the_files_of_a_container() {
    let Some(shell) = Shell::find() else { return };
    let look = |mark: &str| {
        let pid = pid_of(mark);
        run(as_user(
            Command::new("ls").arg(format!("/proc/{pid}/root/bin")),
            USER,
        ))
    };
    let mark = &*format!("{}", 70_000_000 + std::process::id());
    shell
        .doxy
        .user_ok(&shell.args("run", &["-d"], &["sleep", mark]));
    let seen = look(mark);
    assert!(
        !seen.success() && seen.stderr.contains("Permission denied"),
        "{seen}"
    );
    // With the user's own number, as the policy denies it, it is open: so the test can fail.
    let mark = &*format!("{}", 80_000_000 + std::process::id());
    let user = format!("{USER}:{USER}");
    let _own = shell
        .engine
        .running(&shell.image, &["--user", &user], &["sleep", mark]);
    let seen = look(mark);
    assert!(seen.success() && seen.stdout.contains("busybox"), "{seen}");
}

/// The process that has this for its last argument. A container that has started may not be there yet.
#[track_caller]
pub(super) fn pid_of(mark: &str) -> u32 {
    let end = format!("sleep\0{mark}\0");
    wait::until(&format!("a process `sleep {mark}`"), || {
        let processes = std::fs::read_dir("/proc").expect("/proc");
        processes.filter_map(Result::ok).find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            (line == end).then_some(pid)
        })
    })
}
