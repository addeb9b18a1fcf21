//! What a policy makes of a request: bodies, queries and headers as the engine is to get them.

use doxy_script::{Decision, Rewrite, Script};

use crate::support::{Ask, run, words};

/// What a policy with this expression answers to a create with this body.
#[track_caller]
fn rewrite(expression: &str, body: &str) -> Decision {
    let source = format!("fn decide(req) {{ {expression} }}");
    let script = Script::compile("p.rhai", source.as_bytes())
        .unwrap_or_else(|error| panic!("{error}\n{source}"));
    let ask = Ask::new("POST", "/v1.41/containers/create?name=a&platform=").body(body);
    ask.of(&script, None)
}

#[track_caller]
fn made(expression: &str, body: &str) -> String {
    match rewrite(&format!("allow_with({expression})"), body) {
        Decision::Rewrite(Rewrite {
            body: Some(body), ..
        }) => body,
        other => panic!("{expression} of {body}: {}", words(&other)),
    }
}

#[test]
fn each_function_narrows_and_changes_nothing_twice() {
    for (function, body, expected) in [
        (
            "to_map()",
            r#"{"Image":"a","Env":["A=b"],"N":null,"F":0.5,"B":true}"#,
            r#"{"B":true,"Env":["A=b"],"F":0.5,"Image":"a","N":null}"#,
        ),
        (
            "with_field(\"Image\", \"b\")",
            r#"{"Image":"a"}"#,
            r#"{"Image":"b"}"#,
        ),
        (
            "with_field(\"HostConfig.Init\", true)",
            r#"{"Image":"a"}"#,
            r#"{"HostConfig":{"Init":true},"Image":"a"}"#,
        ),
        (
            "with_field(\"HostConfig.LogConfig.Config\", #{\"max-size\": \"10m\"})",
            r#"{"HostConfig":{"LogConfig":null}}"#,
            r#"{"HostConfig":{"LogConfig":{"Config":{"max-size":"10m"}}}}"#,
        ),
        (
            "without_field(\"HostConfig.Binds\")",
            r#"{"HostConfig":{"Binds":["/:/x"],"Init":true}}"#,
            r#"{"HostConfig":{"Init":true}}"#,
        ),
        ("without_field(\"HostConfig.Binds\")", "{}", "{}"),
        (
            "with_label(\"a.b\", \"c\")",
            r#"{"Labels":{"a.b":"x","d":"e"}}"#,
            r#"{"Labels":{"a.b":"c","d":"e"}}"#,
        ),
        (
            "with_label(\"a\", \"c\")",
            r#"{"Labels":null}"#,
            r#"{"Labels":{"a":"c"}}"#,
        ),
        (
            "as_user(1000, 100)",
            r#"{"User":"root","HostConfig":{"GroupAdd":["0"]}}"#,
            r#"{"HostConfig":{},"User":"1000:100"}"#,
        ),
        (
            "as_user(1000, 100)",
            r#"{"Cmd":["id"]}"#,
            r#"{"Cmd":["id"],"User":"1000:100"}"#,
        ),
        (
            "with_read_only_root()",
            "{}",
            r#"{"HostConfig":{"ReadonlyRootfs":true}}"#,
        ),
        (
            "with_read_only_root()",
            r#"{"HostConfig":{"ReadonlyRootfs":false}}"#,
            r#"{"HostConfig":{"ReadonlyRootfs":true}}"#,
        ),
        (
            "memory_at_most(1000)",
            "{}",
            r#"{"HostConfig":{"Memory":1000,"MemorySwap":1000}}"#,
        ),
        (
            "memory_at_most(1000)",
            r#"{"HostConfig":{"Memory":500,"MemorySwap":-1}}"#,
            r#"{"HostConfig":{"Memory":500,"MemorySwap":500}}"#,
        ),
        (
            "memory_at_most(1000)",
            r#"{"HostConfig":{"Memory":500,"MemorySwap":900}}"#,
            r#"{"HostConfig":{"Memory":500,"MemorySwap":900}}"#,
        ),
        (
            "memory_at_most(1000)",
            r#"{"HostConfig":{"Memory":-1,"MemorySwap":5000}}"#,
            r#"{"HostConfig":{"Memory":1000,"MemorySwap":1000}}"#,
        ),
        (
            "cpus_at_most(1.5)",
            "{}",
            r#"{"HostConfig":{"NanoCpus":1500000000}}"#,
        ),
        (
            "cpus_at_most(2)",
            r#"{"HostConfig":{"NanoCpus":500}}"#,
            r#"{"HostConfig":{"NanoCpus":500}}"#,
        ),
        (
            "cpus_at_most(2)",
            r#"{"HostConfig":{"CpuQuota":50000,"CpuPeriod":0}}"#,
            r#"{"HostConfig":{"NanoCpus":500000000}}"#,
        ),
        (
            "cpus_at_most(2)",
            r#"{"HostConfig":{"CpuQuota":-1,"CpuPeriod":1000}}"#,
            r#"{"HostConfig":{"NanoCpus":2000000000}}"#,
        ),
        (
            "cpus_at_most(2)",
            r#"{"HostConfig":{"CpuQuota":9223372036854775807,"CpuPeriod":1}}"#,
            r#"{"HostConfig":{"NanoCpus":2000000000}}"#,
        ),
        // A quota that rounds to none.
        (
            "cpus_at_most(2)",
            r#"{"HostConfig":{"CpuQuota":1,"CpuPeriod":9223372036854775807}}"#,
            r#"{"HostConfig":{"NanoCpus":1}}"#,
        ),
        (
            "pids_at_most(10)",
            r#"{"HostConfig":{"PidsLimit":-1}}"#,
            r#"{"HostConfig":{"PidsLimit":10}}"#,
        ),
        (
            "pids_at_most(10)",
            r#"{"HostConfig":{"PidsLimit":5}}"#,
            r#"{"HostConfig":{"PidsLimit":5}}"#,
        ),
        (
            "in_cgroup(\"/ci\")",
            r#"{"HostConfig":{"CgroupParent":"/"}}"#,
            r#"{"HostConfig":{"CgroupParent":"/ci"}}"#,
        ),
        (
            "on_network(\"n\")",
            r#"{"HostConfig":{"NetworkMode":"host"},"NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":["a"]},"m":{}}}}"#,
            r#"{"HostConfig":{"NetworkMode":"n"},"NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":["a"]}}}}"#,
        ),
        (
            "on_network(\"n\")",
            "{}",
            r#"{"HostConfig":{"NetworkMode":"n"}}"#,
        ),
        (
            "without_capabilities()",
            r#"{"HostConfig":{"CapAdd":["ALL"],"CapDrop":["KILL"],"Privileged":true}}"#,
            r#"{"HostConfig":{"CapDrop":["ALL"]}}"#,
        ),
        (
            "with_no_new_privileges()",
            r#"{"HostConfig":{"SecurityOpt":["no-new-privileges=false","seccomp=x"]}}"#,
            r#"{"HostConfig":{"SecurityOpt":["seccomp=x","no-new-privileges"]}}"#,
        ),
        (
            "with_bind(\"/srv:/srv:ro\")",
            r#"{"HostConfig":{"Binds":null}}"#,
            r#"{"HostConfig":{"Binds":["/srv:/srv:ro"]}}"#,
        ),
        (
            "with_device(\"/dev/a\", \"/dev/b\", \"r\")",
            "{}",
            r#"{"HostConfig":{"Devices":[{"CgroupPermissions":"r","PathInContainer":"/dev/b","PathOnHost":"/dev/a"}]}}"#,
        ),
    ] {
        let expression = format!("req.json().{function}");
        let once = made(&expression, body);
        assert_eq!(once, expected, "{expression} of {body}");
        assert_eq!(made(&expression, &once), once, "{expression} of {once}");
    }
}

