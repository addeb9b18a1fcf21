//! The image in the place of Tecnativa's: what the variables of three published compose files open there,
//! they open here, and nothing else.
//!
//! What is expected is HAProxy's reading of that image's configuration: prefixes of paths, GET and HEAD
//! alone without `POST=1`.

use std::fmt::Write as _;
use std::fs;

use super::{
    Engine, Images, binary, docker_command, docker_ok, health, named_path, real, run, unique,
};
use crate::support::files::short_folder;
use crate::support::needs::missing;

/// A tool whose compose file is published with that image, its variables, and what it may ask then.
struct Tool {
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    allowed: &'static [&'static str],
    denied: &'static [&'static str],
}

const TOOLS: [Tool; 3] = [
    // Traefik's provider, as in most pages about it.
    Tool {
        name: "traefik",
        variables: &[("CONTAINERS", "1")],
        allowed: &[
            "GET /_ping",
            "HEAD /_ping",
            "GET /version",
            "GET /v1.41/version",
            "GET /v1.41/containers/json",
            "GET /v1.41/containers/none/json",
            "GET /v1.41/containers/none/export",
            "GET /v1.41/events?since=1&until=2",
        ],
        denied: &[
            "GET /v1.41/info",
            "GET /v1.41/images/json",
            "GET /v1.41/networks",
            "GET /v1.41/volumes",
            "GET /v1.41/secrets",
            "POST /v1.41/containers/create",
            "POST /v1.41/containers/none/restart",
            "DELETE /v1.41/containers/none",
        ],
    },
    // As in Homepage's manual.
    Tool {
        name: "homepage",
        variables: &[
            ("CONTAINERS", "1"),
            ("SERVICES", "1"),
            ("TASKS", "1"),
            ("POST", "0"),
        ],
        allowed: &[
            "GET /v1.41/containers/json?all=true",
            "GET /v1.41/containers/none/stats?stream=false",
            "GET /v1.41/services",
            "GET /v1.41/tasks",
            "GET /_ping",
        ],
        denied: &[
            "GET /v1.41/nodes",
            "GET /v1.41/images/json",
            "GET /v1.41/swarm",
            "POST /v1.41/containers/none/start",
            "POST /v1.41/services/create",
        ],
    },
    // As for Watchtower, and for Portainer where it is to change something.
    Tool {
        name: "watchtower",
        variables: &[
            ("CONTAINERS", "1"),
            ("IMAGES", "1"),
            ("NETWORKS", "1"),
            ("INFO", "1"),
            ("POST", "1"),
            ("EVENTS", "0"),
        ],
        allowed: &[
            "GET /v1.41/containers/json",
            "POST /v1.41/containers/none/stop",
            "DELETE /v1.41/containers/none",
            "GET /v1.41/images/none/json",
            "DELETE /v1.41/images/none",
            "GET /v1.41/networks",
            "GET /v1.41/info",
        ],
        denied: &[
            "GET /v1.41/events?since=1&until=2",
            "POST /v1.41/volumes/create",
            "GET /v1.41/volumes",
            "POST /v1.41/exec/none/start",
            "POST /v1.41/build",
            "POST /v1.41/swarm/init",
        ],
    },
];

/// Whether each request is answered by the engine, as a client in this container finds at this host. What
/// the engine answers has the version of its API as a header.
#[track_caller]
fn reach_the_engine(engine: &Engine, client: &str, host: &str, requests: &[&str]) -> Vec<bool> {
    let mut script = String::new();
    for request in requests {
        // What `nc` runs has the connection as its input and output, and ends when that ends.
        let _ = writeln!(
            script,
            "ASK='{request} HTTP/1.1\\r\\nHost: {host}:2375\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' \
             busybox nc {host} 2375 -e sh -c 'printf \"$ASK\"; cat >&2' 2>&1 \
             | busybox grep -qi '^api-version: ' && echo engine || echo doxy"
        );
    }
    let said = docker_ok(&engine.socket, ["exec", client, "sh", "-c", &script]);
    let said: Vec<_> = said.lines().map(|line| line == "engine").collect();
    assert_eq!(said.len(), requests.len(), "{said:?}");
    said
}

