//! `scripts/ci-runner.rhai` and a real engine: what a CI job does, as a user of this machine with nothing but
//! the docker CLI, and what it must not get at.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::host_shell::process_of;
use super::policy::{USER, as_user, docker_as, edited};
use super::real::{self, Engine, Made};
use super::{docker, docker_ok, run, unique};
use crate::support::Binary;
use crate::support::files::{chmod, short_folder};
use crate::support::needs::missing;

/// What every container of a job is created with.
const HARMLESS: [&str; 10] = [
    "--label",
    "doxy.owner=ci",
    "--network",
    "none",
    "--user",
    "2100000001:2100000001",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
];

struct Jobs {
    engine: Engine,
    image: Made,
    doxy: Binary,
}

impl Jobs {
    /// None if there is no engine; the reason has been printed.
    #[track_caller]
    fn find() -> Option<Self> {
        Self::with(&[])
    }

    /// The same with other constants at the top of the policy.
    #[track_caller]
    fn with(more: &[(&str, &str)]) -> Option<Self> {
        let engine = real::engine()?;
        let image = engine.image();
        let constants = [
            ("REGISTRY", r#""docker.io""#),
            ("IMAGE_LABELS", r#"["doxy.test"]"#),
        ];
        let constants = [&constants, more].concat();
        let doxy = engine.judged_by(&edited("ci-runner.rhai", &constants));
        Some(Self {
            engine,
            image,
            doxy,
        })
    }

    fn socket(&self) -> PathBuf {
        self.doxy.socket()
    }

    /// A `docker run` or `create` with what every container needs, and more.
    fn args<'a>(
        &'a self,
        verb: &'a str,
        name: &'a str,
        more: &[&'a str],
        command: &[&'a str],
    ) -> Vec<&'a str> {
        let parts = [
            &[verb, "--name", name][..],
            &HARMLESS,
            more,
            &[&self.image.name],
            command,
        ];
        parts.concat()
    }
}

impl Jobs {
    /// A `docker run` of a container that waits, as this user.
    fn waiting<'a>(&'a self, name: &'a str, user: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let more = [&["-d"], more].concat();
        let mut args = self.args("run", name, &more, &["sleep", "86400"]);
        let at = args.iter().position(|word| *word == "--user");
        args[at.expect("in the line") + 1] = user;
        args
    }
}

/// Removes a container of a job, whatever became of it.
struct Leftover<'jobs>(&'jobs Jobs, String);

impl Drop for Leftover<'_> {
    fn drop(&mut self) {
        let _ = docker(&self.0.engine.socket, ["rm", "-f", "-v", &self.1]);
    }
}

#[test]
fn a_job_runs_its_containers() {
    let Some(jobs) = Jobs::find() else { return };
    let name = format!("job-{}", unique());
    let left = Leftover(&jobs, name.clone());
    assert_eq!(
        jobs.doxy
            .user_ok(&jobs.args("run", &name, &["--rm"], &["echo", "built"])),
        "built"
    );

    let script = "echo hello; echo made >/tmp.txt 2>/dev/null || true; exec sleep 86400";
    let id = jobs
        .doxy
        .user_ok(&jobs.args("run", &name, &["-d"], &["sh", "-c", script]));
    // By name, by id, by the beginning of an id.
    for own in [&*name, &*id, &id[..12]] {
        assert_eq!(jobs.doxy.user_ok(&["logs", own]), "hello");
        assert_eq!(
            jobs.doxy.user_ok(&["exec", own, "echo", "inside"]),
            "inside"
        );
        assert_eq!(jobs.doxy.user_ok(&["inspect", "-f", "{{.Id}}", own]), id);
        let archive = jobs.doxy.user_ok(&["cp", &format!("{own}:/bin/sh"), "-"]);
        assert!(archive.starts_with("sh"), "a tar of bin/sh: {archive}");
    }
    jobs.doxy.user_ok(&["stop", "-t", "0", &name]);
    jobs.doxy.user_ok(&["rm", &id[..12]]);

    let id = jobs
        .doxy
        .user_ok(&jobs.args("create", &name, &[], &["echo", "attached"]));
    assert_eq!(jobs.doxy.user_ok(&["start", "-a", &id]), "attached");
    assert_eq!(jobs.doxy.user_ok(&["start", "-a", &name]), "attached");
    jobs.doxy.user_ok(&["rm", "-f", &name]);
    drop(left);
    // The whole line, and what is missing.
    jobs.doxy.user_denied(
        &["run", &jobs.image.name, "true"],
        "a job needs: docker run --name job-… --label doxy.owner=ci --network none --user 2100000001:2100000001 ",
    );
    jobs.doxy.user_denied(
        &[
            "run",
            "--name",
            &name,
            "-l",
            "doxy.owner=ci",
            "--network",
            "none",
            &jobs.image.name,
            "true",
        ],
        "a job needs --user",
    );
}

