//! A tool runs under `doxy learn` on a real engine; then it works through the policy that was written,
//! and every other endpoint of the table is denied.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use doxy_filter::api::{Api, endpoints};

use super::real::{self, Engine};
use super::{clean_environment, doxy, named_path, run, unique};
use crate::support::Binary;
use crate::support::files::short_folder;
use crate::support::needs::missing;
use crate::support::process::{Ended, Process, doxy as binary};
use crate::support::{Client, Need, needs};

/// What a client that starts containers needs beside the harmless.
const ALL: &str = "host-root,exec,secrets,files-in,files-out";

/// What was learned.
struct Learned {
    rules: String,
    /// Method and template of what the tool has asked for.
    seen: BTreeSet<(String, String)>,
    ended: Ended,
}

/// A shell with this script, and with a docker CLI that has no configuration.
fn shell(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    clean_environment(&mut command);
    let script = match named_path("DOXY_TEST_DOCKER") {
        Some(docker) => format!("docker() {{ '{}' \"$@\"; }}\n{script}", docker.display()),
        None => script.to_owned(),
    };
    let config = folder.join("config");
    if let Some(plugins) = named_path("DOXY_TEST_PLUGINS") {
        let _ = fs::create_dir_all(&config);
        let _ = std::os::unix::fs::symlink(plugins, config.join("cli-plugins"));
    }
    command
        .args(["-ec", &script])
        .env("DOCKER_CONFIG", config)
        .current_dir(folder);
    command
}

/// Runs the script under `doxy learn`.
#[track_caller]
fn learn(engine: &Engine, script: &str, accepted: &str) -> Learned {
    let folder = short_folder();
    let tool = shell(script, folder.path());
    let mut command = binary(folder.path());
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(std::env::vars_os().filter(|(name, _)| name == "HOME"))
        .env("DOXY_DOCKER_SOCKET", &engine.socket)
        .env("DOCKER_CONFIG", folder.path().join("config"))
        .args(["learn", "--out", "learned"]);
    if !accepted.is_empty() {
        command.args(["--accept-risk", accepted]);
    }
    command
        .arg("--")
        .arg(tool.get_program())
        .args(tool.get_args());
    let ended = Process::spawn_group(&mut command).end();
    assert!(ended.success(), "{script}: {ended}");
    let seen = ended.stderr.lines().filter_map(|line| {
        let (method, rest) = line.strip_prefix("doxy: new: ")?.split_once(' ')?;
        let (template, _) = rest.split_once(" (")?;
        Some((method.to_owned(), template.to_owned()))
    });
    Learned {
        seen: seen.collect(),
        rules: fs::read_to_string(folder.path().join("learned")).expect("the file"),
        ended,
    }
}

/// Runs the script through a doxy.
#[track_caller]
fn through(doxy: &Binary, script: &str) -> Ended {
    let folder = short_folder();
    let host = format!("unix://{}", doxy.socket().display());
    run(shell(script, folder.path()).env("DOCKER_HOST", host))
}

/// The tool works through the policy that was learned from it, and nothing else does.
#[track_caller]
fn check(engine: &Engine, script: &str, accepted: &str) -> Learned {
    let learned = learn(engine, script, accepted);
    let Learned { rules, seen, ended } = &learned;
    assert!(!seen.is_empty(), "{ended}");
    let doxy = doxy(&engine.socket, rules, &[]);
    let worked = through(&doxy, script);
    assert!(worked.success(), "{script}: {worked}\n{rules}\n{ended}");
    let mut denied = 0;
    for endpoint in endpoints() {
        let own = (endpoint.method.to_owned(), endpoint.template.to_owned());
        if seen.contains(&own) {
            continue;
        }
        let mut path = String::new();
        let mut rest = endpoint.template;
        while let Some((before, name)) = rest.split_once('{') {
            path.push_str(before);
            path.push_str("doxy-has-no-such-thing");
            rest = name.split_once('}').expect("a template").1;
        }
        let version = match endpoint.api {
            Api::Docker => "/v1.41",
            Api::Libpod => "/v5.0.0",
        };
        let head = format!(
            "{} {version}{path}{rest} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            endpoint.method
        );
        let mut client = Client::connect(&doxy.socket());
        client.send(head);
        let reply = client.reply(endpoint.method).expect("a reply");
        let status = reply.status();
        assert!([400, 403].contains(&status), "{own:?}: {status}\n{rules}");
        denied += 1;
    }
    assert_eq!(denied + seen.len(), endpoints().count(), "{seen:?}");
    learned
}

#[test]
fn docker_ps_and_inspect() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let web = engine.container(&image);
    let script = format!("docker ps && docker inspect {}", web.name);
    let learned = check(&engine, &script, "secrets");
    let seen: Vec<_> = learned
        .seen
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert_eq!(
        seen,
        [
            "GET /containers/json",
            "GET /containers/{name:.*}/json",
            "HEAD /_ping"
        ],
    );
    // Another container is inspected by the same rules.
    let other = engine.container(&image);
    let doxy = doxy(&engine.socket, &learned.rules, &[]);
    let ended = through(&doxy, &format!("docker inspect {}", other.name));
    assert!(ended.success(), "{ended}");
    for denied in [
        format!("docker cp {}:/bin/sh .", web.name),
        format!("docker logs {}", web.name),
        format!("docker top {}", web.name),
        "docker images".to_owned(),
    ] {
        let ended = through(&doxy, &denied);
        assert!(
            !ended.success() && ended.stderr.contains("not allowed"),
            "{denied}: {ended}"
        );
    }
    // Its environment shows secrets, so without being told nobody opens it.
    let careful = learn(&engine, &script, "");
    let words = "the tool needs --accept-risk secrets to work through these rules";
    assert!(careful.ended.stderr.contains(words), "{}", careful.ended);
    let doxy = super::doxy(&engine.socket, &careful.rules, &[]);
    assert!(through(&doxy, "docker ps").success());
    assert!(!through(&doxy, &script).success());
}

