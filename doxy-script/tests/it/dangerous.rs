//! Every endpoint and field that makes its user root on the host, or nearly, against every policy in `scripts/`.
//!
//! A row is denied by all of them, with and without a version in front, and with the field in every spelling that
//! some engine obeys. What is merely unwelcome is denied by at least one.

mod table;

use doxy_script::{Decision, Peer};

use crate::policies::{Policy, all};
use crate::support::{Ask, words};

pub(crate) use self::table::ELSEWHERE;
use self::table::{HOST, TOP, UNWELCOME};

/// A create that a policy allows, and what the engine knows then.
#[derive(Default)]
struct Harmless {
    name: &'static str,
    /// The image as JSON, and further members of the body.
    image: &'static str,
    /// What it needs in `HostConfig`, member by member.
    host: &'static [&'static str],
    /// What the engine says about the image, and about a container of this name.
    lookups: &'static [&'static str],
}

const VERSIONS: [&str; 6] = ["", "/v1.23", "/v1.24", "/v1.41", "/v1.51", "/v01.41.0"];

/// A create that each policy in itself allows.
fn harmless(policy: &str) -> Harmless {
    match policy {
        "ci-runner.rhai" => Harmless {
            name: "job-1",
            image: r#""registry.example.com/x","User":"2100000001:2100000001","Labels":{"doxy.owner":"ci"}"#,
            host: &[
                r#""NetworkMode":"ci""#,
                r#""CapDrop":["ALL"]"#,
                r#""SecurityOpt":["no-new-privileges"]"#,
            ],
            lookups: &[
                r#"image registry.example.com/x {"Id":"sha256:b0"}"#,
                r#"image sha256:b0 {"Id":"sha256:b0"}"#,
                r#"container job-1 {"Id":"0a0a0a0a0a0a0a0a0a0a0a0a","Name":"/job-1","Image":"sha256:b0","Config":{"User":"2100000001:2100000001","Labels":{"doxy.owner":"ci"}},"HostConfig":{"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"]}}"#,
                r#"engine {"SecurityOptions":["name=seccomp,profile=builtin"]}"#,
            ],
        },
        "sandbox.rhai" => Harmless {
            name: "sandbox-1",
            image: r#""python","User":"2100000000:2100000000","Labels":{"doxy.owner":"sandbox"}"#,
            host: &[
                r#""NetworkMode":"none""#,
                r#""CapDrop":["ALL"]"#,
                r#""SecurityOpt":["no-new-privileges"]"#,
                r#""Memory":1"#,
                r#""PidsLimit":1"#,
            ],
            lookups: &[
                r#"image python {"Id":"sha256:b0"}"#,
                r#"image sha256:b0 {"Id":"sha256:b0"}"#,
                r#"container sandbox-1 {"Id":"0a0a0a0a0a0a0a0a","Name":"/sandbox-1","Image":"sha256:b0","Config":{"User":"2100000000:2100000000","Labels":{"doxy.owner":"sandbox"}},"HostConfig":{"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"]}}"#,
                r#"engine {"SecurityOptions":["name=seccomp,profile=builtin"]}"#,
            ],
        },
        "agent.rhai" => Harmless {
            name: "agent-1",
            image: r#""python","User":"2100000000:2100000000","Labels":{"doxy.owner":"agent"}"#,
            host: &[
                r#""NetworkMode":"none""#,
                r#""CapDrop":["ALL"]"#,
                r#""SecurityOpt":["no-new-privileges"]"#,
                r#""Memory":1"#,
                r#""PidsLimit":1"#,
            ],
            lookups: &[
                r#"image python {"Id":"sha256:b0"}"#,
                r#"image sha256:b0 {"Id":"sha256:b0"}"#,
                r#"container agent-1 {"Id":"0a0a0a0a0a0a0a0a","Name":"/agent-1","Image":"sha256:b0","Config":{"User":"2100000000:2100000000","Labels":{"doxy.owner":"agent"}},"HostConfig":{"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"]}}"#,
                r#"engine {"SecurityOptions":["name=seccomp,profile=builtin"]}"#,
            ],
        },
        "own-containers.rhai" => Harmless {
            name: "u1000-x",
            image: r#""busybox","User":"2100001000:2100001000","Labels":{"doxy.owner":"1000"}"#,
            host: &[
                r#""CapDrop":["ALL"]"#,
                r#""SecurityOpt":["no-new-privileges"]"#,
            ],
            lookups: &[
                r#"image busybox {"Id":"sha256:b0"}"#,
                r#"image sha256:b0 {"Id":"sha256:b0"}"#,
                r#"container u1000-x {"Id":"0a0a0a0a0a0a0a0a","Name":"/u1000-x","Image":"sha256:b0","Config":{"User":"2100001000:2100001000","Labels":{"doxy.owner":"1000"}},"HostConfig":{"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"]}}"#,
                r#"engine {"SecurityOptions":["name=seccomp,profile=builtin"]}"#,
            ],
        },
        "no-privileged.rhai" => Harmless {
            name: "team-web",
            image: r#""busybox","User":"2100000000:2100000000""#,
            host: &[
                r#""CapDrop":["ALL"]"#,
                r#""SecurityOpt":["no-new-privileges"]"#,
            ],
            lookups: &[
                r#"image busybox {"Id":"sha256:b0"}"#,
                r#"container team-web {"Id":"0a0a0a0a0a0a0a0a0a0a0a0a","Name":"/team-web","Image":"sha256:b0","Config":{"User":"2100000000:2100000000"},"HostConfig":{"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"]}}"#,
                r#"engine {"SecurityOptions":["name=seccomp,profile=builtin"]}"#,
            ],
        },
        "compose.rhai" => Harmless {
            name: "app-web-1",
            image: r#""busybox","Labels":{"com.docker.compose.project":"app"}"#,
            lookups: &[
                r#"image busybox {"Id":"sha256:b0"}"#,
                r#"container app-web-1 {"Id":"0a0a0a0a0a0a0a0a0a0a0a0a","Name":"/app-web-1","Image":"sha256:b0","Config":{"Labels":{"com.docker.compose.project":"app"}},"HostConfig":{}}"#,
            ],
            ..Harmless::default()
        },
        "testcontainers.rhai" => Harmless {
            name: "tc-x",
            image: r#""busybox","Labels":{"org.testcontainers":"true"}"#,
            lookups: &[
                r#"image busybox {"Id":"sha256:b0"}"#,
                r#"image sha256:b0 {"Id":"sha256:b0"}"#,
                r#"container tc-x {"Id":"0a0a0a0a0a0a0a0a0a0a0a0a","Name":"/tc-x","Image":"sha256:b0","Config":{"Labels":{"org.testcontainers":"true"}},"HostConfig":{}}"#,
            ],
            ..Harmless::default()
        },
        "tour.rhai" => Harmless {
            name: "web",
            image: r#""busybox""#,
            host: &[r#""Memory":1"#],
            ..Harmless::default()
        },
        "watchtower.rhai" => Harmless {
            name: "web",
            image: r#""ghcr.io/example/web""#,
            lookups: &[r#"image ghcr.io/example/web {"Id":"sha256:b0"}"#],
            ..Harmless::default()
        },
        _ => Harmless {
            name: "web",
            image: r#""busybox""#,
            ..Harmless::default()
        },
    }
}

/// What a policy allows because it says so: files out of its users' own containers, and what the original
/// allowed.
fn is_promised(policy: &str, target: &str) -> bool {
    if policy == "original.pattern" {
        return ["/top?", "/images/get", "/images/search"]
            .iter()
            .any(|it| target.contains(it));
    }
    let promising = ["own-containers.rhai", "agent.rhai", "ci-runner.rhai"];
    promising.contains(&policy) && target.contains("/archive?")
}

fn is_creator(policy: &Policy) -> bool {
    matches!(
        policy.name.as_str(),
        "ci-runner.rhai"
            | "compose.rhai"
            | "testcontainers.rhai"
            | "sandbox.rhai"
            | "agent.rhai"
            | "own-containers.rhai"
            | "watchtower.rhai"
            | "no-privileged.rhai"
            | "tour.rhai"
    )
}

fn ask(policy: &Policy, method: &str, target: &str, body: &str) -> Decision {
    let mut ask = Ask::new(method, target).header("Content-Type", "application/json");
    ask.peer = Some(Peer::Unix {
        uid: 1000,
        gid: 1000,
        pid: None,
    });
    if !body.is_empty() {
        ask = ask.body(body);
    }
    for line in harmless(&policy.name).lookups {
        ask.looks_up(line);
    }
    ask.of(&policy.script, policy.rules.as_ref())
}

fn create(policy: &Policy, version: &str, body: &str) -> Decision {
    let Harmless { name, .. } = harmless(&policy.name);
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
        let Harmless { image, host, .. } = harmless(&policy.name);
        let host = host.join(",");
        let body = format!(r#"{{"Image":{image},"HostConfig":{{{host}}}}}"#);
        let allowed = create(&policy, "/v1.41", &body) == Decision::Allow;
        assert_eq!(allowed, is_creator(&policy), "{}", policy.name);
    }
}

/// Engines give containers of API versions before 1.40 an IPC namespace that others can join. The tour
/// only teaches.
#[test]
fn old_versions_of_the_api_share_no_namespaces() {
    let creators = all().into_iter().filter(is_creator);
    for policy in creators.filter(|policy| policy.name != "tour.rhai") {
        let Harmless { image, host, .. } = harmless(&policy.name);
        let body = |host: &[&str]| {
            let host = host.join(",");
            format!(r#"{{"Image":{image},"HostConfig":{{{host}}}}}"#)
        };
        let plain = body(host);
        for version in ["", "/v1.40", "/v1.51"] {
            let decision = create(&policy, version, &plain);
            assert_eq!(decision, Decision::Allow, "{} {version}", policy.name);
        }
        for version in ["/v1.0", "/v1.24", "/v1.39", "/v1.9", "/v01.39", "/v0.99"] {
            let what = format!("{version} {plain}");
            denied(&policy, &create(&policy, version, &plain), &what);
        }
        // Watchtower speaks 1.25 if it is not told otherwise, and sends what inspect showed.
        let private = body(&[host, &[r#""IpcMode":"private""#]].concat());
        let allowed = create(&policy, "/v1.25", &private) == Decision::Allow;
        assert_eq!(allowed, policy.name == "watchtower.rhai", "{}", policy.name);
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
        let Harmless { image, host, .. } = harmless(&policy.name);
        for (field, value) in HOST {
            let bodies = spellings(field, value, image, host);
            for version in VERSIONS {
                let plain = create(&policy, version, &bodies[0]);
                denied(&policy, &plain, &bodies[0]);
                assert!(!words(&plain).contains("not JSON"), "{}", bodies[0]);
            }
            for body in bodies {
                denied(&policy, &create(&policy, "/v1.41", &body), &body);
            }
        }
    }
}

#[test]
fn fields_of_the_body() {
    for policy in all() {
        let Harmless { image, host, .. } = harmless(&policy.name);
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
        let Harmless { name, .. } = harmless(&policy.name);
        for (method, target, body) in ELSEWHERE {
            if matches!(*method, "GET" | "HEAD") && is_promised(&policy.name, target) {
                continue;
            }
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
                let Harmless { image, .. } = harmless(&policy.name);
                let body = format!(r#"{{"Image":{image},"{field}":{value}}}"#);
                create(policy, "", &body) != Decision::Allow
            })
            .collect();
        assert!(!deniers.is_empty(), "{field}");
    }
}
