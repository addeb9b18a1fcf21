//! Files of variables, and compose files.

use doxy_filter::import::compose::{is_compose, read};
use doxy_filter::import::env_file;

#[test]
fn files_of_variables() {
    let text =
        "# proxy\n\nCONTAINERS=1\nexport POST = \"0\" \nSP_ALLOW_GET='/a|/b' \nX=/v[$]x$$ # note\n";
    let read = env_file::read(".env", text).unwrap();
    let pairs: Vec<_> = read
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        pairs,
        ["CONTAINERS=1", "POST=0", "SP_ALLOW_GET=/a|/b", "X=/v[$]x$"]
    );
    for (text, expected) in [
        ("A=1\nCONTAINERS", ".env:2: `CONTAINERS`: not NAME=VALUE"),
        ("A=${B:-1}", ".env:1: `${B:-1}` refers to a variable"),
        ("A=$B", ".env:1: `$B` refers to a variable"),
    ] {
        let error = env_file::read(".env", text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

const COMPOSE: &str = r#"
# A stack
services:
  proxy:
    image: tecnativa/docker-socket-proxy:0.3   # pinned
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
networks:
  proxy: {}
"#;

#[test]
fn compose_files() {
    assert!(is_compose(COMPOSE) && !is_compose("CONTAINERS=1\n"));
    let services = read("compose.yaml", COMPOSE).unwrap();
    let pairs = |all: &[(String, String)]| {
        let pairs = all.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>()
    };
    let [proxy, rules, client] = &services[..] else {
        panic!("{services:?}");
    };
    assert_eq!(proxy.image, "tecnativa/docker-socket-proxy:0.3");
    assert_eq!(
        pairs(&proxy.environment),
        ["CONTAINERS=1", "POST=0", "NOTHING="]
    );
    assert_eq!(rules.name, "rules");
    assert_eq!(rules.image, "hectorm/cetusguard");
    let text = "CETUSGUARD_RULES=GET /a\n! more\n\nPOST /b";
    assert_eq!(pairs(&rules.environment), [text, "CETUSGUARD_LOG_LEVEL=7"]);
    assert_eq!(rules.command, ["-no-builtin-rules", "-log-level", "6"]);
    assert_eq!(client.image, "");
    assert_eq!(
        client.command,
        [r"-allowGET=/v1\..{1,2}/(version|containers/.*)", "-x=\"y\""]
    );
    assert_eq!(pairs(&client.labels), ["socket-proxy.allow.get=.*"]);
}

#[test]
fn what_is_not_read_is_an_error() {
    let deep: String = (0..100)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    for (text, line) in [
        ("services:\n  p:\n    environment: {A: 1}\n", 3),
        ("services:\n  p:\n    environment:\n      - A\n", 4),
        ("services:\n  p:\n    environment:\n      A: ${B}\n", 4),
        ("services:\n  p:\n    environment:\n      A: &x 1\n", 4),
        (
            "services:\n  p:\n    environment:\n      A: long\n        text\n",
            4,
        ),
        ("services:\n  p:\n    env_file: .env\n", 3),
        ("services:\n  p:\n    <<: *base\n", 3),
        ("services:\n  p:\n    command: \"a 'b c'\"\n", 3),
        ("services:\n  p: x\n", 2),
        ("services: x\n", 1),
        ("x\n", 1),
        ("services:\n  p:\n      a: b\n    c: d\n", 4),
        ("services:\n  - p\n", 1),
        (&*deep, 34),
        ("", 1),
    ] {
        let error = read("c.yaml", text).unwrap_err().to_string();
        let place = format!("c.yaml:{line}: ");
        assert!(
            error.starts_with(&place) && error.contains("\nhelp: "),
            "{text}: {error}"
        );
    }
}
