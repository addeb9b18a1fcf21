//! `scripts/own-containers.rhai`, a real engine, and a user with a shell on its host: what the user tries to become root.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::owners::{Name, Users, image_with};
use super::policy::{USER, as_user, docker_as};
use super::{docker_ok, run};
use crate::support::Client;
use crate::support::files::short_folder;
use crate::support::process::Ended;

/// With the user of the caller in a container, the shell on the host gets at the container's files: an image or a copy with
/// a device in it would do. With a user that is nobody on the host, it does not.
#[test]
fn a_shell_on_the_host_does_not_get_into_containers() {
    let Some(users) = Users::find() else { return };
    let name = Name::new(&users, USER);
    let own = USER.to_string();
    let ids = format!("{own}:{own}");
    let look = |container: &str| -> Option<Ended> {
        let process = process_of(&users.id(container));
        // An engine elsewhere has other processes.
        assert!(process.is_some() || !users.engine.private, "{container}");
        let root = process?.join("root/bin/busybox");
        Some(run(as_user(Command::new("test").arg("-e").arg(root), USER)))
    };
    // That is the attack, where the policy does not stand in the way.
    let mine = users.engine.running(
        &users.image,
        &["--user", &ids, "--cap-drop", "ALL"],
        &["sleep", "86400"],
    );
    if let Some(ended) = look(&mine.name) {
        assert!(
            ended.success(),
            "/proc/PID/root of one's own process: {ended}"
        );
    }
    let sleep = ["sleep", "86400"];
    users
        .doxy
        .user_ok(&users.args("run", &name, &["-d"], &sleep));
    if let Some(ended) = look(&name.text) {
        assert!(!ended.success(), "/proc/PID/root of nobody's process");
    }
    // No devices, made by anyone in there, and no way back to root.
    for command in [
        &["busybox", "mknod", "/dev/shm/disk", "b", "7", "0"][..],
        &["busybox", "chown", "0:0", "/dev/shm"],
        &["busybox", "mount", "-t", "tmpfs", "x", "/dev/shm"],
    ] {
        let ended = docker_as(
            USER,
            &users.socket(),
            &[&["exec", &name.text][..], command].concat(),
        );
        assert!(!ended.success(), "{command:?}: {ended}");
    }
    let status = users.doxy.user_ok(&[
        "exec",
        &name.text,
        "busybox",
        "grep",
        "-E",
        "NoNewPrivs|CapBnd|Groups",
        "/proc/self/status",
    ]);
    let words: Vec<_> = status.split_whitespace().collect();
    let expected = [
        "Groups:",
        "2100054321",
        "CapBnd:",
        "0000000000000000",
        "NoNewPrivs:",
        "1",
    ];
    // The runtime of 20.10 lists no group at all.
    assert!(
        words == expected || words == [&expected[..1], &expected[2..]].concat(),
        "{status}"
    );
}

/// The folder in `/proc` of a process of this container. Every user can find it.
pub(super) fn process_of(id: &str) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc").expect("read /proc");
    let mut folders = processes.filter_map(|entry| Some(entry.ok()?.path()));
    folders.find(|folder| {
        let cgroup = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
        cgroup.contains(id)
    })
}

