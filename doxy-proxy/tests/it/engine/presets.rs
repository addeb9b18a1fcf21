//! Presets by their names, a real engine, and the clients that they are for.

use std::fs;
use std::path::Path;

use super::real::{self, Engine};
use super::{docker, docker_command, docker_ok, named_path, run, unique};
use crate::support::files::short_folder;
use crate::support::needs::missing;
use crate::support::{Binary, Client, Setup, wait};

/// A doxy in front of this engine, with this preset and nothing else.
#[track_caller]
fn preset(engine: &Engine, name: &str) -> Binary {
    let setup = Setup::new().engine(&engine.socket);
    setup.args(["--preset", name]).start()
}

/// What the CLI shows, and what it is denied, with the words that it prints.
#[test]
fn the_cli_looks_and_does_not_touch() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let web = engine.running(&image, &[], &["sleep", "86400"]);
    let doxy = preset(&engine, "docker-cli-read-only");
    let name = web.name.as_str();
    for args in [
        &["ps", "--all"][..],
        &["images"],
        &["info"],
        &["version"],
        &["network", "ls"],
        &["network", "inspect", "none"],
        &["inspect", name],
        &["logs", name],
        &["top", name],
        &["diff", name],
        &["port", name],
        &["stats", "--no-stream", name],
        &["history", &image.name],
        &["image", "inspect", &image.name],
    ] {
        docker_ok(&doxy.socket(), args);
    }
    for (args, reason) in [
        (
            &["top", name, "-ef"][..],
            "docker top may not be given arguments",
        ),
        (&["ps", "--size"], "sizes are not computed"),
        (&["export", name], "GET /containers/"),
        (
            &["cp", &format!("{name}:/etc"), "/nonexistent"],
            "is not for looking",
        ),
        (&["volume", "ls"], "shows passwords"),
        (&["system", "df"], "shows passwords"),
        (&["exec", name, "true"], "this socket is read-only: POST"),
        (&["stop", name], "this socket is read-only: POST"),
        (&["rm", "--force", name], "this socket is read-only: DELETE"),
    ] {
        let ended = docker(&doxy.socket(), args);
        let denied = !ended.success() && ended.stderr.contains(reason);
        assert!(denied, "docker {args:?}: {ended}");
    }
}

/// What autoheal's script asks: only what is unhealthy by the engine's own word is restarted.
#[test]
fn autoheal_restarts_what_is_unhealthy() {
    let Some(engine) = real::engine() else { return };
    let health = [
        "--label",
        "autoheal=true",
        "--health-interval",
        "1s",
        "--health-retries",
        "1",
    ];
    let image = engine.image();
    let run = |command: &str, more: &[&str]| {
        let options = [&health[..], &["--health-cmd", command], more].concat();
        engine.running(&image, &options, &["sleep", "86400"])
    };
    let ill = run("false", &[]);
    let well = run("true", &[]);
    let strange = run("false", &["--label", "autoheal=false"]);
    for (web, expected) in [
        (&ill, "unhealthy"),
        (&well, "healthy"),
        (&strange, "unhealthy"),
    ] {
        let format = "{{.State.Health.Status}}";
        let status = || docker_ok(&engine.socket, ["inspect", "--format", format, &web.name]);
        wait::until(expected, || (status() == expected).then_some(()));
    }
    let doxy = preset(&engine, "autoheal");
    let mut client = Client::connect(&doxy.socket());
    for (web, status) in [(&ill, 204), (&well, 403), (&strange, 403)] {
        let request = format!(
            "POST /containers/{}/restart?t=0 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
            web.name
        );
        assert_eq!(client.ask(request).status(), status, "{}", web.name);
    }
}

/// Compose brings a project up, changes a service, and takes it down; what its file asks beyond that is
/// denied, and so is another project.
#[test]
#[ignore = "needs compose, and an engine with networks"]
fn compose_has_its_project() {
    let Some(engine) = real::engine() else { return };
    if engine.private {
        missing("a private engine has no networks");
        return;
    }
    let folder = short_folder();
    let plugins = folder.path().join("config");
    if let Some(named) = named_path("DOXY_TEST_PLUGINS") {
        fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(named, plugins.join("cli-plugins")).unwrap();
    }
    let compose = |socket: &Path, args: &[&str]| {
        let mut command = docker_command(socket);
        let command = command
            .env("DOCKER_CONFIG", &plugins)
            .arg("compose")
            .args(args);
        run(command.current_dir(folder.path()))
    };
    if !compose(&engine.socket, &["version"]).success() {
        missing("no compose");
        return;
    }
    let project = unique();
    let constants = [
        ("PROJECT", &*format!("\"{project}\"")),
        // The images of these tests have one.
        ("IMAGE_LABELS", r#"["doxy.test"]"#),
    ];
    let policy = super::policy::edited("compose.rhai", &constants);
    let doxy = engine.judged_by(&policy);
    let socket = doxy.socket();
    let image = engine.image();
    let file = |more: &str| {
        let text = format!(
            "name: {project}\nservices:\n  web:\n    image: {}\n    command: sleep 600\n    stop_grace_period: 0s\n    \
             volumes: [\"data:/data\"]\n{more}volumes: {{data: {{}}}}\n",
            image.name
        );
        fs::write(folder.path().join("compose.yaml"), text).unwrap();
    };
    let done = |args: &[&str]| {
        let ended = compose(&socket, args);
        assert!(ended.success(), "compose {args:?}: {ended}");
    };
    file("");
    done(&["up", "-d"]);
    done(&["ps"]);
    done(&["exec", "-T", "web", "true"]);
    file("    environment: {A: b}\n");
    done(&["up", "-d"]);
    done(&["logs"]);
    for (more, reason) in [
        (
            "    privileged: true\n",
            "HostConfig may not set Privileged",
        ),
        (
            "    network_mode: host\n",
            "the network host is not one of yours",
        ),
        ("    pid: host\n", "HostConfig may not set PidMode"),
        (
            "    cap_add: [SYS_ADMIN]\n",
            "HostConfig may not set CapAdd",
        ),
        (
            "    devices: [\"/dev/null:/dev/x\"]\n",
            "HostConfig may not set Devices",
        ),
        ("    ports: [\"1:80\"]\n", "is not in PORTS"),
        (
            "    labels: {traefik.enable: \"true\"}\n",
            "is not in LABELS",
        ),
    ] {
        file(more);
        let ended = compose(&socket, &["up", "-d"]);
        let denied = !ended.success() && ended.stderr.contains(reason);
        assert!(denied, "{more}: {ended}");
    }
    file("");
    let other = compose(&socket, &["-p", "other", "up", "-d"]);
    assert!(!other.success(), "{other}");
    done(&["down", "-v"]);
    let left = docker_ok(
        &engine.socket,
        ["ps", "-aq", "--filter", &format!("name={project}")],
    );
    assert_eq!(left, "");
}
