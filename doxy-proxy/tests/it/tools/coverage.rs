//! `doxy coverage`: what is printed, written and compared.

use std::fs;

use doxy_filter::api::endpoints;
use serde_json::{Value, json};

use crate::support::Setup;
use crate::support::process::Ended;

const RULES: &str =
    "(/v[\\d.]+)?/containers/[^/]+/json\n/containers/vault/top\n!/containers/prod-x/json\n";

#[track_caller]
fn coverage(args: &[&str], files: &[(&str, &str)]) -> Ended {
    let setup = files
        .iter()
        .fold(Setup::new(), |setup, (name, text)| setup.file(name, text));
    setup.args(["coverage"]).args(args).run()
}

#[track_caller]
fn json_of(args: &[&str], files: &[(&str, &str)]) -> Vec<Value> {
    let ended = coverage(&[args, &["--format", "json"]].concat(), files);
    assert_eq!(ended.code, Some(0), "{ended}");
    let got: Value = serde_json::from_str(&ended.stdout).unwrap();
    got["endpoints"].as_array().unwrap().clone()
}

/// The endpoints that are not denied, as `ACCESS METHOD TEMPLATE`.
fn open(rows: &[Value]) -> Vec<String> {
    let open = rows.iter().filter(|row| row["access"] != "denied");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    open.map(|row| {
        ["access", "method", "endpoint"]
            .map(|key| text(row, key))
            .join(" ")
    })
    .collect()
}

#[test]
fn programs_get_every_endpoint_with_stable_keys() {
    let rows = json_of(
        &["--pattern-file", "f"],
        &[("f", "GET,POST (/v[\\d.]+)?/_ping\n/images/get")],
    );
    assert_eq!(rows.len(), endpoints().count());
    assert_eq!(
        open(&rows),
        ["allowed GET /images/get"]
            .map(|it| it.replace("allowed", "partly"))
            .into_iter()
            .chain([
                "allowed GET /_ping".to_owned(),
                "allowed HEAD /_ping".to_owned()
            ])
            .collect::<Vec<_>>()
    );
    let get = rows
        .iter()
        .find(|row| row["endpoint"] == "/images/get")
        .unwrap();
    assert_eq!(
        *get,
        json!({
            "method": "GET",
            "endpoint": "/images/get",
            "access": "partly",
            "risks": ["secrets", "files-out", "dos"],
        })
    );
}

#[test]
fn people_read_what_is_open_and_what_it_gives() {
    let files = [("f", RULES)];
    let ended = coverage(&["--pattern-file", "f"], &files);
    assert_eq!(ended.code, Some(0), "{ended}");
    let denied = endpoints().count() - 2;
    assert_eq!(
        ended.stdout,
        format!(
            "\
partly   GET      /containers/{{name:.*}}/json  secrets, info
partly   GET      /containers/{{name:.*}}/top   secrets, dos, info

allowed: 0; partly: 2; denied: {denied} (--all lists them)
endpoints that are open, by what they give: secrets 2, dos 1, info 2
"
        )
    );
    let all = coverage(&["--pattern-file", "f", "--all"], &files);
    assert_eq!(all.stdout.lines().count(), endpoints().count() + 3, "{all}");
    let none = coverage(&["--pattern-file", "f"], &[("f", "!.*")]);
    assert!(
        none.stdout.starts_with("allowed: 0; partly: 0; denied: "),
        "{none}"
    );
    assert!(
        none.stdout.ends_with("what is open is harmless\n"),
        "{none}"
    );
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let name = "<script>alert(1).pattern";
    for (out, force, code, words) in [
        ("new.html", &[][..], 0, "written: new.html"),
        ("old", &[], 2, "the file exists"),
        ("old", &["--force"], 0, "written: old"),
        ("missing/new", &[], 2, "there is no such folder"),
    ] {
        let mut setup = Setup::new().file(name, RULES).file("old", "kept");
        let path = setup.path(out);
        let args = [
            "coverage",
            "--format=html",
            "--pattern-file",
            name,
            "--out",
            out,
        ];
        setup = setup.args(args).args(force);
        let ended = setup.run();
        assert_eq!(
            (ended.code, &*ended.stdout),
            (Some(code), ""),
            "{out}: {ended}"
        );
        assert!(ended.stderr.contains(words), "{out}: {ended}");
        let text = fs::read_to_string(path).unwrap_or_default();
        match code {
            0 => {
                assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"));
                assert!(
                    text.contains("&lt;script&gt;alert(1).pattern")
                        && !text.contains("<script>alert")
                );
            }
            _ => assert!(["", "kept"].contains(&&*text), "{text}"),
        }
    }
}

