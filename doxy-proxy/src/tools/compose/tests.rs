//! What is read of compose files, however they are written, and what is an error.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed test is meant to panic"
)]

use super::{Service, Settings, is_compose, read};

const COMPOSE: &str = r#"
# A stack
x-proxy: &proxy
  environment: &switches
    CONTAINERS: 1
    POST: 1
services:
  proxy:
    image: tecnativa/docker-socket-proxy:${TAG:-0.3}   # pinned
    environment:
      CONTAINERS: 1
      "POST": "0"
      NOTHING:
    networks: [proxy]
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
      - type: bind
        source: /x
        target: /y
  rules:
    image: 'hectorm/cetusguard'
    environment:
    - |
      CETUSGUARD_RULES=GET /a
      ! more

      POST /b
    - CETUSGUARD_LOG_LEVEL=7
    command: -no-builtin-rules -log-level 6
  client:
    build: .
    command:
      - '-allowGET=/v1\..{1,2}/(version|containers/.*)'
      - "-x=\"y\""
    labels:
      socket-proxy.allow.get: '.*'
  inline: {image: "a:1", environment: {CONTAINERS: 1, POST: 0}, command: [a, "b c"],
           labels: [k=v, "l=x y"]}
  listed:
    environment: ["CONTAINERS=1", POST=$$0]
  merged:
    <<: *proxy
    command: >-
      -a
      -b
  more:
    environment:
      <<: [*switches, {IMAGES: 1}]
      POST: 0
networks:
  proxy: {}
"#;

fn settings(environment: &[&str], command: &[&str], labels: &[&str]) -> Settings {
    let pairs = |all: &[&str]| {
        let pairs = all.iter().map(|pair| pair.split_once('=').unwrap());
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        owned.collect::<Vec<_>>()
    };
    Settings {
        environment: pairs(environment),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        labels: pairs(labels),
    }
}

#[test]
fn compose_files() {
    let services = read("compose.yaml", COMPOSE).unwrap();
    let rules = "CETUSGUARD_RULES=GET /a\n! more\n\nPOST /b\n";
    let expected = [
        (
            "proxy",
            "tecnativa/docker-socket-proxy:${TAG:-0.3}",
            settings(&["CONTAINERS=1", "POST=0", "NOTHING="], &[], &[]),
        ),
        (
            "rules",
            "hectorm/cetusguard",
            settings(
                &[rules, "CETUSGUARD_LOG_LEVEL=7"],
                &["-no-builtin-rules", "-log-level", "6"],
                &[],
            ),
        ),
        (
            "client",
            "",
            settings(
                &[],
                &[r"-allowGET=/v1\..{1,2}/(version|containers/.*)", "-x=\"y\""],
                &["socket-proxy.allow.get=.*"],
            ),
        ),
        (
            "inline",
            "a:1",
            settings(
                &["CONTAINERS=1", "POST=0"],
                &["a", "b c"],
                &["k=v", "l=x y"],
            ),
        ),
        (
            "listed",
            "",
            settings(&["CONTAINERS=1", "POST=$0"], &[], &[]),
        ),
        (
            "merged",
            "",
            settings(&["CONTAINERS=1", "POST=1"], &["-a", "-b"], &[]),
        ),
        (
            "more",
            "",
            settings(&["POST=0", "CONTAINERS=1", "IMAGES=1"], &[], &[]),
        ),
    ];
    assert_eq!(services.len(), expected.len());
    for (service, (name, image, settings)) in services.iter().zip(expected) {
        assert_eq!((&*service.name, &*service.image), (name, image));
        assert_eq!(service.settings().unwrap(), settings, "{name}");
    }
}

/// `docker compose config --format json` prints it so.
#[test]
fn json_is_yaml() {
    let text =
        r#"{"name": "x", "services": {"p": {"environment": {"CONTAINERS": "1", "A": null}}}}"#;
    assert!(is_compose(text));
    let services = read("c.json", text).unwrap();
    assert_eq!(
        services[0].settings().unwrap(),
        settings(&["CONTAINERS=1", "A="], &[], &[])
    );
}

#[test]
fn files_of_variables_are_none() {
    for (text, expected) in [
        (COMPOSE, true),
        ("services:\n", true),
        ("\u{feff}services: {}\n", true),
        ("---\n# x\nname: a=b\n", true),
        ("# x: y\nCONTAINERS=1\n", false),
        ("SP_ALLOW_GET=/a:{b}\nservices: x\n", false),
        ("CONTAINERS\n", false),
        ("", false),
    ] {
        assert_eq!(is_compose(text), expected, "{text}");
    }
}

/// The line is that of what is wrong, and only of the service that is asked for.
#[test]
fn what_is_not_read_is_an_error() {
    for (text, line, what) in [
        (
            "services:\n  p:\n    environment:\n      - A\n",
            4,
            "`A` has its value elsewhere",
        ),
        (
            "services:\n  p:\n    environment:\n      A: ${B}\n",
            4,
            "`${B}` refers to a variable",
        ),
        (
            "services:\n  p:\n    environment:\n      A: '$B'\n",
            4,
            "`$B` refers to a variable",
        ),
        (
            "services:\n  p:\n    environment: {X: 1,\n      A: [1]}\n",
            4,
            "this is no text",
        ),
        (
            "services:\n  p:\n    environment: x\n",
            3,
            "neither a map nor a list",
        ),
        (
            "services:\n  p:\n    environment: !reset []\n",
            3,
            "neither a map nor a list",
        ),
        (
            "services:\n  p:\n    command: !x y\n",
            3,
            "the tag !x is not read",
        ),
        (
            "services:\n  p:\n    env_file: .env\n",
            3,
            "the settings of this service stand elsewhere",
        ),
        (
            "services:\n  p:\n    extends: {service: q}\n",
            3,
            "the settings of this service",
        ),
        (
            "services:\n  p:\n    command: \"a 'b c'\"\n",
            3,
            "a command with quotes",
        ),
        ("services:\n  p: x\n", 2, "a service is a map"),
        ("services: x\n", 1, "services are keys with maps"),
        ("x: y\n", 1, "no services"),
        ("x\n", 1, "not a compose file"),
        ("", 1, "not a compose file"),
        ("services:\n  - p\n", 1, "services are keys with maps"),
    ] {
        let found = read("c.yaml", text).and_then(|services| {
            let read = services.iter().map(Service::settings);
            read.collect::<Result<Vec<_>, _>>()
        });
        let error = found.unwrap_err().to_string();
        let place = format!("c.yaml:{line}: {what}");
        assert!(
            error.starts_with(&place) && error.contains("\nhelp: "),
            "{text}: {error}"
        );
    }
}
