//! `scripts/ci-runner.rhai` and a real engine: what a CI job does, as a user of this machine with nothing but
//! the docker CLI, and what it must not get at.

use std::path::PathBuf;

use super::policy::{USER, docker_as, edited};
use super::real::{self, Engine, Made};
use super::{docker, docker_ok, unique};
use crate::support::Binary;

/// What every container of a job is created with.
const HARMLESS: [&str; 10] = [
    "--label",
    "doxy.owner=ci",
    "--network",
    "none",
    "--user",
    "2100000000:2100000000",
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
        let engine = real::engine()?;
        let image = engine.image();
        let constants = [
            ("REGISTRY", r#""docker.io""#),
            ("IMAGE_LABELS", r#"["doxy.test"]"#),
        ];
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
    // What is missing is named.
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