/// Each way in which files, rights or places of others come into a container.
#[test]
fn a_shell_on_the_host_gets_nothing_into_containers() {
    let Some(users) = Users::find() else { return };
    let name = Name::new(&users, USER);
    let running = Name::new(&users, USER);
    users
        .doxy
        .user_ok(&users.args("run", &running, &["-d"], &["sleep", "86400"]));
    let container = &*running.text;
    for (more, reason) in [
        (&["-v", "/:/h"][..], "HostConfig.Binds"),
        (&["-v", "/tmp:/h:nosuid"], "HostConfig.Binds"),
        (&["-v", "shared:/h"], "HostConfig.Binds"),
        (&["--mount", "type=bind,src=/,dst=/h"], "HostConfig.Mounts"),
        (
            &["--mount", "type=volume,src=v,dst=/h"],
            "HostConfig.Mounts",
        ),
        (&["--volumes-from", container], "HostConfig.VolumesFrom"),
        (&["--cap-add", "MKNOD"], "HostConfig.CapAdd"),
        (&["--device", "/dev/null"], "HostConfig.Devices"),
        (&["--privileged"], "HostConfig.Privileged"),
        (&["--pid", "host"], "HostConfig.PidMode"),
        (
            &["--pid", &format!("container:{container}")],
            "HostConfig.PidMode",
        ),
        (
            &["--ipc", &format!("container:{container}")],
            "HostConfig.IpcMode",
        ),
        (&["--userns", "host"], "HostConfig.UsernsMode"),
        (&["--group-add", "999"], "HostConfig.GroupAdd"),
        (
            &["--security-opt", "seccomp=unconfined"],
            "no-new-privileges and no other",
        ),
        (
            &["--security-opt", "no-new-privileges=false"],
            "no-new-privileges and no other",
        ),
        (&["--network", "host"], "--network may be"),
        (
            &["--network", &format!("container:{container}")],
            "--network may be",
        ),
        (&["--user", "0:0"], "needs --user 2100054321:2100054321 "),
        (&["--user", "2100054321"], "needs --user"),
        (&["--user", "1000:1000"], "needs --user"),
        // The stranger's.
        (&["--user", "2100054322:2100054322"], "needs --user"),
        (&["--name", "0a0a0a0a0a0a"], "needs --name u54321-"),
        (&["--label", "traefik.enable=true"], "and no other"),
        (&["--stop-timeout", "100000"], "seconds to stop"),
    ] {
        let last = more[0] == "--network";
        let args = users.args("create", &name, more, &["true"]);
        // `--network` twice is two networks: the one in question alone.
        let without: Vec<_> = args
            .iter()
            .enumerate()
            .filter(|(at, _)| !last || !(5..7).contains(at))
            .map(|(_, word)| *word)
            .collect();
        users.doxy.user_denied(&without, reason);
    }
    // A device in a tar: the engine would make it, as root.
    let folder = short_folder();
    let node = folder.path().join("disk");
    let made = run(Command::new("mknod").arg(&node).args(["b", "7", "0"]));
    assert!(made.success(), "mknod: {made}");
    let tar = folder.path().join("disk.tar");
    let packed = run(Command::new("tar")
        .arg("-C")
        .arg(folder.path())
        .arg("-cf")
        .arg(&tar)
        .arg("disk"));
    assert!(packed.success(), "tar: {packed}");
    for path in [folder.path(), &tar] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, mode).expect("chmod");
    }
    let tar = tar.to_str().expect("a path in UTF-8");
    for (args, reason) in [
        (
            &["cp", tar, &format!("{container}:/dev/shm")][..],
            "pipe it in",
        ),
        (&["load", "-i", tar], "POST /images/load is not allowed"),
        (&["import", tar, "x"], "`fromSrc` is not allowed"),
        (&["commit", container, "x"], "POST /commit is not allowed"),
        (&["tag", &users.image.name, "x"], "is not allowed"),
        (
            &["exec", "-u", "0", container, "true"],
            "`User` is not allowed",
        ),
        (
            &["exec", "--privileged", container, "true"],
            "`Privileged` is not allowed",
        ),
        (&["rename", container, "0a0a0a0a0a0a"], "is not allowed"),
        (
            &["update", "--restart", "always", container],
            "is not allowed",
        ),
        (
            &["network", "connect", "bridge", container],
            "is not allowed",
        ),
        (&["stop", "-t", "100000", container], "seconds to stop"),
    ] {
        users.doxy.user_denied(args, reason);
    }
    for target in [
        "/images/json?manifests=1",
        "/build?remote=http://127.0.0.1/x",
    ] {
        let method = if target.starts_with("/build") {
            "POST"
        } else {
            "GET"
        };
        let reply = Client::connect(&users.socket())
            .ask(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(reply.status(), 403, "{target}");
    }
    let label = format!("LABEL doxy.owner={USER}");
    for (change, reason) in [
        (&*label, "the image has the label doxy.owner"),
        ("ENV NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_ variables"),
        ("VOLUME /dev", "may lie at /dev"),
        ("VOLUME //proc/sys/", "may lie at "),
        ("VOLUME dev", "may lie at dev"),
    ] {
        let image = image_with(&users.engine, &users.image, change);
        let mut args = users.args("create", &name, &[], &[]);
        *args.last_mut().expect("the image") = &image.name;
        users.doxy.user_denied(&args, reason);
        // The tag moved between the lookup and the create.
        docker_ok(&users.engine.socket, &args);
        let start = ["start", &name.text];
        if change == label {
            users.doxy.user_denied(&start, "No such container");
        } else {
            users.doxy.user_denied(&start, reason);
        }
        docker_ok(&users.engine.socket, ["rm", "-v", &name.text]);
    }
}
