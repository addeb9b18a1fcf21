//! Lists of what is allowed: `only`, and the functions that know the engine's spellings.

use doxy_script::{Limits, Script};

use crate::support::{Ask, run, words};

const VOLUME: &str = r#"{"Name":"v","ClusterVolumeSpec":{"AccessMode":{}}}"#;

fn create(body: &str) -> Ask {
    Ask::new("POST", "/v1.51/containers/create").body(body)
}

/// `deny FIELD` if a field is not allowed, otherwise `allow`.
#[track_caller]
fn check(ask: &Ask, call: &str, expected: &str) {
    let source = format!("fn decide(req) {{ let c = req.json(); {call}; allow() }}");
    let found = run(&source, ask);
    let found = found
        .replace("deny `", "deny ")
        .replace("` is not allowed", "");
    assert_eq!(found, expected, "{call}");
}

#[test]
fn a_field_that_is_not_named_is_denied_whatever_its_value_is() {
    for value in [
        "0",
        "\"\"",
        "false",
        "null",
        "[]",
        "{}",
        "\"a\"",
        "1.5",
        "[1]",
        "{\"a\":1}",
    ] {
        let body = format!(r#"{{"Image":"a","NewField":{value}}}"#);
        check(
            &create(&body),
            "c.only([\"Image\", \"Env\"])",
            "deny NewField",
        );
        check(&create(&body), "c.only([\"Image\", \"NewField\"])", "allow");
        check(&create(&body), "c.only(#{Image: true})", "deny NewField");
        check(
            &create(&body),
            "c.only(#{Image: true, NewField: true})",
            "allow",
        );
    }
    for (value, set) in [
        ("0", false),
        ("\"\"", false),
        ("null", false),
        ("{\"a\":[]}", false),
        ("{\"a\":1}", true),
        ("true", true),
    ] {
        let body = format!(r#"{{"NewField":{value}}}"#);
        let expected = if set { "deny NewField" } else { "allow" };
        check(&create(&body), "c.only(#{NewField: false})", expected);
    }
    let volume = Ask::new("POST", "/volumes/create").body(VOLUME);
    check(
        &volume,
        "if is_set(c.ClusterVolumeSpec) { deny(\"x\"); }",
        "allow",
    );
    check(&volume, "c.only([\"Name\"])", "deny ClusterVolumeSpec");
    check(
        &volume,
        "if c.contains(\"ClusterVolumeSpec\") { deny(\"it is there\"); }",
        "deny it is there",
    );
}

#[test]
fn fields_are_named_at_any_depth() {
    let body = r#"{"HostConfig":{"Binds":["/a:/b"],"CapAdd":["SYS_ADMIN"],
        "Mounts":[{"Type":"bind","Source":"/a"},{"Type":"volume","VolumeOptions":{"NoCopy":true}}]},
        "NetworkingConfig":{"EndpointsConfig":{"n.1":{"Aliases":["a"]},"m":{"NetworkID":"x"}}}}"#;
    let ask = create(body);
    for (call, expected) in [
        (
            "c.only(#{HostConfig: true, NetworkingConfig: true})",
            "allow",
        ),
        (
            "c.only(#{HostConfig: [\"Binds\"]})",
            "deny HostConfig.CapAdd",
        ),
        (
            "c.only(#{HostConfig: #{Binds: true, CapAdd: false}})",
            "deny HostConfig.CapAdd",
        ),
        (
            "c.only(#{HostConfig: #{Binds: true, CapAdd: [\"CHOWN\"]}})",
            "deny HostConfig.CapAdd",
        ),
        (
            "c.only(#{HostConfig: #{Binds: true, CapAdd: [\"SYS_ADMIN\"], Mounts: [\"Type\", \"Source\"]}})",
            "deny HostConfig.Mounts.VolumeOptions",
        ),
        ("c.only(#{HostConfig: true})", "deny NetworkingConfig"),
        ("c.only(#{})", "deny HostConfig"),
        ("c.only([])", "deny HostConfig"),
        ("c.HostConfig.only([\"Binds\", \"CapAdd\"])", "deny Mounts"),
        (
            "c.HostConfig.Mounts.only([\"Type\", \"Source\", \"VolumeOptions\"])",
            "allow",
        ),
        (
            "c.HostConfig.Mounts.only([\"Type\", \"Source\"])",
            "deny VolumeOptions",
        ),
        (
            "let list = c.HostConfig.Mounts; list.only([\"Type\"])",
            "deny Source",
        ),
        (
            "c.HostConfig.CapAdd.only([\"CHOWN\", \"SYS_ADMIN\"])",
            "allow",
        ),
        ("c.HostConfig.CapAdd.only([\"CHOWN\"])", "deny SYS_ADMIN"),
        (
            "c.NetworkingConfig.EndpointsConfig.only([\"n.1\", \"m\"])",
            "allow",
        ),
        (
            "c.NetworkingConfig.EndpointsConfig.only([\"n\", \"m\"])",
            "deny n.1",
        ),
        (
            "c.NetworkingConfig.only(#{EndpointsConfig: #{\"*\": [\"Aliases\"]}})",
            "deny EndpointsConfig.m.NetworkID",
        ),
        (
            "c.NetworkingConfig.only(#{EndpointsConfig: #{\"*\": [\"Aliases\"], m: [\"NetworkID\"]}})",
            "allow",
        ),
        ("c.Labels.only([\"a\"])", "allow"),
        ("c.Labels.Image.only([])", "allow"),
    ] {
        check(&ask, call, expected);
    }
    let ask = create(r#"{"Labels":{"Role":"a"},"Healthcheck":{"Test":["a"]},"HostConfig":null}"#);
    check(
        &ask,
        "c.only(#{Labels: true, Healthcheck: true, HostConfig: []})",
        "allow",
    );
    check(
        &ask,
        "c.only(#{Labels: #{Role: []}, Healthcheck: true})",
        "deny Labels.Role",
    );
}

#[test]
fn what_is_no_list_of_names_fails() {
    let ask = create(r#"{"Image":"a"}"#);
    for names in ["1", "\"Image\"", "()", "#{Image: 1}", "#{Image: \"a\"}"] {
        let source = format!("fn decide(req) {{ req.json().only({names}); allow() }}");
        assert!(!run(&source, &ask).starts_with("allow"), "{names}");
    }
    for (names, expected) in [("[1]", "deny"), ("[\"Image\", 1]", "allow")] {
        let source = format!("fn decide(req) {{ req.json().only({names}); allow() }}");
        assert!(run(&source, &ask).starts_with(expected), "{names}");
    }
}

#[test]
fn parameters_of_the_query_are_named_as_the_engine_reads_them() {
    for (query, denied) in [
        ("", None),
        ("?all=1&limit=2", None),
        ("?all=1&all=0", None),
        ("?a%6cl=1", None),
        ("?ALL=1", Some("ALL")),
        ("?all=1&size=1", Some("size")),
        ("?size", Some("size")),
        ("?size=", Some("size")),
        ("?=1", Some("")),
        ("?s%69ze=1", Some("size")),
        ("?all+=1", Some("all ")),
        ("?limit=1&manifests=1&size=1", Some("manifests")),
    ] {
        let expected = match denied {
            Some(name) => format!("deny the query parameter `{name}` is not allowed"),
            None => "allow".to_owned(),
        };
        let ask = Ask::new("GET", &format!("/containers/json{query}"));
        let source = "fn decide(req) { req.query.only([\"all\", \"limit\"]); allow() }";
        assert_eq!(run(source, &ask), expected, "{query}");
    }
}

/// A client may send many keys, and all are compared.
#[test]
fn many_keys_take_steps() {
    let keys: Vec<_> = (0..10_000).map(|n| format!(r#""a{n:05}":0"#)).collect();
    let ask = create(&format!(r#"{{"Labels":{{{}}}}}"#, keys.join(",")));
    let limits = Limits {
        steps: 1000,
        ..Limits::default()
    };
    for (times, expected) in [(5, "allow"), (100, "more than 1000 steps")] {
        let source = format!(
            "fn decide(req) {{ let l = req.json().Labels; for i in 0..{times} {{ l.only(#{{\"*\": true}}); }} allow() }}"
        );
        let script = Script::compile("p", source.as_bytes()).unwrap();
        let said = words(&ask.of(&script.with_limits(limits), None));
        assert!(said.contains(expected), "{said}");
    }
}

/// What fails is denied, so a text that the engine reads otherwise never passes.
#[test]
fn what_cannot_be_read_fails() {
    for (expression, expected) in [
        ("\"10.1.2.3\".in_range(\"10.0.0.0/8\")", "allow"),
        ("\"11.1.2.3\".in_range(\"10.0.0.0/8\")", "pass"),
        (
            "\"127.0.0.0/8\".in_range(\"127.0.0.0/8\")",
            "`127.0.0.0/8` is not an address",
        ),
        ("\"\".in_range(\"127.0.0.0/8\")", "`` is not an address"),
        ("\"127.1\".in_range(\"127.0.0.0/8\")", "is not an address"),
        (
            "!\"localhost\".in_range(\"127.0.0.0/8\")",
            "is not an address",
        ),
        ("\"10.1.2.3\".in_range(\"10\")", "`10` is not a network"),
        ("().in_range(\"127.0.0.0/8\")", "pass"),
        ("\"10.5.0.0/16\".subnet_of(\"10.0.0.0/8\")", "allow"),
        ("\"0.0.0.0/0\".subnet_of(\"10.0.0.0/8\")", "pass"),
        (
            "!\"10.5.0.1\".subnet_of(\"10.0.0.0/8\")",
            "`10.5.0.1` is not a network",
        ),
        ("().subnet_of(\"10.0.0.0/8\")", "pass"),
        (
            "user(\"1000:1001\").uid == 1000 && user(\"1000:1001\").gid == 1001",
            "allow",
        ),
        ("user(\"1000\").uid == 1000", "`1000` is not a user"),
        ("!(user(\"\").uid < 1000)", "`` is not a user"),
        ("!(user(()).uid < 1000)", "no user is set"),
        ("!(user(req.json().User).uid < 1000)", "no user is set"),
        ("capability(\"cap_chown\") == \"CHOWN\"", "allow"),
        (
            "capability(\"\u{17f}ys_admin\") != \"SYS_ADMIN\"",
            "is not a capability",
        ),
        (
            "security_opt(\"seccomp:unconfined\").value == \"unconfined\"",
            "allow",
        ),
        (
            "security_opt(\"x\").name != \"seccomp\"",
            "`x` is not a security option",
        ),
        ("security_opt(()) == () && capability(()) == ()", "allow"),
    ] {
        let source =
            format!("fn decide(req) {{ if {expression} {{ allow() }} else {{ pass() }} }}");
        let said = run(&source, &create("{}"));
        assert!(said.contains(expected), "{expression}: {said}");
    }
}
