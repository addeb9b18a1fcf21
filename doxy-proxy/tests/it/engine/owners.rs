//! `scripts/own-containers.rhai` and a real engine: two users of this machine with the docker CLI, each with containers
//! of their own.

use std::path::{Path, PathBuf};

use super::policy::{USER, docker_as, edited};
use super::real::{self, Engine, Made};
use super::{docker, docker_ok, unique};
use crate::support::{Binary, Client, Need, needs};

/// Another user.
const STRANGER: u32 = USER + 1;

/// What every container has to be created with, besides its user.
const HARMLESS: [&str; 6] = [
    "--network",
    "none",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
];

pub(super) struct Users {
    pub(super) engine: Engine,
    pub(super) image: Made,
    pub(super) doxy: Binary,
}

impl Users {
    /// None if there is no engine, or if this is not root; the reason has been printed.
    #[track_caller]
    pub(super) fn find() -> Option<Self> {
        if !needs(Need::Root) {
            return None;
        }
        let engine = real::engine()?;
        let image = engine.image();
        // The tests' images have this label.
        let constants = [("IMAGE_LABELS", r#"["doxy.test"]"#)];
        let doxy = engine.judged_by(&edited("own-containers.rhai", &constants));
        Some(Self {
            engine,
            image,
            doxy,
        })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.doxy.socket()
    }

    /// A `docker run` or `create` with what every container needs, and more.
    pub(super) fn args<'a>(
        &'a self,
        verb: &'a str,
        name: &'a Name,
        more: &[&'a str],
        command: &[&'a str],
    ) -> Vec<&'a str> {
        let parts = [
            &[verb, "--name", &name.text, "--label", &name.label][..],
            &HARMLESS,
            &["--user", &name.user],
            more,
            &[&self.image.name],
            command,
        ];
        parts.concat()
    }

    #[track_caller]
    pub(super) fn id(&self, name: &str) -> String {
        docker_ok(&self.engine.socket, ["inspect", "-f", "{{.Id}}", name])
    }
}

/// A name for a container of a user's. The container is removed when this is dropped, whatever became of it.
pub(super) struct Name {
    pub(super) text: String,
    label: String,
    /// The user of the container, which belongs to the user of this machine.
    user: String,
    engine: PathBuf,
}

impl Name {
    pub(super) fn new(users: &Users, uid: u32) -> Self {
        let inside = 2_100_000_000 + uid;
        Self {
            user: format!("{inside}:{inside}"),
            text: format!("u{uid}-{}", unique()),
            label: format!("doxy.owner={uid}"),
            engine: users.engine.socket.clone(),
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = docker(&self.engine, ["rm", "-f", "-v", &self.text]);
    }
}

#[test]
fn a_user_runs_containers() {
    let Some(users) = Users::find() else { return };
    let name = Name::new(&users, USER);
    let who = ["sh", "-c", "exec busybox id -u"];
    assert_eq!(
        users
            .doxy
            .user_ok(&users.args("run", &name, &["--rm"], &who)),
        "2100054321"
    );

    let script = "echo hello; exec sleep 86400";
    let id = users
        .doxy
        .user_ok(&users.args("run", &name, &["-d"], &["sh", "-c", script]));
    for own in [&*name.text, &*id, &id[..12], &id[..6]] {
        assert_eq!(users.doxy.user_ok(&["logs", own]), "hello");
        assert_eq!(
            users.doxy.user_ok(&["exec", own, "echo", "inside"]),
            "inside"
        );
        assert_eq!(users.doxy.user_ok(&["inspect", "-f", "{{.Id}}", own]), id);
        let archive = users.doxy.user_ok(&["cp", &format!("{own}:/bin/sh"), "-"]);
        assert!(archive.starts_with("sh"), "a tar of bin/sh: {archive}");
    }
    let filter = format!("label={}", name.label);
    let listed = users
        .doxy
        .user_ok(&["ps", "-a", "-q", "--no-trunc", "--filter", &filter]);
    assert!(listed.lines().any(|line| line == id), "{listed}");
    users
        .doxy
        .user_denied(&["ps", "-a"], "--filter label=doxy.owner=");
    users.doxy.user_denied(
        &["pull", &users.image.name],
        "is here, and a pull could change",
    );
    users.doxy.user_ok(&["stop", "-t", "0", &name.text]);
    users.doxy.user_ok(&["rm", &id[..12]]);

    let id = users
        .doxy
        .user_ok(&users.args("create", &name, &[], &["echo", "attached"]));
    assert_eq!(users.doxy.user_ok(&["start", "-a", &id]), "attached");
    assert_eq!(users.doxy.user_ok(&["start", "-a", &name.text]), "attached");
    users.doxy.user_ok(&["rm", "-f", &name.text]);
}

/// Neither the other user's, nor the administrator's, nor what only looks like the user's own.
#[test]
fn a_stranger_s_container_is_not_there() {
    let Some(users) = Users::find() else { return };
    let engine = &users.engine;
    let theirs = Name::new(&users, STRANGER);
    let sleep = ["sleep", "86400"];
    let made = docker_as(
        STRANGER,
        &users.socket(),
        &users.args("run", &theirs, &["-d"], &sleep),
    );
    assert!(made.success(), "the stranger's container: {made}");
    let label = format!("LABEL doxy.owner={USER}");
    let by_image = Name::new(&users, USER);
    let labelled = image_with(engine, &users.image, &label);
    let run = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        &by_image.text,
        &labelled.name,
    ];
    docker_ok(&engine.socket, run.iter().chain(&sleep));
    let admins = engine.running(&users.image, &[], &sleep);
    let label = format!("doxy.owner={USER}");
    let named = engine.running(&users.image, &["-l", &label], &sleep);

    for theirs in [&*theirs.text, &by_image.text, &admins.name, &named.name] {
        let id = users.id(theirs);
        let before = docker_ok(&engine.socket, ["inspect", theirs]);
        for name in [theirs, &*id, &id[..12], &id[..6]] {
            // As for one that does not exist.
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
                &["inspect", "--type", "container", name],
            ] {
                let ended = docker_as(USER, &users.socket(), args);
                // `docker rm -f` of what is not there is no failure, and `inspect` has words of its own.
                let said = ended.stderr.contains(&nothing)
                    || ended.stderr.contains(&format!("container: {name}"));
                assert!(said, "docker {args:?}: {ended}");
            }
        }
        assert_eq!(docker_ok(&engine.socket, ["inspect", theirs]), before);
    }
    let exec = exec_of(&engine.socket, &theirs.text);
    for (name, words) in [(&*exec, &*exec), ("0a0a0a0a", "0a0a0a0a")] {
        let start = post(&format!("/exec/{name}/start"), r#"{"Detach":true}"#);
        let reply = Client::connect(&users.socket()).ask(start);
        let words = format!("No such exec instance: {words}");
        assert_eq!((reply.status(), reply.message()), (404, words));
    }
}

/// How many strangers' ids begin with a text is nobody's business.
#[test]
fn the_beginning_of_strangers_ids_is_not_there() {
    let Some(users) = Users::find() else { return };
    let mut firsts = std::collections::HashSet::new();
    // There are 16 digits, so two of 17 ids begin with the same one.
    let mut made = Vec::new();
    while firsts.len() == made.len() {
        let container = users.engine.container(&users.image);
        firsts.insert(users.id(&container.name).remove(0));
        made.push(container);
    }
    for digit in "0123456789abcdef".chars() {
        for (line, none) in [
            (
                format!("GET /containers/{digit}/json"),
                "No such container: ",
            ),
            (format!("DELETE /containers/{digit}"), "No such container: "),
            (
                format!("GET /containers/{digit}/logs?stdout=1"),
                "No such container: ",
            ),
        ] {
            // As root, who has no container of its own here.
            let ask = format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n");
            let reply = Client::connect(&users.socket()).ask(ask);
            let said = (reply.status(), reply.message());
            assert_eq!(said, (404, format!("{none}{digit}")), "{line}");
        }
    }
}

#[track_caller]
fn exec_of(engine: &Path, container: &str) -> String {
    let ask = post(
        &format!("/containers/{container}/exec"),
        r#"{"Cmd":["true"]}"#,
    );
    let reply = Client::connect(engine).ask(ask);
    let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    json["Id"].as_str().expect("an id").to_owned()
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The image with one more instruction of a Dockerfile.
#[track_caller]
pub(super) fn image_with(engine: &Engine, image: &Made, change: &str) -> Made {
    let from = engine.running(image, &[], &["sleep", "86400"]);
    let made = engine.tag(image);
    docker_ok(
        &engine.socket,
        ["commit", "-c", change, &*from.name, &*made.name],
    );
    made
}
