//! `scripts/watchtower.rhai` and a real engine: what Watchtower does to replace a container, request by
//! request. Nothing may be lost: what cannot be created again must go on running.

use std::path::Path;

use serde_json::{Value, json};

mod taken_over;

use super::policy::edited;
use super::real::{self, Engine, Made};
use super::{docker, docker_ok, unique};
use crate::support::{Binary, Client};

/// What the tests' engine can have without networks.
fn policy(engine: &Engine, names: &[&str], folder: &str, volume: &str, ports: &str) -> Binary {
    let list = |items: &[&str]| serde_json::to_string(items).expect("a list");
    engine.judged_by(&edited(
        "watchtower.rhai",
        &[
            ("REGISTRIES", r#"["docker.io/doxy-test"]"#),
            ("NAMES", &list(names)),
            ("FOLDERS", &list(&[folder])),
            ("VOLUMES", &list(&[volume])),
            (
                "NETWORKS",
                &list(&["none", &format!("{volume}a"), &format!("{volume}b")]),
            ),
            ("PORTS", ports),
            ("LABELS", r#"["doxy.test=1", "traefik.enable=true"]"#),
        ],
    ))
}

/// A request as Watchtower sends it; the answer, or what the client is told instead.
fn ask(socket: &Path, method: &str, target: &str, body: &Value) -> Result<Value, String> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let reply = Client::connect(socket).ask(format!(
        "{method} /v1.41{target} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    ));
    if reply.status() < 400 {
        Ok(serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    } else {
        Err(format!(
            "{method} {target}: {}: {}",
            reply.status(),
            reply.message()
        ))
    }
}

/// Replaces a container by one of the same configuration: stops and removes it, creates it again with
/// one network, connects it to all of them, and starts it. Returns the new id.
fn replace(socket: &Path, name: &str) -> Result<String, String> {
    let ask = |method, target: &str, body: &Value| ask(socket, method, target, body);
    let none = Value::Null;
    let old = ask("GET", &format!("/containers/{name}/json"), &none)?;
    let id = old["Id"].as_str().expect("an id");
    ask(
        "POST",
        &format!("/containers/{id}/kill?signal=SIGKILL"),
        &none,
    )?;
    ask("POST", &format!("/containers/{id}/wait"), &none)?;
    ask("DELETE", &format!("/containers/{id}?force=1"), &none)?;
    // From here on, a failure loses the service.
    let mut networks = old["NetworkSettings"]["Networks"].clone();
    for endpoint in networks.as_object_mut().expect("networks").values_mut() {
        if let Some(aliases) = endpoint["Aliases"].as_array_mut() {
            aliases.retain(|alias| alias != &id[..12]);
        }
    }
    let networks = networks.as_object().expect("networks");
    let (first, endpoint) = networks.iter().next().expect("a network");
    let mut create = old["Config"].clone();
    create["HostConfig"] = old["HostConfig"].clone();
    create["NetworkingConfig"] = json!({"EndpointsConfig": {first: endpoint}});
    let name = old["Name"].as_str().expect("a name").replace('/', "%2F");
    let new = ask("POST", &format!("/containers/create?name={name}"), &create)?;
    let new = new["Id"].as_str().expect("an id");
    if old["HostConfig"]["NetworkMode"] != "none" {
        let leave = json!({"Container": new, "Force": true});
        ask("POST", &format!("/networks/{first}/disconnect"), &leave)?;
        for (network, endpoint) in networks {
            let join = json!({"Container": new, "EndpointConfig": endpoint});
            ask("POST", &format!("/networks/{network}/connect"), &join)?;
        }
    }
    ask("POST", &format!("/containers/{new}/start"), &none)?;
    Ok(new.to_owned())
}

/// What must be the same of a service before and after.
#[track_caller]
fn service(engine: &Engine, name: &str) -> String {
    let format = "{{.State.Running}} {{json .HostConfig}} {{json .Config.Env}} {{json .Config.Cmd}} \
                  {{json .Config.Labels}} {{json .Config.Volumes}} {{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{end}}";
    docker_ok(&engine.socket, ["inspect", "-f", format, name])
}

#[track_caller]
fn id(engine: &Engine, name: &str) -> String {
    docker_ok(&engine.socket, ["inspect", "-f", "{{.Id}}", name])
}

#[test]
fn a_service_is_replaced_by_one_of_the_same_configuration() {
    let Some(engine) = real::engine() else { return };
    let (image, volume) = (engine.image(), engine.volume());
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("UTF-8");
    let bind = format!("{folder}:/data");
    let mount = format!("type=volume,source={},target=/cache", volume.name);
    let options = [
        &[
            "--restart",
            "unless-stopped",
            "-v",
            &*bind,
            "--mount",
            &*mount,
        ][..],
        &[
            "-l",
            "traefik.enable=true",
            "-e",
            "A=b",
            "-v",
            "/anonymous",
            "--memory",
            "64m",
        ],
        &[
            "--health-cmd",
            "true",
            "--stop-timeout",
            "20",
            "--log-opt",
            "max-size=1m",
        ],
    ]
    .concat();
    let web = engine.running(&image, &options, &["sleep", "86400"]);
    let doxy = policy(&engine, &[&web.name], folder, &volume.name, "[]");
    let (before, old) = (service(&engine, &web.name), id(&engine, &web.name));

    let new = replace(&doxy.socket(), &web.name).unwrap_or_else(|error| panic!("{error}"));

    assert_ne!(old, new);
    assert_eq!(id(&engine, &web.name), new);
    assert_eq!(service(&engine, &web.name), before);
    // The same again: what the policy has made can be replaced, too.
    replace(&doxy.socket(), &web.name).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(service(&engine, &web.name), before);
}

#[test]
fn what_could_not_be_created_again_goes_on_running() {
    let Some(engine) = real::engine() else { return };
    let (image, volume, theirs) = (engine.image(), engine.volume(), engine.volume());
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("UTF-8");
    let volumes = format!("{}:/data", theirs.name);
    let cases: &[(&[&str], &str)] = &[
        (&["--cap-add", "NET_ADMIN"], "CapAdd is not allowed"),
        (
            &["--security-opt", "seccomp=unconfined"],
            "seccomp=unconfined is not allowed",
        ),
        (&["-v", &volumes], "is not in FOLDERS or VOLUMES"),
        (&["-v", "/:/host"], "is not in FOLDERS or VOLUMES"),
        (&["--pid", "host"], "PidMode is not allowed"),
        (&["--ipc", "host"], "the IpcMode host is not allowed"),
        (&["--group-add", "0"], "GroupAdd is not allowed"),
        (
            &["--sysctl", "net.ipv4.ip_forward=1"],
            "Sysctls is not allowed",
        ),
        (&["--hostname", "pypi.org"], "pypi.org is not in NAMES"),
        (
            &["--stop-timeout", "100000"],
            "StopTimeout has to be at most 120",
        ),
        (
            &["-l", "traefik.http.routers.x.rule=x"],
            "the label traefik.http.routers.x.rule=x is not in LABELS",
        ),
        (&["--log-driver", "none"], "logs stay on this host"),
    ];
    for (options, reason) in cases {
        let web = engine.running(&image, options, &["sleep", "86400"]);
        let doxy = policy(&engine, &[&web.name], folder, &volume.name, "[]");
        kept(&engine, &doxy, &web, reason);
    }
    // A stranger's container, which could be created again but for its name.
    let web = engine.running(&image, &[], &["sleep", "86400"]);
    let doxy = policy(&engine, &["web"], folder, &volume.name, "[]");
    kept(&engine, &doxy, &web, "its name is not in NAMES");
}

#[test]
fn for_people_with_a_shell_on_the_host_services_have_no_rights() {
    let Some(engine) = real::engine() else { return };
    let image = engine.image();
    let harmless = [
        &["--user", "2100000000:2100000000"][..],
        &["--cap-drop", "ALL"],
        &["--security-opt", "no-new-privileges"],
    ];
    let policy = |name: &str| {
        let names = format!(r#"["{name}"]"#);
        engine.judged_by(&edited(
            "watchtower.rhai",
            &[
                ("HOST_SHELL", "true"),
                ("REGISTRIES", r#"["docker.io/doxy-test"]"#),
                ("NAMES", &names),
                ("LABELS", r#"["doxy.test=1"]"#),
            ],
        ))
    };
    let options = harmless.concat();
    let web = engine.running(&image, &options, &["sleep", "86400"]);
    let doxy = policy(&web.name);
    replace(&doxy.socket(), &web.name).unwrap_or_else(|error| panic!("{error}"));
    for (missing, reason) in [
        "needs --user UID:GID",
        "needs --cap-drop ALL",
        "needs --security-opt",
    ]
    .into_iter()
    .enumerate()
    {
        let mut options = harmless.to_vec();
        options.remove(missing);
        let web = engine.running(&image, &options.concat(), &["sleep", "86400"]);
        kept(&engine, &policy(&web.name), &web, reason);
    }
    for user in [
        "1000:1000",
        "2100000000",
        "2100000000:0",
        "0:2100000000",
        "2140000000:2100000000",
    ] {
        let mut options = harmless.to_vec();
        let user = ["--user", user];
        options[0] = &user;
        let web = engine.running(&image, &options.concat(), &["sleep", "86400"]);
        kept(&engine, &policy(&web.name), &web, "needs --user UID:GID");
    }
}

/// Neither Watchtower nor anything else that ends a container gets through, by name or id.
#[track_caller]
fn kept(engine: &Engine, doxy: &Binary, web: &Made, reason: &str) {
    let (before, old) = (service(engine, &web.name), id(engine, &web.name));
    let error = replace(&doxy.socket(), &web.name).expect_err(reason);
    assert!(
        error.contains("/kill")
            && error.contains("could not be created again: ")
            && error.contains(reason),
        "{error}"
    );
    for name in [&*web.name, &*old, &old[..12]] {
        let other = unique();
        for args in [
            &["rm", "-f", name][..],
            &["stop", "-t", "0", name],
            &["restart", "-t", "0", name],
            &["rename", name, &other],
        ] {
            let ended = docker(&doxy.socket(), args);
            assert!(!ended.success(), "docker {args:?}: {ended}");
        }
    }
    assert_eq!(id(engine, &web.name), old, "{reason}");
    assert_eq!(service(engine, &web.name), before, "{reason}");
}

#[test]
#[ignore = "needs an engine with networks"]
fn a_service_in_two_networks_with_ports_is_replaced() {
    let Some(engine) = real::engine() else { return };
    if engine.private {
        crate::support::needs::missing("a private engine has no networks");
        return;
    }
    let (image, volume) = (engine.image(), engine.volume());
    let networks = ["a", "b"].map(|letter| engine.network(&format!("{}{letter}", volume.name)));
    let alias = unique();
    let options = [
        "--network-alias",
        &*alias,
        "-p",
        "127.0.0.1::80",
        "-p",
        "81",
    ];
    let web = engine.running_in(&networks[0].name, &image, &options, &["sleep", "86400"]);
    docker_ok(
        &engine.socket,
        [
            "network",
            "connect",
            "--alias",
            &*alias,
            &*networks[1].name,
            &*web.name,
        ],
    );
    let names = [&*web.name, &*alias];
    let doxy = policy(
        &engine,
        &names,
        "/nonexistent",
        &volume.name,
        r#"["127.0.0.1:", ":"]"#,
    );
    let (before, old) = (service(&engine, &web.name), id(&engine, &web.name));

    let new = replace(&doxy.socket(), &web.name).unwrap_or_else(|error| panic!("{error}"));

    assert_ne!(old, new);
    assert_eq!(service(&engine, &web.name), before);
    // By its alias, the service is found from a container in the other network.
    let probe = [
        "run",
        "--rm",
        "--network",
        &*networks[1].name,
        &*image.name,
        "ping",
        "-c",
        "1",
        &*alias,
    ];
    docker_ok(&engine.socket, probe);
    // A third network, or a port that is not listed: it goes on running.
    let other = engine.network(&unique());
    docker_ok(
        &engine.socket,
        ["network", "connect", &*other.name, &*web.name],
    );
    kept(
        &engine,
        &doxy,
        &web,
        &format!("the network {} is not in NETWORKS", other.name),
    );
    docker_ok(
        &engine.socket,
        ["network", "disconnect", &*other.name, &*web.name],
    );
    let closed = policy(
        &engine,
        &names,
        "/nonexistent",
        &volume.name,
        r#"["127.0.0.1:"]"#,
    );
    kept(&engine, &closed, &web, "the port : is not in PORTS");
}