#[test]
fn what_cannot_be_made_is_a_failure() {
    for (expression, body, words) in [
        ("allow_with(req)", "{}", "JSON has no value of type"),
        (
            "allow_with(#{ a: allow() })",
            "{}",
            "JSON has no value of type",
        ),
        ("allow_with(1e300 * 1e300)", "{}", "JSON has no number"),
        (
            "allow_with([].memory_at_most(1))",
            "{}",
            "a body to be changed is an object or a map",
        ),
        (
            "allow_with(req.json().memory_at_most(0))",
            "{}",
            "a limit is more than zero",
        ),
        (
            "allow_with(req.json().memory_at_most(-1))",
            "{}",
            "a limit is more than zero",
        ),
        (
            "allow_with(req.json().cpus_at_most(0.0))",
            "{}",
            "a limit is more than zero",
        ),
        (
            "allow_with(req.json().as_user(-1, 0))",
            "{}",
            "-1:0 is no user",
        ),
        (
            "allow_with(req.json().as_user(req.peer.uid, 0))",
            "{}",
            "as_user",
        ),
        (
            "allow_with(req.json().memory_at_most(5))",
            r#"{"HostConfig":{"Memory":0.5}}"#,
            "Memory is not a whole number",
        ),
        (
            "allow_with(req.json().with_bind(\"a\"))",
            r#"{"HostConfig":{"Binds":"b"}}"#,
            "Binds must be a list",
        ),
        (
            "allow_with(req.json().with_field(\"Image.x\", 1))",
            r#"{"Image":"a"}"#,
            "Image is not an object",
        ),
        (
            "pass().with_query(\"a\", \"b\")",
            "{}",
            "what the rules decide cannot be changed",
        ),
        (
            "allow().with_header(\"Host\", \"b\")",
            "{}",
            "the header \"host\" cannot be set",
        ),
        (
            "allow().with_header(\"Content-Length\", \"5\")",
            "{}",
            "the header \"content-length\" cannot be set",
        ),
        (
            "allow().with_header(\"X-A\\r\\nB\", \"5\")",
            "{}",
            "cannot be set",
        ),
        ("allow().with_header(\"X-\", \"5\")", "{}", "cannot be set"),
        (
            "allow().with_header(\"X-Doxy-Request-Id\", \"5\")",
            "{}",
            "cannot be set",
        ),
        (
            "allow().with_header(\"X-A\", \"b\\r\\nHost: c\")",
            "{}",
            "printable ASCII",
        ),
    ] {
        let said = words_of(expression, body);
        assert!(
            said.starts_with("fail ") && said.contains(words),
            "{expression}: {said}"
        );
    }
}

