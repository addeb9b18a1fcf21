//! `scripts/agent.rhai` and `scripts/sandbox.rhai`, a real engine, and an agent with nothing but the docker CLI.

use std::path::Path;

use super::policy::edited;
use super::real::{self, Engine, Made};
use super::{docker, docker_ok, unique};
use crate::support::files::short_folder;
use crate::support::{Binary, Need, needs};

struct Agent {
    engine: Engine,
    image: Made,
    doxy: Binary,
    /// The line that the policy's head shows, up to the image.
    line: Vec<String>,
    name: String,
}

impl Agent {
    /// With this policy, edited. None if there is no engine, or if this is not root; the reason has been printed.
    #[track_caller]
    fn find(policy: &str, constants: &[(&str, &str)]) -> Option<Self> {
        if !needs(Need::Root) {
            return None;
        }
        let engine = real::engine()?;
        let image = engine.image();
        let common = [
            ("IMAGES", r#"["docker.io/doxy-test/busybox"]"#),
            ("IMAGE_LABELS", r#"["doxy.test"]"#),
        ];
        let script = edited(policy, &[&common, constants].concat());
        let doxy = engine.judged_by(&script);
        let name = format!("{}-{}", policy.trim_end_matches(".rhai"), unique());
        Some(Self {
            engine,
            image,
            doxy,
            line: line(&script, &name),
            name,
        })
    }

    /// The line of the head with these options instead of `-d` and `--rm`, and this command.
    fn line<'a>(&'a self, verb: &'a str, more: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
        let line = self.line.iter().map(|word| &**word);
        let line = line.skip(1).filter(|word| !["-d", "--rm"].contains(word));
        let line: Vec<_> = line.collect();
        [&[verb], more, &line, &[&self.image.name], command].concat()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = docker(&self.engine.socket, ["rm", "-f", "-v", &self.name]);
    }
}

/// The words of the `docker run` at the top of a policy, from `run` to before the image, with this name.
fn line(script: &str, name: &str) -> Vec<String> {
    let (_, rest) = script
        .split_once("//     docker run ")
        .expect("a line to type");
    let mut text = String::from("run ");
    for row in rest.lines() {
        let row = row.trim_start_matches("//").trim();
        text.push_str(row.trim_end_matches('\\'));
        if !row.ends_with('\\') {
            break;
        }
    }
    let (options, _) = text.split_once("python:").expect("an image");
    let words: Vec<_> = options.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "--name");
    let at = at.expect("a name") + 1;
    let words = words.iter().enumerate();
    words
        .map(|(index, word)| if index == at { name } else { word }.to_owned())
        .collect()
}

#[test]
fn an_agent_works_in_its_box() {
    let Some(agent) = Agent::find("agent.rhai", &[]) else {
        return;
    };
    let name = &*agent.name;
    let run = agent.line(
        "run",
        &["-d"],
        &["sh", "-c", "echo hello; exec sleep 86400"],
    );
    let id = agent.doxy.user_ok(&run);
    for own in [name, &id, &id[..12], &id[..6]] {
        assert_eq!(agent.doxy.user_ok(&["logs", own]), "hello");
        assert_eq!(
            agent.doxy.user_ok(&["exec", own, "echo", "inside"]),
            "inside"
        );
        assert_eq!(
            agent
                .doxy
                .user_ok(&["exec", "-i", "-e", "A=b", own, "sh", "-c", "echo $A"]),
            "b"
        );
        let archive = agent.doxy.user_ok(&["cp", &format!("{own}:/bin/sh"), "-"]);
        assert!(archive.starts_with("sh"), "a tar of bin/sh: {archive}");
    }
    let listed = agent.doxy.user_ok(&[
        "ps",
        "-q",
        "--no-trunc",
        "--filter",
        "label=doxy.owner=agent",
    ]);
    assert!(listed.lines().any(|line| line == id), "{listed}");
    agent.doxy.user_ok(&["stop", "-t", "0", name]);
    agent.doxy.user_ok(&["rm", name]);
    agent
        .doxy
        .user_ok(&agent.line("create", &[], &["echo", "attached"]));
    assert_eq!(agent.doxy.user_ok(&["start", "-a", name]), "attached");
    agent.doxy.user_ok(&["rm", "-f", name]);
    assert_eq!(
        agent
            .doxy
            .user_ok(&agent.line("run", &["--rm"], &["echo", "gone"])),
        "gone"
    );
}