#[test]
fn a_stranger_s_container_is_not_there_for_a_job() {
    let Some(jobs) = Jobs::find() else { return };
    let engine = &jobs.engine;
    let labelled = LabelledImage::make(&jobs);
    let by_image = format!("job-{}", unique());
    let left = Leftover(&jobs, by_image.clone());
    docker_ok(
        &engine.socket,
        [
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            &by_image,
            &labelled.0.name,
            "sleep",
            "86400",
        ],
    );
    let other = engine.running(&jobs.image, &[], &["sleep", "86400"]);
    let named = engine.running(&jobs.image, &["-l", "doxy.owner=ci"], &["sleep", "86400"]);

    for theirs in [&*other.name, &*named.name, &*by_image] {
        let id = docker_ok(&engine.socket, ["inspect", "-f", "{{.Id}}", theirs]);
        let before = docker_ok(&engine.socket, ["inspect", theirs]);
        for name in [theirs, &*id, &id[..12], &id[..5]] {
            let nothing = format!("No such container: {name}");
            for args in [
                &["logs", name][..],
                &["exec", name, "true"],
                &["rm", "-f", name],
                &["stop", "-t", "0", name],
                &["kill", name],
                &["attach", "--no-stdin", name],
                &["cp", &format!("{name}:/bin/sh"), "-"],
                &["start", name],
            ] {
                // `docker rm -f` of what is not there is no failure.
                let ended = docker_as(USER, &jobs.socket(), args);
                assert!(ended.stderr.contains(&nothing), "docker {args:?}: {ended}");
            }
            jobs.doxy.user_denied(&["inspect", name], name);
        }
        assert_eq!(docker_ok(&engine.socket, ["inspect", theirs]), before);
    }
    // An exec that the administrator has made there, and not started.
    let exec = exec_of(engine, &other.name);
    let mut client = crate::support::Client::connect(&jobs.socket());
    let start = r#"{"Detach":true}"#;
    let reply = client.ask(format!(
        "POST /exec/{exec}/start HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{start}",
        start.len()
    ));
    assert_eq!(reply.status(), 404);
    assert_eq!(reply.message(), format!("No such exec instance: {exec}"));
    drop(left);
}