#[test]
fn docker_run_with_a_volume() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let script = format!(
        "n=doxytest$$; trap 'docker volume rm -f $n >/dev/null' EXIT
         docker volume create --label doxy.test=1 $n >/dev/null
         said=$(docker run --rm --network none --label doxy.test=1 -v $n:/data {} sh -c 'echo kept >/data/x; cat /data/x')
         test \"$said\" = kept",
        image.name
    );
    let learned = check(&engine, &script, ALL);
    assert!(
        learned
            .seen
            .iter()
            .any(|(_, path)| path == "/containers/create"),
        "{:?}",
        learned.seen
    );
    // Nothing of it is allowed to whoever did not accept that.
    let careful = learn(&engine, &script, "");
    let doxy = doxy(&engine.socket, &careful.rules, &[]);
    let ended = through(
        &doxy,
        &format!("docker run --rm --network none {} true", image.name),
    );
    assert!(!ended.success(), "{ended}\n{}", careful.rules);
}

#[test]
fn docker_build_tag_and_remove() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let tag = format!("doxy-test/built:{}", unique());
    let script = format!(
        "printf 'FROM {}\\nLABEL doxy.test=1\\n' >Dockerfile
         DOCKER_BUILDKIT=0 docker build --network none -q -t {tag} . >/dev/null 2>err || {{ cat err >&2; exit 1; }}
         docker history -q {tag} >/dev/null; docker rmi -f {tag} >/dev/null",
        image.name
    );
    check(&engine, &script, ALL);
}

#[test]
fn curl() {
    let Some(engine) = real::engine() else { return };
    if !needs(Need::Tool("curl")) {
        return;
    }
    let script = "s=${DOCKER_HOST#unix://}
        for path in /_ping /version /v1.41/networks /v1.41/networks/none; do
            curl -fsS --unix-socket \"$s\" \"http://d$path\" >/dev/null
        done
        curl -fsSI --unix-socket \"$s\" http://d/_ping >/dev/null";
    check(&engine, script, "");
}

#[test]
fn docker_py() {
    let Some(engine) = real::engine() else { return };
    let able = Command::new("python3")
        .args(["-c", "import docker"])
        .output();
    if !able.is_ok_and(|tried| tried.status.success()) {
        missing("no docker-py");
        return;
    }
    let image = engine.image();
    let web = engine.container(&image);
    // It keeps connections open, and ends without closing them.
    let script = format!(
        "python3 -c '
import docker
client = docker.from_env()
client.version()
web = client.containers.get(\"{}\")
assert web.status == \"running\"
web.pause()
web.unpause()
assert any(it.name == web.name for it in client.containers.list())
assert b\"\" == web.logs()
'",
        web.name
    );
    check(&engine, &script, "secrets");
}

#[test]
fn prometheus() {
    let Some(engine) = real::engine() else { return };
    if !needs(Need::Tool("prometheus")) || !needs(Need::Tool("curl")) {
        return;
    }
    let image = engine.image();
    // A target needs an address, and without networks only the host has one.
    let web = engine.running_in("host", &image, &[], &["sleep", "86400"]);
    // It listens at a free port, which it writes into its log.
    let script = format!(
        r#"cat >p.yml <<X
scrape_configs:
- job_name: d
  docker_sd_configs: [{{host: "$DOCKER_HOST", refresh_interval: 1s}}]
X
        : >log
        prometheus --config.file=p.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:0 2>>log &
        p=$!; trap 'kill $p; wait $p || true' EXIT
        for try in $(seq 300); do
            at=$(sed -n 's/.*msg="Listening on" address=//p' log)
            if [ -n "$at" ] && curl -s "http://$at/api/v1/targets?state=any" | grep -q '{}'; then exit 0; fi
            sleep 0.1
        done
        cat log >&2; exit 1"#,
        web.name
    );
    // An old one may speak no version that a new engine still serves.
    let folder = short_folder();
    let host = format!("unix://{}", engine.socket.display());
    let directly = run(shell(&script, folder.path()).env("DOCKER_HOST", host));
    if directly.success() {
        check(&engine, &script, "");
    } else {
        missing(&format!(
            "Prometheus finds no target directly: {}",
            directly.stderr
        ));
    }
}

#[test]
#[ignore = "needs compose, and an engine with networks"]
fn compose() {
    let Some(engine) = real::engine() else { return };
    let folder = short_folder();
    if engine.private {
        missing("a private engine has no networks");
        return;
    }
    if !run(&mut shell("docker compose version", folder.path())).success() {
        missing("no compose");
        return;
    }
    let image = engine.image();
    let script = format!(
        "cat >compose.yaml <<X
name: doxytest$$
services:
  one: {{image: \"{0}\", command: sleep 600, stop_grace_period: 0s, volumes: [\"kept:/kept\"]}}
  two: {{image: \"{0}\", command: sleep 600, stop_grace_period: 0s, depends_on: [one]}}
volumes: {{kept: {{}}}}
X
         trap 'docker compose down -v >/dev/null 2>&1' EXIT
         docker compose up -d 2>err || {{ cat err >&2; exit 1; }}
         test \"$(docker compose exec -T one echo inside)\" = inside
         docker compose logs >/dev/null
         docker compose down -v 2>err || {{ cat err >&2; exit 1; }}",
        image.name
    );
    check(&engine, &script, ALL);
}
