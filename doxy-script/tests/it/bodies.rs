//! Bodies of creates: what the engine made of each is known; here is what doxy makes of it.

use crate::support::{Ask, run};

/// Denies what is privileged, and allows the rest.
const POLICY: &str = r#"fn decide(req) {
    let host = req.json().HostConfig;
    if host.Privileged == true { deny("privileged"); }
    for text in host.Binds { deny("binds"); }
    for mount in host.Mounts { if mount.Type == "bind" { deny("mounts"); } }
    if host.NetworkMode == "host" { deny("network"); }
    if host.MaskedPaths != () { deny("masked"); }
    for word in host.CapAdd { deny(`cap ${word}`); }
    allow()
}"#;

#[track_caller]
fn check(body: impl Into<Vec<u8>>, expected: &str) {
    let body = body.into();
    let ask = Ask::new("POST", "/v1.41/containers/create").body(body.clone());
    let got = run(POLICY, &ask);
    let got = got.strip_prefix("fail p.rhai:").map_or(got.clone(), |log| {
        log.split_once(": ").unwrap().1.to_owned()
    });
    assert!(
        got.starts_with(expected),
        "{}\n{got}",
        String::from_utf8_lossy(&body)
    );
}

#[test]
fn what_is_read() {
    check("{}", "allow");
    check("null", "allow");
    check("", "allow");
    check(" \n\t{\"Image\":\"x\"}\r\n ", "allow");
    check(r#"{"Unknown":1,"HostConfig":{"Nope":[1]}}"#, "allow");
    check(r#"{"HostConfig":{"Privileged":true}}"#, "deny privileged");
    check(
        r#"{"HostConfig":{"Privil\u0065ged":true}}"#,
        "deny privileged",
    );
    check(r#"{"HostConfig":{"CapAdd":"ALL"}}"#, "deny cap ALL");
    check(r#"{"HostConfig":{"CapAdd":["ALL"]}}"#, "deny cap ALL");
    check(r#"{"HostConfig":{"Binds":[null]}}"#, "deny binds");
    check(r#"{"HostConfig":{"MaskedPaths":[]}}"#, "deny masked");
    check(r#"{"HostConfig":null}"#, "allow");
    check(
        r#"{"Labels":{"a":"1","A":"2","hostconfig":"x","Privileged":"y"}}"#,
        "allow",
    );
    check(r#"{"Image":"x\ud83d\ude00"}"#, "allow");
}

#[test]
fn keys_that_go_reads_otherwise() {
    let twice = "the body: a key is repeated";
    check(
        r#"{"HostConfig":{"Privileged":true},"HostConfig":{}}"#,
        twice,
    );
    check(r#"{"x":1,"x":1}"#, twice);
    check(r#"{"x":1,"X":1}"#, twice);
    check(r#"{"k":1,"K":1}"#, twice);
    check(
        r#"{"Labels":{"a":"1","a":"2"}}"#,
        "Labels: a key is repeated",
    );
    check(
        r#"{"Labels":{"a":"1","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":"","a":"2"}}"#,
        "Labels: a key is repeated",
    );
    check(
        r#"{"HostConfig":{"Binds":["/:/h"],"Binds":[null]}}"#,
        "HostConfig: a key is repeated",
    );
    check(
        r#"{"hostconfig":{}}"#,
        "the body: the field HostConfig is misspelled",
    );
    check(
        r#"{"Ho\u017ftConfig":{}}"#,
        "the body: the field HostConfig is misspelled",
    );
    check(
        "{\"HostConfig\":{\"Networ\u{212a}Mode\":\"host\"}}",
        "HostConfig: the field NetworkMode is misspelled",
    );
    check(
        r#"{"HostConfig":{"Mounts":[{"type":"bind"}]}}"#,
        "Mounts: the field Type is misspelled",
    );
    check(
        r#"{"Privileged":true}"#,
        "the body: the field Privileged belongs in HostConfig",
    );
    check(
        r#"{"memory":1,"HostConfig":{}}"#,
        "the body: the field Memory belongs in HostConfig",
    );
}

#[test]
fn values_that_fit_no_field() {
    check(r#"{"HostConfig":[]}"#, "HostConfig must be an object");
    check(r#"{"HostConfig":"x"}"#, "HostConfig must be an object");
    check(r#"{"HostConfig":{"Binds":"/:/h"}}"#, "Binds must be a list");
    check(r#"{"HostConfig":{"Mounts":{}}}"#, "Mounts must be a list");
    check(
        r#"{"HostConfig":{"Mounts":[[]]}}"#,
        "Mounts must be an object",
    );
    check("[]", "the body must be an object");
    check("1", "the body must be an object");
}

#[test]
fn what_is_not_json() {
    for body in [
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "[1,]",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":nul}",
        "{\"a\":True}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"",
        "\u{feff}{}",
        "{\"a\":1 \"b\":2}",
        "//",
        "{}//",
        "NaN",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\",
    ] {
        let ask = Ask::new("POST", "/containers/create").body(body);
        let got = run(POLICY, &ask);
        assert!(got.starts_with("fail"), "{body}: {got}");
    }
    check("{}{}", "there is more after the JSON value");
    check("{} x", "there is more after the JSON value");
    check(b"{\"a\":\"\xff\"}".to_vec(), "the body is not valid UTF-8");
    check(r#"{"a":"\ud800"}"#, "a string has a lone surrogate");
    check(r#"{"a":"\ud800\u0041"}"#, "a string has a lone surrogate");
    check(r#"{"a":"\udc00"}"#, "a string has a lone surrogate");
    check(r#"{"a":9223372036854775808}"#, "a number is too large");
    check(r#"{"a":1e999}"#, "a number is too large");
    check(
        format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100)),
        "the body is nested more than 64 deep",
    );
}

#[test]
fn bodies_that_are_coded() {
    for (name, value, allowed) in [
        ("Content-Encoding", "gzip", false),
        ("content-encoding", "GZIP, identity", false),
        ("Content-Encoding", "identity", true),
        ("Content-Type", "application/json; charset=utf-16", true),
    ] {
        let ask = Ask::new("POST", "/containers/create")
            .header(name, value)
            .body("{}");
        assert_eq!(run(POLICY, &ask) == "allow", allowed, "{name}: {value}");
    }
}

/// A field that this version of doxy does not know is looked up as the engine would.
#[test]
fn unknown_fields_in_another_spelling() {
    let policy =
        "fn decide(req) { if req.json().HostConfig[\"Brandnew\"] == true { deny(\"x\") } allow() }";
    for (key, expected) in [
        ("Brandnew", "deny"),
        ("brandnew", "fail"),
        ("Branded", "allow"),
    ] {
        let ask = Ask::new("POST", "/containers/create")
            .body(format!(r#"{{"HostConfig":{{"{key}":true}}}}"#));
        let got = run(policy, &ask);
        assert!(got.starts_with(expected), "{key}: {got}");
    }
}

#[test]
fn a_typing_error_of_the_policy_is_found_by_the_first_body_that_has_the_field() {
    let policy = "fn decide(req) { if req.json().HostConfig[\"privileged\"] == true { deny(\"x\") } allow() }";
    let ask = Ask::new("POST", "/containers/create").body(r#"{"HostConfig":{"Privileged":true}}"#);
    assert!(run(policy, &ask).starts_with("fail"));
}