#[track_caller]
fn exec_of(engine: &Engine, container: &str) -> String {
    let body = r#"{"Cmd":["true"]}"#;
    let reply = crate::support::Client::connect(&engine.socket).ask(format!(
        "POST /containers/{container}/exec HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    json["Id"].as_str().expect("an id").to_owned()
}

/// An image with the label of the jobs.
struct LabelledImage(Made);

impl LabelledImage {
    #[track_caller]
    fn make(jobs: &Jobs) -> Self {
        let socket = &jobs.engine.socket;
        let from = jobs.engine.running(&jobs.image, &[], &["sleep", "86400"]);
        let made = jobs.engine.tag(&jobs.image);
        let id = docker_ok(
            socket,
            [
                "commit",
                "-c",
                "LABEL doxy.owner=ci",
                &*from.name,
                &*made.name,
            ],
        );
        assert!(id.starts_with("sha256:"));
        Self(made)
    }
}

#[test]
fn an_image_brings_no_label_and_has_a_name() {
    let Some(jobs) = Jobs::find() else { return };
    let name = format!("job-{}", unique());
    let _left = Leftover(&jobs, name.clone());
    let labelled = LabelledImage::make(&jobs);
    let run = |image: &str, reason: &str| {
        let parts = [
            &["run", "--rm", "--name", &*name][..],
            &HARMLESS,
            &[image, "true"],
        ];
        jobs.doxy.user_denied(&parts.concat(), reason);
    };
    run(&labelled.0.name, "the image has the label doxy.owner");
    // REGISTRY is docker.io here, and the beginning of an id looks like a name of docker.io.
    let id = docker_ok(
        &jobs.engine.socket,
        ["image", "inspect", "-f", "{{.Id}}", &*jobs.image.name],
    );
    let hex = id.strip_prefix("sha256:").expect("an id");
    for text in [&*id, hex, &hex[..12], &hex[..4]] {
        // The CLI writes `sha256:` in front of 64 digits.
        run(text, "images are named, not numbered");
    }
}

/// The user and the group of containers with folders.
const OF_FOLDERS: u32 = 2_100_000_000;

/// A folder is made as the head of the policy says, for a user of this machine who puts files into it. A container with
/// the folder can leave a setuid file there, and so this user becomes that of the container. That user is in the files of
/// all its containers, so those have trusted images. Without this, a device in another image would be the disk.
#[test]
fn a_setuid_file_in_a_folder_opens_no_container_without_folders() {
    let folder = short_folder();
    chmod(folder.path(), 0o755);
    let made = folder.path().join("17");
    std::fs::create_dir(&made).expect("make a folder");
    chown(&made, Some(USER), Some(OF_FOLDERS)).expect("chown");
    chmod(&made, 0o2770);
    let workspace = format!(
        "{:?}",
        format!("{}/[0-9]+", super::boxes::regex(folder.path()))
    );
    let constants = [
        ("WORKSPACE", &*workspace),
        ("FOLDER_IMAGES", r#"["docker.io/**"]"#),
    ];
    let Some(jobs) = Jobs::with(&constants) else {
        return;
    };
    let volume = format!("{}:/job", made.display());
    let (with, without) = (format!("job-{}", unique()), format!("job-{}", unique()));
    let _left = [&with, &without].map(|name| Leftover(&jobs, name.clone()));
    let folder_user = format!("{OF_FOLDERS}:{OF_FOLDERS}");
    let other_user = "2100000001:2100000001";
    let mount = format!("type=bind,src={},dst=/w", made.display());
    for (args, reason) in [
        (
            jobs.waiting(&without, &folder_user, &[]),
            "a job needs --user 2100000001:2100000001 ",
        ),
        (
            jobs.waiting(&with, other_user, &["-v", &volume]),
            "a job with folders needs --user 2100000000:2100000000 ",
        ),
        (
            jobs.waiting(&with, &folder_user, &["--mount", &mount]),
            "write -v FOLDER:PATH",
        ),
    ] {
        jobs.doxy.user_denied(&args, reason);
    }
    // The sources come in, and the results are there for whoever put them in.
    std::fs::copy("/usr/bin/test", made.join("source")).expect("copy a program");
    chown(made.join("source"), Some(USER), Some(USER)).expect("chown");
    let with_folder = jobs
        .doxy
        .user_ok(&jobs.waiting(&with, &folder_user, &["-v", &volume]));
    let script = "cp /job/source /job/setuid && chmod 6755 /job/setuid";
    jobs.doxy.user_ok(&["exec", &with, "sh", "-c", script]);
    let without_folder = jobs.doxy.user_ok(&jobs.waiting(&without, other_user, &[]));
    let look = |program: &Path, container: &str| {
        let process = process_of(container);
        // An engine elsewhere has other processes.
        assert!(process.is_some() || !jobs.engine.private, "{container}");
        let file = process?.join("root/bin/busybox");
        Some(run(as_user(Command::new(program).arg("-e").arg(file), USER)).success())
    };
    let setuid = made.join("setuid");
    if look(&setuid, &with_folder) == Some(false) {
        missing("a folder in /tmp with setuid programs");
        return;
    }
    for (program, container, opens) in [
        (&made.join("source"), &with_folder, false),
        (&setuid, &with_folder, true),
        (&setuid, &without_folder, false),
    ] {
        let opened = look(program, container);
        assert!(
            opened.is_none_or(|opened| opened == opens),
            "{program:?} {container}"
        );
    }
}