#[track_caller]
fn check(engine: &Engine, client: &str, host: &str, tool: &Tool) {
    for (requests, expected) in [(tool.allowed, true), (tool.denied, false)] {
        let reached = reach_the_engine(engine, client, host, requests);
        for (request, reached) in requests.iter().zip(reached) {
            assert_eq!(reached, expected, "{}: {request}", tool.name);
        }
    }
}

#[test]
fn what_tecnativas_variables_open_is_open_and_nothing_else() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    let images = Images::build(&engine, &binary, None);
    let socket = format!("{}:/var/run/docker.sock:ro", engine.socket.display());
    for tool in &TOOLS {
        let variables: Vec<_> = tool
            .variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let variables = variables.iter().flat_map(|it| ["-e", it]);
        let options = ["--read-only", "--health-interval", "200ms", "-v", &socket];
        let options: Vec<_> = options.into_iter().chain(variables).collect();
        let doxy = engine.running(&images.tecnativa, &options, &[]);
        health::is(&engine, &doxy, "healthy");
        let beside = format!("container:{}", doxy.name);
        let client = engine.running_in(&beside, &images.busybox, &[], &["sleep", "86400"]);
        check(&engine, &client.name, "127.0.0.1", tool);
    }
}

/// The file, with the image changed and nothing else.
#[test]
#[ignore = "needs compose, and an engine with networks"]
fn a_compose_file_of_tecnativas_image_works_with_this_one() {
    let (Some(engine), Some(binary)) = (real::engine(), binary()) else {
        return;
    };
    let Some(plugins) = named_path("DOXY_TEST_PLUGINS").filter(|_| !engine.private) else {
        missing("it needs DOXY_TEST_PLUGINS with compose, and an engine with networks");
        return;
    };
    let images = Images::build(&engine, &binary, None);
    let folder = short_folder();
    let config = folder.path().join("config");
    fs::create_dir(&config).expect("make a folder");
    std::os::unix::fs::symlink(plugins, config.join("cli-plugins")).expect("link a folder");
    let project = unique();
    for tool in &TOOLS {
        let mut variables = String::new();
        for (name, value) in tool.variables {
            let _ = writeln!(variables, "      {name}: {value}");
        }
        let text = format!(
            "services:
  dockerproxy:
    image: {doxy}
    restart: unless-stopped
    read_only: true
    tmpfs: [/run]
    environment:
{variables}    volumes:
      - {socket}:/var/run/docker.sock:ro
    networks: [proxy]
    ports: [127.0.0.1::2375]
  {tool}:
    image: {client}
    command: sleep 86400
    stop_grace_period: 0s
    depends_on: {{dockerproxy: {{condition: service_healthy}}}}
    networks: [proxy]
networks:
  proxy: {{}}
",
            doxy = images.tecnativa.name,
            client = images.busybox.name,
            socket = engine.socket.display(),
            tool = tool.name,
        );
        fs::write(folder.path().join("compose.yaml"), text).expect("write a file");
        let compose = |args: &[&str]| {
            let mut command = docker_command(&engine.socket);
            command
                .env("DOCKER_CONFIG", &config)
                .args(["compose", "-p"]);
            run(command.arg(&project).args(args).current_dir(folder.path()))
        };
        let up = compose(&["up", "-d", "--quiet-pull"]);
        let listed = compose(&["ps", "-q", tool.name]);
        let client = listed.stdout.trim().to_owned();
        let checked = std::panic::catch_unwind(|| check(&engine, &client, "dockerproxy", tool));
        let down = compose(&["down", "-v", "-t", "0"]);
        assert!(up.success() && down.success(), "{}: {up} {down}", tool.name);
        checked.expect("what is said above");
    }
}
