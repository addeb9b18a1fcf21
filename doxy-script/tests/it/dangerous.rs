//! Every endpoint and field that makes its user root on the host, or nearly, against every policy in `scripts/`.
//!
//! A row is denied by all of them, with and without a version in front, and with the field in every spelling that
//! some engine obeys. What is merely unwelcome is denied by at least one.

use doxy_script::{Decision, Peer};

use crate::policies::{Policy, all};
use crate::support::{Ask, words};

/// `HostConfig` fields, each with a value that gives too much.
const HOST: &[(&str, &str)] = &[
    ("Privileged", "true"),
    ("Binds", r#"["/:/h"]"#),
    ("Binds", r#"["/etc/../:/h:ro"]"#),
    ("Binds", r#"["/srv/ci/../../etc:/h"]"#),
    ("Binds", r#"["/var/run/docker.sock:/s"]"#),
    ("Binds", r#"["//:/h"]"#),
    ("Mounts", r#"[{"Type":"bind","Source":"/","Target":"/h"}]"#),
    (
        "Mounts",
        r#"[{"Type":"bind","Source":"/srv/x","Target":"/h","BindOptions":{"Propagation":"shared"}}]"#,
    ),
    ("Mounts", r#"[{"Type":"npipe","Source":"x","Target":"/h"}]"#),
    (
        "Mounts",
        r#"[{"Type":"cluster","Source":"x","Target":"/h"}]"#,
    ),
    ("Mounts", r#"[{"Type":"image","Source":"x","Target":"/h"}]"#),
    (
        "Mounts",
        r#"[{"Type":"volume","Source":"v","Target":"/h","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"none","o":"bind","device":"/"}}}}]"#,
    ),
    (
        "Mounts",
        r#"[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":{"Options":{"type":"ext4","device":"/dev/sda1"}}}}]"#,
    ),
    ("VolumesFrom", r#"["other"]"#),
    ("VolumeDriver", r#""rexray""#),
    ("CapAdd", r#"["SYS_ADMIN"]"#),
    ("CapAdd", r#"["all"]"#),
    ("CapAdd", r#""SYS_ADMIN""#),
    ("Capabilities", r#"["CAP_SYS_ADMIN"]"#),
    (
        "Devices",
        r#"[{"PathOnHost":"/dev/sda","PathInContainer":"/dev/sda","CgroupPermissions":"rwm"}]"#,
    ),
    ("DeviceCgroupRules", r#"["a *:* rwm"]"#),
    ("DeviceRequests", r#"[{"Driver":"nvidia","Count":-1}]"#),
    ("SecurityOpt", r#"["seccomp=unconfined"]"#),
    ("SecurityOpt", r#"["apparmor=unconfined"]"#),
    ("SecurityOpt", r#"["label=disable"]"#),
    ("SecurityOpt", r#"["no-new-privileges=false"]"#),
    ("MaskedPaths", "[]"),
    ("ReadonlyPaths", "[]"),
    ("PidMode", r#""host""#),
    ("PidMode", r#""container:db""#),
    ("IpcMode", r#""host""#),
    ("IpcMode", r#""container:db""#),
    ("NetworkMode", r#""host""#),
    ("NetworkMode", r#""container:db""#),
    ("UTSMode", r#""host""#),
    ("UsernsMode", r#""host""#),
    ("CgroupnsMode", r#""host""#),
    ("Cgroup", r#""container:db""#),
    ("CgroupParent", r#""/system.slice""#),
    ("Runtime", r#""nvidia""#),
    ("Annotations", r#"{"run.oci.keep_original_groups":"1"}"#),
    ("Sysctls", r#"{"net.ipv4.ip_forward":"1"}"#),
    ("Ulimits", r#"[{"Name":"core","Hard":-1,"Soft":-1}]"#),
    ("OomScoreAdj", "-1000"),
    ("OomKillDisable", "true"),
    (
        "LogConfig",
        r#"{"Type":"gelf","Config":{"gelf-address":"udp://10.0.0.1:1"}}"#,
    ),
    ("PortBindings", r#"{"80/tcp":[{"HostPort":"80"}]}"#),
    (
        "PortBindings",
        r#"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"80"}]}"#,
    ),
    ("PublishAllPorts", "true"),
    ("Links", r#"["db:db"]"#),
    ("ExtraHosts", r#"["registry:10.0.0.1"]"#),
    ("GroupAdd", r#"["docker"]"#),
    ("StorageOpt", r#"{"size":"1T"}"#),
    ("Tmpfs", r#"{"/run":"exec,suid"}"#),
    ("InitPath", r#""/usr/bin/evil-init""#),
    ("Binds", r#"["/srv/ci/1/link:/h"]"#),
    ("Binds", r#"["/srv/data/web/link:/h"]"#),
    ("Binds", r#"["somebodys-volume:/h"]"#),
    (
        "Mounts",
        r#"[{"Type":"volume","Source":"somebodys-volume","Target":"/h"}]"#,
    ),
    ("Binds", r#"["/srv/ci:/h"]"#),
    ("NetworkMode", r#""4d2f9e0c8a7b""#),
    ("LxcConf", r#"{"lxc.aa_profile":"unconfined"}"#),
];

/// Fields of the body itself, `Image` being added.
const TOP: &[(&str, &str)] = &[
    ("Env", r#"["NVIDIA_VISIBLE_DEVICES=all"]"#),
    ("Labels", r#"{"traefik.enable":"true"}"#),
    ("MacAddress", r#""02:42:ac:11:00:02""#),
    ("NetworkingConfig", r#"{"EndpointsConfig":{"host":{}}}"#),
    (
        "NetworkingConfig",
        r#"{"EndpointsConfig":{"container:db":{}}}"#,
    ),
    (
        "NetworkingConfig",
        r#"{"EndpointsConfig":{"ci":{"IPAMConfig":{"IPv4Address":"10.0.0.1"}}}}"#,
    ),
    (
        "NetworkingConfig",
        r#"{"EndpointsConfig":{"ci":{"DriverOpts":{"parent":"eth0"}}}}"#,
    ),
    (
        "NetworkingConfig",
        r#"{"EndpointsConfig":{"ci":{"Links":["db"]}}}"#,
    ),
];

/// Method, target, body.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "POST",
        "/containers/NAME/exec",
        r#"{"Privileged":true,"Cmd":["sh"]}"#,
    ),
    (
        "POST",
        "/containers/NAME/exec",
        r#"{"privileged":true,"Cmd":["sh"]}"#,
    ),
    (
        "POST",
        "/containers/NAME/exec",
        r#"{"User":"root","Cmd":["sh"]}"#,
    ),
    // Another's container, by name and by the beginning of an id.
    ("POST", "/containers/doxy/exec", r#"{"Cmd":["sh"]}"#),
    ("POST", "/containers/4e9f0e1f3bbd/exec", r#"{"Cmd":["sh"]}"#),
    ("POST", "/containers/doxy/attach?stream=1&stdin=1", ""),
    (
        "POST",
        "/networks/4d2f9e0c8a7b/connect",
        r#"{"Container":"4e9f"}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"Name":"team-a","TaskTemplate":{"ContainerSpec":{"Image":"nginx"},"Networks":[{"Target":"4d2f9e0c8a7b"}]}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"Name":"team-a","TaskTemplate":{"ContainerSpec":{"Image":"10.0.0.1:5000/x"}}}"#,
    ),
    ("POST", "/build?t=x", "tar"),
    ("POST", "/containers/NAME/start", r#"{"Privileged":true}"#),
    ("POST", "/containers/NAME/start", "{}"),
    (
        "POST",
        "/containers/NAME/start?checkpoint=c&checkpoint-dir=/",
        "",
    ),
    (
        "POST",
        "/containers/NAME/checkpoints",
        r#"{"CheckpointID":"x","CheckpointDir":"/"}"#,
    ),
    (
        "POST",
        "/containers/NAME/update",
        r#"{"RestartPolicy":{"Name":"always"}}"#,
    ),
    ("PUT", "/containers/NAME/archive?path=/", "tar"),
    (
        "POST",
        "/containers/NAME/copy",
        r#"{"Resource":"/etc/shadow"}"#,
    ),
    ("POST", "/commit?container=NAME&changes=USER%20root", "{}"),
    (
        "POST",
        "/volumes/create",
        r#"{"Name":"v","DriverOpts":{"type":"none","o":"bind","device":"/"}}"#,
    ),
    (
        "POST",
        "/volumes/create",
        r#"{"Name":"v","driveropts":{"type":"none","o":"bind","device":"/"}}"#,
    ),
    (
        "POST",
        "/volumes/create",
        r#"{"Name":"v","Driver":"rexray"}"#,
    ),
    (
        "POST",
        "/volumes/create",
        r#"{"Name":"v","ClusterVolumeSpec":{"Group":"g"}}"#,
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"n","Driver":"macvlan","Options":{"parent":"eth0"}}"#,
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"n","Options":{"com.docker.network.bridge.name":"br0"}}"#,
    ),
    (
        "POST",
        "/networks/create",
        r#"{"Name":"n","IPAM":{"Config":[{"Subnet":"10.0.0.0/8"}]}}"#,
    ),
    ("POST", "/networks/host/connect", r#"{"Container":"NAME"}"#),
    (
        "POST",
        "/networks/n/connect",
        r#"{"Container":"x","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.0.0.1"}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/","Target":"/h"}]}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"volume","VolumeOptions":{"DriverConfig":{"Options":{"device":"/"}}}}]}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"Seccomp":{"Mode":"unconfined"}}}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"AppArmor":{"Mode":"disabled"}}}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"SELinuxContext":{"Disable":true}}}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Privileges":{"CredentialSpec":{"File":"x"}}}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"CapabilityAdd":["CAP_SYS_ADMIN"]}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Sysctls":{"net.ipv4.ip_forward":"1"}}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Secrets":[{"SecretID":"x"}]}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"Configs":[{"ConfigID":"x"}]}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"ContainerSpec":{"User":"root"}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"PluginSpec":{"name":"p","remote":"evil/p"}}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"TaskTemplate":{"Networks":[{"Target":"host"}]}}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"Networks":[{"Target":"host"}]}"#,
    ),
    (
        "POST",
        "/services/create",
        r#"{"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":80}]}}"#,
    ),
    (
        "POST",
        "/services/x/update?version=1",
        r#"{"TaskTemplate":{"ContainerSpec":{"CapabilityAdd":["ALL"]}}}"#,
    ),
    ("POST", "/swarm/init", r#"{"ListenAddr":"0.0.0.0"}"#),
    ("POST", "/swarm/join", r#"{"RemoteAddrs":["10.0.0.1"]}"#),
    ("POST", "/swarm/update?version=1", "{}"),
    ("POST", "/swarm/unlock", r#"{"UnlockKey":"x"}"#),
    ("POST", "/swarm/leave?force=1", ""),
    ("POST", "/nodes/x/update?version=1", r#"{"Role":"manager"}"#),
    (
        "POST",
        "/plugins/pull?remote=evil/p",
        r#"[{"Name":"network","Value":["host"]}]"#,
    ),
    ("POST", "/plugins/create?name=p", "tar"),
    ("POST", "/plugins/p/enable", ""),
    ("POST", "/plugins/p/set", r#"["A=b"]"#),
    ("POST", "/plugins/p/upgrade?remote=evil/p", "[]"),
    (
        "POST",
        "/secrets/create",
        r#"{"Name":"s","Data":"eA==","Driver":{"Name":"d"}}"#,
    ),
    (
        "POST",
        "/configs/create",
        r#"{"Name":"c","Data":"eA==","Templating":{"Name":"golang"}}"#,
    ),
    ("POST", "/build?remote=http://10.0.0.1/x", ""),
    ("POST", "/build?networkmode=host", "tar"),
    ("POST", "/build?networkmode=container:db", "tar"),
    ("POST", "/build?cgroupparent=/", "tar"),
    ("POST", "/build?extrahosts=a:10.0.0.1", "tar"),
    ("POST", "/build?securityopt=seccomp=unconfined", "tar"),
    ("POST", "/build?outputs=[]", "tar"),
    ("POST", "/build?session=x&version=2", "tar"),
    ("POST", "/images/create?fromSrc=http://10.0.0.1/x", ""),
    ("POST", "/images/create?fromImage=10.0.0.1:5000/x", ""),
    (
        "POST",
        "/images/create?fromImage=busybox&changes=USER%20root",
        "",
    ),
    ("POST", "/images/load", "tar"),
    ("POST", "/images/10.0.0.1:5000/x/push", ""),
    ("POST", "/auth", r#"{"serveraddress":"10.0.0.1"}"#),
    ("POST", "/session", ""),
    ("POST", "/grpc", ""),
    ("GET", "/containers/NAME/attach/ws?stdin=1", ""),
    ("GET", "/containers/NAME/export", ""),
    ("GET", "/containers/NAME/archive?path=/", ""),
    ("HEAD", "/containers/NAME/archive?path=/", ""),
    ("GET", "/containers/NAME/top?ps_args=auxe", ""),
    ("GET", "/images/get?names=x", ""),
    ("GET", "/images/x/get", ""),
    ("GET", "/images/search?term=10.0.0.1:5000/x", ""),
    ("GET", "/distribution/10.0.0.1:5000/x/json", ""),
    ("GET", "/plugins/privileges?remote=10.0.0.1/x", ""),
    ("GET", "/secrets", ""),
    ("GET", "/configs/x", ""),
    ("GET", "/swarm", ""),
    ("GET", "/swarm/unlockkey", ""),
    ("GET", "/debug/pprof/heap", ""),
    ("GET", "/debug/vars", ""),
];

/// Unwelcome, but what many containers have: at least one policy denies each.
const UNWELCOME: &[(&str, &str)] = &[
    ("User", r#""root""#),
    ("Env", r#"["A=b"]"#),
    ("Labels", r#"{"com.centurylinklabs.watchtower.scope":"x"}"#),
    ("Healthcheck", r#"{"Test":["CMD","x"]}"#),
    ("HostConfig", r#"{"RestartPolicy":{"Name":"always"}}"#),
];

/// A policy's name for a container, its image, and what it needs in `HostConfig`, member by member.
type Harmless = (&'static str, &'static str, &'static [&'static str]);

const VERSIONS: [&str; 6] = ["", "/v1.23", "/v1.24", "/v1.41", "/v1.51", "/v01.41.0"];

/// A create that each policy in itself allows: name, image, and what its `HostConfig` needs.
fn harmless(policy: &str) -> Harmless {
    match policy {
        "ci-runner.rhai" => (
            "job-1",
            r#""registry.example.com/x""#,
            &[r#""NetworkMode":"ci""#],
        ),
        "sandbox.rhai" => (
            "sandbox-1",
            r#""python""#,
            &[
                r#""NetworkMode":"none""#,
                r#""CapDrop":["ALL"]"#,
                r#""Memory":1"#,
                r#""PidsLimit":1"#,
            ],
        ),
        "own-containers.rhai" => (
            "u1000-x",
            r#""busybox","Labels":{"doxy.owner":"1000"}"#,
            &[],
        ),
        "no-privileged.rhai" => ("team-web", r#""busybox""#, &[]),
        "tour.rhai" => ("web", r#""busybox""#, &[r#""Memory":1"#]),
        "updater.rhai" => ("web", r#""ghcr.io/example/web""#, &[]),
        _ => ("web", r#""busybox""#, &[]),
    }
}

fn is_creator(policy: &Policy) -> bool {
    matches!(
        policy.name.as_str(),
        "ci-runner.rhai"
            | "sandbox.rhai"
            | "own-containers.rhai"
            | "updater.rhai"
            | "no-privileged.rhai"
            | "tour.rhai"
    )
}

fn ask(policy: &Policy, method: &str, target: &str, body: &str) -> Decision {
    let mut ask = Ask::new(method, target).header("Content-Type", "application/json");
    ask.peer = Some(Peer {
        uid: 1000,
        gid: 1000,
        pid: None,
    });
    if !body.is_empty() {
        ask = ask.body(body);
    }
    ask.of(&policy.script, policy.rules.as_ref())
}

fn create(policy: &Policy, version: &str, body: &str) -> Decision {
    let (name, ..) = harmless(&policy.name);
    ask(
        policy,
        "POST",
        &format!("{version}/containers/create?name={name}"),
        body,
    )
}

#[track_caller]
fn denied(policy: &Policy, decision: &Decision, what: &str) {
    assert!(
        matches!(decision, Decision::Deny { .. } | Decision::Failed { .. }),
        "{} says {} to {what}",
        policy.name,
        words(decision)
    );
}

#[test]
fn the_harmless_create_is_allowed_by_those_who_create() {
    for policy in all() {
        let (_, image, host) = harmless(&policy.name);
        let host = host.join(",");
        let body = format!(r#"{{"Image":{image},"HostConfig":{{{host}}}}}"#);
        let allowed = create(&policy, "/v1.41", &body) == Decision::Allow;
        assert_eq!(allowed, is_creator(&policy), "{}", policy.name);
    }
}

/// A field in every way in which some engine would obey it.
fn spellings(field: &str, value: &str, image: &str, host: &[&str]) -> Vec<String> {
    // The harmless value of a field is in the way of its dangerous one.
    let host: Vec<_> = host
        .iter()
        .copied()
        .filter(|member| !member.starts_with(&format!("\"{field}\"")))
        .collect();
    let host = host.join(",");
    let comma = if host.is_empty() { "" } else { "," };
    let lower = field.to_lowercase();
    let (first, rest) = field.split_at(1);
    let escaped = format!("\\u{:04x}{rest}", first.as_bytes()[0]);
    let kelvin = field.replace(['k', 'K'], "\u{212a}");
    let long_s = field.replace(['s', 'S'], "\u{17f}");
    let mut bodies = Vec::new();
    for key in [
        field,
        &lower,
        &field.to_uppercase(),
        &escaped,
        &kelvin,
        &long_s,
    ] {
        bodies.push(format!(
            r#"{{"Image":{image},"HostConfig":{{{host}{comma}"{key}":{value}}}}}"#
        ));
        bodies.push(format!(
            r#"{{"Image":{image},"{key}":{value},"HostConfig":{{{host}}}}}"#
        ));
        bodies.push(format!(r#"{{"Image":{image},"{key}":{value}}}"#));
    }
    for outer in [
        "hostconfig",
        "HOSTCONFIG",
        "Ho\u{17f}tConfig",
        "Host\\u0043onfig",
    ] {
        bodies.push(format!(
            r#"{{"Image":{image},"{outer}":{{{host}{comma}"{field}":{value}}}}}"#
        ));
    }
    let object = format!(r#"{{{host}{comma}"{field}":{value}}}"#);
    bodies.push(format!(
        r#"{{"Image":{image},"HostConfig":{object},"HostConfig":{{{host}}}}}"#
    ));
    bodies.push(format!(
        r#"{{"Image":{image},"HostConfig":{object},"hostConfig":null}}"#
    ));
    bodies.push(format!(
        r#"{{"Image":{image},"HostConfig":{{"{field}":{value},"{field}":null{comma}{host}}}}}"#
    ));
    bodies.push(format!(
        r#"{{"Image":{image},"HostConfig":{{{host}}}}}{{"Image":{image},"HostConfig":{object}}}"#
    ));
    bodies
}

#[test]
fn fields_of_host_config() {
    for policy in all() {
        let (_, image, host) = harmless(&policy.name);
        for (field, value) in HOST {
            let bodies = spellings(field, value, image, host);
            for version in VERSIONS {
                let plain = create(&policy, version, &bodies[0]);
                denied(&policy, &plain, &bodies[0]);
                assert!(!words(&plain).contains("not JSON"), "{}", bodies[0]);
            }
            for body in bodies {
                denied(&policy, &create(&policy, "/v1.24", &body), &body);
            }
        }
    }
}

#[test]
fn fields_of_the_body() {
    for policy in all() {
        let (_, image, host) = harmless(&policy.name);
        let host = host.join(",");
        for (field, value) in TOP {
            for key in [*field, &field.to_lowercase()] {
                let body =
                    format!(r#"{{"Image":{image},"{key}":{value},"HostConfig":{{{host}}}}}"#);
                denied(&policy, &create(&policy, "", &body), &body);
            }
        }
    }
}

#[test]
fn other_endpoints() {
    for policy in all() {
        let (name, ..) = harmless(&policy.name);
        for (method, target, body) in ELSEWHERE {
            for version in VERSIONS {
                let target = format!("{version}{}", target.replace("NAME", name));
                let body = body.replace("NAME", name);
                let decision = ask(&policy, method, &target, &body);
                denied(&policy, &decision, &format!("{method} {target} {body}"));
            }
        }
    }
}

#[test]
fn unwelcome_fields_are_denied_by_someone() {
    for (field, value) in UNWELCOME {
        let deniers: Vec<_> = all()
            .into_iter()
            .filter(is_creator)
            .filter(|policy| {
                let (_, image, _) = harmless(&policy.name);
                let body = format!(r#"{{"Image":{image},"{field}":{value}}}"#);
                create(policy, "", &body) != Decision::Allow
            })
            .collect();
        assert!(!deniers.is_empty(), "{field}");
    }
}