fn words_of(expression: &str, body: &str) -> String {
    words(&rewrite(expression, body))
}

#[test]
fn queries_and_headers_are_set_once() {
    let set = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let decision = rewrite(
        r#"allow().with_query("a", "1").with_query("name", prefixed(req.query.name, "t-"))
            .with_query("a", "2").with_header("X-Team", "a").with_header("x-team", "b")"#,
        "{}",
    );
    let expected = Rewrite {
        body: None,
        query: set(&[("name", "t-a"), ("a", "2")]),
        headers: set(&[("x-team", "b")]),
    };
    assert_eq!(decision, Decision::Rewrite(expected.clone()));
    assert_eq!(
        expected
            .query_instead_of(Some("a=0&name=x&b=%20&a=3"))
            .as_deref(),
        Some("b=%20&name=t-a&a=2")
    );
    assert_eq!(
        words_of("prefixed(\"t-a\", \"t-\") == \"t-a\" ; deny(\"ok\")", "{}"),
        "deny ok"
    );
}

#[test]
fn a_changed_verdict_has_to_be_used() {
    for body in [
        "allow_with(#{}); pass()",
        "allow().with_query(\"a\", \"b\"); pass()",
        "if req.method == \"GET\" { allow_with(#{}).with_header(\"X-A\", \"b\"); } pass()",
    ] {
        let source = format!("fn decide(req) {{ {body} }}");
        let error = Script::compile("p.rhai", source.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains("has no effect"), "{body}: {error}");
    }
    let used = "let verdict = allow(); let verdict = verdict.with_query(\"a\", \"b\"); verdict";
    let said = run(
        &format!("fn decide(req) {{ {used} }}"),
        &Ask::new("GET", "/info"),
    );
    assert!(said.starts_with("rewrite "), "{said}");
}
