//! What is learned from an access log.

use super::{learn, rules};

#[test]
fn a_log_is_learned_from() {
    let log = r#"{"time":"x","uid":0,"gid":0,"pid":1,"method":"GET","path":"/v1.41/containers/a b/logs","verdict":"would_deny"}
{"time":"x","method":"GET","path":"/containers/json","verdict":"allowed"}
not a record
{"time":"x","lost":3}
{"time":"x","method":"GET","path":"/containers/json/json","verdict":"allowed"}
{"time":"x","method":"GET","path":"/volumes/x","verdict":"denied"}
{"time":"x","method":null,"path":null,"verdict":"refused"}
{"time":"x","method":"GET","path":"/evil\\u{a}POST /containers/create","verdict":"denied"}
{"time":"x","method":"GET","path":"/<script>","verdict":"denied"}
{"time":"x","method":"GE"#;
    let args = [
        "--from",
        "log",
        "--out",
        "out",
        "--accept-risk",
        "secrets,exec",
    ];
    let (ended, out) = learn(&args, &[("log", log)]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let text = out.unwrap();
    assert_eq!(
        rules(&text),
        [
            r"GET (/v[\d.]+)?/containers/json",
            r"GET (/v[\d.]+)?/containers/[^/]+/json",
            r"GET (/v[\d.]+)?/containers/[^/]+/logs",
        ]
    );
    assert!(text.contains("\n#   GET /<script>\n"), "{text}");
    for words in [
        "log:3: not a JSON object; left out",
        "log:8: a path that doxy would have refused; left out",
        "log:10: the line is cut; left out",
        "3 requests: lost by the log",
        "NOT allowed: GET /volumes/{name:.*}: the policy in force denied it, and nothing is learned \
         against a policy",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {ended}");
    }
    // What was denied is not learned by accepting more.
    assert!(!ended.stderr.contains("the tool needs"), "{ended}");
}

#[test]
fn a_file_that_is_no_log_is_an_error_and_nothing_is_written() {
    let text = "2026-01-01T00:00:00.000Z 200 allowed GET /info uid=0 gid=0 pid=1\n".repeat(200);
    for (log, words) in [
        (
            &*text,
            "log:1: this is the text format; write the log with log-format json",
        ),
        ("127.0.0.1 - - \"GET /info\"\n", "log:1: not a JSON object"),
        (
            "\n\n{\"level\":\"info\"}\n",
            "log:3: no record of doxy: it has no `verdict`",
        ),
    ] {
        let (ended, out) = learn(&["--from", "log", "--out", "out"], &[("log", log)]);
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(words), "{words}: {ended}");
        assert_eq!(out, None);
    }
    let (ended, _) = learn(&["--from", "nowhere"], &[]);
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(ended.stderr.contains("nowhere: no such file"), "{ended}");
}