#[test]
fn an_agent_gets_nothing_else() {
    let Some(agent) = Agent::find("agent.rhai", &[]) else {
        return;
    };
    let name = &*agent.name;
    agent
        .doxy
        .user_ok(&agent.line("run", &["-d"], &["sleep", "86400"]));
    let other = agent.engine.running(&agent.image, &[], &["sleep", "86400"]);
    let id = docker_ok(
        &agent.engine.socket,
        ["inspect", "-f", "{{.Id}}", &*other.name],
    );
    for other in [&*other.name, &id, &id[..12]] {
        let nothing = format!("No such container: {other}");
        for args in [
            &["logs", other][..],
            &["exec", other, "true"],
            &["rm", other],
            &["cp", &format!("{other}:/bin/sh"), "-"],
        ] {
            agent.doxy.user_denied(args, &nothing);
        }
    }
    let inside = format!("{name}:/dev/shm");
    for (args, reason) in [
        (
            &["cp", "/etc/hostname", &inside][..],
            "nothing is copied into a box",
        ),
        (&["exec", "-u", "0", name, "true"], "`User` is not allowed"),
        (
            &["exec", "--privileged", name, "true"],
            "`Privileged` is not allowed",
        ),
        (&["commit", name, "x"], "POST /commit is not allowed"),
        (&["images"], "GET /images/json is not allowed"),
        (&["ps"], "--filter label=doxy.owner=agent"),
        (&["pull", "alpine"], "an agent pulls"),
    ] {
        agent.doxy.user_denied(args, reason);
    }
    for (more, reason) in [
        (&["-v", "/tmp:/h"][..], "a box has no folders of the host"),
        (&["--mount", "type=bind,src=/,dst=/h"], "HostConfig.Mounts"),
        (&["--pid", "host"], "HostConfig.PidMode"),
        (&["--cap-add", "MKNOD"], "HostConfig.CapAdd"),
        (&["--label", "com.docker.compose.project=x"], "no other"),
        (&["--memory-swap=-1"], "leave out --memory-swap"),
    ] {
        agent
            .doxy
            .user_denied(&agent.line("create", more, &["true"]), reason);
    }
    // What the line says last counts.
    for (word, value, reason) in [
        ("--user", "0:0", "a box needs --user"),
        ("--memory", "2g", "--memory"),
        ("--pids-limit", "0", "--pids-limit"),
        ("--network", "bridge", "--network"),
        ("--security-opt", "no-new-privileges=false", "and no other"),
        ("--name", "other", "--name agent-"),
    ] {
        let mut line = agent.line("create", &[], &["true"]);
        let at = line
            .iter()
            .position(|found| *found == word)
            .expect("in the line");
        line[at + 1] = value;
        agent.doxy.user_denied(&line, reason);
    }
}

/// An agent in a container may be root in its boxes, and have folders; files are copied into those without a folder.
#[test]
fn an_agent_without_a_shell_on_the_host_gets_more() {
    let folder = short_folder();
    let workspace = folder.path().join("box1");
    std::fs::create_dir(&workspace).expect("make a folder");
    let folders = format!("{:?}", format!("{}/[a-z0-9]+", regex(folder.path())));
    let constants = [("HOST_SHELL", "false"), ("FOLDERS", &*folders)];
    let Some(agent) = Agent::find("agent.rhai", &constants) else {
        return;
    };
    let name = &*agent.name;
    let as_root = |more: &[&str]| {
        let line = agent.line("run", &[&["-d"], more].concat(), &["sleep", "86400"]);
        let at = line
            .iter()
            .position(|word| *word == "--user")
            .expect("in the line");
        [&line[..at], &line[at + 2..]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |more: &[&str]| {
        let line = as_root(more);
        let line: Vec<_> = line.iter().map(|word| &**word).collect();
        agent.doxy.user_ok(&line);
    };
    run(&[]);
    assert_eq!(
        agent.doxy.user_ok(&["exec", name, "busybox", "id", "-u"]),
        "0"
    );
    agent
        .doxy
        .user_ok(&["cp", "/etc/hostname", &format!("{name}:/copied")]);
    agent.doxy.user_ok(&["exec", name, "test", "-e", "/copied"]);
    agent.doxy.user_ok(&["rm", "-f", name]);
    let volume = format!("{}:/work", workspace.display());
    run(&["-v", &volume]);
    agent.doxy.user_denied(
        &["cp", "/etc/hostname", &format!("{name}:/copied")],
        "has folders of the host",
    );
    agent.doxy.user_ok(&["rm", "-f", name]);
    for elsewhere in [
        format!("{}:/h", folder.path().display()),
        format!("{}/box1/link:/h", folder.path().display()),
        format!("{}/..:/h", workspace.display()),
        "/:/h".to_owned(),
        "volume:/h".to_owned(),
    ] {
        agent.doxy.user_denied(
            &agent.line("create", &["-v", &elsewhere], &["true"]),
            "is not for boxes",
        );
    }
}

/// The path as a regex.
pub(super) fn regex(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").replace('.', "[.]")
}

#[test]
fn a_sandbox_runs_code() {
    let Some(agent) = Agent::find("sandbox.rhai", &[]) else {
        return;
    };
    let name = &*agent.name;
    assert_eq!(
        agent
            .doxy
            .user_ok(&agent.line("run", &["--rm"], &["echo", "1"])),
        "1"
    );
    let id = agent.doxy.user_ok(&agent.line(
        "run",
        &["-d"],
        &["sh", "-c", "echo hello; exec sleep 86400"],
    ));
    for own in [name, &id, &id[..12]] {
        assert_eq!(agent.doxy.user_ok(&["logs", own]), "hello");
    }
    for (args, reason) in [
        (
            &["exec", name, "true"][..],
            "/exec is not allowed: docker run,",
        ),
        (
            &["cp", &format!("{name}:/bin/sh"), "-"],
            "/archive is not allowed: docker run,",
        ),
        (&["ps"], "/containers/json is not allowed: docker run,"),
        (
            &["pull", &agent.image.name],
            "an administrator has to pull the image",
        ),
    ] {
        agent.doxy.user_denied(args, reason);
    }
    agent.doxy.user_ok(&["stop", "-t", "0", name]);
    agent.doxy.user_ok(&["rm", name]);
    agent
        .doxy
        .user_ok(&agent.line("create", &[], &["echo", "attached"]));
    assert_eq!(agent.doxy.user_ok(&["start", "-a", name]), "attached");
    for (more, reason) in [
        (&["-e", "A=b"][..], "`Env` is not allowed"),
        (&["-v", "/tmp:/h"], "HostConfig.Binds"),
        (&["--tmpfs", "/t"], "HostConfig.Tmpfs"),
    ] {
        agent
            .doxy
            .user_denied(&agent.line("create", more, &["true"]), reason);
    }
    let other = agent.engine.running(&agent.image, &[], &["sleep", "86400"]);
    agent.doxy.user_denied(
        &["logs", &other.name],
        &format!("No such container: {}", other.name),
    );
    agent.doxy.user_ok(&["rm", "-f", name]);
}