#[test]
fn two_policies_are_compared() {
    let files = [
        (
            "old",
            "(/v[\\d.]+)?/info\n(/v[\\d.]+)?/images/json\n/events\n",
        ),
        (
            "new",
            "(/v[\\d.]+)?/info\nPOST (/v[\\d.]+)?/containers/create\n(/v[\\d.]+)?/events\n",
        ),
        ("script.rhai", "fn decide(req) { pass() }"),
        ("other.json", "{\"endpoints\": [{\"method\": 1}]}"),
    ];
    let ended = coverage(&["--diff", "old", "new"], &files);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(
        ended.stdout,
        " denied -> allowed  POST /containers/create  (host-root, exec, files-out, files-in, state, egress)
 partly -> allowed  GET /events  (dos, info)
allowed -> denied   GET /images/json  (dos, info)
more open: 2; less open: 1
"
    );
    assert_eq!(
        coverage(&["--diff", "old", "old"], &files).stdout,
        "more open: 0; less open: 0\n"
    );
    // What was printed for programs is compared like the rules that it was printed for.
    let printed = coverage(
        &["--pattern-file", "f", "--format", "json"],
        &[("f", files[0].1)],
    );
    let with_printed = [("old.json", &*printed.stdout), files[1]];
    assert_eq!(
        coverage(&["--diff", "old.json", "new"], &with_printed).stdout,
        ended.stdout
    );
    let rows = json_of(&["--diff", "old", "new"], &files);
    assert_eq!(rows.len(), 3);
    assert_eq!(
        rows[0],
        json!({
            "method": "POST",
            "endpoint": "/containers/create",
            "access": "allowed",
            "was": "denied",
            "risks": ["host-root", "exec", "files-out", "files-in", "state", "egress"],
        })
    );
    for (args, words) in [
        (&["--diff", "old", "missing"][..], "missing: no such file"),
        (
            &["--diff", "old", "script.rhai"],
            "a script is asked, not compared",
        ),
        (
            &["--diff", "old", "other.json"],
            "not what `doxy coverage` prints",
        ),
        (
            &["--diff", "old", "new", "--format", "html"],
            "not for --diff",
        ),
        (&["--diff", "old"], "--diff"),
        (&["--force"], "--out"),
    ] {
        let ended = coverage(args, &files);
        assert_eq!(
            (ended.code, &*ended.stdout),
            (Some(2), ""),
            "{args:?}: {ended}"
        );
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
}

#[cfg(feature = "script")]
#[test]
fn a_script_is_asked_with_typical_requests() {
    let script = r#"
fn decide(req) {
    if req.endpoint == "/info" { return allow(); }
    if req.endpoint == "/version" { let n = req.method - 1; return allow(); }
    if req.endpoint == "/events" { if "since" in req.query { return deny("no since"); } return allow(); }
    if req.endpoint == "/containers/create" {
        if !("name" in req.query) { return deny("a name is needed"); }
        return allow();
    }
    if req.endpoint == "/networks/create" { 
        if req.json().Driver == "host" { return deny("no host"); }
        return allow();
    }
    if req.endpoint == "/auth" { if req.json().username == "me" { return allow(); } return deny("only me"); }
    if req.method == "POST" { return deny("no"); }
    pass()
}
"#;
    let files = [
        ("policy.rhai", script),
        (
            "f",
            "(/v[\\d.]+)?/_ping\nPOST (/v[\\d.]+)?/volumes/prune\n/nodes\n",
        ),
    ];
    let args = ["--script", "policy.rhai", "--pattern-file", "f"];
    let rows = json_of(&args, &files);
    assert_eq!(
        open(&rows),
        [
            // The script asks for no method: objects can have the name `create`, and the engine knows
            // OPTIONS for each path.
            "partly OPTIONS /{anyroute:.*}",
            "partly POST /containers/create",
            "partly DELETE /containers/{name:.*}",
            "partly GET /networks/{id:.+}",
            "partly POST /networks/create",
            "partly DELETE /networks/{id:.*}",
            "allowed GET /_ping",
            "allowed HEAD /_ping",
            "partly GET /events",
            "allowed GET /info",
            "partly POST /auth",
            "partly GET /nodes",
        ]
    );
    // A script that fails is a denial, and breaks nothing.
    let ended = coverage(&args, &files);
    assert!(
        ended
            .stderr
            .contains("requests at which the script failed, each a denial: "),
        "{ended}"
    );
    assert!(ended.stdout.contains("a script decides"), "{ended}");
}

#[test]
fn of_several_sockets_one_is_named() {
    let toml = "[socket.a]\nproxy-socket = \"a\"\npatterns = \"/info\"\n\
                [socket.b]\nproxy-socket = \"b\"\npatterns = \"/events\"\n";
    for (args, code, words) in [
        (&[][..], 2, "the configuration has several sockets"),
        (&["--socket", "b"], 0, "partly   GET      /events"),
    ] {
        let ended = Setup::new()
            .config(toml)
            .args(["coverage"])
            .args(args)
            .run();
        assert_eq!(ended.code, Some(code), "{ended}");
        assert!(ended.to_string().contains(words), "{ended}");
    }
}
